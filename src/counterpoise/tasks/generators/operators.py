"""The operators of drawn expressions, as a setting."""

from __future__ import annotations

from typing import Annotated

from counterpoise.ranges import Checked, Expected

__all__ = ["OPERATORS", "Operators"]

OPERATORS = "+-*/"


def _distinct(operators: str) -> str:
    if not operators or set(operators) - set(OPERATORS) or len(set(operators)) < len(operators):
        raise ValueError
    return operators


Operators = Annotated[str, Checked(_distinct), Expected(f"distinct characters out of {OPERATORS!r}")]
