"""MBPP, short Python problems with asserts (Austin et al. 2021, arXiv:2108.07732), and files of its shape."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from counterpoise.ranges import Positive
from counterpoise.settings import settings
from counterpoise.tasks.shared.files import FileTask
from counterpoise.tasks.shared.programs import LIBRARY, make_problem, texts
from counterpoise.tasks.shared.records import Record
from counterpoise.types import Problem

__all__ = ["Mbpp"]

_COLUMNS: Final = (
    "task_id",
    "text",
    "prompt",
    "code",
    "test_list",
    "test_setup_code",
    "test_imports",
    "challenge_test_list",
)


@settings("task mbpp")
class Mbpp(FileTask):
    """Python problems with asserts in files of MBPP's shape: JSON lines or Parquet, the full set's columns or the sanitized one's.

    Columns: `text` (or `prompt`), `test_list`, and where they are there `code` (a reference solution), `test_setup_code`, `test_imports`,
    `task_id`. The asserts are part of the question, as in the paper: they alone say what the function is called.

    Raises:
        ConfigError: settings that contradict each other, or no file at all.
    """

    shown_tests: Positive = 3
    """Asserts that the question shows; all are judged."""
    challenge: bool = False
    """Judge the `challenge_test_list` too; it is never shown."""

    name: ClassVar[str] = "mbpp"
    template: ClassVar[str] = "chat"

    def _columns(self) -> Sequence[str]:
        return _COLUMNS

    def _problem(self, record: Record) -> Problem:
        text = record.text("text" if "text" in record.fields else "prompt")
        tests = texts(record, "test_list")
        if not tests:
            raise record.error("test_list", "at least one assert")
        setup = [*texts(record, "test_imports"), str(record.fields.get("test_setup_code") or "")]
        shown = "\n".join(tests[: self.shown_tests])
        judged = [*tests, *(texts(record, "challenge_test_list") if self.challenge else [])]
        code = record.fields.get("code")
        number = record.fields.get("task_id")
        return make_problem(
            task_type="mbpp",
            question=(
                f"{text}\nYour code must pass these tests:\n{shown}\nGive the code in one block that begins with ```python. {LIBRARY}"
            ),
            verifier="code",
            gold={"kind": "asserts", "setup": "\n".join(setup).strip(), "tests": "\n".join(judged)}
            | _program_names(code, [*setup, *judged]),
            solution=code if isinstance(code, str) and code.strip() else None,
            meta={} if number is None else {"name": f"MBPP/{number}"},
        )


def _program_names(code: Any, tests: list[str]) -> dict[str, list[str]]:
    """`program_names`: functions and classes of the reference solution that the tests use, one of Python's own names too (`sum`)."""
    try:
        body = ast.parse(code).body if isinstance(code, str) else []
        used = {node.id for node in ast.walk(ast.parse("\n".join(tests))) if isinstance(node, ast.Name)}
    except (SyntaxError, ValueError):
        return {}
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [node.name for node in body if isinstance(node, kinds) and node.name in used]
    return {"program_names": list(dict.fromkeys(names))} if names else {}
