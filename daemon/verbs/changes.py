"""What has changed from one look at a daemon to the next: one line a change. Pure."""

from collections.abc import Collection, Iterator

from daemon.verbs.seen import Entry, Environment, Seen
from daemon.verbs.status_text import git_trouble, short, summary


def changes(before: Seen | None, now: Seen, names: Collection[str] | None = None) -> Iterator[str]:
    """The lines, with the daemon's time first. `names`: the environments to tell of; None: all.

    Without a look before, what is in sync is not told entry by entry.
    """
    clock = f"{now.at:%H:%M:%SZ}"
    known = {each.name: each for each in before.environments} if before else {}
    if (trouble := git_trouble(now.git, now.at)) and not (before and before.git.error == now.git.error):
        yield f"{clock} {trouble}"
    elif before and before.git.error and not now.git.error:
        yield f"{clock} git answers again"
    for environment in now.environments:
        if names is None or environment.name in names:
            former = known.pop(environment.name, None)
            was = _sum(before, former) if before and former else None
            told = _sum(now, environment)
            for line in (*_of(former, environment), *([f"commit {short(told[0])}: {told[2]}"] if was != told else [])):
                yield f"{clock} {environment.name}: {line}"
    for gone in known:
        if (names is None or gone in names) and gone not in {each.name for each in now.environments}:
            yield f"{clock} {gone}: no longer in force"


def _of(before: Environment | None, now: Environment) -> Iterator[str]:
    known = {(each.kind, each.name): each for each in before.entries} if before else {}
    for entry in now.entries:
        was = known.pop((entry.kind, entry.name), None)
        if _told(was) != _told(entry) and (was is not None or before is not None or entry.condition != "in_sync"):
            yield _line(entry)
    for left in known.values():
        # The file is an entry only as long as something is wrong with it.
        yield "the file is good again" if left.kind == "desired_state" else f"{left.called}: no longer told"


def _told(entry: Entry | None) -> tuple[str, str] | None:
    return (entry.condition, entry.reason) if entry else None


def _sum(seen: Seen, environment: Environment) -> tuple[str, str, str]:
    silent = bool(seen.silence(environment))
    return environment.commit, environment.mode, summary(environment, silent=silent)


def _line(entry: Entry) -> str:
    told = f"{entry.called}: {entry.condition.replace('_', ' ')}"
    return f"{told}: {entry.reason}" if entry.reason else told
