"""Shared by tasks whose answer is a program: how they ask, and the gold their verifiers read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from counterpoise.tasks.shared.records import Record
from counterpoise.tasks.shared.splits import content_id
from counterpoise.types import Problem

__all__ = ["LIBRARY", "block", "make_problem", "texts"]

LIBRARY: Final = "Only Python's standard library is there."
"""Said in every question: a program that imports anything else fails."""


def block(program: str) -> str:
    """A program as a fenced block."""
    return f"```python\n{program.strip(chr(10))}\n```"


def make_problem(
    *,
    task_type: str,
    question: str,
    verifier: str,
    gold: dict[str, Any],
    solution: str | None,
    meta: dict[str, Any] | None = None,
) -> Problem:
    """A problem whose gold is JSON and whose demonstration is the reference solution."""
    return Problem(
        problem_id=content_id(task_type, question),
        task_type=task_type,
        question=question,
        gold=json.dumps(gold, sort_keys=True),
        verifier=verifier,
        demonstration=None if solution is None else block(solution),
        meta=meta or {},
    )


def texts(record: Record, field: str) -> list[str]:
    """A field that is a list of texts, or such a list as JSON; empty when it is missing or null.

    Raises:
        DataError: it is something else.
    """
    value = record.fields.get(field)
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else []
        except (ValueError, RecursionError):
            value = [value]
    if value is None:
        return []
    if not isinstance(value, Sequence) or not all(isinstance(item, str) for item in value):
        raise record.error(field, "a list of texts")
    return list(value)
