"""What a study file may say, and the runs that it asks for: arms x seeds, and where it has them x beds x values of each axis."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from counterpoise.config import RunConfig
from counterpoise.config.base import Section, component_fault
from counterpoise.errors import ConfigError, UsageError
from counterpoise.evaluation.statistics.places import axis_text
from counterpoise.jobs.study.runs import Study, StudyRun, base_run
from counterpoise.ranges import Count
from counterpoise.runfile import parse_config
from counterpoise.tables import copied, extended, merge_tables, read_run_tables, read_tables

__all__ = ["BedFile", "StudyFile", "load_study"]

_SEED = "-seed"
_HOW_SCORED = ("model", "tasks", "prompt", "evaluation", "verification")
"""Sections that decide what the base scores: arms that share them share its evaluation."""
_OF_TRAINING = {"tasks": {"max_train", "weights"}, "evaluation": {"before", "every", "after"}}
"""Settings among them that decide nothing of it; a study without a grid shares by whole sections, as it always did."""


class BedFile(Section):
    """A bed of a study: what the arms are trained on."""

    run: Path
    """Run file that every arm starts from on this bed, relative to the study file."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Sections of the run file that all arms change on this bed."""


class StudyFile(Section):
    """What a study file may say."""

    run: Path | None = None
    """Run file that every arm starts from, relative to the study file; or `beds` instead."""
    seeds: Annotated[list[Count], Field(min_length=1)] = Field(default_factory=lambda: [0, 1, 2])
    """Seeds of the runs of each arm."""
    directory: Path = Path("runs")
    """Parent of the study's own directory, which has the study file's name; relative to the study file where it stands there."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Sections of the run file that all arms change."""
    arms: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    """Sections of the run file that one arm changes, by its name."""
    beds: dict[str, BedFile] = Field(default_factory=dict)
    """Several run files by name: every arm is trained from each of them."""
    grid: dict[str, Any] = Field(default_factory=dict)
    """Axes: values by dotted setting, e.g. `"tasks.max_train" = [100, 500]`; every arm is trained at each combination of them."""

    @model_validator(mode="after")
    def _check(self) -> StudyFile:
        if (self.run is None) == (not self.beds):
            raise ValueError('a study starts from one run file (run = "FILE"), or from several as beds ([beds.NAME])')
        return self


def load_study(path: Path, measured: Sequence[str] = ()) -> Study:
    """Read a study file and every arm's settings; `measured` are `evaluation.KEY=VALUE` to look at its runs under.

    Raises:
        UsageError: `measured` changes more than the evaluation.
        ConfigError: a file is missing or not valid TOML, a key is unknown, an axis has no values, or an arm is an illegal run; the message
            names the arm.
    """
    for word in measured:
        if not word.startswith("evaluation."):
            raise UsageError(
                f"{word} would make another study; finished runs can be measured under other settings of [evaluation], "
                f"e.g. evaluation.temperature=0.6, and what is trained is said in {path}"
            )
    try:
        file = StudyFile.model_validate(read_tables(path, "the study"))
    except ValidationError as error:
        found = error.errors()[0]
        where = ".".join(map(str, found["loc"])) or "the file"
        said = str(found["msg"]).removeprefix("Value error, ")
        raise ConfigError(f"{path}: {where}: {said}; a study has: {', '.join(StudyFile.model_fields)}") from error
    if len(set(file.seeds)) < len(file.seeds):
        raise ConfigError(f"{path}: seeds has a seed twice: {file.seeds}; a run of an arm and a seed is one run")
    from counterpoise.evaluation.statistics.arms import stands_for_base  # numpy

    for arm in file.arms:
        if stands_for_base(arm):
            raise ConfigError(f"{path}: arm {arm}: what arms are compared with is called so; give it another name")
    for name in (path.stem, *file.beds, *file.arms):
        fault = component_fault(name)
        if fault is not None:
            raise ConfigError(f"{path}: {name!r} cannot name a directory of runs: {fault}")
    beside = path.parent if "directory" in file.model_fields_set else Path()
    directory = beside / file.directory.expanduser() / path.stem
    axes = _axes(file.grid, path)
    # {"": …} where the study has one run file, whose runs stand in the study's directory itself.
    beds = file.beds or {"": BedFile(run=file.run or Path())}
    tables = {bed: list(_of_arms(file, own, path)) for bed, own in beds.items()}
    in_grid = bool(axes or file.beds)
    alike: dict[str, list[StudyRun]] = {}
    known: dict[tuple[str, str, int, str], StudyRun] = {}
    runs: list[StudyRun] = []
    for seed in file.seeds:
        for bed, values in itertools.product(beds, itertools.product(*axes.values())):
            place = dict(zip(axes, values, strict=True))
            where = directory / bed / ",".join(f"{key}={axis_text(value)}" for key, value in place.items())
            for arm, settings in tables[bed]:
                own = {"run": {"name": f"{arm}{_SEED}{seed}", "directory": str(where), "seed": seed}}
                source = ", ".join([f"{path}", *([f"bed {bed}"] if bed else []), f"arm {arm}"])
                merged = merge_tables(_placed(settings, place, path), own)
                config = parse_config(merged, ["evaluation.after=true"], source=source)
                if config.learner.mixed_precision == "auto":
                    raise ConfigError(
                        f"{source}: learner.mixed_precision=auto is measured by each run for itself, and runs that are compared need one "
                        "precision; set bf16 or no"
                    )
                run = StudyRun(
                    arm=arm, seed=seed, config=config, base=config.path, measured=tuple(measured), bed=bed, axes=place
                )
                alike.setdefault(_scored(config, in_grid=in_grid), []).append(run)
                runs.append(run)
    bases: dict[int, Path] = {}
    for sharing in alike.values():
        bases |= dict.fromkeys(map(id, sharing), base_run(sharing).config.path)
    runs = [_on_base(run, bases[id(run)]) for run in runs]
    for run in runs:
        _refuse_alike(run, known, path)
    return Study(directory=directory, runs=runs)


