"""What the words of `trueup set` mean: `image_tag=v2`, `env.LOG_LEVEL=debug`, `env.OLD=null`, `env@122`. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from daemon.plain import one_line, redacted
from daemon.sources import Misused, service_of
from daemon.verbs.pins import Pins, revision_of
from desired_state.edit import REMOVE, Edit, Removal
from desired_state.model import Environment, Service
from desired_state.revision import Revision
from desired_state.yaml_writing import Scalar
from reconcilers.variables import Variables

_NUMBERS: Final = ("task_revision", "desired_count")
_PINS: Final = ("image_tag", *_NUMBERS)
_FORMS: Final = "image_tag=…, task_revision=…, desired_count=…, env.NAME=…, PIN=unset or env@REVISION"
_LITERAL: Final = {'"null"': "null", '"unset"': "unset"}
_MOST_NAMED: Final = 3


@dataclass(frozen=True)
class Wish:
    """What a person wants of one service's pins."""

    values: Mapping[tuple[str, ...], Scalar | Removal]
    """By the path below the service's entry."""
    shown: tuple[str, ...]
    """The words, without the value of a variable."""
    variables_of: Revision | None = None
    """The revision whose variables the service is to have."""

    def changed(self, service: Service) -> Service:
        """The service with another revision under its variables, where one is wished."""
        word = self.values.get(("task_revision",), service)
        if word is service:
            return service
        revision = None if isinstance(word, Removal) else revision_of(f"{word}")
        return service.model_copy(update={"task_revision": revision})


@dataclass(frozen=True)
class Laid:
    """The lines of `env` that give a service the variables of another revision."""

    values: Mapping[str, str | Removal | None]
    notes: tuple[str, ...]


def wish(words: Sequence[str]) -> Wish:
    """What the words mean. Misused: one of them means nothing, or two contradict each other."""
    values: dict[tuple[str, ...], Scalar | Removal] = {}
    shown: list[str] = []
    of: Revision | None = None
    for word in words:
        key, sign, value = word.partition("=")
        if word.startswith("env@") and not sign:
            if of is not None:
                raise Misused("env@… is written twice; name one revision")
            of = _revision(word)
            shown.append(word)
            continue
        path = _path(key, value, word) if sign else ()
        if not path:
            raise Misused(f"{one_line(word, 60)} is not understood; write {_FORMS}")
        if path in values:
            raise Misused(f"{one_line(key, 60)} is written twice; write it once")
        values[path] = _value(path, value)
        shown.append(one_line(key if path[0] == "env" else word, 60))
    if ("env",) in values and (of is not None or any(path[0] == "env" and len(path) > 1 for path in values)):
        raise Misused("env=unset takes all variables out; write it alone, or name the variables")
    return Wish(values, tuple(shown), of)


def assigned(now: Environment, name: str, wished: Wish, laid: Laid) -> Pins:
    """The pins as wished. `laid`: the lines that another revision's variables need; what is named itself wins."""
    service = service_of(now, name)
    values = {("env", variable): value for variable, value in laid.values.items()} | dict(wished.values)
    entry = ("services", name)
    # What is set comes first, so that a section is not taken away and then made anew at another place.
    ordered = sorted(values.items(), key=lambda each: each[1] is REMOVE)
    edits = tuple(Edit((*entry, *path), value) for path, value in ordered)
    more = len(wished.shown) - _MOST_NAMED
    named = ", ".join(wished.shown[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    notes = (*laid.notes, *_bare(wished), *_laid_over(service, values))
    return Pins(edits, f"Set {named} of {name} in {now.environment}", notes)


def laid_out(service: Service, base: Variables, there: Variables) -> Laid:
    """The lines that make of the base's variables, which the file's are laid over, those of another revision.

    A line that says so already stays as it is. What either takes from a secret is left alone, and so is what looks
    like a credential: neither may stand in the file.
    """
    values: dict[str, str | Removal | None] = {}
    notes = []
    for variable in sorted(
        base.plain.keys() | there.plain.keys() | service.env.keys() | base.secrets.keys() | there.secrets.keys()
    ):
        wanted, under = there.plain.get(variable), base.plain.get(variable)
        if variable in there.secrets or variable in base.secrets:
            notes += _of_secret(variable, base, there)
        elif service.env.get(variable, under) == wanted:
            continue
        elif wanted is not None and under != wanted and _looks_secret(variable, wanted):
            notes.append(f"left alone: {variable} looks like a credential in {there.revision}; none may stand in git")
        else:
            values[variable] = REMOVE if under == wanted else wanted
    if base.files != there.files:
        notes.append(f"not compared: the environment files of {base.revision} and {there.revision}, which differ")
    return Laid(values, tuple(notes))


def _of_secret(variable: str, base: Variables, there: Variables) -> list[str]:
    if base.secrets.get(variable) == there.secrets.get(variable):
        return []
    holder = there if variable in there.secrets else base
    return [
        f"left alone: {one_line(variable, 60)} comes from a secret in {holder.revision}; only a revision changes it"
    ]


def _looks_secret(variable: str, value: str) -> bool:
    text = f"{variable}={value}"
    return redacted(text) != text


def _bare(wished: Wish) -> list[str]:
    """What a person writes into the file although it looks like a credential."""
    variables = ((path[1], value) for path, value in wished.values.items() if len(path) > 1 and isinstance(value, str))
    found = [one_line(variable, 60) for variable, value in variables if _looks_secret(variable, value)]
    return [f"env.{each} looks like a credential, and everybody who reads git reads it" for each in found]


def _laid_over(service: Service, values: Mapping[tuple[str, ...], object]) -> list[str]:
    """What stays, and is laid over a revision that is pinned anew."""
    revision = values.get(("task_revision",))
    if revision is None or revision is REMOVE:
        return []
    stays = [] if service.image_tag is None or ("image_tag",) in values else [f"image_tag {service.image_tag}"]
    stays += ["env"] if service.env and ("env",) not in values else []
    return [
        f"{each} stays, and is laid over revision {revision}; {each.split()[0]}=unset takes it out" for each in stays
    ]


def _revision(word: str) -> Revision:
    revision = revision_of(word.removeprefix("env@"))
    if revision is None:
        raise Misused(f"{one_line(word, 60)} names no revision; write env@122 or env@family:122")
    return revision


def _path(key: str, value: str, word: str) -> tuple[str, ...]:
    """The path below the entry; empty where there is no such pin."""
    if key.startswith("env.") and key != "env.":
        return "env", key.removeprefix("env.")
    if key in _PINS or (key, value) == ("env", "unset"):
        return (key,)
    if key == "env":
        raise Misused(f"{one_line(word, 60)} is not understood; write env.NAME=…, or env=unset for all of them")
    return ()


def _value(path: tuple[str, ...], value: str) -> Scalar | Removal:
    if value == "unset":
        return REMOVE
    if path[0] == "env":
        return None if value == "null" else _LITERAL.get(value, value)
    return int(value) if path[0] in _NUMBERS and re.fullmatch("[1-9][0-9]{0,17}|0", value) else value
