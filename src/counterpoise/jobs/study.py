"""A study: the same run under several settings (arms) and several seeds, one after the other, resumable at every checkpoint.

DIRECTORY/ARM-seed0/  ARM-seed1/ …     a run directory each
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from counterpoise.build.checks import check_names, check_policy
from counterpoise.build.problems import Problems, problems_of
from counterpoise.config import RunConfig
from counterpoise.config.base import Section, component_fault
from counterpoise.engines.local.observer import Observer
from counterpoise.errors import ConfigError, TrainingError, UsageError
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.ranges import Count
from counterpoise.runfile import parse_config, settled
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.identity import flat
from counterpoise.tables import extended, merge_tables, read_run_tables, read_tables

__all__ = ["Study", "StudyFile", "StudyRun", "load_study"]

_SEED = "-seed"
_HOW_SCORED = ("model", "tasks", "prompt", "evaluation", "verification")
"""Sections that decide what the base scores: arms that share them share its evaluation."""


class StudyFile(Section):
    """What a study file may say."""

    run: Path
    """Run file that every arm starts from, relative to the study file."""
    seeds: Annotated[list[Count], Field(min_length=1)] = Field(default_factory=lambda: [0, 1, 2])
    """Seeds of the runs of each arm."""
    directory: Path = Path("runs")
    """Parent of the study's own directory, which has the study file's name; relative to the study file where it stands there."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Sections of the run file that all arms change."""
    arms: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    """Sections of the run file that one arm changes, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRun:
    """One arm under one seed."""

    arm: str
    """Name of the arm."""
    seed: int
    """Seed of the run."""
    config: RunConfig
    """The whole run."""
    base: Path
    """Run whose evaluation before training is this run's base."""
    measured: Sequence[str] = ()
    """`evaluation.KEY=VALUE` under which it is measured once more; empty is as it was trained."""

    @property
    def trained(self) -> bool:
        """Whether the run has come to its end."""
        return _store(self.config.path, self.config.learner.steps, ()) is not None

    def result(self) -> EvaluationResult | None:
        """pass@k after the last step; None when the run has not come so far, or was not measured like this."""
        return _evaluated(self.config.path, self.config.learner.steps, self.measured)

    def base_result(self) -> EvaluationResult | None:
        """pass@k of the base; None when it was not evaluated yet."""
        return _evaluated(self.base, 0, self.measured)

    def base_at(self, temperature: float) -> EvaluationResult | None:
        """pass@k of the base at another temperature, everything else as the run has it; None when it was not measured."""
        return _evaluated(self.base, 0, (_at(temperature),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Arms times seeds, in the order they are run: all arms under one seed before the next, so that a part of it is a fair picture."""

    directory: Path
    """Where its runs are."""
    runs: Sequence[StudyRun]
    """All of them."""

    @property
    def arms(self) -> list[str]:
        """Names in the order of the file."""
        return list(dict.fromkeys(run.arm for run in self.runs))

    def train(
        self, *, observer: Observer | None = None, on_run: Callable[[StudyRun, int], None] = lambda run, number: None
    ) -> list[tuple[StudyRun, str]]:
        """Train what is not finished; a run that cannot go on is left where it is, and the others are run.

        Args:
            observer: called about every run.
            on_run: called with the number, from 0, of the run that is begun or continued.

        Returns:
            Runs that failed, with the reason.

        Raises:
            ConfigError: a run of an earlier study by this name was made with other settings.
            RunInterruptedError: Ctrl-C; the same call goes on from there.
        """
        from counterpoise.engines.local import train  # torch

        failed = []
        for number, run in enumerate(self.runs):
            directory = _directory(run)
            if run.trained:
                continue
            on_run(run, number)
            try:
                train(directory, observer=observer)
            except TrainingError as error:
                failed.append((run, str(error)))
        return failed

    def check(self) -> None:
        """Look up every name of the runs that are still to be trained, and read each task once; torch is not imported for it.

        Raises:
            ConfigError: a name, setting or file of an arm is none; the message names the arm.
        """
        read: dict[str, Problems] = {}
        for run in self.runs:
            if run.trained:
                continue
            config = run.config
            try:
                check_names(config, started=any(config.path.glob("checkpoints/step-*")))
                check_policy(config.model)
                of_task = str(
                    [getattr(config, section) for section in ("tasks", "prompt", "verification", "evaluation")]
                )
                if of_task not in read:
                    read[of_task] = problems_of(config)
            except UsageError as error:
                raise ConfigError(f"arm {run.arm}: {error}") from error

    def measure(
        self,
        *,
        temperatures: Sequence[float] = (),
        on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> list[tuple[StudyRun, str]]:
        """Evaluate what is trained, and its base, under `measured`, and the base at `temperatures`; what is finished is not drawn again.

        Args:
            temperatures: of the base, everything else as the run has it.
            on_progress: called with (what, rollouts drawn, of all).
            say: called with every damage.

        Returns:
            Runs that could not be evaluated, with the reason.

        Raises:
            DataError, ConfigError: a task cannot be loaded.
        """
        from counterpoise.jobs.checkpoints import evaluate_checkpoints  # torch

        failed = []
        seen = set()
        for run in (run for run in self.runs if run.trained):
            wanted: list[tuple[str, Path, int, Sequence[str]]] = [
                (f"base at temperature {t:g}", run.base, 0, (_at(t),)) for t in temperatures
            ]
            if run.measured:
                wanted.append(("base", run.base, 0, run.measured))
                wanted.append((f"{run.arm}, seed {run.seed}", run.config.path, run.config.learner.steps, run.measured))
            for what, path, step, settings in wanted:
                if (path, step, settings) in seen:
                    continue
                seen.add((path, step, settings))
                (one,) = evaluate_checkpoints(
                    RunDirectory.read(path, settings),
                    [step],
                    on_progress=_about(what, on_progress),
                    say=say,
                )
                if one.error is not None:
                    failed.append((run, one.error))
        return failed


def load_study(path: Path, measured: Sequence[str] = ()) -> Study:
    """Read a study file and every arm's settings; `measured` are `evaluation.KEY=VALUE` to look at its runs under.

    Raises:
        UsageError: `measured` changes more than the evaluation.
        ConfigError: a file is missing or not valid TOML, a key is unknown, or an arm is an illegal run; the message names the arm.
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
        raise ConfigError(
            f"{path}: {where}: {found['msg']}; a study has: {', '.join(StudyFile.model_fields)}"
        ) from error
    for name in (path.stem, *file.arms):
        fault = component_fault(name)
        if fault is not None:
            raise ConfigError(f"{path}: {name!r} cannot name a directory of runs: {fault}")
    common = merge_tables(read_run_tables(path.parent / file.run), extended(file.settings, path))
    beside = path.parent if "directory" in file.model_fields_set else Path()
    directory = beside / file.directory.expanduser() / path.stem
    bases: dict[str, Path] = {}
    arms = {arm: merge_tables(common, extended(settings, path)) for arm, settings in file.arms.items()}
    runs = []
    for seed in file.seeds:
        for arm, settings in arms.items():
            own = {"run": {"name": f"{arm}{_SEED}{seed}", "directory": str(directory), "seed": seed}}
            tables = merge_tables(settings, own)
            config = parse_config(tables, ["evaluation.after=true"], source=f"{path}, arm {arm}")
            scored = str([getattr(config, section) for section in _HOW_SCORED])
            first = scored not in bases
            base = bases.setdefault(scored, config.path)
            evaluation = config.evaluation.model_copy(update={"before": first})
            config = config.model_copy(update={"evaluation": evaluation})
            runs.append(StudyRun(arm=arm, seed=seed, config=config, base=base, measured=tuple(measured)))
    return Study(directory=directory, runs=runs)


def _directory(run: StudyRun) -> RunDirectory:
    """The run's directory, made or found.

    Raises:
        ConfigError: it holds a run with other settings.
    """
    path = run.config.path
    if not (path / "config.toml").is_file():
        return RunDirectory.create(run.config)
    directory = RunDirectory.open(path)
    watching = directory.config.guards
    ours, theirs = (flat(settled(config)) for config in (run.config, directory.config))
    # Where the runs are is not a setting of a run: a study may be looked at from another directory, or moved.
    changed = [
        f"{key} {theirs.get(key)} -> {ours.get(key)}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key) and key != "run.directory"
    ]
    if not watching.act and not run.config.guards.act:
        # Guards that only watch change nothing that is trained, so those of an earlier release are as good.
        changed = [line for line in changed if not line.startswith("guards.")]
    if changed:
        raise ConfigError(
            f"{path} was made with other settings ({', '.join(changed[:3])}); name the arm differently, or remove that run"
        )
    return directory


def _about(what: str, on_progress: Callable[[str, int, int], None]) -> Callable[[int, int, int], None]:
    return lambda step, done, total: on_progress(what, done, total)


def _at(temperature: float) -> str:
    return f"evaluation.temperature={temperature:g}"


def _evaluated(path: Path, step: int, measured: Sequence[str]) -> EvaluationResult | None:
    directory = _store(path, step, measured)
    return None if directory is None else EvaluationResult.load(directory)


def _store(path: Path, step: int, measured: Sequence[str]) -> Path | None:
    """Directory of a finished evaluation of the run."""
    if not (path / "config.toml").is_file():
        return None
    directory = RunDirectory.read(path, measured).evaluation(step)
    return directory if (directory / "passk.json").is_file() else None


def _flat(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tables.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat
