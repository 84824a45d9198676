"""The command `verify`: score a file of responses."""

from __future__ import annotations

import math
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from counterpoise.cli import console
from counterpoise.text import counted

if TYPE_CHECKING:
    from counterpoise.types import Verifier
    from counterpoise.verifiers.judge import Judge
    from counterpoise.verifiers.responses import ResponseLine

__all__ = ["verify"]

_CHUNK = 512
_SECONDS = 1.0
"""Verdicts are written after this long, and as many lines are judged together as take about this long: a killed run has lost no more."""
_TOGETHER = 32
"""Lines at least for a verifier that asks about many at a time, so that its requests run side by side."""

_WAYS_OUT = {
    "timeout": "; a longer --timeout may help",
    "unparsable gold": "; see that --gold-field names the right answer and that --verifier can read it",
}
"""What may help against a kind of reason."""


def verify(
    file: Annotated[Path, typer.Argument(help='JSON lines {"gold": …, "response": …}.')],
    verifier: Annotated[str, typer.Option(help="math, numeric, exact, countdown, qa or llm, ….")] = "math",
    out: Annotated[Path | None, typer.Option(help="Verdicts, one line each [FILE.verdicts.jsonl].")] = None,
    gold_field: Annotated[str, typer.Option(help="Field of the right answer.")] = "gold",
    response_field: Annotated[str, typer.Option(help="Field of the model's text.")] = "response",
    label_field: Annotated[str | None, typer.Option(help="Field of a known verdict, to compare with.")] = None,
    question_field: Annotated[str | None, typer.Option(help="qa, llm: field of the question, for the model.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="key=value", help="A setting of the verifier.")
    ] = None,
    literal: Annotated[bool, typer.Option("--literal", help="math: the answer must have the gold's form.")] = False,
    in_thought: Annotated[
        bool, typer.Option("--in-thought", help="The prompt opened <think>: responses begin inside the thought.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(callback=console.finite, help="Seconds of processor time per answer.")
    ] = 5.0,
    blame: Annotated[
        Literal["answer", "none"],
        typer.Option(help="What an answer is that alone makes the verifier hang or crash: wrong, or unscored."),
    ] = "answer",
    workers: Annotated[int, typer.Option(help="Processes for answers that need algebra.")] = 1,
    alarm: Annotated[float, typer.Option(min=0, max=1, help="Warn when a larger share is unscored.")] = 0.01,
) -> None:
    """Score responses: right, wrong, no answer or unscored.

    Verdicts are appended as they are reached. The same command again goes on where the last one was stopped.

    Examples:
      counterpoise verify responses.jsonl

      counterpoise verify gsm8k.jsonl --gold-field answer --response-field output --verifier numeric

      counterpoise verify labelled.jsonl --label-field is_correct --workers 2

      counterpoise verify answers.jsonl --verifier qa --set max_words=8

      counterpoise verify answers.jsonl --verifier llm --question-field question --label-field is_correct --set
      url=http://localhost:8000/v1 --set model=judge
    """
    from counterpoise.cli.commands.tasks import parse_settings
    from counterpoise.errors import UsageError
    from counterpoise.thought import judged_text
    from counterpoise.verifiers.judge import Judge
    from counterpoise.verifiers.judging import Together
    from counterpoise.verifiers.responses import read_responses

    if literal and verifier != "math":
        raise UsageError(f"--literal is a setting of the verifier math, not of {verifier}")
    if question_field is not None and verifier not in ("qa", "llm"):
        raise UsageError(f"--question-field is for the verifiers qa and llm; {verifier} reads no question")
    chosen_settings = {**parse_settings(settings or []), **({"literal": True} if literal else {})}
    target = file.with_name(file.name + ".verdicts.jsonl") if out is None else out
    if target.resolve() == file.resolve():
        raise UsageError(f"--out {target} is the file that is read; name another one")
    if target.is_dir():
        raise UsageError(f"--out {target} is a directory; name a file in it")
    total = _count_lines(file)
    with Judge(
        timeout=timeout,
        workers=workers,
        blame=blame,
        settings={verifier: chosen_settings} if chosen_settings else None,
    ) as judge:
        chosen = judge.verifier(verifier)
        verdicts = _Verdicts(target, total)
        verdicts.read_earlier(chosen)
        rows = read_responses(
            file,
            gold_field=gold_field,
            response_field=response_field,
            label_field=label_field,
            question_field=question_field,
        )
        with console.progress("verify", total=total, initial=verdicts.done) as update, verdicts:
            pace = _Pace(_TOGETHER if isinstance(chosen, Together) else workers, quick=not chosen.isolated)
            judged = (replace(row, response=judged_text(row.response, in_thought=in_thought)) for row in rows)
            for chunk in _chunks((row for row in judged if row not in verdicts.scored), pace):
                started = time.monotonic()
                verdicts.add(_records(judge, verifier, chunk))
                update(verdicts.done, "")
                pace.took(time.monotonic() - started, len(chunk))
                verdicts.write_if_due()
    _report(verdicts.counts, target=target, alarm=alarm, labels=label_field is not None)


def _records(judge: Judge, verifier: str, chunk: Sequence[ResponseLine]) -> list[dict[str, Any]]:
    """Lines with their verdicts, as they are written."""
    from counterpoise.types import Problem
    from counterpoise.verifiers.responses import verdict_record

    problems = [
        Problem(problem_id=str(row.line), task_type="file", question="", gold=row.gold, verifier=verifier)
        for row in chunk
    ]
    verdicts = judge.verify(problems, [row.response for row in chunk])
    return [verdict_record(row, verdict) for row, verdict in zip(chunk, verdicts, strict=True)]


class _Verdicts:
    """The file of verdicts: those of an earlier run, and those that are added, of which none is lost when the block is left."""

    def __init__(self, target: Path, total: int) -> None:
        from counterpoise.verifiers.responses import Scored

        self.counts: Counter[tuple[str, str]] = Counter()
        self.scored = Scored(array("I", bytes(4 * (total + 1))))
        self.done = 0
        self._target, self._total = target, total
        self._pending: list[dict[str, Any]] = []
        self._written = 0.0

    def read_earlier(self, chosen: Verifier) -> None:
        """Go on after the lines that have a verdict already."""
        from counterpoise.verifiers.responses import read_verdicts

        if self._target.exists():
            earlier = read_verdicts(
                self._target,
                verifier=chosen.name,
                version=chosen.version,
                on_damage=lambda damage: console.note(f"{damage}; scored again"),
            )
            for record in earlier:
                if 0 < record["line"] <= self._total and not self.scored.keys[record["line"]]:
                    self.scored.keys[record["line"]] = record["key"]
                    _count(self.counts, record)
        self.done = sum(1 for key in self.scored.keys if key)
        if self.done:
            lines = counted(self.done, "line has", "lines have")
            console.note(f"{lines} a verdict in {self._target} already; going on after them")

    def __enter__(self) -> None:
        self._written = time.monotonic()

    def add(self, records: Sequence[dict[str, Any]]) -> None:
        """Count them, and write them with the next ones."""
        self._pending += records
        self.done += len(records)
        for record in records:
            _count(self.counts, record)

    def write_if_due(self) -> None:
        """Write what has come since the last time, once it is much or old."""
        if len(self._pending) >= _CHUNK or time.monotonic() - self._written >= _SECONDS:
            self._write()

    def __exit__(self, *exception: object) -> None:
        self._write()

    def _write(self) -> None:
        from counterpoise.files import append_json_lines

        append_json_lines(self._target, self._pending)
        self._pending, self._written = [], time.monotonic()


def _commonest_reason(counts: Counter[tuple[str, str]]) -> str:
    return max(((number, name) for (kind, name), number in counts.items() if kind == "reason"), default=(0, ""))[1]


class _Pace:
    """How many lines are judged together: as many as took about a second, so that little is lost, and the workers are busy."""

    def __init__(self, least: int, *, quick: bool) -> None:
        self._least = least
        self.size = _CHUNK if quick and least < _TOGETHER else 2 * least

    def took(self, seconds: float, lines: int) -> None:
        """Learn from a chunk."""
        if seconds > _SECONDS:
            self.size = max(self._least, lines // 2)
        elif seconds < _SECONDS / 4 and lines == self.size:
            self.size = min(_CHUNK, 2 * self.size)


def _chunks(rows: Iterator[ResponseLine], pace: _Pace) -> Iterator[list[ResponseLine]]:
    """Lists of `pace.size` rows; what stands before a malformed line comes before its error."""
    from counterpoise.errors import DataError

    chunk: list[ResponseLine] = []
    try:
        for row in rows:
            chunk.append(row)
            if len(chunk) >= pace.size:
                yield chunk
                chunk = []
    except DataError:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def _count_lines(path: Path) -> int:
    from counterpoise.errors import DataError
    from counterpoise.files import open_regular

    try:
        with open_regular(path) as handle:
            return sum(1 for line in handle)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _count(counts: Counter[tuple[str, str]], record: Mapping[str, Any]) -> None:
    from counterpoise.types import Basis

    value, basis = record["value"], Basis.read(record["rule"])
    counts["value", value] += 1
    counts["extraction", basis.found_by] += 1
    counts["comparison", basis.decided_by] += 1
    if "reason" in record:
        counts["reason", record["reason"].split(":")[0]] += 1
    if "label" in record and value != "unscored":
        agreement = {(True, True): "both", (True, False): "only we", (False, True): "only label"}
        kind = agreement.get((value == "correct", bool(record["label"])), "neither")
        counts[kind, record["rule"]] += 1


def _report(counts: Counter[tuple[str, str]], *, target: Path, alarm: float, labels: bool) -> None:
    from counterpoise.errors import DataError
    from counterpoise.types import VerdictValue

    total = sum(number for (kind, _), number in counts.items() if kind == "value")
    if not total:
        raise DataError("the file has no line to score")
    for kind, heading in (
        ("value", "verdict"),
        ("reason", "unscored because"),
        ("extraction", "answer found by"),
        ("comparison", "decided by"),
    ):
        rows = [(name, number) for (group, name), number in counts.most_common() if group == kind]
        if kind == "value":
            rows = [(value.value, counts["value", value.value]) for value in VerdictValue]
        if rows:
            table = console.table(heading, "lines", "share", numbers=("lines", "share"))
            for name, number in rows:
                table.add_row(name, str(number), f"{number / total:.1%}")
            console.stdout.print(table)
    if labels:
        _report_labels(counts)
    unscored = counts["value", "unscored"] / total
    if unscored > alarm:
        console.note(
            f"warning: {unscored:.1%} of the lines are unscored, more than {alarm:.1%}; "
            f"the reasons are in the table{_WAYS_OUT.get(_commonest_reason(counts), '')}"
        )
    console.note(f"verdicts: {target}")


def _report_labels(counts: Counter[tuple[str, str]]) -> None:
    kinds = ("both", "neither", "only we", "only label")
    rules = sorted({name for kind, name in counts if kind in kinds})
    headings = ("both right", "both wrong", "only we say right", "only the label says right", "agreement")
    table = console.table("rule", *headings, numbers=headings)
    for rule in [*rules, "all"]:
        numbers = [sum(counts[kind, r] for r in (rules if rule == "all" else [rule])) for kind in kinds]
        share = sum(numbers[:2]) / sum(numbers) if sum(numbers) else math.nan
        table.add_row(rule, *map(str, numbers), f"{share:.2%}")
    console.stdout.print(table)
