"""The types of settings: what a value may be stands once, in the annotation, and checked, worded and published from there.

Written with `annotated_types`, which pydantic reads, so that naming a type imports no pydantic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

__all__ = [
    "ON_HUB",
    "AboveOne",
    "AboveZero",
    "Checked",
    "Correction",
    "Count",
    "Expected",
    "File",
    "Inside",
    "NonNegative",
    "PartialShare",
    "Positive",
    "Probability",
    "Seed",
    "Share",
    "Size",
    "Smoothing",
    "Texts",
    "Tolerance",
    "expected",
    "interval",
]


class Expected:
    """What a message says is expected, where the annotation's own words would say less."""

    def __init__(self, words: str) -> None:
        self.words = words


class Checked:
    """A check of a whole value that no range says: it returns the value, or raises what the user reads."""

    def __init__(self, check: Callable[[Any], Any]) -> None:
        self.check = check

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self.check, handler(source))


class _OneOrMany:
    """A list of texts; one text stands for a list of it alone, for Python would read it as a list of its letters."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        from pydantic_core import core_schema

        text = core_schema.str_schema()
        given = core_schema.union_schema([text, core_schema.list_schema(text)])
        return core_schema.no_info_before_validator_function(_many, handler(source), json_schema_input_schema=given)


def _many(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Positive = Annotated[int, Ge(1)]
Count = Annotated[int, Ge(0)]
Size = Annotated[int, Ge(1), Le(10**6)]
"""How many problems are drawn."""
Seed = Annotated[int, Ge(0), Le(2**31)]
Correction = Annotated[int, Ge(0), Le(1)]
"""Delta degrees of freedom."""
NonNegative = Annotated[float, Ge(0.0)]
AboveZero = Annotated[float, Gt(0.0)]
AboveOne = Annotated[float, Gt(1.0)]
Probability = Annotated[float, Gt(0.0), Le(1.0)]
Share = Annotated[float, Ge(0.0), Le(1.0)]
Tolerance = Annotated[float, Ge(0.0), Lt(1.0), Expected("a number in [0, 1), e.g. 0.01 for 1%")]
"""Relative difference that still counts as equal."""
Inside = Annotated[float, Gt(0.0), Lt(1.0)]
"""A share that is neither nothing nor all."""
PartialShare = Annotated[float, Ge(0.0), Le(0.99)]
"""A share that leaves something over."""
Smoothing = Annotated[float, Ge(0.0), Le(0.999)]
"""Share of an old average that a step keeps."""
File = str | Path
ON_HUB = "hub:"
"""What a data set of the hub begins with where a file could stand."""
Texts = Annotated[tuple[str, ...], _OneOrMany()]


def expected(hint: Any) -> str:
    """In words, what values an annotation admits; None is left out, since a run file cannot write it among settings."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        said = [one.words for one in arguments if isinstance(one, Expected)]
        return said[0] if said else expected(arguments[0]) + _range(arguments[1:])
    if origin is Literal:
        return f"one of: {', '.join(arguments)}"
    if origin in (Union, UnionType):
        if Path in arguments:
            return "a path"
        return " or ".join(dict.fromkeys(expected(one) for one in arguments if one is not NoneType))
    if origin is tuple or (origin is Sequence and arguments == (str,)):
        return "a list of texts"
    plain = {
        int: "an integer",
        float: "a number",
        bool: "true or false",
        str: "text",
        Mapping: "a table",
        list: "a list",
        dict: "a table",
        Sequence: "a list",
    }
    kind = origin or hint
    return plain.get(kind) or f"a {getattr(kind, '__name__', kind)}"  # a class of somebody else's


def _range(metadata: Sequence[Any]) -> str:
    low: tuple[float, bool] | None = None
    high: tuple[float, bool] | None = None
    for bound in metadata:
        match bound:
            case Ge(ge=value) | Gt(gt=value):
                low = float(value), isinstance(bound, Ge)  # type: ignore[arg-type]
            case Le(le=value) | Lt(lt=value):
                high = float(value), isinstance(bound, Le)  # type: ignore[arg-type]
    return f" in {interval(low, high)}" if low or high else ""


def interval(low: tuple[float, bool] | None, high: tuple[float, bool] | None) -> str:
    """`[0, 1)` from bounds and whether each belongs to it; without a bound it goes on for ever."""
    left = "(-inf" if low is None else f"{'[' if low[1] else '('}{low[0]:g}"
    right = "inf)" if high is None else f"{high[0]:g}{']' if high[1] else ')'}"
    return f"{left}, {right}"
