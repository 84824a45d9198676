"""What a row of another tool's file becomes, and which of its columns is what."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.errors import DataError, nearest
from counterpoise.golds import gold_of_object, gold_text
from counterpoise.types import StopReason

__all__ = [
    "UNUSABLE",
    "Columns",
    "Draw",
    "Fields",
    "Format",
    "as_gold",
    "as_score",
    "as_text",
    "find",
    "flat_draws",
    "messages_text",
    "named_score",
]

UNUSABLE = (DataError, ValueError, TypeError, OverflowError, RecursionError)
"""What reading a row may raise: the row cannot be used, the others can."""

_LARGEST = 1 << 53

Fields = Mapping[str, Any]
"""One row of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One response that another tool drew."""

    prompt: str | None
    """What was asked; None where the row has an id instead."""
    response: str
    """The response."""
    gold: str | None = None
    """What a verifier compares with, where the file says."""
    score: float | None = None
    """The tool's own judgement; NaN where it has none for this row, None where the format has none at all."""
    problem_id: str | None = None
    """The tool's own name of the problem."""
    step: int | None = None
    """Training step, where the row says."""
    tokens: int | None = None
    """Response tokens; None where the file does not say."""
    stop_reason: StopReason | None = None
    """Why it ended; None where the file does not say."""
    in_thought: bool = False
    """The file says that the prompt opened a thought, in which the response begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of a row's columns; of several the first that is there counts. Empty: the format has no such column."""

    prompt: tuple[str, ...]
    """What was asked: text or chat messages."""
    response: tuple[str, ...]
    """The response: text or chat messages."""
    gold: tuple[str, ...] = ()
    """What a verifier compares with."""
    score: tuple[str, ...] = ()
    """The tool's own judgement, a number or a boolean."""
    id: tuple[str, ...] = ()
    """Name of the problem."""
    step: tuple[str, ...] = ("step",)
    """Training step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One tool's files."""

    patterns: tuple[str, ...]
    """Which files of a directory are meant; the first pattern that finds any counts."""
    made_by: str
    """Setting of the tool that writes them."""
    columns: Columns
    """Its usual columns."""
    sign: Callable[[Fields], bool]
    """Whether a row looks like this tool's."""
    draws: Callable[[Fields, Columns], Sequence[Draw]]
    """The responses of a row; one of `UNUSABLE` where it has none."""
    scores: Callable[[Fields, Columns], tuple[str, ...]]
    """Columns that may be the score, from the first value of each column that is not null; only a single one is taken."""


def find(fields: Fields, names: tuple[str, ...], what: str) -> Any:
    """The value of the first of `names` that the row has.

    Raises:
        DataError: it has none; the message has the row's columns and the flag that maps them.
    """
    for name in names:
        if name in fields:
            return fields[name]
    present = [str(name) for name in fields]
    wanted = " or ".join(f"'{name}'" for name in names) or "(none named)"
    guess = nearest(names[0], present) if names else ""
    raise DataError(
        f"no column {wanted} for the {what}{guess}; the columns are: {', '.join(present) or 'none'}. "
        f"Name it with --{what}-column"
    )


def flat_draws(fields: Fields, columns: Columns) -> Sequence[Draw]:
    """One row, one response."""
    problem_id = _optional(fields, columns.id)
    prompt = _optional(fields, columns.prompt) if problem_id is not None else find(fields, columns.prompt, "prompt")
    response = find(fields, columns.response, "response")
    if response is None:
        raise ValueError("the response is null")
    if prompt is None and problem_id is None:
        raise ValueError("the prompt is null")
    gold, step = _optional(fields, columns.gold), _optional(fields, columns.step)
    scored = any(name in fields for name in columns.score)
    draw = Draw(
        prompt=None if prompt is None else messages_text(prompt, roles=True),
        response=messages_text(response, roles=False),
        gold=as_gold(gold),
        score=as_score(_optional(fields, columns.score)) if scored else None,
        problem_id=None if problem_id is None else as_text(problem_id),
        step=None if step is None else _step(step),
        tokens=_tokens(fields.get("tokens")),
        in_thought=fields.get("in_thought") is True,
        stop_reason=_stop_reason(fields.get("stop_reason")),
    )
    return (draw,)


def named_score(met: Fields, columns: Columns) -> tuple[str, ...]:
    """The first of the columns' names that has a value in the file, or else that the file has at all."""
    valued = (name for name in columns.score if met.get(name) is not None)
    present = (name for name in columns.score if name in met)
    found = next(valued, None) or next(present, None)
    return () if found is None else (found,)


def messages_text(value: Any, *, roles: bool) -> str:
    """A text, or chat messages as one.

    A prompt of one message is its content; longer ones, with `roles`, name who speaks. A response is what the assistant says.
    """
    if not isinstance(value, list) or not all(isinstance(m, Mapping) and "content" in m for m in value):
        return as_text(value)
    contents = [(str(m.get("role", "user")), _content(m["content"])) for m in value]
    if not roles:
        spoken = [text for role, text in contents if role == "assistant"] or [text for _, text in contents]
        return "\n\n".join(spoken)
    if len(contents) == 1:
        return contents[0][1]
    return "\n\n".join(f"{role}: {text}" for role, text in contents)


def as_text(value: Any) -> str:
    """A text as it is (a lone surrogate, which cannot be written, as `?`), a list of one thing as that thing, all else as JSON."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list) and len(value) == 1:
        return as_text(value[0])
    return as_text(json.dumps(value, ensure_ascii=False, sort_keys=True))


def as_gold(value: Any) -> str | None:
    """The gold of a row: text, a number, a list of right answers, the `target` or `ground_truth` of an object; None where it has none.

    An object that says more, or something else, is not a gold: compared with it every right answer would be wrong.
    """
    for _ in range(4):
        if isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                parsed = json.loads(value)
            except (ValueError, RecursionError):
                break
            if not isinstance(parsed, dict) or not parsed.keys() & {"target", "ground_truth"}:
                break  # a verifier's own record, such as the tests of a program
            value = parsed
        if not isinstance(value, Mapping):
            break
        value = gold_of_object(value)
    gold = gold_text(value)
    return None if gold is None else as_text(gold)


def as_score(value: Any) -> float:
    """A number, a boolean, or a text of one; NaN for null.

    Raises:
        ValueError: it is none of these.
    """
    if value is None:
        return math.nan
    if isinstance(value, str):
        value = {"true": 1.0, "false": 0.0}.get(value.strip().lower(), value)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"the score is {value!r:.60}, expected a number; name another column with --score-column"
        ) from None


def _step(value: Any) -> int:
    step = int(value)
    if not 0 <= step < _LARGEST or (isinstance(value, float) and step != value):
        raise ValueError(f"the step is {value!r:.60}, expected a whole number from 0")
    return step


def _tokens(value: Any) -> int | None:
    """A count; None for anything else, because other tools keep the tokens themselves under this name."""
    return value if type(value) is int and 0 <= value < _LARGEST else None


def _stop_reason(value: Any) -> StopReason | None:
    return StopReason(value) if isinstance(value, str) and value in _STOP_REASONS else None


def _content(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if isinstance(part, Mapping))
    return "" if content is None else as_text(content)


_STOP_REASONS = frozenset(StopReason)


def _optional(fields: Fields, names: tuple[str, ...]) -> Any:
    return next((fields[name] for name in names if name in fields), None)
