"""`counterpoise study`: several settings, several seeds, where wanted on several beds; one table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterpoise.cli import completion, console

if TYPE_CHECKING:
    from counterpoise.evaluation.statistics.differences import MeasuredStudy
    from counterpoise.jobs.study import Study
    from counterpoise.jobs.study.trajectory import At

__all__ = ["study"]

_PLACEBO = "placebo"
_TABLE = ".csv"
_TEMPERATURES = (0.2, 0.4, 0.6, 0.8)


def study(
    file: Annotated[
        Path,
        typer.Argument(help="A study file (TOML): a run file or beds, seeds, arms, axes; or a table that --csv wrote."),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE|TABLE",
            help="Settings of [evaluation] to measure the finished runs under once more; behind a table: more tables.",
            autocompletion=completion.overrides,
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Train nothing: show what is finished.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Train nothing: list the runs and their state.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Runs that are trained side by side.")] = 1,
    at: Annotated[
        str,
        typer.Option(
            metavar="steps|steps=N|success=SHARE|frontier",
            help="Where runs are compared: after their last step, after N, at equal training success, or all along.",
        ),
    ] = "steps",
    against: Annotated[
        str,
        typer.Option(
            help="Arm that the differences are taken from; or base: the policy before training; or sharpened: "
            "the base, drawn so cold that it has the run's pass@1; or placebo: the arm whose reward is a coin."
        ),
    ] = "base",
    temperature: Annotated[
        list[str] | None,
        typer.Option(help="Temperatures of the sharpened base, e.g. 0.2,0.5. Default: 0.2,0.4,0.6,0.8."),
    ] = None,
    k: Annotated[
        list[str] | None,
        typer.Option("--k", "-k", help="Tries to show, e.g. 1,8,64, or all; the area takes the powers of two."),
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="Level of the intervals. Default: 0.95; of tables their own.")
    ] = None,
    mean: Annotated[
        bool, typer.Option("--mean", help="Also the mean over beds and values of the axes, each counted once.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Also write every run at every evaluated step.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with the map.")] = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Also write a picture with the map (extra plot).")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Train every arm under every seed, on every bed and at every value of the axes, and compare pass@k over seeds.

    counterpoise study studies/rules_strong.toml
    counterpoise study studies/rules_strong.toml --show --against nsr
    counterpoise study studies/rules_strong.toml --show --markdown
    counterpoise study studies/rules_strong.toml evaluation.temperature=0.6 evaluation.top_p=0.95
    counterpoise study studies/rules_strong.toml --against sharpened
    counterpoise study studies/intensity_200.toml --show --at success=0.8
    counterpoise study studies/intensity_map.toml --jobs 4 --csv map.csv --html map.html
    counterpoise study studies/stopping.toml --show --mean --against maxrl
    counterpoise study map.csv other_seeds.csv --html map.html --png map.png
    counterpoise study seed0.csv seed1.csv seed2.csv --mean --against maxrl

    A kill or Ctrl-C loses no finished step: the same command goes on. Intervals are over seeds and problems together.
    """
    wanted = {"csv": csv, "html": html, "png": png}
    _check_files([file, *map(Path, overrides or [])], wanted)
    if png is not None:
        from counterpoise.report.figures import check_matplotlib

        check_matplotlib()  # before hours of training, and not after
    if file.suffix.lower() == _TABLE:
        _of_tables(
            [file, *map(Path, overrides or [])],
            refused={
                "--dry-run": dry_run,
                "--jobs": jobs > 1,
                "--temperature": bool(temperature),
            },
            at=at,
            against=against,
            k=k,
            confidence=confidence,
            files=wanted,
            mean=mean,
            markdown=markdown,
            as_json=as_json,
        )
        return
    from counterpoise.jobs.study import load_study

    found = load_study(file, overrides or [])
    confidence = 0.95 if confidence is None else confidence
    if show or dry_run:
        found.check_made()
    if not show:
        found.check()
    from counterpoise.cli.views.arms import print_arms
    from counterpoise.cli.views.plan import plan_records, print_plan
    from counterpoise.evaluation.statistics.arms import BASE, SHARPENED
    from counterpoise.jobs.study.trajectory import parse_at

    where = parse_at(at)
    against = _reference(against, found, where)
    _check_mean(mean, where)
    if dry_run:
        if as_json:
            console.print_json({"directory": str(found.directory), "runs": plan_records(found)})
        else:
            print_plan(found)
        return
    colder = _temperatures(temperature) if against == SHARPENED else []
    failed = [] if show else _train(found, jobs)
    if (overrides or colder) and not show:
        failed += _measure(found, colder)
    if any(wanted.values()):
        from counterpoise.jobs.study.gather import gather_study

        asked = _temperatures(temperature) if temperature else colder or None
        _write(gather_study(found, temperatures=asked, confidence=confidence), found.directory.name, file, wanted)
    control = found.placebo if against == BASE else None
    print_arms(
        found, where, against, colder, k, confidence, control=control, mean=mean, markdown=markdown, as_json=as_json
    )
    for run, reason in failed:
        console.error(f"{run.config.path}: {reason}")
    if failed:
        raise typer.Exit(1)


