"""`counterpoise import`: rollouts that other tools made, as an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoise.cli import console
from counterpoise.errors import UsageError

if TYPE_CHECKING:
    from counterpoise.engines.imports import Imported
    from counterpoise.evaluation.imports.source import Source
    from counterpoise.types import Problem

__all__ = ["import_rollouts"]

_SHOWN = 10


def import_rollouts(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files, or directories of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Evaluation that grows; begun where there is none.")],
    format: Annotated[str, typer.Option(help="auto, trl, verl, lm-eval or jsonl.")] = "auto",
    task: Annotated[str | None, typer.Option(help="Task whose problems these are; gives golds and verifier.")] = None,
    gold: Annotated[
        Path | None, typer.Option(help="JSON lines with question and answer: the golds of these prompts.")
    ] = None,
    steps: Annotated[str | None, typer.Option("--steps", "--step", help="Training steps, e.g. 100 or 100,200.")] = None,
    verifier: Annotated[str, typer.Option(help="Judges problems that are of no task.")] = "math",
    threshold: Annotated[float, typer.Option(help="The files' scores count as right from here on.")] = 0.5,
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
    temperature: Annotated[float, typer.Option(min=0, help="Temperature they were drawn at.")] = 1.0,
) -> None:
    """Read rollouts of TRL (log_completions), verl (validation_data_dir, rollout_data_dir), lm-evaluation-harness (--log_samples) or any
    JSON lines or Parquet file into an evaluation, to be graded, compared, merged and counted like any other.

    The files' own scores become the verdicts of a verifier named imported. The same file adds nothing twice.

    counterpoise import output/completions --steps 200 -o runs/trl-200
    counterpoise import val/100.jsonl --verifier math -o runs/verl-100
    counterpoise import samples_gsm8k_2026-01-01.jsonl --task gsm8k -o runs/harness
    counterpoise import mine.jsonl --prompt-column q --response-column out --gold-column a -o runs/mine
    """
    from counterpoise.engines.imports import import_rollouts as run
    from counterpoise.evaluation.imports.source import open_sources
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
        steps=_steps(steps),
        task=_problems(task, gold),
    )
    _show(done, sources, out, threshold)


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


def _show(done: Imported, sources: list[Source], out: Path, threshold: float) -> None:
    from counterpoise.evaluation.table import passk_table

    numbers = ("added", "there already", "kept out")
    table = console.table("file", "format", *numbers, numbers=numbers)
    for source in sources:
        kept_out = sum(damage.path == source.path for damage in done.damages)
        counts = (done.added[source.path], done.known[source.path], kept_out)
        table.add_row(str(source.path), source.name, *map(str, counts))
    console.stdout.print(table)
    for damage in done.damages[:_SHOWN]:
        console.note(f"{damage.path}:{damage.line}: {damage.reason} (kept out)")
    if len(done.damages) > _SHOWN:
        console.note(f"and {len(done.damages) - _SHOWN} more")
    for source in sources:
        if source.candidates:
            console.note(f"{source.path}: the score may be {', '.join(source.candidates)}; choose with --score-column")
    if done.between:
        console.note(
            f"{done.between} scores are other numbers than -1, 0 and 1; from {threshold:g} on they count as right "
            "(--threshold sets it)"
        )
    if done.result is not None:
        title = f"pass@k by the files' own scores (right from {threshold:g} on)"
        console.stdout.print(passk_table(done.result.curve, confidence=done.result.confidence, title=title))
    if done.without_gold:
        console.note(f"{done.without_gold} problems have no gold; grading needs one: --gold-column, --gold or --task")
    else:
        console.stdout.print(f"grade them with: counterpoise grade {out}", soft_wrap=True, markup=False)
