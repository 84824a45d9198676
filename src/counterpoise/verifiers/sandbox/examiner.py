"""The tests, in a sandboxed process of their own: they call the program through the supervisor and only they say what passed.

The process stays and forks once for each program, so that importing what tests need is paid once. A test is an `assert` that is no
constant; each is guarded on its own, so that a share of tests passed exists: every other statement of the tests runs as it stands.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import os
import sys
from typing import Any

from counterpoise.verifiers.sandbox.guest import apply_limits, read_line, say
from counterpoise.verifiers.sandbox.plain import Unsendable, decode_value, encode_value, load

__all__ = ["Examination", "serve", "split_asserts"]

_APPLY = "lambda function, *arguments, **keywords: function(*arguments, **keywords)"
_PASSED, _FAILED = "__counterpoise_passed__", "__counterpoise_failed__"


class _Gone(BaseException):
    """The program can no longer answer; no test may catch this."""


class _CandidateError(Exception):
    """The program raised an exception whose class the tests cannot know."""


class _Kept:
    """Stands for an object that stayed in the program's process: equal to nothing but itself, its attributes and calls are asked for."""

    __slots__ = ("_examination", "_number")

    def __init__(self, number: int, examination: Examination) -> None:
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_examination", examination)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._examination.function("getattr")(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._examination.function("setattr")(self, name, value)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._examination.function(_APPLY)(self, *arguments, **keywords)


def serve() -> None:
    """Answer jobs until the supervisor goes: fork, let the child examine one program, report that it has ended."""
    import collections  # noqa: F401 -- loaded once for all the children
    import copy  # noqa: F401
    import math  # noqa: F401
    import random  # noqa: F401
    import re  # noqa: F401
    import string  # noqa: F401
    import typing  # noqa: F401

    pending = bytearray()
    say("hello")
    while (line := read_line(pending)) is not None:
        child = os.fork()
        if child == 0:
            _examine(load(line), pending)
        status, usage = os.wait4(child, 0)[1:]
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        say(f'["over",{code},{usage.ru_utime + usage.ru_stime!r}]')
    os._exit(0)


def _examine(job: dict[str, Any], pending: bytearray) -> None:
    try:
        apply_limits(job["limits"])
        examination = Examination(job["exam"], pending)
        say(examination.run())
    except BaseException as error:
        say(encode_value(["broken", f"{type(error).__name__}: {error}"[:200]], _number))
    os._exit(0)


class Examination:
    """One program's tests."""

    def __init__(self, exam: dict[str, Any], pending: bytearray) -> None:
        self.exam, self.pending = exam, pending
        self.asked = self.calls = 0
        self.passed: set[int] = set()
        self.failed: set[int] = set()

    def run(self) -> str:
        """The verdict's line: passed, all, calls answered, whether the tests ran to their end, whether they are one test together.

        Raises:
            SyntaxError: the tests are not Python. Exception: what they need beside the program does not run.
        """
        namespace: dict[str, Any] = {"__builtins__": dict(vars(builtins))}
        namespace.update({_PASSED: self.passed.add, _FAILED: self.failed.add, "__name__": "tests"})
        if self.exam["kind"] == "cases":
            count, ended = self._run_cases()
        else:
            count, ended = self._run_statements(namespace)
        self.passed -= self.failed
        # An assert that was never reached counts as failed, unless the tests came to their end without it.
        total = len(self.passed) + len(self.failed) if ended and count else count
        if not count:
            total, self.passed = 1, {0} if ended else set()
        return encode_value(["verdict", len(self.passed), total, self.calls, ended, not count], _number)

    def _run_statements(self, namespace: dict[str, Any]) -> tuple[int, bool]:
        tree, count = split_asserts(self.exam["tests"])
        code = compile(tree, "<tests>", "exec", dont_inherit=True)
        for name in self.exam.get("program_names", ()):
            namespace[name] = self.function(name)
        try:
            exec(compile(self.exam["setup"], "<setup>", "exec", dont_inherit=True), namespace)
        except (_Gone, Exception, SystemExit):
            # Setup that makes objects of the program's classes fails with the program.
            if not self.asked:
                raise
            return count, False
        for name in _modules(tree) - set(namespace):
            namespace[name] = importlib.import_module(name)
        if self.exam["kind"] == "asserts":
            return count, _ended(exec, code, namespace)
        namespace[self.exam["entry_point"]] = candidate = self.function(self.exam["entry_point"])
        exec(code, namespace)
        return count, _ended(namespace["check"], candidate)

    def _run_cases(self) -> tuple[int, bool]:
        call = self.function(self.exam["entry_point"])
        cases = self.exam["cases"]
        for index, (arguments, expected) in enumerate(cases):
            try:
                result = _listed(call(*arguments))
            except _Gone:
                return len(cases), False
            except Exception:  # the program's own: it is what the case is there to find
                self.failed.add(index)
                continue
            # APPS wraps some expected values in a list of one.
            same = _same(result, expected) or (
                type(expected) is list and len(expected) == 1 and _same(result, expected[0])
            )
            (self.passed if same else self.failed).add(index)
        return len(cases), True

    def function(self, name: str) -> Any:
        """A function that asks the program and returns a plain value."""

        def proxy(*arguments: Any, **keywords: Any) -> Any:
            self.asked += 1
            say(encode_value(["call", name, arguments, keywords], _number))
            line = read_line(self.pending)
            if line is None:
                raise _Gone("the supervisor has gone")
            try:
                reply = decode_value(load(line), lambda number: _Kept(number, self))
                kind, *rest = reply
            except (Unsendable, TypeError, ValueError) as error:
                raise _Gone("malformed reply") from error
            if kind == "returned" and len(rest) == 1:
                self.calls += 1
                return rest[0]
            if kind == "raised" and len(rest) == 2:
                self.calls += 1
                raise _exception(*rest)
            if kind == "missing":
                raise NameError(name)
            raise _Gone(str(rest)[:200])

        return proxy


