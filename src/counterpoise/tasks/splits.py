"""From records to the two sides of a task: each problem once, no side empty, nothing of the test side in training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from counterpoise.errors import ConfigError, DataError
from counterpoise.files import irregular
from counterpoise.tasks.identity import Split, problem_id, split_of
from counterpoise.types import Problem

__all__ = ["FileSplits", "Loaded", "check_split_settings", "content_id", "refuse_overlap", "unique"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Problems of one source, each once, and what was left out."""

    problems: tuple[Problem, ...]
    """In the source's order."""
    duplicates: int
    """Records left out because their problem was there already, conflicting ones included."""
    conflicts: int
    """Duplicates whose gold differs from the one that was kept (the first)."""


def content_id(task_type: str, question: str) -> str:
    """Identity of a problem that is a text: its words, so that a copy with other white space or another gold is the same problem.

    Leaving the gold out is what makes the overlap check strict: a test question in training is contamination whatever its gold.
    """
    return problem_id(task_type, " ".join(question.split()))


def unique(problems: Iterable[Problem]) -> Loaded:
    """Keep the first of equal problems and count the others."""
    kept: dict[str, Problem] = {}
    duplicates = conflicts = 0
    for problem in problems:
        first = kept.setdefault(problem.problem_id, problem)
        if first is not problem:
            duplicates += 1
            conflicts += first.gold != problem.gold
    return Loaded(problems=tuple(kept.values()), duplicates=duplicates, conflicts=conflicts)


def refuse_overlap(name: str, train: Sequence[Problem], test: Sequence[Problem], *, allow: bool) -> None:
    """Contamination check by identity.

    Raises:
        DataError: a problem is on both sides and `allow` is false.
    """
    seen = {problem.problem_id for problem in train}
    both = [problem for problem in test if problem.problem_id in seen]
    if both and not allow:
        raise DataError(
            f"task '{name}': {len(both)} of {len(test)} test problems are also in the training file "
            f"(first: {both[0].question[:60]!r}); remove them from one of the two, "
            "or set allow_overlap=true to measure memorisation on purpose"
        )


def check_split_settings(
    name: str, *, train: str | Path | None, test: str | Path | None, path: str | Path | None, test_fraction: float
) -> None:
    """The combinations that make sense.

    Raises:
        ConfigError: `path` beside `train` or `test`, or a fraction outside [0, 1].
    """
    if path is not None and (train is not None or test is not None):
        raise ConfigError(f"task '{name}': give either path (one file, split by content) or train and test, not both")
    if not 0.0 <= test_fraction <= 1.0:
        raise ConfigError(f"task '{name}': test_fraction is {test_fraction}, expected a number from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSplits:
    """Sides that come from files: one file per side, or one file cut by content hash."""

    name: str
    """The task's name, for messages."""
    load: Callable[[Path], Loaded]
    """Reads one file."""
    train: str | Path | None
    """File of the training side."""
    test: str | Path | None
    """File of the test side."""
    path: str | Path | None = None
    """One file for both sides, instead."""
    test_fraction: float = 0.0
    """Expected share of `path` on the test side."""
    allow_overlap: bool = False
    """Do not refuse test problems that are in the training file."""

    def side(self, split: Split) -> Loaded:
        """One side.

        Raises:
            ConfigError: no file was given for it.
            DataError: a file is missing, malformed or empty, or the sides overlap.
        """
        if self.path is not None:
            whole = self.load(existing_file(self.name, "path", self.path))
            if not whole.problems:
                raise DataError(
                    f"task '{self.name}' has no {split} problems: {self.path} is empty; give a file with some"
                )
            chosen = tuple(
                problem
                for problem in whole.problems
                if split_of(problem.problem_id, test_fraction=self.test_fraction) == split
            )
            if not chosen:
                raise DataError(
                    f"task '{self.name}' has no {split} problems: {self.path} holds {len(whole.problems)}, and "
                    f"test_fraction={self.test_fraction} puts all of them on the other side; "
                    "give a larger file, another test_fraction, or train and test files"
                )
            return Loaded(problems=chosen, duplicates=whole.duplicates, conflicts=whole.conflicts)
        source = self.train if split == "train" else self.test
        if source is None:
            raise ConfigError(
                f"task '{self.name}' has no {split} file; give it with {split}=FILE (tasks.{split} in a run file)"
            )
        loaded = self.load(existing_file(self.name, split, source))
        if not loaded.problems:
            raise DataError(f"task '{self.name}' has no {split} problems: {source} is empty; give a file with some")
        if split == "test" and self.train is not None and not self.allow_overlap:
            training = self.load(existing_file(self.name, "train", self.train))
            refuse_overlap(self.name, training.problems, loaded.problems, allow=self.allow_overlap)
        return loaded


def existing_file(name: str, setting: str, path: str | Path) -> Path:
    """The path, with `~` expanded.

    Raises:
        DataError: it is no file.
    """
    found = Path(path).expanduser()
    if found.is_dir():
        raise DataError(f"task '{name}': {setting}={path} is a directory; give one file in it")
    if (kind := irregular(found)) is not None:
        raise DataError(f"task '{name}': {setting}={path} is {kind}; write what it gives to a file first")
    if not found.is_file():
        raise DataError(f"task '{name}': {setting}={path} does not exist (looked in {Path.cwd()}); check the path")
    return found