def _on_base(run: StudyRun, base: Path) -> StudyRun:
    evaluation = run.config.evaluation.model_copy(update={"before": run.config.path == base})
    return replace(run, base=base, config=run.config.model_copy(update={"evaluation": evaluation}))


def _of_arms(file: StudyFile, bed: BedFile, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each arm's sections on a bed."""
    common = merge_tables(read_run_tables(path.parent / bed.run), extended(file.settings, path))
    common = merge_tables(common, extended(bed.settings, path))
    for arm, settings in file.arms.items():
        yield arm, merge_tables(common, extended(settings, path))


def _axes(grid: Mapping[str, Any], path: Path, prefix: str = "") -> dict[str, list[Any]]:
    """Values by dotted setting; `"tasks.max_train" = […]` and `tasks.max_train = […]` are one thing."""
    axes: dict[str, list[Any]] = {}
    for name, values in grid.items():
        key = prefix + name
        if isinstance(values, Mapping):
            axes |= _axes(values, path, f"{key}.")
            continue
        if "." not in key or not all(key.split(".")):
            raise ConfigError(
                f'{path}: grid.{key} is not a setting; write section.key, e.g. "tasks.max_train" = [100, 500]'
            )
        if key.startswith("run."):
            raise ConfigError(f"{path}: grid.{key}: a study names, places and seeds its runs itself; use seeds or arms")
        if not isinstance(values, list) or not values:
            raise ConfigError(f"{path}: grid.{key} is {values!r}; an axis is a list of values, e.g. [100, 500]")
        for value in values:
            fault = (
                "it is not one value; write arms for it"
                if not isinstance(value, str | int | float)
                else component_fault(f"{key}={axis_text(value)}")
            )
            if fault is not None:
                raise ConfigError(f"{path}: grid.{key}: {value!r} cannot stand on an axis: {fault}")
        if len({axis_text(value) for value in values}) < len(values):
            raise ConfigError(f"{path}: grid.{key} has a value twice: {values}")
        axes[key] = values
    return axes


def _placed(tables: Mapping[str, Any], place: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The tables with each axis at its value, whatever an arm says of it: what a cell is called is what it is."""
    placed: dict[str, Any] = copied(tables)
    for key, value in place.items():
        section, *rest = key.split(".")
        # As if the study file said it, so that a relative path is one from there.
        changed: dict[str, Any] = {section: {}}
        inner: dict[str, Any] = changed[section]
        for part in rest[:-1]:
            inner = inner.setdefault(part, {})
        inner[rest[-1]] = value
        _put(placed, extended(changed, path))
    return placed


def _put(tables: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(tables.get(key), dict):
            _put(tables[key], value)
        else:
            tables[key] = value


def _refuse_alike(run: StudyRun, known: dict[tuple[str, str, int, str], StudyRun], path: Path) -> None:
    """Two places are one where the run file takes their values for the same, as 1 and true, or a study decides the setting itself."""
    left_out = {"run": {"name", "directory"}, "evaluation": {"before"}}
    same = known.setdefault((run.bed, run.arm, run.seed, str(run.config.model_dump(exclude=left_out))), run)
    if same is not run:
        raise ConfigError(f"{path}: {same.label} and {run.label} are the same run; leave one of the values away")


def _scored(config: RunConfig, *, in_grid: bool) -> str:
    """What runs must have in common to have one base."""
    left_out = _OF_TRAINING if in_grid else {}
    return str([getattr(config, name).model_dump(exclude=left_out.get(name)) for name in _HOW_SCORED])
