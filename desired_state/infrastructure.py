"""Infrastructure in the desired-state file: a Terraform configuration pinned at a commit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from desired_state.git import Refused, checked_location
from desired_state.values import FROZEN, FrozenMap, Part, Unquoted, printable, shown, wrong

_FULL: Final = "[0-9a-f]{40}|[0-9a-f]{64}"
_IDENTIFIER: Final = "[A-Za-z_][A-Za-z0-9_-]*"
_KEY: Final = r'\[(?:[0-9]{1,9}|"(?:(?![$%]\{)[ !#-\[\]-~]){0,200}")\]'
_MODULES: Final = rf"(?:module\.{_IDENTIFIER}(?:{_KEY})?\.)*"
_RESOURCE: Final = rf"{_MODULES}(?!data\.|module\.){_IDENTIFIER}\.{_IDENTIFIER}(?:{_KEY})?"
_TARGET: Final = rf"(?:{_RESOURCE}|{_MODULES}module\.{_IDENTIFIER}(?:{_KEY})?)"
# What terraform takes, except for what a folder of workspaces would read as itself or as the one above.
_WORKSPACE: Final = r"(?!\.{1,2}$)[A-Za-z0-9_.~$&+=:@][A-Za-z0-9_.~$&+=:@-]{0,89}"
_ID: Final = "[ -~]{1,1024}"
_LONGEST_ADDRESS: Final = 500
_LONGEST_LOCATION: Final = 2048


class Apply(StrEnum):
    """How far trueup may go with a Terraform configuration."""

    NEVER = "never"
    APPROVED = "approved"
    DESTROY_ALLOWED = "destroy_allowed"


def _pattern(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$"})


def _read_commit(value: object) -> object:
    """An id of digits alone is a number to YAML. Quotes around a part of an id would mend nothing."""
    text = value.text if isinstance(value, Unquoted) else str(value) if type(value) is int else ""
    if isinstance(value, Unquoted) and re.fullmatch(_FULL, text):
        raise wrong(f"YAML reads it as {value.reading}", f'write it in quotes: "{text}"')
    return text if re.fullmatch("[0-9a-f]{4,}", text) else value


def _check_commit(text: str) -> str:
    if re.fullmatch(_FULL, text):
        return text
    if re.fullmatch(_FULL, text.lower()):
        raise wrong("git shows ids in small letters", f"write {text.lower()}")
    if re.fullmatch("[0-9a-f]{4,39}", text.lower()):
        raise wrong(
            f"{shown(text)} is only a part of an id", f"write all of it, as git rev-parse {printable(text)} shows it"
        )
    if re.fullmatch("[0-9a-f]{41,}", text.lower()):
        raise wrong(
            f"has {len(text)} digits, and a full id has 40, or 64 with SHA-256",
            "write the full id that git rev-parse shows",
        )
    raise wrong(
        f"{shown(text)} is no commit: a branch or a tag moves, and pins nothing",
        "write the full id that git rev-parse shows",
    )


CommitId = Annotated[
    str,
    BeforeValidator(_read_commit),
    AfterValidator(_check_commit),
    _pattern(_FULL),
]


def _check_repository(location: str) -> str:
    # The text is never shown: it may hold a password.
    if len(location) > _LONGEST_LOCATION:
        raise wrong(f"is longer than {_LONGEST_LOCATION} characters", "write the URL or the path of a repository")
    if _has_password(location):
        raise wrong(
            "holds a password, and no secret may stand in the file",
            "take it out: on the host of --repository the daemon's own credentials are used",
        )
    try:
        checked_location(location)
    except Refused as error:
        message, _, mend = f"{error}".partition("; ")
        raise wrong(printable(message, 200), mend) from None
    return location


def _has_password(location: str) -> bool:
    """Whether a colon stands before the first @: also where a slash in the password ends what git takes for the host.

    An @ of the path behind a port is taken for one too. It can be written %40.
    """
    if location.startswith("/"):
        return False
    user, at, _ = (location.partition("://")[2] or location).partition("@")
    return bool(at) and ":" in user


RepositoryLocation = Annotated[str, AfterValidator(_check_repository)]


def _check_path(text: str) -> str:
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if text.startswith("/") or ".." in parts:
        raise wrong(f"{shown(text)} leads out of the commit", "write a path that starts at its top folder")
    odd = any(part.startswith("-") or part.lower() == ".git" for part in parts)
    if odd or "\\" in text or not text.isprintable():
        raise wrong(f"{shown(text)} is not possible here", "write a path of the commit, with / between its folders")
    return "/".join(parts)


def _check_file(text: str) -> str:
    mend = "write its path inside directory, such as production.tfvars"
    if text.startswith("/") or ".." in text.split("/"):
        raise wrong(f"{shown(text)} leads out of directory", mend)
    path = _check_path(text)
    if not path:
        raise wrong("names no file", mend)
    return path


TreePath = Annotated[str, AfterValidator(_check_path)]
VariablesFile = Annotated[str, AfterValidator(_check_file)]


def _check_workspace(text: str) -> str:
    if not re.fullmatch(_WORKSPACE, text):
        raise wrong(f"{shown(text)} cannot be the name of a workspace", "write it as terraform workspace list shows it")
    return text


Workspace = Annotated[str, AfterValidator(_check_workspace), _pattern(_WORKSPACE)]


def _check_target(text: str) -> str:
    if len(text) > _LONGEST_ADDRESS or not re.fullmatch(_TARGET, text):
        raise wrong(
            f"{shown(text)} is not the address of a resource or a module", "write one such as aws_ecs_cluster.main"
        )
    return text


def _check_resource(text: str) -> str:
    if len(text) > _LONGEST_ADDRESS or not re.fullmatch(_RESOURCE, text):
        raise wrong(f"{shown(text)} is not the address of a resource", "write one such as aws_db_instance.postgresql")
    return text


def _check_targets(targets: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    for target in targets:
        if target in seen:
            raise wrong(f"names {printable(target)} twice", "remove one of the two")
        seen.add(target)
    return targets


def _check_id(text: str) -> str:
    if not re.fullmatch(_ID, text):
        raise wrong(
            f"{shown(text)} is not possible here", "write the id as the provider's documentation of import has it"
        )
    return text


Target = Annotated[str, AfterValidator(_check_target), _pattern(_TARGET)]
ResourceAddress = Annotated[str, AfterValidator(_check_resource), _pattern(_RESOURCE)]
ImportId = Annotated[str, AfterValidator(_check_id), _pattern(_ID)]


def _read_seconds(value: object) -> object:
    """Every other duration of the file has a unit; here it may have one, too."""
    match = re.fullmatch("([0-9]{1,6})([smh])", value) if isinstance(value, str) else None
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else value


Seconds = Annotated[
    int,
    BeforeValidator(_read_seconds),
    Field(ge=5, le=86400),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 5, "maximum": 86400},
                {"type": "string", "pattern": "^[0-9]{1,6}[smh]$"},
            ]
        }
    ),
]


class Infrastructure(Part):
    """A Terraform configuration at a commit. Drift is what terraform plan finds; a rollback is an earlier commit."""

    repository: RepositoryLocation | None = None
    """The repository of the commit, a URL or an absolute path. Unset: the one of this file."""
    commit: CommitId
    """The full id of the commit; a branch or a tag is refused."""
    directory: TreePath = ""
    """The folder of the configuration. Unset: the top folder of the commit."""
    workspace: Workspace | None = None
    """The workspace, which must exist. Unset: the default one."""
    variables_file: VariablesFile | None = None
    """A file of variables, inside directory."""
    targets: Annotated[tuple[Target, ...], AfterValidator(_check_targets)] = ()
    """The addresses of what is looked at and applied. Unset: everything."""
    imports: Annotated[Mapping[ResourceAddress, ImportId], *FROZEN] = FrozenMap({})
    """What exists already and is taken into the state, once: its id by its address."""
    apply: Annotated[Apply, Field(strict=False)] = Apply.APPROVED
    """never: report drift. approved: apply plans that destroy nothing. destroy_allowed: also those that do."""
    check_every: Seconds = 900
    """Seconds between two checks, or a duration such as 15m."""

    @property
    def state(self) -> tuple[str, str, str]:
        """Which state it runs: its repository, directory and workspace, alike however they are written."""
        repository = (self.repository or "").rstrip("/").removesuffix(".git").rstrip("/")
        return repository, self.directory, self.workspace or "default"
