"""`counterpoise compare A B …`: evaluations side by side, with what their problems can and cannot show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterpoise.cli import console
from counterpoise.cli.commands.grade import evaluation_directory
from counterpoise.cli.commands.passk import METRIC_HELP, TOKENS_HELP, parse_ks
from counterpoise.errors import UsageError
from counterpoise.text import counted

if TYPE_CHECKING:
    from rich.table import Table

    from counterpoise.evaluation.comparison import Comparison, Contender
    from counterpoise.evaluation.statistics.curve import PassAtK
    from counterpoise.evaluation.statistics.metrics import Difference, Estimate

__all__ = ["compare"]


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="A B …",
            help="Run directories (newest evaluation; RUN@STEP chooses), evaluation directories, or {id, n, c} files.",
        ),
    ],
    k: Annotated[
        list[str] | None,
        typer.Option(
            "--k", help="Tries, e.g. 1,8,64, or all; may be repeated. Default: powers of two up to the largest n."
        ),
    ] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", help=METRIC_HELP)] = None,
    tokens: Annotated[list[str] | None, typer.Option("--tokens", help=TOKENS_HELP)] = None,
    common: Annotated[bool, typer.Option("--common", help="Compare on the problems that all runs have.")] = False,
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="Compare the means of each run's own problems, without pairing.")
    ] = False,
    kinds: Annotated[
        bool, typer.Option("--kinds", help="Show how frequent each kind of response is, where the task has kinds.")
    ] = False,
    confidence: Annotated[float, typer.Option(help="Coverage of intervals and bands.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables; shares in [0, 1].")] = False,
) -> None:
    """pass@k of several runs, and the differences of each from the first on the same problems.

    Beside each difference stand its own interval, the band that holds all k at once, and the smallest difference that so many problems
    would find four times out of five; then in words over every k: where it gains, where it loses, where that is open, and from which k on.

    counterpoise compare runs/base runs/nsr
    counterpoise compare runs/nsr@0 runs/nsr@100 runs/nsr@200 --k 1,16,256
    counterpoise compare runs/base runs/nsr --metric pass^k,maj@k,area
    counterpoise compare runs/base runs/nsr --tokens 1k,4k,16k
    counterpoise compare runs/paths@0 runs/paths --kinds
    counterpoise compare base.jsonl nsr.jsonl --common --json
    """
    from counterpoise.evaluation.comparison import compare as compare_runs
    from counterpoise.evaluation.comparison import compare_metrics, on_common_problems, read_contender
    from counterpoise.evaluation.estimators.passk import k_sweep
    from counterpoise.evaluation.statistics.budgets import parse_budgets, refuse_without_lengths
    from counterpoise.evaluation.statistics.metrics import METRICS, metric_names

    if len(runs) < 2:
        raise UsageError(f"a comparison needs two runs or more; got {', '.join(runs)} alone")
    if common and unpaired:
        raise UsageError("--common pairs the problems all runs have and --unpaired pairs none; leave one of them away")
    if kinds and unpaired:
        raise UsageError(
            "--kinds compares the same problems; --common takes those that all runs have, --unpaired pairs none"
        )
    metrics = metric_names([*(metric or []), *(["pass@tokens"] if tokens else [])])
    budgets = parse_budgets(tokens) if tokens else None
    found = _named([read_contender(target) for target in runs], runs)
    for run in found if tokens else ():
        refuse_without_lengths(run.counts, run.name)
    if common:
        found = on_common_problems(found)
    n = max(problem.n for run in found for problem in run.counts)
    ks = parse_ks(k, n) if k else k_sweep(n) or [1]
    curves, made = compare_runs(found, ks, paired=not unpaired, confidence=confidence, seed=seed)
    others, changes = compare_metrics(
        found,
        ks,
        METRICS if as_json else metrics,
        budgets=budgets,
        paired=not unpaired,
        confidence=confidence,
        seed=seed,
    )
    notes = [*(note for run in found for note in run.notes), *_differing_settings(found), *_unscored(found)]
    names, shares = [run.name for run in found], []
    if kinds:
        from counterpoise.cli.views.kinds import kinds_as_json, kinds_of, kinds_table

        among = {problem.problem_id for problem in found[0].counts} if common else None
        shares = [kinds_of(evaluation_directory(target), among) for target in runs]
    if as_json:
        told = _as_json(found, curves, made, others, changes, confidence, not unpaired, notes)
        beside = {"kinds": kinds_as_json(names, shares, confidence=confidence, seed=seed)} if kinds else {}
        console.print_json(told | beside)
        return
    title = "each on its own problems" if unpaired else counted(len(found[0].counts), "problem")
    console.stdout.print(_curves_table(found, curves, ks, confidence, f"pass@k %, {title}"))
    for comparison in made:
        console.stdout.print(_differences_table(comparison, confidence))
        for sentence in comparison.sentences():
            console.stdout.print(sentence, soft_wrap=True)
        console.stdout.print()
    if kinds:
        console.stdout.print(kinds_table(names, shares, confidence=confidence, seed=seed))
    if metrics:
        console.stdout.print(_metrics_table(found, others, changes, confidence))
    for note in notes:
        console.note(note)


def _named(found: Sequence[Contender], targets: Sequence[str]) -> list[Contender]:
    """Runs of one name get what was typed instead; the same evaluation twice is a slip."""
    paths = [run.path.resolve() for run in found]
    for target, path in zip(targets, paths, strict=True):
        if paths.count(path) > 1:
            raise UsageError(f"{target} is given twice: both times it is {path}; name two different evaluations")
    names = [run.name for run in found]
    return [
        replace(run, name=target) if names.count(run.name) > 1 else run
        for run, target in zip(found, targets, strict=True)
    ]


def _differing_settings(found: Sequence[Contender]) -> list[str]:
    """Runs that were not measured alike: their difference is not the model's alone."""
    notes = []
    base, *others = found
    for other in others:
        if base.manifest is None or other.manifest is None:
            continue
        ours, theirs = (
            {"task": m.task, "template": m.template, **asdict(m.settings)} for m in (base.manifest, other.manifest)
        )
        differing = [key for key, value in ours.items() if theirs[key] != value]
        if differing:
            what = ", ".join(f"{key} {ours[key]} and {theirs[key]}" for key in differing)
            notes.append(
                f"{base.name} and {other.name} were measured differently, so part of the difference may be that: {what}"
            )
    return notes


