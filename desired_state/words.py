"""The words of the desired-state file: what names, ARNs, tags and texts may look like, and how to mend one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema

from desired_state.values import shown, wrong


def _matching(pattern: str, rule: str) -> Callable[[str], str]:
    whole = re.compile(pattern)

    def check(text: str) -> str:
        if whole.fullmatch(text):
            return text
        if text.startswith("arn:"):
            last = re.split("[:/]", text)[-1]
            raise wrong("takes a name, not an ARN", f"write the last part of the ARN, {shown(last)}")
        raise wrong(f"{shown(text)} is not possible here", f"write {rule}")

    return check


def _text(check: Callable[[str], str], pattern: str) -> tuple[AfterValidator, WithJsonSchema]:
    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$"})


def _word(pattern: str, rule: str) -> tuple[AfterValidator, WithJsonSchema]:
    return _text(_matching(pattern, rule), pattern)


_ENTRY: Final = "[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_ECS: Final = "[A-Za-z0-9_-]{1,255}"
_ELB: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?"
_ROLE: Final = r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,576}"
_LISTENER: Final = (
    r"arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:listener/app/[A-Za-z0-9-]+/[0-9a-f]+/[0-9a-f]+"
)

EntryName = Annotated[
    str, *_word(_ENTRY, "1 to 63 plain letters, digits, dots, underscores and hyphens, the first a letter or a digit")
]
EcsName = Annotated[str, *_word(_ECS, "1 to 255 plain letters, digits, underscores and hyphens")]
LoadBalancerName = Annotated[
    str, *_word(_ELB, "1 to 32 plain letters, digits and hyphens, with no hyphen at either end")
]
Region = Annotated[str, *_word("[a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2}", "the code of an AWS region, such as us-east-1")]
Account = Annotated[str, *_word("[0-9]{12}", 'the 12 digits of the AWS account in quotes, such as "123456789012"')]


def _arn(pattern: str, example: str) -> tuple[AfterValidator, WithJsonSchema]:
    whole = re.compile(pattern)

    def check(text: str) -> str:
        if not whole.fullmatch(text):
            raise wrong(f"{shown(text)} is not such an ARN", f"write one like {example}")
        return text

    return _text(check, pattern)


RoleArn = Annotated[str, *_arn(_ROLE, "arn:aws:iam::123456789012:role/trueup")]
ListenerArn = Annotated[
    str,
    *_arn(
        _LISTENER,
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/name/0123456789abcdef/0123456789abcdef",
    ),
]


def _check_secret(text: str) -> str:
    # The text is never shown: somebody may have pasted the secret itself.
    if text.startswith("arn:"):
        raise wrong(
            "takes the name of a secret, not its ARN",
            "write its name: the last part of the ARN, without the hyphen and the six characters at its end",
        )
    if not re.fullmatch("[A-Za-z0-9/_+=.@-]{1,512}", text):
        raise wrong(
            "is not the name of a secret", "write the name that the secret has in Secrets Manager, never its content"
        )
    return text


SecretName = Annotated[str, *_text(_check_secret, "[A-Za-z0-9/_+=.@-]{1,512}")]

_INSTANCE: Final = "[A-Za-z](?:-?[A-Za-z0-9]){0,62}"
_SNAPSHOT: Final = "(?:rds:|awsbackup:)?[A-Za-z](?:-?[A-Za-z0-9]){0,254}"
_SNAPSHOT_ARN: Final = rf"arn:aws[a-z-]*:rds:[a-z0-9-]+:[0-9]{{12}}:snapshot:{_SNAPSHOT}"
_DOMAIN: Final = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?"


def _lower(text: str) -> str:
    """RDS and DNS do not tell capitals from small letters, and keep the small ones."""
    return text.lower().rstrip(".")


def _plain(text: str) -> str:
    if re.fullmatch("[ -~]{1,2048}", text):
        return text
    raise wrong(f"{shown(text)} is not possible here", "write it as AWS shows it")


def _check_instance(text: str) -> str:
    whole = re.fullmatch(_INSTANCE, text)
    if whole and len(text) <= 63:
        return text.lower()
    raise wrong(
        f"{shown(text)} cannot be the name of a database instance",
        "write 1 to 63 plain letters, digits and single hyphens, beginning with a letter",
    )


def _check_snapshot(text: str) -> str:
    if re.fullmatch(f"{_SNAPSHOT}|{_SNAPSHOT_ARN}", text) and len(text) <= 512:
        return text
    raise wrong(
        f"{shown(text)} is not a snapshot",
        "write its name as AWS shows it (rds:… for an automated one), or its ARN if it is shared from another account",
    )


InstanceName = Annotated[str, *_text(_check_instance, _INSTANCE)]
SnapshotName = Annotated[str, *_text(_check_snapshot, f"{_SNAPSHOT}|{_SNAPSHOT_ARN}")]
SecurityGroup = Annotated[str, *_word("sg-[0-9a-f]{8,17}", "the id of a security group, such as sg-0123456789abcdef0")]
AwsWord = Annotated[str, *_text(_plain, "[ -~]{1,2048}")]
VersionId = Annotated[
    str, *_word("[A-Za-z0-9-]{32,64}", "the id of a version of the secret: 32 to 64 letters, digits and hyphens")
]
RecordName = Annotated[
    str,
    *_word(_DOMAIN, "the full name of the record, such as db.example.internal"),
    AfterValidator(_lower),
]
ZoneName = Annotated[
    str,
    *_word(f"Z[A-Z0-9]{{5,31}}|{_DOMAIN}", "the name of a hosted zone, such as example.internal, or its id"),
    AfterValidator(lambda text: text if "." not in text else _lower(text)),
]

_TAG: Final = "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_DIGEST: Final = "sha256:[0-9a-f]{64}"


def _check_tag(text: str) -> str:
    if text.lower() == "latest":
        raise wrong("latest moves with every push, so it pins nothing", "write a tag that does not move, or a digest")
    if re.fullmatch(_DIGEST, text) or re.fullmatch(_TAG, text):
        return text
    if text.lower().startswith("sha256:"):
        raise wrong(
            "is not a whole digest", "write sha256: followed by 64 digits and letters from a to f, all lower case"
        )
    if "/" in text or ":" in text:
        raise wrong(
            f"{shown(text)} names more than a tag",
            "write only what stands after the last colon: the repository is the container's own",
        )
    raise wrong(
        f"{shown(text)} is not an image tag",
        "write 1 to 128 plain letters, digits, dots, underscores and hyphens, the first not a dot or a hyphen",
    )


ImageTag = Annotated[str, *_text(_check_tag, f"{_TAG}|{_DIGEST}")]


def _check_variable(name: str) -> str:
    if not re.fullmatch("[!-<>-~]{1,255}", name):
        raise wrong(
            f"{shown(name)} cannot be the name of a variable",
            'write 1 to 255 plain characters, without spaces and without "="',
        )
    return name


def _check_variable_value(text: str) -> str:
    if "\0" in text:
        raise wrong("holds a NUL character, which no process can receive", "remove it")
    return text


VariableName = Annotated[str, *_text(_check_variable, "[!-<>-~]{1,255}")]
VariableValue = Annotated[str, AfterValidator(_check_variable_value)]


def _check_message(text: str) -> str:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > 1024:
        raise wrong(f"is {size} bytes long and a load balancer sends at most 1024", "write a shorter message")
    if re.search(r"[^\t\n\r\x20-\x7e\xa0-\U0010ffff]", text):
        raise wrong("holds a control character", "remove it")
    return text


Message = Annotated[str, AfterValidator(_check_message), WithJsonSchema({"type": "string", "maxLength": 1024})]


def _check_status(code: int) -> int:
    if not (200 <= code <= 299 or 400 <= code <= 599):
        raise wrong(f"a fixed response cannot have the status {code}", "write a status from 200 to 299 or 400 to 599")
    return code


StatusCode = Annotated[
    int,
    AfterValidator(_check_status),
    WithJsonSchema({"type": "integer", "anyOf": [{"minimum": 200, "maximum": 299}, {"minimum": 400, "maximum": 599}]}),
]
