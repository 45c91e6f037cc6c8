"""Taking back the services' pins of a commit that failed its checks: one commit, pushed, and then enacted like any."""

from daemon.enforcement import Enforcement
from daemon.plain import redacted
from daemon.telling import Telling
from daemon.way_back import Held, body, way_back
from desired_state.edit import CannotEdit, Splice, edit
from desired_state.in_force import Source, Standing
from desired_state.proposal import Moved, NotAllowed
from desired_state.repository import Damaged, Unreachable

_VERSIONS = 20  # of the file that are looked through for what was pinned before


def take_back(source: Source, enforcement: Enforcement, telling: Telling) -> None:
    """Push the way back of what has failed, once. Where that cannot be, what runs is held, and people are told why.

    The push is refused when the branch has moved: then a newer commit has come, and it wins.
    """
    standing = enforcement.condemned
    if standing is None:
        return
    enforcement.tried()
    try:
        enforcement.answer(_taken_back(source, enforcement, standing, telling))
    except Moved:
        return
    except NotAllowed as error:
        enforcement.answer(f"held: what runs stays, since the revert could not be pushed ({redacted(f'{error}')})")
    except (CannotEdit, Damaged) as error:
        enforcement.answer(f"held: what runs stays, since the revert could not be made ({redacted(f'{error}')})")
    except Unreachable:
        return  # the next poll tries again, and finds out whether the push arrived


def _taken_back(source: Source, enforcement: Enforcement, standing: Standing, telling: Telling) -> str:
    name = enforcement.name
    versions = list(source.versions(standing, _VERSIONS))
    if source.current and standing.file in source.current.bad_files:
        return f"held: what runs stays, since {standing.file} is bad at the head of the branch: mend that first"
    back = way_back(standing, versions, lambda commit: telling.is_verified(name, commit))
    if isinstance(back, Held):
        return f"held: what runs stays, since {back.why}"
    content = edit(back.bad.content, [Splice(("services",), back.to.content)])
    commit = source.push(standing, content, body(back, name, enforcement.failing))
    telling.reverted(name, back.bad.commit.oid, commit, back.to.commit.oid)
    return f"taken back by commit {commit[:8]}, which pins the services of {back.to.commit.oid[:8]} again"
