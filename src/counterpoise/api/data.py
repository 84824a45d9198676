"""Rows and functions that a caller has at hand, as the files that a run names: a run outlives the program that began it.

Both files are named by their content, so that the same rows and the same function are the same run.
"""

from __future__ import annotations

import builtins
import dis
import inspect
import json
import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from counterpoise.errors import ConfigError, DataError
from counterpoise.files import atomic_write_text

__all__ = ["Rows", "kept_rows", "reference_of"]

Rows = Iterable[Mapping[str, Any]]
"""Problems: `{"question": …, "answer": …}` and whatever else a reward reads; a list, a `datasets.Dataset`, a generator."""


def kept_rows(rows: Rows, directory: Path) -> Path:
    """Write the rows as JSON lines into `directory`, under a name made of their content; the file.

    Raises:
        DataError: there is none, one is not a record, or one holds what JSON has no word for; with its number, from 1.
        StoreError: the file cannot be written.
    """
    lines = []
    if isinstance(rows, (str, bytes, Mapping)):
        raise DataError(
            f'rows must be a list of records, e.g. [{{"question": "1+1?", "answer": "2"}}]; got {type(rows).__name__}'
        )
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise DataError(
                f'row {number} is not a record but {type(row).__name__}; a row is e.g. {{"question": "1+1?", "answer": "2"}}'
            )
        try:
            lines.append(json.dumps(dict(row), ensure_ascii=False, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise DataError(
                f"row {number} cannot be kept as JSON: {error}; leave that column out, or make it text"
            ) from error
    if not lines:
        raise DataError('rows is empty; give records such as {"question": "1+1?", "answer": "2"}')
    return _kept("rows", "".join(line + "\n" for line in lines), directory, ".jsonl")


def reference_of(function: Callable[..., Any], directory: Path) -> str:
    """The import path under which workers find a function.

    One of an installed module is `package.module:name`, one of another file `/path/file.py:name`. One of the running program or of a
    notebook cannot be imported, so its source is written into `directory`, with the functions, classes, plain values and imports that
    it uses: what a reader of the run can see and another process can run, where a pickle is neither.

    Raises:
        ConfigError: it has no source, or uses something that cannot be written down.
    """
    name, module = getattr(function, "__name__", ""), inspect.getmodule(function)
    if not isinstance(function, FunctionType) or function.__qualname__ != name or function.__closure__:
        shown = getattr(function, "__qualname__", type(function).__name__)
        raise ConfigError(
            f"{shown} is not a function of a module's top level; define it there with def, without a closure"
        )
    if name == "<lambda>":
        raise ConfigError("a lambda has no name that a worker could import; define the function with def")
    if module is not None and module.__name__ != "__main__" and getattr(module, name, None) is function:
        if _installed(module):
            return f"{module.__name__}:{name}"
        if getattr(module, "__file__", None):
            return f"{Path(str(module.__file__)).resolve()}:{name}"
    return f"{_kept(name, _written(function), directory, '.py').resolve()}:{name}"


def _installed(module: ModuleType) -> bool:
    """Whether a later command finds it: in the library of Python, or below a folder that is not the running script's."""
    if not getattr(module, "__file__", None):
        return False
    file = Path(str(module.__file__)).resolve()
    script = Path(sys.path[0] or ".").resolve()
    # A module that was loaded by hand has a file and a name, and lies where no search leads.
    depth = module.__name__.count(".") + (file.name == "__init__.py")
    return file.parents[depth] != script and str(file.parents[depth]) in {
        str(Path(one).resolve()) for one in sys.path if one
    }


def _kept(name: str, text: str, directory: Path, suffix: str) -> Path:
    path = directory / f"{name}-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}{suffix}"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{name} holds a character that is not valid UTF-8: {error.reason}") from error
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_text(path, text)
    return path


def _written(function: FunctionType) -> str:
    """The source of a function, after that of everything it uses."""
    imports: dict[str, None] = {}
    parts: dict[str, str] = {}
    _collect(function.__name__, function, imports, parts, within=())
    return "\n".join([*imports, "", *parts.values()]).lstrip("\n")


def _collect(
    name: str, value: Any, imports: dict[str, None], parts: dict[str, str], *, within: tuple[str, ...]
) -> None:
    if name in parts or name in within:
        return
    if isinstance(value, ModuleType):
        imports[f"import {value.__name__} as {name}"] = None
    elif isinstance(value, (FunctionType, type)) and value.__module__ != "__main__":
        imports[f"from {value.__module__} import {value.__name__} as {name}"] = None
    elif isinstance(value, (FunctionType, type)):
        source = _source(name, value)
        for used, there in _uses(value):
            _collect(used, there, imports, parts, within=(*within, name))
        parts[name] = source
    else:
        parts[name] = f"{name} = {_literal(name, value)}\n"


def _source(name: str, value: Any) -> str:
    try:
        return textwrap.dedent(inspect.getsource(value))
    except (OSError, TypeError) as error:
        raise ConfigError(f"the source of {name} is not to be found; put it into a file and import it") from error


def _uses(value: Any) -> Iterator[tuple[str, Any]]:
    """Names of the module that a function, or a method of a class, reads, with what they are."""
    functions = (
        [value] if isinstance(value, FunctionType) else [v for v in vars(value).values() if inspect.isfunction(v)]
    )
    for function in functions:
        for name in sorted(_names(function.__code__)):
            if name in function.__globals__ and not hasattr(builtins, name):
                yield name, function.__globals__[name]


def _names(code: Any) -> set[str]:
    """Global names, those of functions within included; attributes are none."""
    own = {str(step.argval) for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*(_names(part) for part in code.co_consts if inspect.iscode(part)))


def _literal(name: str, value: Any) -> str:
    """Source of a plain value; equal values have the same."""
    kind = type(value)
    if kind in (set, frozenset):
        return f"{kind.__name__}([{', '.join(sorted(_literal(name, part) for part in value))}])"
    if kind in (list, tuple):
        inner = ", ".join(_literal(name, part) for part in value)
        return f"[{inner}]" if kind is list else f"({inner}{',' * bool(value)})"
    if kind is dict:
        pairs = (f"{_literal(name, key)}: {_literal(name, part)}" for key, part in value.items())
        return f"{{{', '.join(pairs)}}}"
    if value is None or kind in (bool, int, str, bytes) or (kind is float and math.isfinite(value)):
        return repr(value)
    raise ConfigError(
        f"the reward uses {name}, which holds a {kind.__name__} that cannot be written down for the workers; make it inside the "
        "function, or put both into a file and import the function"
    )
