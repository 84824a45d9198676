"""The source of a function of the running program, with all that it uses, as a file that workers and later commands import.

What a reader of the run can see and another process can run, where a pickle is neither.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
import symtable
import sys
import textwrap
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from counterpoise.api.installed import installed
from counterpoise.errors import ConfigError

__all__ = ["named_lambda", "same_code", "written"]

_POSTPONED = annotations.compiler_flag  # the import at the top binds it
_HEAD = "from __future__ import annotations"
"""What a function's annotations name is read by people alone; it need not be written down."""


def written(function: Any, name: str) -> str:
    """The source of a function or class under a name, after that of everything it uses, equal for equal code.

    Raises:
        ConfigError: a source is not to be found or not what is running, or something that is used cannot be written down.
    """
    file = _File(str(function.__module__))
    file.take(name, function)
    return "\n".join([_HEAD, *sorted(file.imports), "", *file.parts.values()])


def same_code(functions: Iterable[FunctionType], source: str | bytes, *, whole: bool = False) -> bool:
    """Whether functions do what this source says.

    Args:
        functions: what runs.
        source: a definition, or the text of the file that they are of.
        whole: it is that file, so that every function stands on its own line of it.
    """
    try:
        # Annotations of functions within functions are code, but where they are postponed.
        modules = [compile(source, "<source>", "exec", flags, dont_inherit=True) for flags in (0, _POSTPONED)]
    except (SyntaxError, ValueError):
        return False
    there = [(code.co_firstlineno * whole, _told(code)) for module in modules for code in _codes(module)]
    codes = [function.__code__ for function in functions]
    return all((code.co_firstlineno * whole, _told(code)) in there for code in codes)


def named_lambda(function: FunctionType, name: str) -> str:
    """The lambda of which a function is made, as `name = lambda …`; those of one line are told apart by what they do.

    Raises:
        ConfigError: it is not to be found.
    """
    try:
        lines = "".join(inspect.findsource(function)[0])
        found = [node for node in ast.walk(ast.parse(lines)) if isinstance(node, ast.Lambda)]
    except (OSError, TypeError, SyntaxError) as error:
        raise _no_source("the lambda") from error
    texts = sorted({ast.unparse(node) for node in found if node.lineno == function.__code__.co_firstlineno})
    alike = [text for text in texts if same_code([function], text)]
    if len(texts) == 1 and same_code([function], lines, whole=True):
        alike = texts
    if len(alike) != 1:
        raise _no_source("the lambda")
    return f"{name} = {alike[0]}\n"


class _File:
    """Imports and definitions of the file that is written."""

    def __init__(self, module: str) -> None:
        self.imports: set[str] = set()
        self.parts: dict[str, str] = {}
        self._module = module
        self._taken: dict[str, Any] = {}

    def take(self, name: str, value: Any) -> None:
        """Write down what `name` stands for, and before it what that uses."""
        if name in self._taken:
            if self._taken[name] is not value:
                raise ConfigError(f"the reward uses two things that are called {name}; give one of them another name")
            return
        self._taken[name] = value
        made = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, ModuleType):
            self._import(value, _import_line("import", value.__name__, name), value.__name__)
        elif isinstance(made, (FunctionType, type)) and made.__module__ == self._module:
            self._define(name, value, made)
        elif (owner := _owner(value)) is not None:
            self._import(owner, _import_line(f"from {owner.__name__} import", value.__name__, name), value.__name__)
        else:
            self.parts[name] = f"{name} = {self._literal(name, value)}\n"

    def _import(self, module: ModuleType, line: str, what: str) -> None:
        if not installed(module):
            raise ConfigError(
                f"the reward uses {what} of {getattr(module, '__file__', module.__name__)}, which lies beside the program, where later "
                "commands do not look; put both into one file and import the function, or install it as a package"
            )
        self.imports.add(line)

    def _define(self, name: str, value: Any, made: Any) -> None:
        own = made.__name__
        if own not in ("<lambda>", name):  # a second name for it
            self.take(own, value)
            self.parts[name] = f"{name} = {own}\n"
            return
        if (made.__qualname__ != own and own != "<lambda>") or getattr(made, "__closure__", None):
            raise ConfigError(
                f"the reward uses {made.__qualname__}, which is defined within a function; define it at the top level"
            )
        source = named_lambda(made, name) if own == "<lambda>" else _source(own, made)
        self.imports |= _submodules(source, made)
        for used, there in _uses(source, made):
            if there is not value:
                self.take(used, there)
        self.parts[name] = source

    def _literal(self, name: str, value: Any) -> str:
        """Source of a plain value; equal values have the same."""
        kind = type(value)
        if kind in (set, frozenset):
            return f"{kind.__name__}([{', '.join(sorted(self._literal(name, part) for part in value))}])"
        if kind in (list, tuple):
            inner = ", ".join(self._literal(name, part) for part in value)
            return f"[{inner}]" if kind is list else f"({inner}{',' * bool(value)})"
        if kind is dict:
            pairs = (f"{self._literal(name, key)}: {self._literal(name, part)}" for key, part in value.items())
            return f"{{{', '.join(pairs)}}}"
        if kind is re.Pattern:
            self.imports.add("import re as _re")
            return f"_re.compile({value.pattern!r}, {value.flags})"
        if value is None or kind in (bool, int, str, bytes):
            return repr(value)
        if kind is float:
            return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
        raise ConfigError(
            f"the reward uses {name}, which holds a {kind.__name__} that cannot be written down for the workers; make it inside the "
            "function, or put both into a file and import the function"
        )


