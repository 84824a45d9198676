"""What tasks that read files have in common: the settings that name the files, and the way from records to a side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from counterpoise.errors import ConfigError, DataError
from counterpoise.files import irregular
from counterpoise.ranges import File, Share
from counterpoise.tasks.shared.identity import Split, split_of
from counterpoise.tasks.shared.records import Record, located
from counterpoise.tasks.shared.splits import Loaded, refuse_overlap, unique
from counterpoise.types import Problem

__all__ = ["FileTask", "SidesTask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SidesTask(ABC):
    """A file for each side, or the hub, where a task has it there and no file is given."""

    train: File | None = None
    """File of the training side."""
    test: File | None = None
    """File of the test side."""
    allow_overlap: bool = False
    """Accept test problems that are also in the training file."""

    name: ClassVar[str]
    on_hub: ClassVar[bool] = True

    @abstractmethod
    def _records(self, path: Path) -> Iterable[Record]:
        """The records of one file."""

    @abstractmethod
    def _problem(self, record: Record) -> Problem:
        """The problem of one record.

        Raises:
            DataError: it is malformed.
        """

    def _hub(self, split: Split) -> Iterable[Record]:
        """The hub's records of one side, of a task that is `on_hub`."""
        raise NotImplementedError

    def loaded(self, split: Split) -> Loaded:
        """One side with the count of duplicates."""
        if self.train is not None or self.test is not None:
            return self._side(split)
        loaded = self._load(self._hub(split))
        if split == "test" and not self.allow_overlap:
            training = self._load(self._hub("train"))
            refuse_overlap(self.name, training.problems, loaded.problems, allow=False)
        return loaded

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """One side, in the source's order.

        Raises:
            ConfigError: no file was given for this side.
            DataError: a record is malformed, the side is empty, the sides overlap, or the hub cannot be read.
            MissingExtraError: a Parquet file is read without `pyarrow`, or the hub without `datasets`.
        """
        return self.loaded(split).problems

    def _load(self, records: Iterable[Record]) -> Loaded:
        return unique(located(records, self._problem))

    def _read(self, setting: str, path: File) -> Loaded:
        return self._load(self._records(_existing(self.name, setting, path)))

    def _side(self, split: Split) -> Loaded:
        """One side, from the file of its own."""
        source = self.train if split == "train" else self.test
        if source is None:
            raise ConfigError(
                f"task '{self.name}' has no {split} file; give it with {split}=FILE (tasks.{split} in a run file)"
            )
        loaded = self._read(split, source)
        if not loaded.problems:
            raise DataError(f"task '{self.name}' has no {split} problems: {source} is empty; give a file with some")
        if split == "test" and self.train is not None and not self.allow_overlap:
            refuse_overlap(self.name, self._read("train", self.train).problems, loaded.problems, allow=False)
        return loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTask(SidesTask):
    """A file for each side, or one for both.

    Raises:
        ConfigError: files that contradict each other, or none at all.
    """

    path: File | None = None
    """One file for both sides, split by content hash; instead of `train` and `test`."""
    test_fraction: Share = 0.1
    """Expected share of `path` on the test side."""

    on_hub: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.path is not None and (self.train is not None or self.test is not None):
            raise ConfigError(
                f"task '{self.name}': give either path (one file, split by content) or train and test, not both"
            )
        if not self.on_hub and self.path is None and self.train is None and self.test is None:
            raise ConfigError(
                f"task '{self.name}' needs a file: give train=FILE and test=FILE (tasks.train, tasks.test in a run file), "
                "or path=FILE to split one file (tasks.settings.path)"
            )

    def loaded(self, split: Split) -> Loaded:
        """One side with the count of duplicates."""
        if self.path is None:
            return SidesTask.loaded(self, split)  # `super` does not know a class that was made again for its slots
        whole = self._read("path", self.path)
        if not whole.problems:
            raise DataError(f"task '{self.name}' has no {split} problems: {self.path} is empty; give a file with some")
        chosen = tuple(p for p in whole.problems if split_of(p.problem_id, test_fraction=self.test_fraction) == split)
        if not chosen:
            raise DataError(
                f"task '{self.name}' has no {split} problems: {self.path} holds {len(whole.problems)}, and "
                f"test_fraction={self.test_fraction} puts all of them on the other side; "
                "give a larger file, another test_fraction, or train and test files"
            )
        return Loaded(problems=chosen, duplicates=whole.duplicates, conflicts=whole.conflicts)


def _existing(name: str, setting: str, path: str | Path) -> Path:
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
