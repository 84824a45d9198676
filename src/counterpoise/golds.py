"""Golds as files hold them: numbers, lists of right answers, worked solutions. What a verifier gets is always one text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

__all__ = ["accepted", "gold_of_object", "gold_text", "stated"]

_HASH = re.compile(r"[ \t]{0,8}####(?!#)[ \t]{0,8}(\S.*)")
_OBJECT_GOLDS = ("target", "ground_truth")
_ABOUT = frozenset({"style", "split", "index", "source", "data_source"})


def gold_text(value: Any) -> str | None:
    """The text of a gold: of a number its digits, of a list of texts and numbers a JSON list of texts (any of them is right).

    None for what is not a gold: null, a boolean, NaN, an empty or nested list, an object.
    """
    if isinstance(value, str):
        return stated(value)
    if isinstance(value, bool) or (isinstance(value, (float, Decimal)) and not math.isfinite(value)):
        return None
    if isinstance(value, (int, float, Decimal)):
        # Verifiers read `1e-07` as a power of e, or not at all.
        return format(Decimal(str(value)), "f")
    if not isinstance(value, list) or any(isinstance(item, list) for item in value):
        return None
    texts = [gold_text(item) for item in value]
    kept = [text for text in texts if text is not None and text.strip()]
    if not kept or len(kept) != len(texts):
        return None
    return kept[0] if len(kept) == 1 else json.dumps(kept, ensure_ascii=False)


def stated(text: str) -> str:
    """What follows `####` on the last line, as GSM8K's worked answers end; the text itself where its last line has none."""
    line = text.rstrip().rpartition("\n")[2]
    match = _HASH.fullmatch(line)
    return match[1].strip() if match else text


def gold_of_object(value: Mapping[str, Any]) -> Any:
    """The `target` or `ground_truth` of an object that says nothing else about the answer, else None.

    `{"target": 98, "numbers": [44, 19, 35]}` is a puzzle, and 98 is not its answer.
    """
    names = [name for name in value if name not in _ABOUT]
    return value[names[0]] if len(names) == 1 and names[0] in _OBJECT_GOLDS else None


def accepted(gold: str) -> tuple[str, ...]:
    """The answers a gold accepts: those of a JSON list of texts, else the gold itself. `[1, 2]` is not such a list but an interval."""
    if gold.lstrip().startswith("["):
        try:
            value = json.loads(gold)
        except (ValueError, RecursionError):
            return (gold,)
        if value and isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    return (gold,)
