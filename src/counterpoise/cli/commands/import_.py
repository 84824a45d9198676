"""`counterpoise import`: rollouts that other tools made, as an evaluation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterpoise.cli import console
from counterpoise.errors import UsageError
from counterpoise.text import counted

if TYPE_CHECKING:
    from counterpoise.evaluation.imports.source import Source
    from counterpoise.evaluation.statistics.curve import PassAtK
    from counterpoise.jobs.imports import Imported
    from counterpoise.types import Problem

__all__ = ["import_rollouts"]


def import_rollouts(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Files, or directories of them, e.g. TRL's output directory.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Evaluation that grows; begun where there is none.")],
    format: Annotated[str, typer.Option(help="auto, trl, verl, lm-eval or jsonl.")] = "auto",
    task: Annotated[str | None, typer.Option(help="Task whose problems these are; gives golds and verifier.")] = None,
    gold: Annotated[
        Path | None, typer.Option(help="JSON lines with question and answer: the golds of these prompts.")
    ] = None,
    steps: Annotated[str | None, typer.Option("--steps", "--step", help="Training steps, e.g. 100 or 100,200.")] = None,
    verifier: Annotated[str, typer.Option(help="Judges problems that are of no task.")] = "math",
    threshold: Annotated[
        float, typer.Option(callback=console.finite, help="The files' scores count as right from here on.")
    ] = 0.5,
    in_thought: Annotated[
        bool, typer.Option("--in-thought", help="The prompts opened <think>: responses begin inside the thought.")
    ] = False,
    prompt_column: Annotated[str | None, typer.Option(help="Column of the prompt.")] = None,
    response_column: Annotated[str | None, typer.Option(help="Column of the response.")] = None,
    gold_column: Annotated[str | None, typer.Option(help="Column of the gold.")] = None,
    score_column: Annotated[str | None, typer.Option(help="Column of the file's own score.")] = None,
    id_column: Annotated[str | None, typer.Option(help="Column that names the problem.")] = None,
    step_column: Annotated[str | None, typer.Option(help="Column of the training step.")] = None,
    filter: Annotated[
        str | None, typer.Option(help="lm-eval: filter whose metric counts; the first otherwise.")
    ] = None,
    model: Annotated[str, typer.Option(help="Who drew them.")] = "imported",
    temperature: Annotated[
        float, typer.Option(min=0, callback=console.finite, help="Temperature they were drawn at.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables; shares in [0, 1].")] = False,
) -> None:
    """Read rollouts of another tool into an evaluation, to be graded, compared, merged and counted like any other.

    TRL: the output directory of a run with log_completions=True. verl: files of validation_data_dir or rollout_data_dir.
    lm-evaluation-harness: what --log_samples wrote. Any other JSON lines or Parquet file: name its columns.

    The files' own scores become the verdicts of a verifier named imported. The same file adds nothing twice. To grade anew, the problems
    need golds: in a column of the file, in a file of questions and answers (--gold), or from a task (--task).

    counterpoise import trl-output --steps 200 --score-column accuracy_reward -o runs/trl-200
    counterpoise import trl-output --steps 200 --gold test.jsonl -o runs/trl-200
    counterpoise import val/100.jsonl --verifier math -o runs/verl-100
    counterpoise import samples_gsm8k_2026-01-01.jsonl --task gsm8k --gold test.jsonl -o runs/harness
    counterpoise import mine.jsonl --prompt-column q --response-column out --gold-column a -o runs/mine
    """
    from counterpoise.errors import UnknownNameError
    from counterpoise.verifiers.registry import VERIFIERS

    if verifier not in VERIFIERS:
        raise UnknownNameError("verifier", verifier, list(VERIFIERS.known()))
    from counterpoise.evaluation.imports.source import open_sources
    from counterpoise.jobs.imports import import_rollouts as run
    from counterpoise.types import SamplingSettings

    chosen = {
        "prompt": prompt_column,
        "response": response_column,
        "gold": gold_column,
        "score": score_column,
        "id": id_column,
        "step": step_column,
    }
    sources = open_sources(files, format, {name: column for name, column in chosen.items() if column}, filter)
    done = run(
        out,
        sources,
        model=model,
        settings=SamplingSettings(temperature=temperature, max_tokens=0),
        verifier=verifier,
        threshold=threshold,
        in_thought=in_thought,
        steps=_steps(steps),
        task=_problems(task, gold),
    )
    if as_json:
        console.print_json(_as_json(done, sources, out))
    else:
        _show(done, sources, out)
    for note in _notes(done, sources, out, threshold):
        console.note(note)


def _steps(text: str | None) -> set[int]:
    try:
        return {int(word) for word in text.split(",")} if text else set()
    except ValueError as error:
        raise UsageError(
            f"--steps takes whole numbers separated by commas, e.g. --steps 100,200; got '{text}'"
        ) from error


def _problems(task: str | None, gold: Path | None) -> list[Problem]:
    from counterpoise.tasks.registry import make_task

    if task is None and gold is None:
        return []
    made = make_task(task or "jsonl", **({} if gold is None else {"test": str(gold)}))
    return list(made.problems("test"))


def _show(done: Imported, sources: list[Source], out: Path) -> None:
    from rich.text import Text

    from counterpoise.cli.views.passk import passk_table

    numbers = ("added", "there already", "kept out")
    table = console.table("file", "format", *numbers, "score", numbers=numbers)
    for source in sources:
        counts = (done.added[source.path], done.known[source.path], done.refused.of[source.path])
        table.add_row(*map(Text, (str(source.path), source.name, *map(str, counts), source.score or "–")))
    console.stdout.print(table)
    if done.result is not None:
        title = "pass@k by the files' own scores"
        console.stdout.print(passk_table(done.result.curve, confidence=done.result.confidence, title=title))
    if not done.without_gold:
        console.stdout.print(f"grade them with: counterpoise grade {out}", soft_wrap=True)


def _notes(done: Imported, sources: list[Source], out: Path, threshold: float) -> Iterator[str]:
    for damage in done.refused.first:
        yield f"{damage.path}:{damage.line}: {damage.reason} (kept out)"
    if done.refused.total > len(done.refused.first):
        yield f"kept out in all: {counted(done.refused.total, 'row')}, because {done.refused.why()}"
    said = Counter(_score_note(source, threshold) for source in sources)
    for note, files in said.items():
        yield note if len(sources) == 1 else f"{note} ({files} of {len(sources)} files)"
    if done.between:
        yield (
            f"{done.between} scores are other numbers than -1, 0 and 1; from {threshold:g} on they count as right "
            "(--threshold sets it)"
        )
    if done.without_gold:
        yield (
            f"{counted(done.without_gold, 'problem has', 'problems have')} no gold, which grading needs. Import again "
            f"into another directory than {out} with "
            "--gold FILE (lines with question and answer), --task TASK or --gold-column COLUMN"
        )


def _score_note(source: Source, threshold: float) -> str:
    if source.candidates:
        names = ", ".join(source.candidates)
        return f"no score was taken, because it may be any of the columns {names}; choose with --score-column"
    if source.score is None:
        return "no column of scores was found, so only grading can tell right from wrong"
    others = f"; not those of {', '.join(source.other_filters)} (--filter)" if source.other_filters else ""
    return f"taken as the score: {source.score}{others}; right from {threshold:g} on"


def _as_json(done: Imported, sources: list[Source], out: Path) -> dict[str, Any]:
    return {
        "evaluation": str(out),
        "files": [
            {
                "path": str(source.path),
                "format": source.name,
                "score": source.score,
                "score_candidates": list(source.candidates),
                "added": done.added[source.path],
                "known": done.known[source.path],
                "kept_out": done.refused.of[source.path],
            }
            for source in sources
        ],
        "kept_out_reasons": dict(done.refused.reasons.most_common()),
        "problems_without_gold": done.without_gold,
        "passk": None if done.result is None else [_point(row) for row in done.result.curve],
    }


def _point(row: PassAtK) -> dict[str, Any]:
    """Undefined is null."""
    numbers = {"pass@k": row.estimate, "low": row.low, "high": row.high}
    return {"k": row.k} | {name: None if math.isnan(value) else value for name, value in numbers.items()}
