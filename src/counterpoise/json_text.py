"""The one reader of JSON texts: UTF-8, no deeper than `DEPTH`, no number that cannot be held."""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any

__all__ = ["DEPTH", "JsonFault", "decoded", "parse_json"]

DEPTH = 100
"""Arrays and objects inside one another that are read at most; Python's own recursion ends at about 1,000."""
_SCAN = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_ODD = re.compile(r"[0-9](?:[0-9]{19}|[eE]\+?[0-9]{3})")
"""What may be a number that cannot be held; seldom met outside one. One class of characters at the front is looked for fast."""


class JsonFault(ValueError):
    """Why a text is not valid JSON that is read here, in one line."""

    torn = False
    """Whether it is a last line without its end, as a kill while writing leaves it."""


def parse_json(data: bytes | str, *, finite: bool = False, large_integers: bool = False) -> Any:
    """A JSON value whose text is UTF-8 (with or without its mark), at most `DEPTH` deep, with integers of at most 64 bits.

    `NaN` and `Infinity`, which Python and NumPy write, are read unless it has to be `finite`. `large_integers` admits integers of up
    to 4,300 digits: in problems they are answers.

    Raises:
        JsonFault: it is not.
    """
    text = data.removeprefix("\ufeff") if isinstance(data, str) else decoded(data)
    read, value = _scanned(text)
    if read and not finite and _plain_object(value):
        return value
    # The hooks are slow, and nearly no text needs them.
    odd = finite or _ODD.search(text) is not None
    try:
        if odd or not read:
            value = _decoder(finite, large_integers).decode(text) if odd else json.loads(text)
    except JsonFault:
        raise
    except RecursionError:
        raise JsonFault(f"not JSON: nested more than {DEPTH} deep") from None
    except ValueError as error:
        raise JsonFault(f"not JSON: {error}") from None
    if text.count("[") + text.count("{") > DEPTH and _deeper(value):
        raise JsonFault(f"not JSON: nested more than {DEPTH} deep")
    return value


def decoded(data: bytes) -> str:
    """UTF-8 text, with or without its mark.

    Raises:
        JsonFault: it is not.
    """
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise JsonFault(f"not UTF-8: byte 0x{data[error.start]:02x} at place {error.start + 1}") from None


def _decoder(finite: bool, large_integers: bool) -> json.JSONDecoder:
    def integer(digits: str) -> int:
        if not large_integers and not -(2**63) <= (value := _whole(digits)) < 2**64:
            raise JsonFault(f"an integer of {len(digits.lstrip('-'))} digits, which is more than 64 bits hold")
        return value if not large_integers else _whole(digits)

    def number(digits: str) -> float:
        value = float(digits)
        if math.isinf(value):
            raise JsonFault(f"the number {digits[:40]}, which is too large")
        return value

    def constant(word: str) -> float:
        if finite:
            raise JsonFault(f"{word}, which is not a number of JSON")
        return float(word)

    return json.JSONDecoder(parse_int=integer, parse_float=number, parse_constant=constant)


def _whole(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # beyond the interpreter's limit of 4,300 digits
        raise JsonFault(f"an integer of {len(digits.lstrip('-'))} digits") from None


def _deeper(value: object) -> bool:
    layer = [value]
    for _ in range(DEPTH):
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not layer:
            return False
    return True


def _scanned(text: str) -> tuple[bool, Any]:
    """Whether the text is one value with nothing but a line's end behind it, and the value: what `json.loads` does with half the calls."""
    try:
        value, end = _SCAN(text, 0)
    except (StopIteration, ValueError, RecursionError):
        return False, None
    return text[end:] in ("\n", ""), value


def _plain_object(value: Any) -> bool:
    """Whether it is an object without a list, an object beyond one of plain values, or a number to be looked at twice.

    Nearly every line of a store is. Looking at its values takes a tenth of the time of looking for such numbers in the text.
    """
    if value.__class__ is not dict:
        return False
    within = value.values()
    return all(map(_plain, within)) or all(
        _plain(one) or (one.__class__ is dict and all(map(_plain, one.values()))) for one in within
    )


def _plain(value: object) -> bool:
    kind = value.__class__
    if kind is str or value is None or kind is bool:
        return True
    if kind is int or kind is float:
        return bool(-(2**63) <= value < 2**63)  # type: ignore[operator]
    return False
