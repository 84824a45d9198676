"""The text under each field of a class, which Python does not keep: read from the source, where somebody asks what a setting means."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable

__all__ = ["texts_under_fields"]


def texts_under_fields(kinds: Iterable[type]) -> dict[str, str]:
    """By name of a field, the text under it in the classes; a later one's text stands for an earlier one's."""
    found = {}
    for kind in kinds:
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                match text:
                    case ast.Expr(value=ast.Constant(value=str(words))):
                        found[field.target.id] = inspect.cleandoc(words)
    return found
