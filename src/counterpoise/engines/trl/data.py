"""The data of a trainer, held against what is read of it before a model is loaded.

TRL gives a column that is not there as nothing, and ends without a step where the rows do not fill one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from counterpoise.engines.trl.rewards import gold_column, missing_gold
from counterpoise.errors import DataError, UsageError
from counterpoise.text import counted

__all__ = ["check_data", "row_kinds"]


def check_data(train: Any, evaluation: Any, *, args: Any, task_column: str | None, functions: Sequence[Any]) -> None:
    """Refuse data without a column that is read, with an empty prompt, or of too few rows for a step.

    A streamed data set may not know its columns; then the first batch is asked (`row_kinds`, and the reward functions themselves).

    Args:
        train: the data that is trained on.
        evaluation: the data of evaluations, or a mapping of such; nothing reads kinds of tasks there.
        args: TRL's `GRPOConfig`.
        task_column: column of the kinds of tasks.
        functions: the reward functions.

    Raises:
        DataError: a column or a prompt is missing, there are too few rows, or the data is several sets.
        UsageError: TRL is told to take columns away.
    """
    golds = [gold for gold in map(gold_column, functions) if gold is not None]
    read = golds if task_column is None else [task_column, *golds]
    if read and getattr(args, "remove_unused_columns", False):
        raise UsageError(
            f"remove_unused_columns=True takes the column {read[0]!r} away before anything reads it; leave it out, TRL's default is False"
        )
    if isinstance(train, Mapping):
        sets = ", ".join(map(str, train))
        raise DataError(
            f"train_dataset is several data sets ({sets}); give one of them, e.g. train_dataset=data[{next(iter(train), 'train')!r}]"
        )
    names = _columns(train)
    if names is not None:
        held = ", ".join(sorted(names))
        if "prompt" not in names:
            raise DataError(f"train_dataset has no column 'prompt', which TRL draws responses to; it has: {held}")
        if task_column is not None and task_column not in names:
            raise DataError(f"task_column={task_column!r}: train_dataset has no such column; it has: {held}")
    _check_rows(train, args, golds)
    others = evaluation.values() if isinstance(evaluation, Mapping) else [evaluation]
    for held_by in (names, *map(_columns, others)):
        for gold in golds:
            if held_by is not None and gold not in held_by:
                raise missing_gold(gold, held_by)


def _check_rows(train: Any, args: Any, golds: Sequence[str]) -> None:
    """Hold the rows of a data set that is not streamed against a step's prompts, of which TRL leaves out what does not fill one."""
    rows = len(train) if hasattr(train, "__len__") else None
    batch, group = getattr(args, "generation_batch_size", None), getattr(args, "num_generations", None)
    if rows is not None and batch and group and rows < batch // group:
        raise DataError(
            f"train_dataset has {counted(rows, 'row')}, and a step draws responses to {batch // group} prompts, so that TRL ends without "
            f"one; give more rows, or lower per_device_train_batch_size or steps_per_generation to {max(1, rows) * group} responses a step"
        )
    table = getattr(train, "data", None)  # holds rows that were left out, too: what is null there may be none of these
    if not rows or table is None:
        return
    for gold in golds:
        if gold in table.column_names and table.column(gold).null_count == table.num_rows:
            raise DataError(
                f"the column {gold!r} of train_dataset is empty in every row, so that nothing is judged; give another with gold=NAME"
            )
    if table.column("prompt").null_count:
        empty = next((place for place, prompt in enumerate(train["prompt"]) if prompt is None), None)
        if empty is not None:
            raise DataError(
                f"row {empty} of train_dataset has no prompt; leave such rows out with train_dataset.filter"
            )


def row_kinds(rows: Sequence[Mapping[str, Any]], task_column: str | None) -> list[str]:
    """The kind of each row's task; `all` where nobody names them.

    Raises:
        DataError: a row has no such column.
    """
    if task_column is None:
        return ["all"] * len(rows)
    for row in rows:
        if task_column not in row:
            raise DataError(f"task_column={task_column!r}: a row has no such column; it has: {', '.join(sorted(row))}")
    return [str(row[task_column]) for row in rows]


def _columns(data: Any) -> Sequence[str] | None:
    names = getattr(data, "column_names", None)
    return names if isinstance(names, list) else None
