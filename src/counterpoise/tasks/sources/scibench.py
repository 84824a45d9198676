"""SciBench: college problems of physics, chemistry and mathematics with a number and a unit (Wang et al. 2024, arXiv:2307.10635)."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final

from counterpoise.errors import ConfigError, DataError
from counterpoise.files import irregular
from counterpoise.ranges import File, Share
from counterpoise.settings import settings
from counterpoise.tasks.shared.identity import Split, split_of
from counterpoise.tasks.shared.records import Record, json_records, located
from counterpoise.tasks.shared.splits import Loaded, content_id, unique
from counterpoise.types import Problem

__all__ = ["Scibench", "split_unit"]

_TOLERANCE: Final = 0.05
_POWER: Final = re.compile(
    r"(?:\\mathrm\s*\{\s*)?10\s*\^\s*\{?\s*(?P<power>-?\d{1,3})\s*\}?\s*\}?\s*(?:\\cdot|\\times)?\s*(?P<unit>.*)",
    re.DOTALL,
)


@settings("task scibench")
class Scibench:
    """College science problems with numbers and units: files of SciBench's shape (`problem_text`, `answer_number`, `unit`, `source`).

    Raises:
        ConfigError: a setting is out of range; the message names it.
    """

    path: File | None = None
    """A file that is one JSON array, or a directory whose `*.json` files are read in the order of their names."""
    state_unit: bool = True
    """Name the unit in the question, as SciBench does; the answer may then leave it out. Otherwise it is required."""
    test_fraction: Share = 1.0
    """Expected share of problems on the test side; all of them, because this is a set to evaluate on."""

    name: ClassVar[str] = "scibench"
    template: ClassVar[str] = "step_by_step_chat"

    def loaded(self, split: Split) -> Loaded:
        """One side with the count of duplicates."""
        whole = unique(located((record for path in self._files() for record in json_records(path)), self._problem))
        chosen = tuple(p for p in whole.problems if split_of(p.problem_id, test_fraction=self.test_fraction) == split)
        if not chosen:
            raise DataError(
                f"task 'scibench' has no {split} problems: {self.path} holds {len(whole.problems)} and "
                f"test_fraction={self.test_fraction}; give another test_fraction or larger files"
            )
        return Loaded(problems=chosen, duplicates=whole.duplicates, conflicts=whole.conflicts)

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """One side, in the files' order.

        Raises:
            ConfigError: no path was given.
            DataError: it holds no such file, a record is malformed, or the side is empty.
        """
        return self.loaded(split).problems

    def _files(self) -> list[Path]:
        if self.path is None:
            raise ConfigError(
                "task 'scibench' needs files: give path=FILE.json, or path=DIRECTORY for the folder dataset/original of its authors"
            )
        path = Path(self.path).expanduser()
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
        for file in files:
            if (kind := irregular(file)) is not None:
                raise DataError(f"task 'scibench': {file} is {kind}; write what it gives to a file first")
        if not files or not all(file.is_file() for file in files):
            raise DataError(
                f"task 'scibench': path={self.path} is not a JSON file and no directory with some; check the path"
            )
        return files

    def _problem(self, record: Record) -> Problem:
        question, source = record.text("problem_text"), record.text("source")
        number = record.text("answer_number").replace("−", "-")
        factor, unit = split_unit(_column(record))
        value = f"{number} {factor}".strip()
        in_dollars = unit == r"\$"
        stated = "dollars" if in_dollars else f"${unit}$"
        gold_unit = "" if in_dollars or not unit else f"[{unit}]" if self.state_unit else unit
        return Problem(
            problem_id=content_id("scibench", question),
            task_type=source,
            question=f"{question}\nGive the answer in {stated}." if unit and self.state_unit else question,
            gold=f"{value} {gold_unit}".strip(),
            verifier="quantity",
            demonstration=f"\\boxed{{{value}{'' if in_dollars or not unit else ' ' + unit}}}",
            meta=MappingProxyType(
                {"problemid": str(record.fields.get("problemid", "")).strip(), "tolerance": _TOLERANCE}
            ),
        )


def split_unit(column: str) -> tuple[str, str]:
    r"""The power of ten and the unit of a unit column, perhaps empty: `$10^{-23} \mathrm{~s}$` has `\times 10^{-23}` and `\mathrm{~s}`."""
    text = column.strip()
    if text == "$" or r"\$" in text:
        return "", r"\$"
    text = " ".join(text.replace("$", " ").split())
    match = _POWER.fullmatch(text)
    return (rf"\times 10^{{{match['power']}}}", match["unit"]) if match else ("", text)


def _column(record: Record) -> str:
    unit = record.fields.get("unit", "")
    if not isinstance(unit, str):
        raise DataError(
            f"{record.where}: field 'unit': expected text, found {unit!r}; leave it empty where there is none"
        )
    return unit
