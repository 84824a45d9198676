"""Shared by tasks that read files: the settings that name the files, and the way from records to a side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import ClassVar

from counterpoise.errors import ConfigError, DataError
from counterpoise.files import irregular
from counterpoise.ranges import File, Share
from counterpoise.tasks.shared.folders import files_of
from counterpoise.tasks.shared.hub import HubName, hub_records, is_saved, saved_records
from counterpoise.tasks.shared.identity import Split, split_of
from counterpoise.tasks.shared.records import Record, located, records
from counterpoise.tasks.shared.splits import Loaded, refuse_overlap, unique
from counterpoise.types import Problem

__all__ = ["FileTask", "SidesTask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SidesTask(ABC):
    """A file for each side, or the hub, where a task has it there and no file is given."""

    train: File | None = None
    """File of the training side, folder of files, folder of `save_to_disk`, or `hub:NAME[:SPLIT]`."""
    test: File | None = None
    """The same of the test side."""
    allow_overlap: bool = False
    """Accept test problems that are also in the training file."""

    name: ClassVar[str]
    on_hub: ClassVar[bool] = True

    def _records(self, path: Path) -> Iterable[Record]:
        """The records of one file: Parquet where its name says so, else JSON lines."""
        return records(path, self._columns())

    def _columns(self) -> Sequence[str]:
        """Fields that a record needs, so that no other column is read; empty reads all."""
        return ()

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

    def _read(self, setting: str, source: File) -> Loaded:
        return self._load(self._rows(setting, source))

    def _rows(self, setting: str, source: File) -> Iterable[Record]:
        """The records of a file, of the files of a folder, of a data set that was saved, or of one of the hub."""
        side = None if setting == "path" else setting
        if (named := HubName.of(source)) is not None:
            split = named.split or side or "train"
            return hub_records(
                named.repository, config=named.config, split=split, task=self.name, columns=self._columns()
            )
        found = _existing(self.name, setting, source)
        if not found.is_dir():
            return self._records(found)
        if is_saved(found):
            return saved_records(found, side=side, columns=self._columns())
        return chain.from_iterable(self._records(file) for file in files_of(found, side=side))

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
    """One source for both sides, split by content hash; instead of `train` and `test`."""
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
        DataError: it is neither file nor folder.
    """
    found = Path(path).expanduser()
    if found.is_dir():
        return found
    if (kind := irregular(found)) is not None:
        raise DataError(f"task '{name}': {setting}={path} is {kind}; write what it gives to a file first")
    if not found.is_file():
        raise DataError(f"task '{name}': {setting}={path} does not exist (looked in {Path.cwd()}); check the path")
    return found
