"""Programs for standard input and output, from files of the shape of APPS, TACO, LiveCodeBench, or plain lists.

Shapes, distinguished by their fields (arXiv:2105.09938, arXiv:2312.14852, arXiv:2403.07974):

- `inputs`, `outputs`: lists of texts;
- `input_output`: the same two in an object or its JSON; with `fn_name` a function is called instead;
- `public_test_cases`, `private_test_cases`: lists of `{"input", "output", "testtype"}`; the private ones may be packed
  (base64, zlib, pickle of a text), and `metadata.func_name` names the function of `functional` tests.
"""

from __future__ import annotations

import base64
import io
import json
import pickle
import zlib
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from counterpoise.settings import settings
from counterpoise.tasks.shared.files import FileTask
from counterpoise.tasks.shared.programs import LIBRARY, make_problem, texts
from counterpoise.tasks.shared.records import Record
from counterpoise.types import Problem

__all__ = ["Stdio"]

_QUESTIONS: Final = ("question", "question_content", "description", "problem", "prompt")
_TESTS: Final = (
    "inputs",
    "outputs",
    "input_output",
    "public_test_cases",
    "private_test_cases",
    "metadata",
    "starter_code",
)
_COLUMNS: Final = (
    *_QUESTIONS,
    *_TESTS,
    "solutions",
    "solution",
    "difficulty",
    "time_limit",
    "url",
    "question_id",
    "problem_id",
)
_META: Final = ("difficulty", "time_limit", "url", "question_id", "problem_id")
_ASK: Final = "Write a Python program that reads standard input and writes standard output, in one block that begins with ```python. "
_ASK_FUNCTION: Final = "Give the code in one block that begins with ```python. "
# What these sites' own judges import for a solution.
_PREAMBLE: Final = (
    "import bisect, collections, copy, functools, heapq, itertools, math, operator, random, re, string\n"
    "from bisect import *\nfrom collections import *\nfrom functools import *\nfrom heapq import *\nfrom itertools import *\n"
    "from math import *\nfrom typing import *\n"
)


@settings("task stdio")
class Stdio(FileTask):
    """Programs for standard input and output from your files (JSON lines or Parquet): APPS, TACO, LiveCodeBench or plain lists.

    Raises:
        ConfigError: settings that contradict each other, or no file at all.
    """

    name: ClassVar[str] = "stdio"
    template: ClassVar[str] = "chat"

    def _columns(self) -> Sequence[str]:
        return _COLUMNS

    def _problem(self, record: Record) -> Problem:
        return _problem(record)


def _problem(record: Record) -> Problem:
    field = next((name for name in _QUESTIONS if name in record.fields), "question")
    question, starter = record.text(field), str(record.fields.get("starter_code") or "").strip()
    tests = _tests(record)
    function = tests.get("function")
    if function is None:
        gold = {"inputs": tests["inputs"], "outputs": tests["outputs"]}
    else:
        cases = [list(pair) for pair in zip(tests["inputs"], tests["outputs"], strict=True)]
        entry = f"Solution().{function}" if "class Solution" in starter else function
        gold = {"kind": "cases", "entry_point": entry, "cases": cases, "preamble": _PREAMBLE}
    begin = f"\n\nBegin with:\n```python\n{starter}\n```\n" if starter else "\n\n"
    solutions = texts(record, "solutions") or texts(record, "solution")
    return make_problem(
        task_type="stdio" if function is None else "functions",
        question=question + begin + (_ASK if function is None else _ASK_FUNCTION) + LIBRARY,
        verifier="stdio" if function is None else "code",
        gold=gold,
        solution=solutions[0] if solutions else None,
        meta={name: record.fields[name] for name in _META if record.fields.get(name) is not None},
    )


def _tests(record: Record) -> dict[str, Any]:
    """`inputs` and `outputs` of equal length, and `function` where one is to be called with them."""
    if record.fields.get("public_test_cases") is not None:
        found = _livecodebench(record)
    elif record.fields.get("input_output") is not None:
        value = _json(record, "input_output")
        if not isinstance(value, dict):
            raise record.error("input_output", "an object with 'inputs' and 'outputs'")
        found = {"inputs": value.get("inputs"), "outputs": value.get("outputs"), "function": value.get("fn_name")}
    else:
        found = {"inputs": record.fields.get("inputs"), "outputs": record.fields.get("outputs")}
    inputs, outputs = found["inputs"], found["outputs"]
    if not (isinstance(inputs, list) and isinstance(outputs, list) and len(inputs) == len(outputs) > 0):
        raise record.error(
            "outputs" if "outputs" in record.fields else "input_output", "as many outputs as inputs, at least one"
        )
    if found.get("function") is None:
        found["inputs"], found["outputs"] = ([_lines(record, item) for item in side] for side in (inputs, outputs))
    return found


def _livecodebench(record: Record) -> dict[str, Any]:
    tests = [*_json(record, "public_test_cases"), *_private(record)]
    metadata = _json(record, "metadata") if record.fields.get("metadata") else {}
    if any(test.get("testtype") == "functional" for test in tests):
        name = metadata.get("func_name")
        if not isinstance(name, str):
            raise record.error("metadata", "a 'func_name' for functional tests")
        try:
            arguments = [[json.loads(line) for line in test["input"].split("\n") if line.strip()] for test in tests]
            return {"inputs": arguments, "outputs": [json.loads(test["output"]) for test in tests], "function": name}
        except (ValueError, RecursionError) as error:
            raise record.error(
                "public_test_cases", f"JSON in 'input' and 'output' of functional tests ({error})"
            ) from error
    return {"inputs": [test["input"] for test in tests], "outputs": [test["output"] for test in tests]}


def _private(record: Record) -> list[dict[str, Any]]:
    packed = record.fields.get("private_test_cases")
    if not isinstance(packed, str) or not packed.strip():
        return list(packed or [])
    if packed.lstrip().startswith("["):
        return list(_json(record, "private_test_cases"))
    try:
        text = _PlainUnpickler(io.BytesIO(zlib.decompress(base64.b64decode(packed)))).load()
        return list(json.loads(text))
    except (ValueError, TypeError, zlib.error, pickle.UnpicklingError, EOFError, RecursionError, MemoryError) as error:
        raise record.error(
            "private_test_cases", f"JSON, or JSON packed by base64, zlib and pickle ({error})"
        ) from error


class _PlainUnpickler(pickle.Unpickler):
    """Reads texts and numbers; refuses everything that would run code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it holds {module}.{name}, and only plain text is read")


def _json(record: Record, field: str) -> Any:
    value = record.fields.get(field)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise record.error(field, f"JSON ({error})") from error


def _lines(record: Record, value: Any) -> str:
    """One input or output: a text, or a list of its lines."""
    if isinstance(value, list) and all(isinstance(line, (str, int, float)) for line in value):
        return "\n".join(str(line) for line in value)
    if not isinstance(value, str):
        raise record.error("inputs", "texts or lists of lines")
    return value
