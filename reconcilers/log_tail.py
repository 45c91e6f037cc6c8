"""What a container prints, line by line, as CloudWatch Logs has it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from reconcilers.aws import Connection, code

_PAGES = 100  # that are read at once; then whoever follows looks at other things too


@dataclass(frozen=True)
class Log:
    """Where CloudWatch Logs keeps what the container prints; the id of the task ends the name of the stream."""

    region: str | None
    group: str
    stream: str


class Tail:
    """GetLogEvents of one stream, from its first line on; every line comes once."""

    def __init__(self, connection: Connection, log: Log, stream: str) -> None:
        self._connection, self._log, self._stream = connection, log, stream
        self._token = ""

    def lines(self) -> Iterator[str]:
        """What has come since the last call, as it is read. A stream that is not there yet has no lines."""
        logs = self._connection.reading("logs", self._log.region)
        for _ in range(_PAGES):
            token: Any = {"nextToken": self._token} if self._token else {}
            try:
                told = logs.get_log_events(
                    logGroupName=self._log.group, logStreamName=self._stream, startFromHead=True, **token
                )
            except ClientError as error:
                if code(error) == "ResourceNotFoundException":
                    return
                raise
            before, self._token = self._token, told["nextForwardToken"]
            for event in told["events"]:
                yield from event.get("message", "").splitlines() or [""]
            if self._token == before:  # a page may be empty and not the last one
                return


def log_of(container: Mapping[str, Any]) -> Log | None:
    """Where the container of a task definition logs. None: not in CloudWatch Logs, or under a name that nobody told."""
    log = container.get("logConfiguration", {})
    options = log.get("options", {})
    if log.get("logDriver") != "awslogs" or not {"awslogs-group", "awslogs-stream-prefix"} <= options.keys():
        return None
    stream = f"{options['awslogs-stream-prefix']}/{container['name']}"
    return Log(options.get("awslogs-region"), options["awslogs-group"], stream)
