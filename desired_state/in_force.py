"""Which version of each file counts: the newest good one, and of two that claim the same thing the earlier owner's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from desired_state.history import RECENT, Version, work_tree_versions
from desired_state.history import earlier as other_versions
from desired_state.model import Aws, Dns, Environment, Service
from desired_state.ownership import Claim, claims
from desired_state.parse import LARGEST, Invalid, Problem, parse
from desired_state.proposal import Author, push
from desired_state.repository import Blob, Commit, Damaged, Repository, Unreachable, checked_path, committed
from desired_state.values import FrozenMap


@dataclass(frozen=True)
class Former:
    """What earlier versions of a file named, and nothing that counts names any more: what they did is taken back."""

    services: Mapping[str, Service] = FrozenMap({})
    """By the name that they had in the file, without any pin."""
    environments: tuple[str, ...] = ()
    """The names that the environment had."""
    records: tuple[tuple[str, Dns], ...] = ()
    """The CNAMEs that followed a database, with the name that it had in the file."""


@dataclass(frozen=True)
class Standing:
    """One file's version that counts, and the newest commit that has it."""

    file: str
    commit: str
    environment: Environment
    former: Former = Former()
    repository: str = field(default="", repr=False)
    """Where the file is; it may hold credentials. Empty where it is in none."""
    recent: tuple[Version, ...] = ()
    """The last versions that said something else, newest first: what can be gone back to."""
    version: Commit | None = None
    """The commit that brought this version of the file; None where git does not know it."""


@dataclass(frozen=True)
class InForce:
    """What a head means: a function of the history of its branch alone, so that a restart finds it again."""

    head: str
    rewritten: bool
    """The head was replaced by one that does not descend from it."""
    problems: tuple[Problem, ...]
    """What is wrong with the files at the head."""
    bad_files: frozenset[str]
    """The files whose version at the head does not count."""
    standings: tuple[Standing, ...]


Versions = Mapping[str, Standing]
"""By file."""


_Named = tuple[Claim, Aws | None, str, Service | Dns | None]

_OURSELVES: Final = Author("trueup", "trueup@localhost")
_EARLIER: Final = 10
"""How many versions of a file are looked through for what they named."""


