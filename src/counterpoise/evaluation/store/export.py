"""An evaluation as plain rows, one for each rollout with its verdict, for other tools and for `counterpoise import`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from counterpoise.errors import DataError, MissingExtraError, StoreError, UsageError
from counterpoise.evaluation.store.golds import kept_problems
from counterpoise.evaluation.store.rollouts import RolloutStore
from counterpoise.files import atomic_write, read_json, why
from counterpoise.iterating import in_batches
from counterpoise.text import counted
from counterpoise.types import VerdictValue

__all__ = ["Exported", "export"]

_VALUES = tuple(VerdictValue)
_AT_ONCE = 512
_NAMED = 5
"""Damaged lines that are named; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written, and what could not be."""

    rollouts: int
    """Rows."""
    notes: tuple[str, ...]
    """Damaged lines that are left out, and verdicts that are not there."""


def export(directory: Path, target: Path) -> Exported:
    """Write every stored rollout to `target`, JSON lines or Parquet by its suffix.

    A row has `problem_id`, `sample`, `prompt` and `gold` (null unless the evaluation was imported), `response`, `tokens`, `stop_reason`,
    `step`, and from the verifiers of `passk.json` `verdict` and `score` (1 right, 0 wrong or no answer, null unscored or not judged).

    Raises:
        StoreError: the directory is not an evaluation, or a file cannot be read or written.
        DataError: nothing is stored.
        UsageError: the suffix is neither .jsonl nor .parquet. MissingExtraError: Parquet without `pyarrow`.
    """
    store = RolloutStore(directory)
    if target.suffix not in (".jsonl", ".parquet"):
        raise UsageError(f"{target} ends in neither .jsonl nor .parquet; the ending says what is written")
    notes: list[str] = []
    verdicts = _verdicts(store, notes)
    count = 0

    def watched() -> Iterator[dict[str, Any]]:
        nonlocal count
        for row in _rows(store, verdicts):
            count += 1
            yield row
        if not count:
            raise DataError(f"{directory} holds no rollouts, so there is nothing to export")

    if target.suffix == ".parquet":
        _parquet(target, watched())
    else:
        atomic_write(target, lambda handle: _jsonl(handle, watched()))
    damages = store.damages
    notes += [str(damage) for damage in damages[:_NAMED]]
    if len(damages) > _NAMED:
        notes.append(f"{counted(len(damages) - _NAMED, 'more line')} of {directory} could not be read")
    return Exported(rollouts=count, notes=tuple(notes))


def _rows(store: RolloutStore, verdicts: Mapping[str, bytearray]) -> Iterator[dict[str, Any]]:
    problems = kept_problems(store.directory)
    for rollout in store.rollouts():
        codes = verdicts.get(rollout.problem_id, bytearray())
        code = codes[rollout.sample] if rollout.sample < len(codes) else 0
        value = _VALUES[code - 1] if code else None
        judged = value is not None and value is not VerdictValue.UNSCORED
        problem = problems.get(rollout.problem_id)
        yield {
            "problem_id": rollout.problem_id,
            "sample": rollout.sample,
            "prompt": None if problem is None else problem.question,
            "gold": None if problem is None else problem.gold,
            "response": rollout.text,
            "score": int(value is VerdictValue.CORRECT) if judged else None,
            "verdict": None if value is None else value.value,
            "tokens": rollout.tokens,
            "stop_reason": None if rollout.stop_reason is None else rollout.stop_reason.value,
            "in_thought": rollout.in_thought,
            "step": rollout.policy_version,
        }


def _verdicts(store: RolloutStore, notes: list[str]) -> dict[str, bytearray]:
    """One byte for each judged draw: 1 + the index of its verdict, 0 for none."""
    path = store.directory / "passk.json"
    try:
        graders = dict(read_json(path)["verifiers"])
    except FileNotFoundError:
        notes.append(f"{path} is missing, so no rollout has a verdict; grade the evaluation first")
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"cannot read {path}: {why(error)}; grade the evaluation again") from error
    codes: dict[str, bytearray] = {}
    for grader in sorted(graders.items()):
        if not store.verdicts_path(*grader).exists():
            notes.append(
                f"{store.verdicts_path(*grader)} is missing, so what it judged has no verdict; grade the evaluation again"
            )
        for line in store.verdicts(*grader):
            row = codes.setdefault(line.problem_id, bytearray())
            row.extend(bytes(max(0, line.sample + 1 - len(row))))
            row[line.sample] = 1 + _VALUES.index(line.verdict.value)
    return codes


def _jsonl(handle: BinaryIO, rows: Iterator[dict[str, Any]]) -> None:
    for row in rows:
        handle.write((json.dumps(row, ensure_ascii=False) + "\n").encode(errors="backslashreplace"))


def _parquet(target: Path, rows: Iterator[dict[str, Any]]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", extra="parquet", purpose=f"writing {target}") from error
    texts = ("problem_id", "prompt", "gold", "response", "verdict", "stop_reason")
    numbers = ("sample", "score", "tokens", "step")
    columns = [(n, pyarrow.string()) for n in texts] + [(n, pyarrow.int64()) for n in numbers]
    schema = pyarrow.schema([*columns, ("in_thought", pyarrow.bool_())])

    def write(handle: BinaryIO) -> None:
        with parquet.ParquetWriter(handle, schema) as writer:
            for batch in in_batches(rows, _AT_ONCE):
                writer.write_batch(pyarrow.RecordBatch.from_pylist(batch, schema=schema))

    atomic_write(target, write)