def _of_tables(
    tables: Sequence[Path],
    *,
    refused: Mapping[str, bool],
    at: str,
    against: str,
    k: list[str] | None,
    confidence: float | None,
    files: Mapping[str, Path | None],
    mean: bool,
    markdown: bool,
    as_json: bool,
) -> None:
    """The tables and the page of runs that may be gone, from what `--csv` wrote of them."""
    from counterpoise.cli.views.stored_study import print_stored
    from counterpoise.errors import UsageError
    from counterpoise.jobs.study.trajectory import parse_at
    from counterpoise.report.study_merge import merged_study
    from counterpoise.report.study_read import read_study_csv

    others = [str(file) for file in tables if file.suffix.lower() != _TABLE]
    if others:
        raise UsageError(
            f"{others[0]} stands behind a table of a study, where only more tables can; they end in {_TABLE}"
        )
    where = parse_at(at)
    _check_mean(mean, where)
    for option in [one for one, given in refused.items() if given]:
        raise UsageError(f"{option} needs the runs, and {tables[0]} is a table of them; give the study file instead")
    found = merged_study([read_study_csv(file) for file in dict.fromkeys(tables)])
    if confidence not in (None, found.confidence):
        raise UsageError(
            f"--confidence {confidence:g}: the intervals of {tables[0]} are at {found.confidence:g}; others take the runs"
        )
    if any(files.values()):
        _write(found, tables[0].stem if len(set(tables)) == 1 else None, None, files)
    print_stored(found, tables, where, against, k, mean=mean, markdown=markdown, as_json=as_json)


def _check_files(read: Sequence[Path], wanted: Mapping[str, Path | None]) -> None:
    """Refuse to write one file over another, before hours of training and not after; a table may be written over one it is made of."""
    from counterpoise.errors import UsageError

    taken = {path.resolve(): "is read" for path in read if path.is_file()}
    for option, path in wanted.items():
        if path is None:
            continue
        where = path.resolve()
        if where in taken and not (option == "csv" and taken[where] == "is read" and where.suffix.lower() == _TABLE):
            raise UsageError(f"--{option} {path} would write over what {taken[where]}; choose another name")
        taken[where] = f"--{option} writes"


def _check_mean(mean: bool, where: At) -> None:
    from counterpoise.errors import UsageError

    if mean and where.kind == "frontier":
        raise UsageError(
            "--mean is of one row for each arm, and --at frontier has one for every step; leave one of them away"
        )


def _write(found: MeasuredStudy, title: str | None, file: Path | None, files: Mapping[str, Path | None]) -> None:
    """Write the table, the page and the picture, called as their files where several tables give no title; `file` is the study's."""
    from counterpoise.evaluation.statistics.arms import SHARPENED

    if (csv := files["csv"]) is not None:
        from counterpoise.report.study_table import write_study_csv

        console.note(f"{write_study_csv(found, csv)} lines: {csv}")
    if (html := files["html"]) is not None:
        from counterpoise.files import atomic_write_text
        from counterpoise.report.study_page import study_page

        atomic_write_text(html, study_page(found, title=title or html.stem))
        console.note(f"page: {html}")
    if (png := files["png"]) is not None:
        from counterpoise.report.study_png import write_study_png

        console.note(f"picture: {write_study_png(found, png, title=title or png.stem)}")
    if file is not None and not any(one.against == SHARPENED for one in found.differences):
        console.note(
            f"nothing is said of the base drawn colder (less_sharpened): counterpoise study {file} --against {SHARPENED} measures it"
        )


def _train(found: Study, jobs: int) -> list[tuple[Any, str]]:
    from counterpoise.text import counted, lasting

    total = len(found.runs)
    if jobs > 1:
        from counterpoise.cli.views.cells import CellLines
        from counterpoise.jobs.study.cells import train_cells
        from counterpoise.processes import usable_cores

        cores = usable_cores()
        if jobs > cores:
            console.note(f"--jobs {jobs} on {counted(cores, 'core')}: {cores} at a time")
        with CellLines(total) as lines:
            return train_cells(found, jobs=min(jobs, cores), observer=lines)
    from counterpoise.cli.live import LiveObserver

    with LiveObserver() as observer:
        return found.train(
            observer=observer,
            on_run=lambda run, number: console.note(f"run {number + 1} of {total}: {run.label}"),
            on_left=lambda seconds, runs: console.note(
                f"about {lasting(seconds)} for the {counted(runs, 'run')} to come"
            ),
        )


def _reference(against: str, found: Study, at: At) -> str:
    """The arm or the base that is meant, before hours of training and not after."""
    from counterpoise.errors import UsageError
    from counterpoise.evaluation.statistics.arms import BASE, SHARPENED

    if at.kind == "frontier" and against not in (BASE, SHARPENED):
        raise UsageError(
            f"--at frontier has every step of every arm, and {against} is not a single step; "
            f"take the differences from {BASE} or {SHARPENED}"
        )
    if against in (BASE, SHARPENED, *found.arms):
        return against
    if against == _PLACEBO:
        if found.placebo is None:
            raise UsageError("--against placebo: no arm, or more than one, has credit.reward = random; name the arm")
        return found.placebo
    raise UsageError(
        f"--against {against} is not an arm of the study; there are: {', '.join([BASE, SHARPENED, *found.arms])}"
    )


def _temperatures(given: list[str] | None) -> list[float]:
    from counterpoise.errors import UsageError

    words = [word.strip() for value in given or [] for word in value.split(",")]
    try:
        found = [float(word) for word in words]
    except ValueError as error:
        raise UsageError(f"--temperature takes numbers, e.g. 0.2,0.5; got {', '.join(words)}") from error
    if not all(0.0 < value < math.inf for value in found):
        raise UsageError(f"a temperature of the sharpened base is above 0; got {', '.join(words)}")
    return found or list(_TEMPERATURES)


def _measure(found: Study, temperatures: Sequence[float]) -> list[tuple[Any, str]]:
    from contextlib import ExitStack

    from counterpoise.cli.live import LazyProgress

    with ExitStack() as stack:
        bars: dict[str, LazyProgress] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in bars:
                stack.close()
                bars[what] = stack.enter_context(LazyProgress(f"measuring {what}"))
            bars[what](done, total)

        return found.measure(temperatures=temperatures, on_progress=progress, say=console.note)
