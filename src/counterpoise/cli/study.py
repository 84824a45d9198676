"""`counterpoise study`: several settings, several seeds, one table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterpoise.cli import completion, console

if TYPE_CHECKING:
    from counterpoise.evaluation.arms import ArmRow
    from counterpoise.evaluation.counts import ProblemCounts
    from counterpoise.evaluation.seeds import SeededInterval
    from counterpoise.jobs.study import Study, StudyRun

__all__ = ["study"]

_DEFAULT_KS = (1, 8, 32, 128)
_UNTRAINED = "no run is finished; train with: counterpoise study FILE"
_PLACEBO = "placebo"
_TEMPERATURES = (0.2, 0.4, 0.6, 0.8)


def study(
    file: Annotated[Path, typer.Argument(help="A study file (TOML): a run file, seeds and arms.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Settings of [evaluation] to measure the finished runs under once more.",
            autocompletion=completion.overrides,
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Train nothing: show what is finished.")] = False,
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
    confidence: Annotated[float, typer.Option(help="Level of the intervals.")] = 0.95,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Train every arm under every seed, one after the other, and compare pass@k over seeds.

    counterpoise study studies/rules_strong.toml
    counterpoise study studies/rules_strong.toml --show --against nsr
    counterpoise study studies/rules_strong.toml --show --markdown
    counterpoise study studies/rules_strong.toml evaluation.temperature=0.6 evaluation.top_p=0.95
    counterpoise study studies/rules_strong.toml --against sharpened

    A kill or Ctrl-C loses no finished step: the same command goes on. Intervals are over seeds and problems together.
    """
    from counterpoise.evaluation.arms import SHARPENED
    from counterpoise.jobs.study import load_study

    found = load_study(file, overrides or [])
    against = _reference(against, found)
    if not show:
        found.check()
    colder = _temperatures(temperature) if against == SHARPENED else []
    failed = [] if show else _train(found)
    if (overrides or colder) and not show:
        failed += _measure(found, colder)
    _show(found, against, colder, k, confidence, markdown=markdown, as_json=as_json)
    for run, reason in failed:
        console.error(f"{run.config.path}: {reason}")
    if failed:
        raise typer.Exit(1)


def _train(found: Study) -> list[tuple[Any, str]]:
    from counterpoise.cli.live import LiveObserver

    total = len(found.runs)
    with LiveObserver() as observer:
        return found.train(
            observer=observer,
            on_run=lambda run, number: console.note(f"run {number + 1} of {total}: {run.arm}, seed {run.seed}"),
        )


def _reference(against: str, found: Study) -> str:
    """The arm or the base that is meant, before hours of training and not after."""
    from counterpoise.errors import UsageError
    from counterpoise.evaluation.arms import BASE, SHARPENED

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


