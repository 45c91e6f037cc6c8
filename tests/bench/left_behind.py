"""What a rollback leaves behind in a task definition: what runs against what it came from, field by field."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

_ASSIGNED = {  # by AWS, to every revision
    "taskDefinitionArn",
    "revision",
    "status",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "requiresAttributes",
    "compatibilities",
}
# What names an element of a list: AWS gives these lists back in an order of its own.
_NAMES = ("name", "key", "containerName", "sourceVolume")


@dataclass(frozen=True)
class Difference:
    """Paths of fields."""

    lost: tuple[str, ...]
    changed: tuple[str, ...]
    added: tuple[str, ...]

    def __str__(self) -> str:
        words = [f"{what} {_shown(paths)}" for what, paths in self.__dict__.items() if paths]
        return "; ".join(words) or "nothing"


def difference(base: Document, made: Document) -> Difference:
    """Two answers of DescribeTaskDefinition with tags. What is empty counts as absent."""
    before, after = dict(_fields(base)), dict(_fields(made))
    return Difference(
        lost=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(sorted(path for path in before.keys() & after.keys() if before[path] != after[path])),
        added=tuple(sorted(after.keys() - before.keys())),
    )


def with_image(base: Document, container: str, image: str) -> Document:
    """The base as it should be after a rollback of the image alone."""
    definition = base["taskDefinition"]
    containers = [
        each | ({"image": image} if each["name"] == container else {}) for each in definition["containerDefinitions"]
    ]
    return base | {"taskDefinition": definition | {"containerDefinitions": containers}}


def _fields(told: Document) -> Iterator[tuple[str, Any]]:
    content = {name: value for name, value in told["taskDefinition"].items() if name not in _ASSIGNED}
    return _leaves("", content | {"tags": told.get("tags", [])})


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(f"{path}.{name}" if path else name, each)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _leaves(f"{path}[{_name(each, index)}]", each)
    else:
        yield path, value


def _name(element: Any, index: int) -> str:
    names = (str(element[key]) for key in _NAMES if key in element) if isinstance(element, dict) else ()
    return next(iter(names), str(index))


def _shown(paths: Iterable[str]) -> str:
    """Without what only names the element, and tags as one list."""
    kept = [path for path in paths if path.rpartition(".")[2] not in _NAMES]
    tags = [path.partition("[")[2].partition("]")[0] for path in kept if path.startswith("tags[")]
    others = [path for path in kept if not path.startswith("tags[")]
    return ", ".join(others + ([f"tags ({', '.join(tags)})"] if tags else []))