def _import_line(words: str, there: str, name: str) -> str:
    return f"{words} {there}" if there == name else f"{words} {there} as {name}"


def _owner(value: Any) -> ModuleType | None:
    """The module that has the object under its own name."""
    name = getattr(value, "__name__", None)
    module = sys.modules.get(str(getattr(value, "__module__", None)))
    return module if module is not None and isinstance(name, str) and getattr(module, name, None) is value else None


def _source(name: str, made: Any) -> str:
    try:
        source, lines = _class_source(made) if isinstance(made, type) else _found(made)
    except (OSError, TypeError, SyntaxError, LookupError) as error:
        raise _no_source(name) from error
    # A notebook compiles a definition alone, a program as part of its file, where what the file imports is called in another way.
    if not (same_code(_functions(made), source) or same_code(_functions(made), lines, whole=True)):
        raise ConfigError(
            f"the source of {name} has changed since it was defined; run its definition again, so that the workers get what is running here"
        )
    return source


def _found(made: Any) -> tuple[str, str]:
    """The source of a definition, and all of its file or cell."""
    return textwrap.dedent(inspect.getsource(made)), "".join(inspect.findsource(made)[0])


def _class_source(made: type) -> tuple[str, str]:
    """As `_found`; of a class that a notebook's cell defines, the library of Python looks in no cell."""
    first = next(iter(_functions(made)), None)
    if first is None:
        return _found(made)
    lines = inspect.findsource(first)[0]
    for node in ast.parse("".join(lines)).body:
        start = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
        if isinstance(node, ast.ClassDef) and start <= first.__code__.co_firstlineno <= (node.end_lineno or start):
            return "".join(lines[start - 1 : node.end_lineno]).rstrip("\n") + "\n", "".join(lines)
    raise LookupError(made.__name__)


def _no_source(name: str) -> ConfigError:
    return ConfigError(f"the source of {name} is not to be found; put it into a file, with def, and import it")


def _uses(source: str, made: Any) -> Iterator[tuple[str, Any]]:
    """Names of the module that a definition reads when it is made and when it is called, with what they are; sorted."""
    names: set[str] = set()
    tables = [symtable.symtable(f"{_HEAD}\n{source}", "source", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        if table.get_type() == "annotation":
            continue
        names |= {one.get_name() for one in table.get_symbols() if one.is_global() and one.is_referenced()}
    space = _space(made)
    return ((name, space[name]) for name in sorted(names) if name in space)


def _submodules(source: str, made: Any) -> set[str]:
    """Imports of what a definition reads through a package, which has it after somebody imported it: `xml.etree.ElementTree`."""
    space, lines = _space(made), set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        part: ast.expr | ast.AST = node
        while isinstance(part, ast.Attribute):
            names.insert(0, part.attr)
            part = part.value
        package = space.get(part.id) if names and isinstance(part, ast.Name) else None
        if isinstance(package, ModuleType) and (path := f"{package.__name__}.{'.'.join(names)}") in sys.modules:
            lines.add(f"import {path}")
    return lines


def _space(made: Any) -> dict[str, Any]:
    """Names of the module of a definition."""
    space: dict[str, Any] | None = next((one.__globals__ for one in _functions(made)), None)
    return vars(sys.modules[made.__module__]) if space is None and made.__module__ in sys.modules else space or {}


def _functions(made: Any) -> list[FunctionType]:
    """A function, or the methods that a class's own source has: dataclasses and others put some of their making beside them."""
    if isinstance(made, FunctionType):
        return [made]
    members = (getattr(one, "__func__", one) for one in vars(made).values())
    unwrapped = (inspect.unwrap(one) for one in members if callable(one))
    return [
        one
        for one in unwrapped
        if isinstance(one, FunctionType) and one.__code__.co_qualname == f"{made.__qualname__}.{one.__name__}"
    ]


def _codes(code: CodeType) -> Iterator[CodeType]:
    for part in code.co_consts:
        if inspect.iscode(part):
            yield part
            yield from _codes(part)


def _told(code: CodeType) -> tuple[Any, ...]:
    """What a code does, without where it stands."""
    consts = tuple(_told(one) if inspect.iscode(one) else (type(one), one) for one in code.co_consts)
    return code.co_name, code.co_code, code.co_names, code.co_varnames, code.co_freevars, consts
