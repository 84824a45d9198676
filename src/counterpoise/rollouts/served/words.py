"""What a server says of a request that it refuses: in one line, and which fields of the request it means."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from counterpoise.endpoint import Failure

__all__ = ["blamed", "message_in", "words"]

_SHOWN = 200
_DEPTH = 6
_N = re.compile(r"(?<![\w\\-])n(?![\w-])|multiple (?:choices|completions)|one (?:completion )?choice")
"""How messages name the field `n`, which is one letter."""


def words(failure: Failure) -> str:
    """The reason, and what the server says of it in one line of at most 200 characters."""
    said = " ".join(message_in(failure.said).split())
    shown = said if len(said) <= _SHOWN else said[:_SHOWN] + "…"
    return f"{failure.reason}: {shown}" if shown else failure.reason


def message_in(said: Any) -> str:
    """The message inside the forms that errors have: `{error: {message}}`, `{detail: [{msg, loc}]}`, `{message}`, or text."""
    for name in ("error", "detail", "message", "msg"):
        if isinstance(said, dict) and said.get(name):
            inner = said[name]
            if isinstance(inner, list) and inner and all(isinstance(one, dict) for one in inner):
                return "; ".join(f"{_place(one)}{message_in(one)}" for one in inner[:3])
            return message_in(inner)
    if isinstance(said, str):
        return "" if said.lstrip()[:1] == "<" else said  # a page for browsers says nothing in one line
    return "" if said is None else json.dumps(said)


def blamed(failure: Failure, fields: Collection[str]) -> list[str]:
    """Those of a request's fields that the server's words name.

    Errors that point at fields (`param`, `loc`) are taken at that; otherwise the message is searched.
    """
    pointed = {name for name in _pointed(failure.said, _DEPTH) if name in fields}
    if pointed:
        return [name for name in fields if name in pointed]
    said = message_in(failure.said)
    return [name for name in fields if (_N if name == "n" else re.compile(rf"\b{name}\b")).search(said)]


def _place(error: dict[str, Any]) -> str:
    loc = error.get("loc")
    return f"{'.'.join(map(str, loc[1:]))}: " if isinstance(loc, list) and len(loc) > 1 else ""


def _pointed(said: Any, depth: int) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(said, dict):
        if isinstance(said.get("param"), str):
            yield said["param"]
        if isinstance(said.get("loc"), list) and said["loc"]:
            yield str(said["loc"][-1])
        for name in ("error", "detail", "errors"):
            yield from _pointed(said.get(name), depth - 1)
    elif isinstance(said, list):
        for one in said[:20]:
            yield from _pointed(one, depth - 1)
