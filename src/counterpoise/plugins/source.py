"""The code behind an import path: read, hashed, imported once, and logged."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from counterpoise.errors import ConfigError, MissingExtraError, nearest
from counterpoise.files import open_regular
from counterpoise.plugins.reference import ENVIRONMENT, HUB, ImportPath, of_the_hub, portable

__all__ = ["ForeignPart", "SourceCode", "import_part", "import_source", "line_of", "read_source"]

_LOG = logging.getLogger(__name__)
_LARGEST = 2**22
"""Bytes of a source: a part is a file of code, and it is copied into every run."""

_SLOW = 10.0
"""Seconds after which an import that has not come back is said; torch and its like take some."""

_modules: Final[dict[tuple[str, str], ModuleType]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCode:
    """One file of code, as it was read."""

    place: str
    """Name of its module, or its absolute path."""
    path: Path
    """The file."""
    sha256: str
    """Of its bytes: the version of what it holds."""
    code: bytes = field(repr=False, compare=False)
    """Its bytes."""

    @property
    def version(self) -> str:
        """The first 12 digits of the hash."""
        return self.sha256[:12]

    @property
    def copy_name(self) -> str:
        """What a copy of it in a run is called."""
        return os.path.basename(self.place) if self.place.endswith(".py") else f"{self.place}{self.path.suffix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPart:
    """What an import path leads to."""

    reference: ImportPath
    """The path, its file absolute."""
    source: SourceCode
    """The code that was imported."""
    found: Any
    """The object."""

    @property
    def name(self) -> str:
        """The path without folders."""
        return portable(str(self.reference))


def import_part(reference: ImportPath, *, quiet: bool = False) -> ForeignPart:
    """Import what a path names; a relative file is one of the current directory. Says what is imported, once, unless it is `quiet`.

    Raises:
        ConfigError: there is no such file, module or object, or importing it fails.
        MissingExtraError: an environment without the library that it is of.
    """
    if reference.form == ENVIRONMENT and importlib.util.find_spec("verifiers") is None:
        raise MissingExtraError("verifiers", extra="environments", purpose=f"the environment '{reference}'")
    source = read_source(reference)
    if reference.is_file:
        reference = ImportPath(place=source.place, attribute=reference.attribute, form=reference.form)
    module = import_source(source, quiet=quiet)
    found: Any = module
    for name in reference.attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            there = _defined(module) if found is module else []
            listed = f"; it has: {', '.join(there)}" if there else ""
            raise ConfigError(f"{source.path} has no '{reference.attribute}'{nearest(name, there)}{listed}") from None
    return ForeignPart(reference=reference, source=source, found=found)


def read_source(reference: ImportPath) -> SourceCode:
    """The code that a path names, read and not imported (of a module in a package, the packages around it are).

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    if reference.is_file:
        path = Path(os.path.abspath(os.path.expanduser(reference.place)))
        return _read(str(path), path, f"'{portable(str(reference))}'")
    return _read(reference.place, _module_file(reference), f"'{reference}'")


def import_source(source: SourceCode, *, quiet: bool = False) -> ModuleType:
    """The module of a source, imported the first time that these bytes are asked for.

    Raises:
        ConfigError: it raises on import.
    """
    key = (source.place, source.sha256)
    if key not in _modules:
        if not quiet and os.environ.get("RANK", "0") == "0":  # of the processes of a run one says it
            _LOG.warning("imports %s (sha256 %s)", source.path, source.version)
        with _watched(source):
            _modules[key] = _execute(source) if source.place.endswith(".py") else _import(source)
    return _modules[key]


def line_of(error: BaseException, path: str) -> str:
    """` (line 3)`: the last line of that file that an error went through; empty where it went through none."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f" (line {lines[-1]})" if lines else ""


@contextlib.contextmanager
def _watched(source: SourceCode) -> Iterator[None]:
    """Say that an import hangs, and send what it prints to standard error: standard output is the command's own, JSON among it."""
    words = (
        "still importing %s after %.0f s: what stands at its top level is waiting; Ctrl-C stops",
        source.path,
        _SLOW,
    )
    clock = threading.Timer(_SLOW, _LOG.warning, words)
    clock.daemon = True
    clock.start()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        clock.cancel()


def _execute(source: SourceCode) -> ModuleType:
    """Run the bytes that were hashed, and leave no cache beside the file."""
    module = ModuleType(f"counterpoise_parts_{source.version}.{source.path.stem}")
    module.__file__ = str(source.path)
    # Dataclasses and annotations look their module up by its name.
    sys.modules[module.__name__] = module
    try:
        exec(compile(source.code, str(source.path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        hint = ""
        if isinstance(error, ModuleNotFoundError) and (source.path.parent / f"{error.name}.py").is_file():
            hint = (
                f"; a part is one file, so put what it takes of {error.name}.py into it, or install that as a package"
            )
        raise ConfigError(f"{source.path} cannot be imported: {_said(error, source.path)}{hint}") from error
    return module


def _import(source: SourceCode) -> ModuleType:
    try:
        return importlib.import_module(source.place)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"the module '{source.place}' cannot be imported: {_said(error, source.path)}") from error


def _read(place: str, path: Path, what: str) -> SourceCode:
    try:
        with open_regular(path) as handle:
            code = handle.read(_LARGEST + 1)
    except FileNotFoundError:
        beside = [one.name for one in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise ConfigError(f"{what}: there is no file {path}{nearest(path.name, beside)}") from None
    except OSError as error:
        raise ConfigError(f"{what}: cannot read {path}: {error.strerror or error}") from error
    if len(code) > _LARGEST:
        raise ConfigError(
            f"{what}: {path} has more than {_LARGEST // 2**20} MiB; a part is a file of code, read data from elsewhere"
        )
    return SourceCode(place=place, path=path, sha256=hashlib.sha256(code).hexdigest(), code=code)


def _module_file(reference: ImportPath) -> Path:
    name = reference.place
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(f"'{reference}': importing {name.rpartition('.')[0]} fails: {error}") from error
        spec = None
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"'{reference}': importing {name.rpartition('.')[0] or name} fails: {type(error).__name__}: {error}"
        ) from error
    if spec is None:
        if name == HUB:
            raise ConfigError(of_the_hub(str(reference)))
        file = f"./{name.replace('.', '/')}.py:{reference.attribute}"
        raise ConfigError(
            f"'{reference}': there is no module '{name}'; install the package that has it, or name a file: {file}"
        )
    if spec.origin is None or not os.path.isfile(spec.origin):
        raise ConfigError(f"'{reference}': the module '{name}' has no file, so there is no version of it to record")
    return Path(spec.origin)


def _said(error: BaseException, path: Path) -> str:
    """What was raised, and on which line of the file."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"SyntaxError: {error.msg} (line {error.lineno})"
    return " ".join(f"{type(error).__name__}: {error}".split()) + line_of(error, str(path))


def _defined(module: ModuleType) -> list[str]:
    """Names that the module itself makes, for messages."""
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )
