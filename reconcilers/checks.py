"""What a check is, and how it is asked: apart from every other one, so that none waits for another."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reconcilers.aws import sentence
from reconcilers.contract import Absent, Stalled
from reconcilers.plain import one_line

_SHOWN = 300  # characters of what went wrong


@dataclass(frozen=True)
class Check:
    """One check, and what came of it."""

    name: str
    ok: bool | None  # None: it could not be made, which says nothing about production
    evidence: str
    patience: float = 0.0  # seconds for which it may fail before that counts, where a while of it is usual
    stuck: bool = False  # it can be made only once a commit or a person has helped


@dataclass(frozen=True)
class Probe:
    """One question to production, which may be answered by several checks. `ask` may raise whatever it likes."""

    name: str  # as people see it, so without what may be a token; no two of one environment have the same
    ask: Callable[[], Iterable[Check]]
    within: float = 30.0  # seconds after which nobody waits for its answer any more

    def answer(self) -> tuple[Check, ...]:
        """Ask, and never raise: what could not be asked is an answer too."""
        try:
            return tuple(self.ask())
        except (Stalled, Absent) as error:
            return (Check(self.name, None, one_line(f"{error}", _SHOWN), stuck=True),)
        except Exception as error:  # noqa: BLE001 — whatever one check raises must not hide the others
            return (unmade(self.name, sentence(error)),)


def unmade(name: str, why: str) -> Check:
    """A check that could not be made this time."""
    return Check(name, None, one_line(why, _SHOWN))


def numbered(names: Iterable[str]) -> list[str]:
    """These names, each of them once: what is there already gets a number, `… (2)`."""
    seen: Counter[str] = Counter()
    made = []
    for name in names:
        seen[name] += 1
        made.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return made


def listed(found: Iterable[str], most: int = 3) -> str:
    """The first few of them, and how many more there are."""
    names = list(found)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
