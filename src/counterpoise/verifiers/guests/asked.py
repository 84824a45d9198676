"""Which names of a gold's tests are the program's. A program that could define what the tests lack would judge itself."""

from __future__ import annotations

import ast
import builtins
import sys
from typing import Any

__all__ = ["asked_names"]


def asked_names(exam: dict[str, Any]) -> list[str] | str:
    """The names that the tests ask the program for, or why nobody knows them.

    A gold may list them (`program_names`). `check` asks for its entry point and for what its prompt defines. The tests of `asserts` ask
    for the only name that neither they nor Python define; where there is none, for the only one of Python's own that they call. Tests that
    call nothing at all ask for nothing, and no program passes them.
    """
    listed = exam.get("program_names")
    if isinstance(listed, list):
        return [name for name in listed if isinstance(name, str)]
    try:
        trees = [ast.parse(exam[field]) for field in ("setup", "tests")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    if exam["kind"] == "check":
        return [exam["entry_point"], *_defined_in_text(exam["prompt"])]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    known = {name for node in nodes for name in _bound(node)}
    attributed = {n.value.id for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
    lacking = used - known - vars(builtins).keys() - (attributed & sys.stdlib_module_names)
    if len(lacking) > 1 and "*" not in known:
        return f"the tests use {', '.join(sorted(lacking))}, which nobody defines; list the program's in program_names"
    if lacking:
        return sorted(lacking)
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    own = sorted((called & vars(builtins).keys()) - known)
    if len(own) == 1:
        return own
    return "no test asks the program; name its functions in program_names" if own and "*" not in known else []


def _defined_in_text(source: str) -> list[str]:
    """Functions and classes of a text that need not be whole Python: a prompt ends inside its function."""
    heads = (line.split("(")[0].split(":")[0].split() for line in source.splitlines())
    return [words[1] for words in heads if len(words) == 2 and words[0] in ("def", "class")]


def _bound(node: ast.AST) -> tuple[str, ...]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return (node.id,)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return (node.name,)
    if isinstance(node, ast.arg):
        return (node.arg,)
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return tuple((name.asname or name.name).split(".")[0] for name in node.names)
    return (node.name,) if isinstance(node, ast.ExceptHandler) and node.name else ()