class Source:
    """The files that a path means on a branch. For one thread at a time."""

    def __init__(self, repository: Repository, path: str) -> None:
        self._repository = repository
        self._path = checked_path(path)
        self._current: InForce | None = None
        self._read: dict[tuple[str, Blob], Environment | tuple[Problem, ...]] = {}  # by file and blob: immutable
        self._named: dict[tuple[str, Blob], tuple[_Named, ...]] = {}  # what they name, of earlier versions
        self._used: set[tuple[str, Blob]] = set()

    @property
    def current(self) -> InForce | None:
        """What counts as far as is known without asking the repository, also of an earlier process."""
        if self._current is None and (known := self._repository.known()):
            try:
                self._current = self._judged(known, None, rewritten=False)
            except Damaged:
                return None
        return self._current

    def poll(self) -> InForce:
        """What counts now; the same object while the head is the same. Unreachable: no answer, or no such branch."""
        head = self._repository.head()
        former = self.current
        if former and former.head == head:
            return former
        try:
            self._current = self._newer(former)
        except Damaged:
            self._repository.discard()
            try:
                self._current = self._newer(None)
            except Damaged as error:
                raise Unreachable(f"what was fetched cannot be read: {error}") from None
        return self._current

    def versions(self, standing: Standing, most: int = 50) -> Iterator[Version]:
        """The versions of a file, newest first, from the one that is in force on."""
        for commit, blob in islice(self._repository.commits(standing.commit, standing.file), most):
            read = self._parsed(standing.file, blob)
            content = self._repository.read(blob) if blob.is_plain and blob.size <= LARGEST else b""
            yield replace(_version(commit, read), content=content)

    def push(self, standing: Standing, content: bytes, message: str) -> str:
        """Commit another text of a file on top of the version in force, as trueup, and push it. Returns the commit.

        Moved, NotAllowed, Unreachable, Damaged: as `proposal.push`.
        """
        repository = self._repository
        return push(repository, standing.commit, standing.file, content, message, _OURSELVES, repository.branch)

    def before(self, standing: Standing) -> Environment | None:
        """The last good version of a file that said something else; None where the branch has none."""
        for blob in self._repository.versions(standing.commit, standing.file):
            earlier = self._parsed(standing.file, blob)
            if isinstance(earlier, Environment) and earlier != standing.environment:
                return earlier
        return None

    def _newer(self, former: InForce | None) -> InForce:
        commit = self._repository.fetch()
        rewritten = former is not None and not self._repository.descends(commit, former.head)
        found = self._judged(commit, former, rewritten=rewritten)
        # In a repository of many files the last 51 commits may have changed none of ours.
        if any(len(each.recent) < RECENT for each in found.standings) and self._repository.deepen(commit):
            found = self._judged(commit, former, rewritten=rewritten)
        self._repository.accept(commit)
        return found

    def _judged(self, commit: str, former: InForce | None, *, rewritten: bool) -> InForce:
        self._used.clear()
        candidates, problems = self._at(commit)
        versions: Versions = candidates
        if problems or any(_clashes(candidates)):
            versions = self._through(self._repository.history(commit), former)
            problems += tuple(_refused(versions, candidates))
        standings = tuple(sorted(versions.values(), key=lambda standing: standing.file))
        standings = tuple(
            replace(each, former=self._former(commit, each, standings), **self._about(each)) for each in standings
        )
        bad = frozenset(problem.file for problem in problems)
        self._read = {key: self._read[key] for key in self._used if key in self._read}
        self._named = {key: self._named[key] for key in self._used if key in self._named}
        return InForce(commit, rewritten, problems, bad, standings)

    def _through(self, history: list[str], former: InForce | None) -> Versions:
        """What counts after each commit in turn, from the oldest on, or from where we were."""
        versions: Versions = {}
        if former and former.head in history:
            versions = {standing.file: standing for standing in former.standings}
            history = history[: history.index(former.head)]
        for commit in reversed(history):
            candidates, problems = self._at(commit)
            bad = {problem.file for problem in problems}
            versions = settled(versions, candidates, bad)
        return versions

    def _about(self, standing: Standing) -> dict[str, Any]:
        """Its commit, and the versions before it: without their texts, which may be large.

        What they say is kept, since the next head has most of them too.
        """
        told = self._repository.commits(standing.commit, standing.file)
        every = (_version(commit, self._environment(standing.file, blob)) for commit, blob in told)
        newest = next(every, None)
        recent = tuple(islice(other_versions(every, standing.environment), RECENT))
        return {"recent": recent, "version": newest.commit if newest else None}

    def _former(self, commit: str, standing: Standing, standings: Iterable[Standing]) -> Former:
        """What the last versions of a file named. Only names are kept of them: they may be large."""
        earlier = []
        for blob in islice(self._repository.versions(commit, standing.file), _EARLIER):
            key = (standing.file, blob)
            self._used.add(key)
            if key not in self._named:
                self._named[key] = _names(self._parsed(standing.file, blob))
            earlier.append(self._named[key])
        return _formerly(standing.environment, earlier, standings)

    def _at(self, commit: str) -> tuple[dict[str, Standing], tuple[Problem, ...]]:
        """The good versions of the files at a commit, and what is wrong with the others."""
        blobs = self._repository.files(commit, self._path)
        if not blobs:
            return {}, (
                Problem(self._path or ".", 1, "", "is not there at this commit", "put it back, or correct --path"),
            )
        good: dict[str, Standing] = {}
        problems: list[Problem] = []
        for file, blob in sorted(blobs.items()):
            read = self._environment(file, blob)
            if isinstance(read, Environment):
                good[file] = Standing(file, commit, read, repository=self._repository.location)
            else:
                problems += read
        return good, tuple(problems)

    def _environment(self, file: str, blob: Blob) -> Environment | tuple[Problem, ...]:
        key = (file, blob)
        self._used.add(key)
        if key not in self._read:
            self._read[key] = self._parsed(file, blob)
        return self._read[key]

    def _parsed(self, file: str, blob: Blob) -> Environment | tuple[Problem, ...]:
        if not blob.is_plain:
            mend = "commit an ordinary file with mode 100644"
            return (Problem(file, 1, "", f"is not an ordinary file (its mode is {blob.mode})", mend),)
        if blob.size > LARGEST:
            return (Problem(file, 1, "", f"is larger than {LARGEST} bytes", "split it into one file per environment"),)
        try:
            return parse(self._repository.read(blob), file)
        except Invalid as error:
            return error.problems


def _version(commit: Commit, read: Environment | tuple[Problem, ...]) -> Version:
    return Version(commit, read) if isinstance(read, Environment) else Version(commit, None, problems=read)


