"""Files of responses to score and of the verdicts on them: JSON lines, streamed, resumable."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.errors import DataError
from counterpoise.files import Damage, JsonFault, json_lines, read_json_lines
from counterpoise.golds import accepted, gold_text
from counterpoise.types import Verdict

__all__ = ["ResponseLine", "Scored", "read_responses", "read_verdicts", "verdict_record"]

_TRUE = ("1", "true", "yes", "correct", "right")
_FALSE = ("0", "false", "no", "wrong", "incorrect")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseLine:
    """One line to score."""

    line: int
    """Line number, from 1."""
    gold: str
    """What is right."""
    response: str
    """What the model wrote."""
    label: bool | None = None
    """Somebody else's verdict, where the file has one."""

    @property
    def key(self) -> int:
        """32 bits that change when gold or response change; never 0."""
        text = json.dumps([self.gold, self.response]).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "big") or 1


@dataclass(frozen=True, slots=True)
class Scored:
    """Lines that already have a verdict; four bytes a line, whatever the texts' length."""

    keys: array[int]
    """Key of each line, 0 where it has no verdict."""

    def __contains__(self, row: ResponseLine) -> bool:
        """True when the line has a verdict.

        Raises:
            DataError: it has one for another text.
        """
        key = self.keys[row.line] if row.line < len(self.keys) else 0
        if key and key != row.key:
            raise DataError(
                f"line {row.line} is not what it was when its verdict was written; "
                "score the changed file into a new one with --out, or delete the old verdicts"
            )
        return bool(key)


def read_responses(
    path: Path,
    *,
    gold_field: str = "gold",
    response_field: str = "response",
    label_field: str | None = None,
    question_field: str | None = None,
) -> Iterator[ResponseLine]:
    """The lines of a file, one at a time; blank ones are skipped. Golds that are numbers are read as their text.

    Args:
        path: the file.
        gold_field: field of the right answer.
        response_field: field of the model's text.
        label_field: field of a known verdict.
        question_field: field of the question, which becomes part of the gold (`qa`, `llm`).

    Raises:
        DataError: the file is missing, or a line is not a JSON object, lacks a field or has an empty gold; names file and line.
    """
    try:
        for number, record in json_lines(path, large_integers=True):
            where = f"{path}:{number}"
            if isinstance(record, JsonFault):
                raise DataError(
                    f'{where}: {record}; expected an object such as {{"{gold_field}": "72", "{response_field}": "…"}}'
                )
            gold = _gold(record, gold_field, question_field, where)
            response = _text(record, response_field, "response", where)
            if not gold.strip():
                raise DataError(f"{where}: the field '{gold_field}' is empty; nothing can be compared with it")
            label = None if label_field is None else _label(record, label_field, where)
            yield ResponseLine(line=number, gold=gold, response=response, label=label)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def read_verdicts(
    path: Path, *, verifier: str, version: str, on_damage: Callable[[Damage], None]
) -> Iterator[dict[str, Any]]:
    """The verdict records of an earlier run; damaged lines go to `on_damage` and are skipped, so that they are scored again.

    Raises:
        DataError: the records are another verifier's or another version's.
    """
    for record in read_json_lines(path, on_damage=on_damage):
        if record.get("verifier") != verifier or record.get("version") != version:
            raise DataError(
                f"{path} holds verdicts of {record.get('verifier')} {record.get('version')}, not of {verifier} {version}; "
                "write to another file with --out, or delete it"
            )
        yield record


def verdict_record(row: ResponseLine, verdict: Verdict) -> dict[str, Any]:
    """What is written for one line."""
    record: dict[str, Any] = {
        "line": row.line,
        "key": row.key,
        "value": verdict.value.value,
        "answer": verdict.answer,
        "rule": verdict.basis,
        "seconds": round(verdict.seconds, 6),
        "verifier": verdict.verifier,
        "version": verdict.version,
    }
    if verdict.reason is not None:
        record["reason"] = verdict.reason
    if verdict.parts:
        record["parts"] = dict(verdict.parts)
    if row.label is not None:
        record["label"] = row.label
    return record


def _gold(record: Mapping[str, Any], field: str, question: str | None, where: str) -> str:
    value = record.get(field)
    gold = _text(record, field, "gold", where) if field not in record or value == "" else gold_text(value)
    if gold is None:
        found = "an empty or nested list" if isinstance(value, list) else f"a {type(value).__name__}"
        raise DataError(f"{where}: the field '{field}' is {found}, expected text, a number or a list of right answers")
    if question is None:
        return gold
    answers = list(accepted(gold))
    return json.dumps({"question": _text(record, question, "question", where), "answers": answers}, ensure_ascii=False)


def _text(record: Mapping[str, Any], field: str, flag: str, where: str) -> str:
    if field not in record:
        raise DataError(
            f"{where}: no field '{field}'; the line has: {', '.join(map(str, record)) or 'nothing'} (name it with --{flag}-field)"
        )
    value = record[field]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise DataError(f"{where}: the field '{field}' is a {type(value).__name__}, expected text")
    return value if isinstance(value, str) else str(value)


def _label(record: Mapping[str, Any], field: str, where: str) -> bool:
    text = str(record.get(field)).strip().lower()
    if field not in record or text not in (*_TRUE, *_FALSE):
        raise DataError(
            f"{where}: the label field '{field}' is {record.get(field)!r}, expected one of {', '.join(_TRUE + _FALSE)}"
        )
    return text in _TRUE
