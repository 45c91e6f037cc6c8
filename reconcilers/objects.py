"""Objects of S3, read as a stream."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from botocore.exceptions import ClientError

from reconcilers.aws import Connection, code
from reconcilers.contract import Absent

_CHUNK: Final = 1024 * 1024  # bytes


@dataclass(frozen=True)
class Object:
    """An object that is being read: its size in bytes, and its content, piece by piece, once."""

    actions: ClassVar[tuple[str, ...]] = ("s3:GetObject",)  # the IAM actions that reading it needs

    size: int
    content: Iterator[bytes]


def read(connection: Connection, bucket: str, key: str) -> Object:
    """GetObject. Absent: there is no such object. A connection that breaks on the way raises from `content`."""
    try:
        told = connection.reading("s3").get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if code(error) in ("NoSuchKey", "NoSuchBucket"):
            what = f"bucket {bucket}" if code(error) == "NoSuchBucket" else f"object {key} in bucket {bucket}"
            raise Absent(f"there is no {what}: correct the name") from error
        raise
    return Object(told["ContentLength"], told["Body"].iter_chunks(_CHUNK))