def settled(before: Versions, candidates: Versions, bad: Iterable[str]) -> Versions:
    """What counts after a commit. Pure.

    A good file counts as it is. A bad one keeps what counted before. A file that clashes with another one that the
    commit did not change keeps what counted before, too; of two that it changed, both do.
    """
    kept = {file: before[file] for file in bad if file in before}
    if not candidates:
        return {**before, **kept}
    changed = {file for file, version in candidates.items() if not _same(before.get(file), version)}
    versions = {**candidates, **kept}
    while blamed := {file for clash in _clashes(versions) for file in clash.files if file in changed}:
        changed -= blamed
        for file in blamed:
            if file in before:
                versions[file] = before[file]
            else:
                del versions[file]
    return versions


def contested(standings: Sequence[Standing]) -> tuple[Problem, ...]:
    """What two files claim at once, said of the later one."""
    order = [each.file for each in standings]
    clashes = _clashes({each.file: each for each in standings})
    return tuple(clash.problem(max(clash.files, key=order.index)) for clash in clashes)


def committed_before(file: Path, environment: Environment) -> Environment | None:
    """The last good version of a file in somebody's work tree that was committed and said something else."""
    return next((earlier for earlier in _committed(file) if earlier != environment), None)


def with_former(standings: Sequence[Standing]) -> list[Standing]:
    """Files of somebody's work tree, with what their committed versions named."""
    found = []
    for standing in standings:
        earlier = (_names(each) for each in islice(_committed(Path(standing.file)), _EARLIER))
        recent = tuple(
            islice(other_versions(work_tree_versions(Path(standing.file), _EARLIER), standing.environment), RECENT)
        )
        found.append(replace(standing, former=_formerly(standing.environment, earlier, standings), recent=recent))
    return found


def _committed(file: Path) -> Iterator[Environment]:
    for content in committed(file):
        with suppress(Invalid):
            yield parse(content, str(file))


@dataclass(frozen=True)
class _Clash:
    """A thing that two files claim, and the key in each that does."""

    files: tuple[str, str]
    keys: tuple[str, str]

    def problem(self, of: str) -> Problem:
        mine = self.files.index(of)
        other = f"{self.keys[1 - mine]} of {self.files[1 - mine]}"
        return Problem(of, 1, self.keys[mine], f"is claimed already by {other}", "remove it from one of the two")


def _clashes(versions: Versions) -> Iterator[_Clash]:
    owners: dict[tuple[str, str], list[tuple[Claim, str, str]]] = {}
    for file, version in sorted(versions.items()):
        for claim, key in claims(version.environment).items():
            alike = owners.setdefault((claim.kind, claim.name), [])
            yield from (_Clash((owner, file), (there, key)) for other, owner, there in alike if claim.may_be(other))
            alike.append((claim, file, key))


def _refused(versions: Versions, candidates: Versions) -> Iterator[Problem]:
    """Why good files do not count: each clashes with what counts, or with another one that does not."""
    for file, candidate in candidates.items():
        if not _same(versions.get(file), candidate):
            against = ({**versions, file: candidate}, candidates)
            clashes = (clash for among in against for clash in _clashes(among) if file in clash.files)
            yield from (clash.problem(file) for clash in islice(clashes, 1))


def _names(read: Environment | tuple[Problem, ...]) -> tuple[_Named, ...]:
    """What a version names that leaves something behind in AWS when it is named no more."""
    if not isinstance(read, Environment):
        return ()
    found: list[_Named] = [(Claim("environment", read.environment), None, read.environment, None)]
    by_key = {key: claim for claim, key in claims(read).items()}
    for name, service in read.services.items():
        bare = Service(cluster=service.cluster, service=service.service)
        found.append((by_key[f"services.{name}"], read.aws, name, bare))
    for name, database in read.databases.items():
        if database.dns is not None:
            found.append((by_key[f"databases.{name}.dns"], read.aws, name, database.dns))
    return tuple(found)


def _formerly(now: Environment, earlier: Iterable[Iterable[_Named]], standings: Iterable[Standing]) -> Former:
    """What earlier versions of an environment named, newest first, and nothing that counts names any more."""
    taken = [claim for each in standings for claim in claims(each.environment)]
    services: dict[str, Service] = {}
    records: dict[str, tuple[str, Dns]] = {}
    names: dict[str, None] = {}
    for claim, aws, name, service in chain.from_iterable(earlier):
        if aws not in (None, now.aws) or any(claim.may_be(each) for each in taken):
            continue
        if service is None:
            names[name] = None
        elif isinstance(service, Dns):
            records.setdefault(service.record, (name, service))
        elif service not in services.values():
            used = name in now.services or name in services
            services[f"{service.cluster}.{service.service}" if used else name] = service
    return Former(FrozenMap(services), tuple(names), tuple(records.values()))


def _same(one: Standing | None, other: Standing) -> bool:
    return one is not None and (one.file, one.environment) == (other.file, other.environment)
