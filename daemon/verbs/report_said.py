"""What the daemon tells of one event, in the words of a report. Pure."""

from collections.abc import Callable
from typing import Final

from daemon.events import Event, Json, What
from daemon.verbs.report_words import Phrase, counted, quoted, short, when


def said(event: Event) -> Phrase:
    """An event as a line of the timeline. Empty: it is a word of a later version."""
    return _WORDS[event.event](event) if event.event in _WORDS else ()


def because(reason: str) -> Phrase:
    """Why, where that is known."""
    return (": ", quoted(reason, 400)) if reason else ()


def _in_force(event: Event) -> Phrase:
    by: Phrase = (": ", quoted(event.text("subject"))) if event.text("subject") else ()
    how = " came into force" if event.facts.get("seen") is True else " was in force when trueup started"
    version = event.text("version")
    head: Phrase = (" with head ", short(event.commit)) if version not in ("", event.commit) else ()
    return ("commit ", short(version or event.commit), how, *head, *by)


def _drift(event: Event) -> Phrase:
    cause = event.text("cause")
    differs = {"commit": " has to change, as the commit says: ", "live": " was changed in AWS: "}
    return (quoted(event.called), differs.get(cause, " was found to differ: "), *differing(event))


def _change(event: Event) -> Phrase:
    result = {"ok": "", "failed": "; AWS refused it", "unknown": "; no answer came"}.get(event.text("result"), "")
    told: Phrase = (" (", *fields(event), ")") if event.items("drifts") else ()
    return ("asked AWS: ", quoted(event.text("verb")), " of ", quoted(event.called), *told, result)


def _condition(event: Event) -> Phrase:
    before = f" (it was {_said(event.text('from'))})" if event.text("from") else ""
    return (quoted(event.called), f" is {_said(event.text('to'))}{before}", *because(event.text("reason")))


def _verified(event: Event) -> Phrase:
    checks = counted(len(event.items("checks")), "check")
    return ("commit ", short(event.commit), f" is verified: {checks} held")


def _failed(event: Event) -> Phrase:
    return ("commit ", short(event.commit), " failed its checks", *because(event.text("reason")))


def _reverted(event: Event) -> Phrase:
    bad, to = short(event.text("bad")), short(event.text("to"))
    return ("took commit ", bad, " back by commit ", short(event.commit), ", with the pins of ", to)


def _waiting(event: Event) -> Phrase:
    at = event.instant("until")
    until = f" until {when(at)}" if at else " for a person"
    return (quoted(event.called), f" waits{until}", *because(event.text("reason")))


def _apply(event: Event) -> Phrase:
    counts = [f"{event.facts[word]} to {word}" for word in ("add", "change", "destroy") if event.facts.get(word)]
    took = event.facts.get("seconds")
    length = f" in {took:.1f} s" if isinstance(took, int | float) else ""
    done = f" ({', '.join(counts)})" if counts else ""
    result = event.text("result")
    return (
        "terraform apply of ",
        quoted(event.name),
        f"{length}: ",
        quoted(result),
        done,
        *because(event.text("reason")),
    )


def _said(condition: str) -> str:
    return condition.replace("_", " ") if condition.replace("_", "").isalpha() else "not known"


def differing(event: Event) -> Phrase:
    """The fields of a drift: what is live, and what is pinned."""
    words: Phrase = ()
    for number, each in enumerate(event.items("drifts")):
        field, live, desired = (quoted(f"{each.get(word) or ''}") for word in ("field", "live", "desired"))
        told: Phrase = (" is ", live, ", pinned ", desired) if live.text or desired.text else ()
        words += ("; " if number else "", field, *told)
    return words


def fields(event: Event) -> Phrase:
    """The fields of a change: from what is live to what is pinned."""
    words: Phrase = ()
    for number, each in enumerate(event.items("drifts")):
        words += (", " if number else "", quoted(_field(each)))
    return words


def _field(told: Json) -> str:
    field, live, desired = (f"{told.get(word) or ''}" for word in ("field", "live", "desired"))
    return f"{field} {live} → {desired}" if live or desired else field


_WORDS: Final[dict[str, Callable[[Event], Phrase]]] = {
    What.COMMIT: _in_force,
    What.REFUSED: lambda event: ("the file is bad: ", quoted(event.text("reason"), 400)),
    What.DRIFT: _drift,
    What.CHANGE: _change,
    What.CONDITION: _condition,
    What.IN_SYNC: lambda event: ("everything is in sync with commit ", short(event.commit)),
    What.VERIFIED: _verified,
    What.VERIFICATION_FAILED: _failed,
    What.REVERTED: _reverted,
    What.WAITING: _waiting,
    What.APPLY: _apply,
    What.GONE: lambda _: ("the environment left the repository",),
}
