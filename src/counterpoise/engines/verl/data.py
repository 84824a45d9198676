"""A run's problems as the Parquet files that verl reads: whole prompts, golds, and what the reward function needs to judge as we do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from counterpoise.errors import MissingExtraError
from counterpoise.files import atomic_write
from counterpoise.launch.prompts import engine_texts
from counterpoise.types import Problem, Prompt

__all__ = ["check_parquet", "problem_of", "rows_of", "write_parquet"]


def check_parquet() -> None:
    """Refuse an environment that cannot write Parquet.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise MissingExtraError("pyarrow", extra="parquet", purpose="the data that verl reads")


def rows_of(prompts: Sequence[Prompt], tokenizer: Any) -> list[dict[str, Any]]:
    """A row of verl's form for each prompt.

    The prompt is one message with the whole text, template and all, which verl's chat format (`options.PASS_THROUGH`) leaves as it is;
    `extra_info.problem` is the problem as JSON, and `extra_info.prefix` what every response begins with.

    Raises:
        DataError: verl would make other tokens of a prompt.
    """
    return [
        {
            "data_source": prompt.problem.task_type,
            "prompt": [{"role": "user", "content": text}],
            "reward_model": {"style": "rule", "ground_truth": prompt.problem.gold},
            "extra_info": {"index": place, "problem": _text_of(prompt.problem), "prefix": prompt.prefix},
        }
        for place, (prompt, text) in enumerate(
            zip(prompts, engine_texts(prompts, tokenizer, special=False), strict=True)
        )
    ]


def write_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a Parquet file, whole or not at all."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist(list(rows))
    atomic_write(path, lambda stream: pyarrow.parquet.write_table(table, stream))


def problem_of(extra_info: Any) -> Problem:
    """The problem of a row, as its verifier needs it.

    Raises:
        KeyError: the row is none of `rows_of`.
    """
    return Problem(**json.loads(extra_info["problem"]))


def _text_of(problem: Problem) -> str:
    kept = {
        "problem_id": problem.problem_id, "task_type": problem.task_type, "question": problem.question, "gold": problem.gold,
        "verifier": problem.verifier, "meta": dict(problem.meta), "record": dict(problem.record),
    }  # fmt: skip
    return json.dumps(kept, ensure_ascii=False, default=str)
