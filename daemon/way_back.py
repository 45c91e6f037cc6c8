"""What a commit that failed its checks is taken back to, and when it is not taken back at all. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from desired_state.history import Version, earlier
from desired_state.in_force import Standing


@dataclass(frozen=True)
class Back:
    """The version whose services are pinned again."""

    bad: Version
    to: Version


@dataclass(frozen=True)
class Held:
    """Why nothing is taken back: what runs is kept, and a person decides."""

    why: str


Verified = Callable[[str], bool | None]
"""Whether the checks of a commit's version held, as far as that is known."""


def way_back(standing: Standing, versions: Sequence[Version], verified: Verified) -> Back | Held:
    """What follows from a failed commit. `versions`: of its file, newest first, the failed one at the head.

    Only the pins of services are ever taken back: a database, infrastructure or a maintenance page is no matter of a
    health check. What is a way back itself is never taken back: two of them would go to and fro for ever. Pins that
    were there before are one as well, unless what they followed is known to have been well: then it is the same bad
    release once more.
    """
    now = standing.environment
    if not versions or versions[0].environment != now:
        return Held("the file's history does not reach back to the commit that failed")
    bad, others = versions[0], list(earlier(versions, now))
    if bad.commit.reverts or bad.commit.subject.startswith('Revert "'):
        return Held("the commit is a revert itself, and a revert is never reverted")
    if not others:
        return Held("no earlier version of the file says anything else")
    former = others[0]
    if former.environment is None or former.environment.services == now.services:
        return Held("the commit changed no pin of a service, and nothing else is ever taken back")
    returns = any(other.environment and other.environment.services == now.services for other in others[1:])
    if returns and not verified(former.commit.oid):
        return Held("the commit goes back to pins of before, and a way back is never taken back")
    if verified(former.commit.oid) is False:
        return Held(f"the version before it, {former.commit.oid[:8]}, failed its checks as well")
    return Back(bad, former)


def subject(back: Back, environment: str) -> str:
    """The first line of the commit that takes it back."""
    return f"Take back the services of {environment}: {back.bad.commit.oid[:8]} failed its checks"


def body(back: Back, environment: str, evidence: str) -> str:
    """The whole message. The trailer is what tells a later look that this is a way back."""
    return (
        f"{subject(back, environment)}\n\n"
        f"{evidence}\n\n"
        f"The pins of its services are those of {back.to.commit.oid[:8]} again; nothing else of the file has changed.\n"
        "Made by trueup, since the file says on_failure: revert.\n\n"
        f"Trueup-Reverts: {back.bad.commit.oid}\n"
    )


def by_hand(bad: str) -> str:
    """The commands with which a person does the same."""
    return f"to go back by hand: git revert --no-edit {bad[:12]} && git push"
