"""Rows and functions that a caller has at hand, as the files that a run names: a run outlives the program that began it.

Both files are named by their content, so that the same rows and the same function are the same run.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from counterpoise.api.installed import installed, refuse_neighbours
from counterpoise.api.written import same_code, written
from counterpoise.errors import ConfigError, DataError
from counterpoise.files import atomic_write_text
from counterpoise.plugins import what_is

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


def reference_of(function: Any, directory: Path) -> str:
    """The import path under which workers, and later commands, find a function (or a verifier's class).

    One of an installed module is `package.module:name`, one of another file `/path/file.py:name`. One of the running program or of a
    notebook, and a lambda, cannot be imported, so its source is written into `directory`, with all that it uses (`written`).

    Raises:
        ConfigError: it is not a function, has no source or another one than the code that runs, or uses something that cannot be written
            down or found by others.
    """
    made = inspect.unwrap(function)
    name = getattr(function, "__name__", "")
    if not isinstance(made, (BuiltinFunctionType, FunctionType, type)) or not name:
        raise ConfigError(
            f"reward is {what_is(function)}; give a function that is defined with def at the top level of a file or notebook, or the "
            "name of a verifier"
        )
    module = sys.modules.get(str(function.__module__))
    if module is not None and module.__name__ != "__main__" and getattr(module, name, None) is function:
        return _imported(made, module, name)
    if not isinstance(made, (FunctionType, type)):
        raise ConfigError(
            f"reward is {what_is(function)}, which workers cannot import; define a function that calls it"
        )
    if name != "<lambda>" and made.__qualname__ != name:
        outer = made.__qualname__.rpartition(".<locals>")[0].rpartition(".")[2] or made.__qualname__
        raise ConfigError(
            f"reward is defined within {outer}; define it with def at the top level of a file or notebook, so that workers find it"
        )
    if getattr(made, "__closure__", None):
        raise ConfigError(
            "reward is a lambda that keeps values of the function around it; define it with def at the top level"
        )
    name = "reward" if name == "<lambda>" else name
    return f"{_kept(name, written(function, name), directory, '.py').resolve()}:{name}"


def _imported(made: Any, module: ModuleType, name: str) -> str:
    """The path of what a module has, whose file is read by others."""
    file = Path(str(getattr(module, "__file__", None) or ""))
    if isinstance(made, FunctionType) and file.suffix == ".py":
        own = [one for one in map(vars(module).get, made.__code__.co_names) if isinstance(one, FunctionType)]
        try:
            source = file.read_bytes()
        except OSError as error:
            raise ConfigError(f"reward {name}: cannot read {file}: {error.strerror or error}") from error
        if not same_code([made, *(one for one in own if one.__module__ == module.__name__)], source, whole=True):
            raise ConfigError(
                f"{file} has changed since {module.__name__} was imported; import it again (importlib.reload) or start anew, so that "
                f"{name} is the same here and in the workers"
            )
    if installed(module) or file.suffix != ".py":
        return f"{module.__name__}:{name}"
    refuse_neighbours(file)
    return f"{file.resolve()}:{name}"


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
