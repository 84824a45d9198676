"""Counts of each problem, and the lines `{"id", "n", "c"}` it is kept in and exchanged with other tools."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from counterpoise.errors import DataError
from counterpoise.evaluation.estimators.subsets import MAX_ROLLOUTS
from counterpoise.files import JsonFault, json_lines
from counterpoise.text import counted

__all__ = ["ProblemCounts", "TokenLengths", "read_counts"]

_MAX_TOKENS = 1 << 31

_NO_PARTS: Mapping[str, tuple[tuple[float, int], ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLengths:
    """TokenLengths of a problem's responses in tokens, each ascending with how many responses have it."""

    right: tuple[tuple[int, int], ...] = ()
    """Of the right ones."""
    wrong: tuple[tuple[int, int], ...] = ()
    """Of the wrong ones, no answer included."""
    unscored: tuple[tuple[int, int], ...] = ()
    """Of those that no verifier could judge."""

    def to_json(self) -> dict[str, list[list[int]]]:
        """As it stands in the line of a problem."""
        return {name: [list(pair) for pair in getattr(self, name)] for name in ("right", "wrong", "unscored")}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemCounts:
    """What pass@k needs of one problem; one line of `problems.jsonl`."""

    problem_id: str
    """Problem."""
    n: int
    """Scored rollouts: correct, wrong and no answer."""
    c: int
    """Correct ones."""
    unscored: int = 0
    """Rollouts drawn beside the n that no verifier could judge."""
    task_type: str = ""
    """Kind of task."""
    wrong_classes: tuple[int, ...] | None = None
    """Wrong answers by equality, largest class first: what maj@k needs beside n and c. None where only counts are known."""
    parts: Mapping[str, tuple[tuple[float, int], ...]] = field(default_factory=lambda: _NO_PARTS)
    """Graded dimensions by name: each value ascending with how many scored rollouts have it; empty for a binary verifier."""
    tokens: TokenLengths | None = None
    """How long the responses are: what pass@tokens needs. None where one is not known."""

    def to_json(self) -> dict[str, Any]:
        """The line of `problems.jsonl`, with `wrong_classes`, `parts` and `tokens` where there are any."""
        line: dict[str, Any] = {"id": self.problem_id, "n": self.n, "c": self.c, "unscored": self.unscored}
        line["task_type"] = self.task_type
        if self.wrong_classes is not None:
            line["wrong_classes"] = list(self.wrong_classes)
        if self.parts:
            line["parts"] = {name: [list(pair) for pair in pairs] for name, pairs in self.parts.items()}
        if self.tokens is not None:
            line["tokens"] = self.tokens.to_json()
        return line


def read_counts(path: str | Path) -> list[ProblemCounts]:
    """Read lines `{"id", "n", "c"}`, optionally `"unscored"`, `"task_type"`, `"wrong_classes"`, `"parts"`, `"tokens"`; others are ignored.

    Raises:
        DataError: the file is missing or empty, or a line is malformed: file, line, what was expected.
    """
    path = Path(path)
    counts: list[ProblemCounts] = []
    lines: dict[str, int] = {}
    try:
        for number, found in json_lines(path):
            problem = _parse_counts(f"{path}:{number}", found)
            earlier = lines.setdefault(problem.problem_id, number)
            if earlier != number:
                raise DataError(
                    f"{path}:{number}: id '{problem.problem_id}' stands at line {earlier} already; one line for each problem"
                )
            counts.append(problem)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if not counts:
        raise DataError(f'{path} is empty; expected lines such as {{"id": "p1", "n": 256, "c": 17}}')
    return counts


def _parse_counts(where: str, data: dict[str, Any] | JsonFault) -> ProblemCounts:
    expected = 'expected {"id": …, "n": rollouts, "c": correct ones}'
    if isinstance(data, JsonFault):
        raise DataError(f"{where}: {data}; {expected}")
    absent = [key for key in ("id", "n", "c") if key not in data]
    if absent:
        raise DataError(f"{where}: no '{absent[0]}' (found: {', '.join(data) or 'nothing'}); {expected}")
    if isinstance(data["id"], bool) or not isinstance(data["id"], str | int):
        raise DataError(f"{where}: id is {data['id']!r}; expected text or an integer")
    numbers = {"n": data["n"], "c": data["c"], "unscored": data.get("unscored", 0)}
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_ROLLOUTS:
            raise DataError(f"{where}: {key} is {value!r}; expected a whole number from 0 to {MAX_ROLLOUTS}")
    if numbers["c"] > numbers["n"]:
        raise DataError(f"{where}: c={numbers['c']} correct of n={numbers['n']} rollouts; c cannot exceed n")
    return ProblemCounts(
        problem_id=str(data["id"]),
        task_type=str(data.get("task_type", "")),
        wrong_classes=_parse_classes(where, data.get("wrong_classes"), most=numbers["n"] - numbers["c"]),
        parts=_parse_parts(where, data.get("parts", {}), most=numbers["n"]),
        tokens=_parse_tokens(where, data.get("tokens"), numbers),
        **numbers,
    )


def _parse_classes(where: str, sizes: Any, *, most: int) -> tuple[int, ...] | None:
    if sizes is None:
        return None
    if not isinstance(sizes, list) or not all(_is_count(size) for size in sizes) or sum(sizes) > most:
        raise DataError(
            f"{where}: wrong_classes is {_short(sizes)}; expected how often each wrong answer was given, {most} (n - c) at most"
        )
    return tuple(sizes)


def _parse_parts(where: str, parts: Any, *, most: int) -> dict[str, tuple[tuple[float, int], ...]]:
    named = isinstance(parts, dict)
    if not named or not all(isinstance(pairs, list) and all(map(_is_pair, pairs)) for pairs in parts.values()):
        raise DataError(f"{where}: parts is {_short(parts)}; expected {{name: [[value, how often], …]}}")
    for name, pairs in parts.items():
        if sum(times for _, times in pairs) > most:
            raise DataError(f"{where}: parts.{name} has more values than the {counted(most, 'scored rollout')}")
    return {name: tuple((float(value), times) for value, times in pairs) for name, pairs in parts.items()}


def _parse_tokens(where: str, tokens: Any, numbers: Mapping[str, int]) -> TokenLengths | None:
    if tokens is None:
        return None
    wanted = {"right": numbers["c"], "wrong": numbers["n"] - numbers["c"], "unscored": numbers["unscored"]}
    named = isinstance(tokens, dict) and tokens.keys() <= wanted.keys()
    if not named or not all(isinstance(pairs, list) and all(map(_is_length, pairs)) for pairs in tokens.values()):
        raise DataError(
            f"{where}: tokens is {_short(tokens)}; expected lengths in tokens with how many responses have each: "
            '{"right": [[12, 3], …], "wrong": [[40, 5], …]}'
        )
    for name, count in wanted.items():
        if (there := sum(times for _, times in tokens.get(name, ()))) != count:
            raise DataError(
                f"{where}: tokens.{name} has {counted(there, 'length')} and the line {counted(count, f'{name} rollout')}; give one of each"
            )
    return TokenLengths(**{name: tuple(sorted((length, times) for length, times in tokens[name])) for name in tokens})


def _is_length(pair: Any) -> bool:
    whole = isinstance(pair, list) and len(pair) == 2 and type(pair[0]) is int
    return whole and 0 <= pair[0] < _MAX_TOKENS and _is_count(pair[1])


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_ROLLOUTS


def _is_pair(pair: Any) -> bool:
    if not isinstance(pair, list) or len(pair) != 2:
        return False
    value = pair[0]
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and _is_count(pair[1])
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
