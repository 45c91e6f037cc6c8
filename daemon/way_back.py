"""What a commit that failed its checks is taken back to, and when it is not taken back at all. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from desired_state.history import Version, earlier
from desired_state.in_force import Standing
from desired_state.model import Environment


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
    were there before are one as well, unless they are known to have failed then: that is the same bad release again.
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
    if why := _never(now, former.environment) or _doubt(now, others, verified):
        return Held(why)
    return Back(bad, former)


def _never(now: Environment, former: Environment) -> str:
    """What is no release, and so no matter of a health check."""
    if (now.environment, now.aws) != (former.environment, former.aws):
        return "the commit moves the environment to another place or name"
    down = [name for name, service in now.services.items() if service.desired_count == 0]
    down = [name for name in down if name not in former.services or former.services[name].desired_count != 0]
    return f"the commit shuts {', '.join(down)} down, which is never taken back" if down else ""


def _doubt(now: Environment, others: Sequence[Version], verified: Verified) -> str:
    """What makes the version before no better than the one that failed."""
    former = others[0].commit.oid
    again = next((each for each in others[1:] if each.environment and each.environment.services == now.services), None)
    if again is not None and verified(again.commit.oid) is not False:
        return "the commit goes back to pins of before, and a way back is never taken back"
    if verified(former) is False:
        return f"the version before it, {former[:8]}, failed its checks as well"
    well = next((each.commit.oid for each in others[1:] if verified(each.commit.oid)), None)
    if well is not None and verified(former) is None:
        return f"the version before it, {former[:8]}, never was verified; the last one that was is {well[:8]}"
    return ""


def subject(back: Back, environment: str) -> str:
    """The first line of the commit that takes it back."""
    return f"Take back the services of {environment}: {back.bad.commit.oid[:8]} failed its checks"


def body(back: Back, environment: str, failed: Iterable[str]) -> str:
    """The whole message. The trailer is what tells a later look that this is a way back.

    It names the checks alone: what production answered may hold what must not stand in git for ever.
    """
    return (
        f"{subject(back, environment)}\n\n"
        f"Failed: {', '.join(failed)}\n\n"
        f"The pins of its services are those of {back.to.commit.oid[:8]} again; nothing else of the file has changed.\n"
        "Made by trueup, since the file says on_failure: revert.\n\n"
        f"Trueup-Reverts: {back.bad.commit.oid}\n"
    )


def by_hand(standing: Standing, verified: Verified) -> str:
    """The commands with which a person goes back: to other pins than those that failed, and to good ones if known."""
    now, bad = standing.environment, standing.version.oid if standing.version else standing.commit
    others = [each for each in standing.recent if each.environment and each.environment.services != now.services]
    commands = []
    if not standing.recent or others[:1] == list(standing.recent[:1]):  # else a revert of it leaves the same pins
        commands.append(f"git revert --no-edit {bad[:12]} && git push")
    well = [each for each in others if verified(each.commit.oid)]
    hopeful = [each for each in others if verified(each.commit.oid) is not False]
    if to := [*well, *hopeful][:1]:
        commands.append(f"trueup rollback {now.environment} --to {to[0].commit.oid[:12]}")
    return f"to go back by hand: {', or '.join(commands)}" if commands else "no earlier pins are known to go back to"