def split_asserts(source: str) -> tuple[ast.Module, int]:
    """The tests with every assert guarded by a handler that notes whether it held, and how many there are.

    `assert f(1) == 2` becomes `try: assert f(1) == 2` / `except Exception: failed(0)` / `else: passed(0)`. One in a loop is one test
    and passes if it held each time. Asserts of a constant (`assert True, "…"`) are left alone and not counted.
    """
    splitter = _Splitter()
    tree = splitter.visit(ast.parse(source))
    return ast.fix_missing_locations(tree), splitter.count


class _Splitter(ast.NodeTransformer):
    count = 0

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        if isinstance(node.test, ast.Constant):
            return node
        number, self.count = self.count, self.count + 1
        handler = ast.ExceptHandler(type=ast.Name("Exception", ast.Load()), name=None, body=[_note(_FAILED, number)])
        guarded = ast.Try(body=[node], handlers=[handler], orelse=[_note(_PASSED, number)], finalbody=[])
        return ast.copy_location(guarded, node)


def _modules(tree: ast.Module) -> set[str]:
    """Modules of the standard library that tests use as such (`math.isclose`): MBPP relies on the solution to have imported them."""
    used = {
        node.value.id for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return used & sys.stdlib_module_names


def _ended(function: Any, *arguments: Any) -> bool:
    """Whether the tests came to their end."""
    try:
        function(*arguments)
    except (_Gone, Exception, SystemExit):
        return False
    return True


def _note(name: str, number: int) -> ast.stmt:
    return ast.Expr(ast.Call(ast.Name(name, ast.Load()), [ast.Constant(number)], []))


def _exception(name: Any, text: Any) -> BaseException:
    """The exception of that name where it is a plain one of Python's, so that tests which expect it see it."""
    kind = getattr(builtins, name, None) if isinstance(name, str) else None
    plain = (
        isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, (AssertionError, UnicodeError))
    )
    return (kind if plain else _CandidateError)(str(text))  # type: ignore[misc]


def _listed(value: Any) -> Any:
    """Tuples as lists, because JSON has no tuples."""
    if type(value) in (list, tuple):
        return [_listed(item) for item in value]
    return {key: _listed(item) for key, item in value.items()} if type(value) is dict else value


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) or isinstance(right, float):
        numbers = all(isinstance(side, (int, float)) and not isinstance(side, bool) for side in (left, right))
        return numbers and abs(left - right) <= 1e-6 * max(1.0, abs(right))
    if type(left) is list and type(right) is list:
        return len(left) == len(right) and all(_same(a, b) for a, b in zip(left, right, strict=True))
    return type(left) is type(right) and bool(left == right)


def _number(value: object) -> int:
    if type(value) is _Kept:
        number: int = value._number
        return number
    raise Unsendable("the tests pass a value that is not plain")