def _show(
    found: Study,
    against: str,
    temperatures: Sequence[float],
    k: list[str] | None,
    confidence: float,
    *,
    markdown: bool,
    as_json: bool,
) -> None:
    from counterpoise.cli.passk import parse_ks
    from counterpoise.errors import UsageError
    from counterpoise.evaluation.arms import BASE, Arm, arm_rows
    from counterpoise.evaluation.estimators.passk import k_sweep

    arms = []
    for name in found.arms:
        runs = [run for run in found.runs if run.arm == name]
        results = {run.seed: result for run in runs if (result := run.result()) is not None}
        base = runs[0].base_result()
        if base is not None:
            after = {seed: result.counts for seed, result in results.items()}
            arms.append(Arm(name=name, after=after, before=base.counts, colder=_colder(runs[0], temperatures)))
    n = min((problem.n for arm in arms for counts in arm.after.values() for problem in counts), default=0)
    ks = k_sweep(n) if n else []
    if len(ks) < 2:
        trained = any(run.trained for run in found.runs)
        missing = "no finished run was measured like this; leave --show away to do it" if trained else _UNTRAINED
        raise UsageError(f"nothing to show in {found.directory}: {missing}")
    octaves = ks
    if k:
        shown = [value for value in parse_ks(k, n) if value <= n]
        ks = sorted({*octaves, *shown})
    else:
        shown = [value for value in _DEFAULT_KS if value in ks]
    rows = arm_rows(arms, ks, against=against, confidence=confidence, area_ks=octaves)
    control = found.placebo if against == BASE and any(a.name == found.placebo and a.after for a in arms) else None
    tables = {against: rows}
    if control is not None:
        tables[control] = arm_rows(arms, ks, against=control, confidence=confidence, area_ks=octaves)
    cautions = _cautions(rows)
    pending = [f"{run.arm} seed {run.seed}" for run in found.runs if run.result() is None]
    if as_json:
        told = {"arms": [asdict(row) for row in rows], "pending": pending, "cautions": cautions}
        told["inputs"] = _hashes(found, temperatures)
        less = {} if control is None else {"placebo": control, "less_placebo": [asdict(row) for row in tables[control]]}
        console.print_json({"against": against, "ks": ks, **told, **less})
        return
    columns = [*(f"k={value}" for value in shown), "area"]
    picked = [*(ks.index(value) for value in shown), len(ks)]
    for reference, own in tables.items():
        table = [[row.name, str(len(row.seeds)), *(_cell(row, column) for column in picked)] for row in own]
        what = f"{reference}, the placebo," if reference == control else reference
        title = f"pass@k %, in brackets the difference from {what} in points with its {100 * confidence:g}% interval"
        if markdown:
            if reference == control:
                console.stdout.print(f"\nDifferences from {what} instead:\n", soft_wrap=True)
            _print_markdown(["arm", "seeds", *columns], table)
            continue
        shape = console.table("arm", "seeds", *columns, title=title, numbers=("seeds", *columns))
        for cells in table:
            shape.add_row(*cells)
        console.stdout.print(shape)
    if markdown:
        for caution in cautions:
            console.stdout.print(f"\n{caution[0].upper()}{caution[1:]}.", soft_wrap=True)
        return
    for caution in cautions:
        console.stdout.print(caution, soft_wrap=True)
    if any(math.isnan(row.differences[0].estimate) for row in rows if row.differences):
        console.note("undefined: a seed's pass@1 is above or below that of the base at every temperature measured")
    if pending:
        console.note(f"not finished: {', '.join(pending)}")


def _hashes(found: Study, temperatures: Sequence[float]) -> dict[str, dict[str, str]]:
    """SHA-256 of the files that the figures were computed from, by evaluation."""
    from counterpoise.evaluation.inputs import hashes_of

    return {str(path): hashes_of(path) for path in found.stores(temperatures)}


def _cautions(rows: Sequence[ArmRow]) -> list[str]:
    """What stands under the table of few seeds or few problems."""
    from counterpoise.evaluation.cautions import few_problems, few_seeds

    shown = [interval for row in rows for interval in (row.differences or row.points)[:1]]
    few = few_problems(max((interval.problems for interval in shown), default=0))
    return [text for text in (few_seeds(len(interval.by_seed) for interval in shown), few) if text]


def _colder(run: StudyRun, temperatures: Sequence[float]) -> list[Sequence[ProblemCounts]]:
    from counterpoise.errors import UsageError

    found = {temperature: run.base_at(temperature) for temperature in temperatures}
    missing = [f"{temperature:g}" for temperature, result in found.items() if result is None]
    if missing:
        raise UsageError(
            f"the base of {run.arm} was not measured at temperature {', '.join(missing)}; leave --show away to do it"
        )
    return [result.counts for result in found.values() if result is not None]


def _cell(row: ArmRow, column: int) -> str:
    point = f"{100 * row.points[column].estimate:.1f}"
    return f"{point} ({_moved(row.differences[column])})" if row.differences else point


def _moved(difference: SeededInterval) -> str:
    if math.isnan(difference.estimate):
        return "undefined"
    estimate, low, high = (100 * value for value in (difference.estimate, difference.low, difference.high))
    # 0 is added so that what is rounded to it has no sign of its own: -0.0 is a difference nobody measured
    return "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(round(value, 1) + 0.0 for value in (estimate, low, high)))


def _print_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [columns, ["---"] * len(columns), *rows]
    for cells in lines:
        console.stdout.print("| " + " | ".join(cells) + " |", soft_wrap=True)