def _unscored(found: Sequence[Contender]) -> list[str]:
    counts = [(run.name, sum(problem.unscored for problem in run.counts)) for run in found]
    return [
        f"{name}: {counted(count, 'rollout is', 'rollouts are')} unscored and left out of n"
        for name, count in counts
        if count
    ]


def _curves_table(
    found: Sequence[Contender], curves: Sequence[Sequence[PassAtK]], ks: Sequence[int], confidence: float, title: str
) -> Table:
    names = tuple(run.name for run in found)
    table = console.table("k", *names, title=f"{title}, {100 * confidence:g}% intervals", numbers=("k", *names))
    for row, k in enumerate(ks):
        cells = [_shown(curve[row].estimate) + _range(curve[row].low, curve[row].high) for curve in curves]
        table.add_row(str(k), *cells)
    reasons = [
        f"{run.name}, k={point.k}: {point.reason}"
        for run, curve in zip(found, curves, strict=True)
        for point in curve
        if point.reason
    ]
    if reasons:
        from rich.text import Text

        table.caption = Text("\n".join(reasons))
        table.caption_justify = "left"
    return table


def _differences_table(comparison: Comparison, confidence: float) -> Table:
    from rich.text import Text

    per_cent = f"{100 * confidence:g}%"
    columns = ["k", "difference", f"{per_cent} interval", f"{per_cent} band over all k"]
    if comparison.detectable:
        columns += ["detectable", "problems", "needed"]
    table = console.table(
        *columns, title=f"{comparison.after} - {comparison.base}, percentage points", numbers=tuple(columns)
    )
    for row, (k, point) in enumerate(zip(comparison.ks, comparison.points, strict=True)):
        style = "green" if point.band_low > 0 else "red" if point.band_high < 0 else ""
        cells = [
            str(k),
            _shown(point.estimate, signed=True),
            _range(point.low, point.high, signed=True).strip() or "–",
            _range(point.band_low, point.band_high, signed=True).strip() or "–",
        ]
        if comparison.detectable:
            detectable = comparison.detectable[row]
            needed = "–" if math.isnan(detectable.needed) else f"{detectable.needed:.0f}"
            cells += [_shown(detectable.minimum), str(point.problems), needed]
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return table


