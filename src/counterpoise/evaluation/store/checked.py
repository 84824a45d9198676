"""Records read from a file: a field of another type than declared is named when it is read, not where it is first used."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar

__all__ = ["checked"]

_Record = TypeVar("_Record")


def checked(record: _Record) -> _Record:
    """The dataclass `record`, whose fields have the types that its class declares.

    A whole number is a float too; true and false are not numbers.

    Raises:
        TypeError: a field has another type; the message names it.
    """
    for name, hint in _hints(typing.cast(typing.Hashable, type(record))).items():
        value = getattr(record, name)
        if not _fits(value, hint):
            shown = repr(value)
            raise TypeError(f"{name} is {shown if len(shown) <= 60 else shown[:60] + '…'}, not of type {_named(hint)}")
    return record


@cache
def _hints(kind: typing.Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(typing.cast(Any, kind))}


def _fits(value: object, hint: Any) -> bool:
    if hint is Any:
        return True
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in inner)
    if origin is tuple and inner[-1:] == (Ellipsis,):
        return isinstance(value, tuple) and all(_fits(item, inner[0]) for item in value)
    if origin in (Sequence, list):
        return isinstance(value, list | tuple) and all(_fits(item, inner[0]) for item in value)
    if origin in (Mapping, dict):
        return isinstance(value, Mapping) and all(_fits(k, inner[0]) and _fits(v, inner[1]) for k, v in value.items())
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (str, bool, types.NoneType) or is_dataclass(hint) or (isinstance(hint, type) and issubclass(hint, Enum)):
        return isinstance(value, hint)
    raise NotImplementedError(f"no check for fields of type {hint}")


def _named(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
