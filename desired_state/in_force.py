"""Which version of each file counts: the newest good one, and of two that claim the same thing the earlier owner's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from desired_state.model import Environment
from desired_state.ownership import claims
from desired_state.parse import LARGEST, Invalid, Problem, parse
from desired_state.repository import Blob, Damaged, Repository, Unreachable, checked_path, committed


@dataclass(frozen=True)
class Standing:
    """One file's version that counts, and the newest commit that has it."""

    file: str
    commit: str
    environment: Environment


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


class Source:
    """The files that a path means on a branch. For one thread at a time."""

    def __init__(self, repository: Repository, path: str) -> None:
        self._repository = repository
        self._path = checked_path(path)
        self._current: InForce | None = None
        self._read: dict[tuple[str, str], Environment | tuple[Problem, ...]] = {}  # by file and blob: immutable
        self._used: set[tuple[str, str]] = set()

    @property
    def current(self) -> InForce | None:
        """What counts as far as is known without asking the repository, also of an earlier process."""
        if self._current is None and (known := self._repository.known()):
            try:
                self._current = self._judged(known, rewritten=False)
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

    def before(self, standing: Standing) -> Environment | None:
        """The last good version of a file that said something else; None where the branch has none."""
        for commit in self._repository.history(standing.commit):
            blob = self._repository.files(commit, standing.file).get(standing.file)
            earlier = self._environment(standing.file, blob) if blob else None
            if isinstance(earlier, Environment) and earlier != standing.environment:
                return earlier
        return None

    def _newer(self, former: InForce | None) -> InForce:
        commit = self._repository.fetch()
        rewritten = former is not None and not self._repository.descends(commit, former.head)
        found = self._judged(commit, rewritten=rewritten)
        self._repository.accept(commit)
        return found

    def _judged(self, commit: str, *, rewritten: bool) -> InForce:
        self._used.clear()
        candidates, problems = self._at(commit)
        versions: Versions = candidates
        if problems or any(_clashes(candidates)):
            versions = self._through(self._repository.history(commit))
            problems += tuple(_refused(versions, candidates))
        standings = tuple(sorted(versions.values(), key=lambda standing: standing.file))
        bad = frozenset(problem.file for problem in problems)
        self._read = {key: self._read[key] for key in self._used}
        return InForce(commit, rewritten, problems, bad, standings)

    def _through(self, history: list[str]) -> Versions:
        """What counts after each commit in turn, from the oldest on."""
        versions: Versions = {}
        for commit in reversed(history):
            candidates, problems = self._at(commit)
            bad = {problem.file for problem in problems}
            versions = settled(versions, candidates, bad)
        return versions

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
                good[file] = Standing(file, commit, read)
            else:
                problems += read
        return good, tuple(problems)

    def _environment(self, file: str, blob: Blob) -> Environment | tuple[Problem, ...]:
        if not blob.is_plain:
            mend = "commit an ordinary file with mode 100644"
            return (Problem(file, 1, "", f"is not an ordinary file (its mode is {blob.mode})", mend),)
        if blob.size > LARGEST:
            return (Problem(file, 1, "", f"is larger than {LARGEST} bytes", "split it into one file per environment"),)
        key = (file, blob.oid)
        self._used.add(key)
        if key not in self._read:
            try:
                self._read[key] = parse(self._repository.read(blob), file)
            except Invalid as error:
                self._read[key] = error.problems
        return self._read[key]


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


def contested(standings: Iterable[Standing]) -> tuple[Problem, ...]:
    """What two files claim at once."""
    return tuple(clash.problem(clash.files[1]) for clash in _clashes({each.file: each for each in standings}))


def committed_before(file: Path, environment: Environment) -> Environment | None:
    """The last good version of a file in somebody's work tree that was committed and said something else."""
    for content in committed(file):
        try:
            earlier = parse(content, str(file))
        except Invalid:
            continue
        if earlier != environment:
            return earlier
    return None


@dataclass(frozen=True)
class _Clash:
    """A thing that two files claim, and the key in each that does."""

    files: tuple[str, str]
    keys: tuple[str, str]

    def problem(self, of: str) -> Problem:
        mine = self.files.index(of)
        other = f"{self.keys[1 - mine]} of {self.files[1 - mine]}"
        return Problem(of, 1, self.keys[mine], f"is claimed already by {other}", "give it one owner")


def _clashes(versions: Versions) -> Iterator[_Clash]:
    owners: dict[object, tuple[str, str]] = {}
    for file, version in sorted(versions.items()):
        for claim, key in claims(version.environment).items():
            owner, there = owners.setdefault(claim, (file, key))
            if owner != file:
                yield _Clash((owner, file), (there, key))


def _refused(versions: Versions, candidates: Versions) -> Iterator[Problem]:
    """Why good files do not count: each clashes with what counts, or with another one that does not."""
    for file, candidate in candidates.items():
        if not _same(versions.get(file), candidate):
            against = ({**versions, file: candidate}, candidates)
            clashes = (clash for among in against for clash in _clashes(among) if file in clash.files)
            yield from (clash.problem(file) for clash in islice(clashes, 1))


def _same(one: Standing | None, other: Standing) -> bool:
    return one is not None and replace(one, commit="") == replace(other, commit="")