def _metrics_table(
    found: Sequence[Contender],
    others: Sequence[Sequence[Estimate]],
    changes: Sequence[Sequence[Difference]],
    confidence: float,
) -> Table:
    """One row for each number; each run after the first has a column for its difference from the first."""
    from rich.text import Text

    base, *after = found
    names = [base.name, *(name for run in after for name in (run.name, f"{run.name} - {base.name}"))]
    title = f"other estimators %, {100 * confidence:g}% intervals; differences in percentage points"
    table = console.table("estimator", *names, title=title, numbers=tuple(names))
    values = [{row.label: row for row in rows} for rows in others]
    moved = [{row.setting.label: row for row in rows} for rows in changes]
    # A graded part that one run lacks is a row of the other's alone.
    labels = list(dict.fromkeys(label for rows in values for label in rows))
    for label in labels:
        cells = [Text(label), Text(_estimate(values[0].get(label)))]
        for rows, differences in zip(values[1:], moved, strict=True):
            change = differences.get(label)
            cells.append(Text(_estimate(rows.get(label))))
            cells.append(Text(_estimate(change, signed=True), style=_colour(change)))
        table.add_row(*cells)
    reasons: dict[str, list[str]] = {}
    for run, rows in zip(found, values, strict=True):
        for label, row in rows.items():
            if row.reason:
                reasons.setdefault(f"{run.name}: {row.reason.removeprefix(f'{label} ')}", []).append(label)
    if reasons:
        table.caption = Text("\n".join(f"{', '.join(where)}, {why}" for why, where in reasons.items()))
        table.caption_justify = "left"
    return table


def _estimate(row: Estimate | Difference | None, *, signed: bool = False) -> str:
    return "–" if row is None else _shown(row.estimate, signed=signed) + _range(row.low, row.high, signed=signed)


def _colour(change: Difference | None) -> str:
    if change is None:
        return ""
    return "green" if change.low > 0 else "red" if change.high < 0 else ""


def _as_json(
    found: Sequence[Contender],
    curves: Sequence[Sequence[PassAtK]],
    made: Sequence[Comparison],
    others: Sequence[Sequence[Estimate]],
    changes: Sequence[Sequence[Difference]],
    confidence: float,
    paired: bool,
    notes: Sequence[str],
) -> dict[str, Any]:
    from counterpoise.evaluation.store.inputs import hashes_of

    runs = [
        {
            "name": run.name,
            "path": str(run.path),
            "inputs": hashes_of(run.path),
            "problems": len(run.counts),
            "pass_at_k": [asdict(p) for p in curve],
            "estimates": [asdict(row) for row in rows],
        }
        for run, curve, rows in zip(found, curves, others, strict=True)
    ]
    differences = []
    for comparison, change in zip(made, changes, strict=True):
        rows = [{"k": k, **asdict(point)} for k, point in zip(comparison.ks, comparison.points, strict=True)]
        for row, detectable in zip(rows, comparison.detectable, strict=False):
            row |= {"detectable": detectable.minimum, "needed": detectable.needed}
        differences.append(
            {
                "name": comparison.after,
                "against": comparison.base,
                "pass_at_k": rows,
                "estimates": [_difference_json(difference) for difference in change],
                "crossing": None
                if comparison.crossing is None
                else {"lower": comparison.lower, **asdict(comparison.crossing)},
                "stretches": [asdict(stretch) for stretch in comparison.stretches],
                "first_loss": None if comparison.first_loss is None else asdict(comparison.first_loss),
                "sentences": comparison.sentences(),
            }
        )
    return {
        "confidence": confidence,
        "paired": paired,
        "runs": runs,
        "differences": differences,
        "notes": list(notes),
    }


def _difference_json(difference: Difference) -> dict[str, Any]:
    fields = asdict(difference)
    return {**fields.pop("setting"), **fields}


def _shown(share: float, *, signed: bool = False) -> str:
    if math.isnan(share):
        return "–"
    # Adding zero turns a rounded -0.0 into 0.0.
    return format(round(100 * share, 1) + 0.0, "+.1f" if signed else ".1f")


def _range(low: float, high: float, *, signed: bool = False) -> str:
    return "" if math.isnan(low) else f" [{_shown(low, signed=signed)}, {_shown(high, signed=signed)}]"
