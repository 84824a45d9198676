"""`counterpoise study`: several settings, several seeds, one table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterpoise.cli import console

if TYPE_CHECKING:
    from counterpoise.engines.study import Study, StudyRun
    from counterpoise.evaluation.arms import ArmRow
    from counterpoise.evaluation.seeds import SeededInterval

__all__ = ["study"]

_DEFAULT_KS = (1, 8, 32, 128)


def study(
    file: Annotated[Path, typer.Argument(help="A study file (TOML): a run file, seeds and arms.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE", help="Settings of [evaluation] to measure the finished runs under once more."
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Train nothing: show what is finished.")] = False,
    against: Annotated[
        str, typer.Option(help="Arm that the differences are taken from, or base: the policy before training.")
    ] = "base",
    k: Annotated[
        list[str] | None,
        typer.Option("--k", "-k", help="Tries to show, e.g. 1,8,64; the area takes all powers of two."),
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

    A kill or Ctrl-C loses no finished step: the same command goes on. Intervals are over seeds and problems together.
    """
    from counterpoise.engines.study import load_study

    found = load_study(file, overrides or [])
    failed = [] if show else _train(found)
    if overrides and not show:
        failed += _measure(found)
    _show(found, against, k, confidence, markdown=markdown, as_json=as_json)
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


def _measure(found: Study) -> list[tuple[Any, str]]:
    from contextlib import ExitStack

    from counterpoise.cli.live import LazyProgress

    with ExitStack() as stack:
        bars: dict[Path, LazyProgress] = {}

        def progress(run: StudyRun, done: int, total: int) -> None:
            if run.config.path not in bars:
                stack.close()
                bars[run.config.path] = stack.enter_context(LazyProgress(f"measuring {run.arm}, seed {run.seed}"))
            bars[run.config.path](done, total)

        return found.measure(on_progress=progress, say=console.note)


def _show(found: Study, against: str, k: list[str] | None, confidence: float, *, markdown: bool, as_json: bool) -> None:
    from counterpoise.cli.passk import parse_ks
    from counterpoise.errors import UsageError
    from counterpoise.evaluation.arms import Arm, arm_rows
    from counterpoise.evaluation.passk import k_sweep

    arms = []
    for name in found.arms:
        runs = [run for run in found.runs if run.arm == name]
        results = {run.seed: result for run in runs if (result := run.result()) is not None}
        base = runs[0].base_result()
        if base is not None:
            arms.append(Arm(name=name, after={seed: r.counts for seed, r in results.items()}, before=base.counts))
    n = min((problem.n for arm in arms for counts in arm.after.values() for problem in counts), default=0)
    ks = k_sweep(n) if n else []
    if len(ks) < 2:
        raise UsageError(
            f"nothing to show in {found.directory}: no run is finished; train with: counterpoise study FILE"
        )
    shown = [value for value in (parse_ks(k) if k else _DEFAULT_KS) if value in ks]
    rows = arm_rows(arms, ks, against=against, confidence=confidence)
    pending = [f"{run.arm} seed {run.seed}" for run in found.runs if run.result() is None]
    if as_json:
        console.print_json(
            json.dumps(
                {"against": against, "ks": ks, "arms": [asdict(row) for row in rows], "pending": pending}, indent=2
            )
        )
        return
    columns = [*(f"k={value}" for value in shown), "area"]
    picked = [*(ks.index(value) for value in shown), len(ks)]
    table = [[row.name, str(len(row.seeds)), *(_cell(row, column) for column in picked)] for row in rows]
    title = f"pass@k %, in brackets the difference from {against} in points with its {100 * confidence:g}% interval"
    if markdown:
        _print_markdown(["arm", "seeds", *columns], table)
        return
    shape = console.table("arm", "seeds", *columns, title=title, numbers=("seeds", *columns))
    for cells in table:
        shape.add_row(*cells)
    console.stdout.print(shape)
    if pending:
        console.note(f"not finished: {', '.join(pending)}")


def _cell(row: ArmRow, column: int) -> str:
    point = f"{100 * row.points[column].estimate:.1f}"
    return f"{point} ({_moved(row.differences[column])})" if row.differences else point


def _moved(difference: SeededInterval) -> str:
    estimate, low, high = (100 * value for value in (difference.estimate, difference.low, difference.high))
    return f"{estimate:+.1f} [{low:+.1f}, {high:+.1f}]"


def _print_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [columns, ["---"] * len(columns), *rows]
    for cells in lines:
        console.stdout.print("| " + " | ".join(cells) + " |", soft_wrap=True, markup=False, highlight=False)
