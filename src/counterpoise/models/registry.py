"""Names of packaged models, and how any other name is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from counterpoise.errors import ModelError, nearest
from counterpoise.files import irregular
from counterpoise.models.gguf.convert import gguf_directory
from counterpoise.models.gguf.header import is_gguf
from counterpoise.models.hub import in_hub_cache, near_directory
from counterpoise.models.layout import model_directory
from counterpoise.models.smollm2 import smollm2_path
from counterpoise.targets import policy_of

__all__ = ["MODELS", "resolve_model"]

MODELS: Final[dict[str, Callable[[], Path]]] = {
    "lab": lambda: _lab("strong"),
    "lab:graded": lambda: _lab("graded"),
    "lab:paths": lambda: _lab("paths"),
    "lab:strong": lambda: _lab("strong"),
    "lab:weak": lambda: _lab("weak"),
    "smollm2": smollm2_path,
}
"""Packaged models: name -> function that returns the directory (and makes it if it must)."""


def resolve_model(name_or_path: str | Path) -> Path | str:
    """The directory of a packaged name, of a GGUF file (converted), of `RUN@STEP` or of what a trainer wrote; a hub id unchanged.

    Raises:
        ModelError: the name can be neither, e.g. an absolute path that does not exist or a misspelt packaged name; or the directory holds
            no model.
        MissingExtraError: a packaged model needs an extra that is not installed.
    """
    name = str(name_or_path)
    if name in MODELS:
        return MODELS[name]()
    path = Path(name).expanduser()
    if path.is_dir():
        return model_directory(path)
    if (policy := policy_of(str(path))) is not None:
        return model_directory(policy)
    if (kind := irregular(path)) is not None:
        raise ModelError(f"model '{name}' is {kind}; give the directory of a model")
    if is_gguf(name):
        if path.is_file():
            return gguf_directory(path)
        raise ModelError(f"there is no GGUF file {path}; check the path (a file of the hub has to be downloaded first)")
    if path.is_file():
        raise ModelError(f"model '{name}' is a file; give the directory that holds it: {path.parent}")
    # A hub id has one slash too; one whose first half is a directory here is far likelier a misspelt path, and the hub would be
    # retried for most of a minute before it said so.
    local = name.startswith(("/", "./", "../", "~")) or name.count("/") > 1 or ("/" in name and path.parent.is_dir())
    if isinstance(name_or_path, Path) or local:
        raise ModelError(f"no model directory {path}{_beside(path)}; check the path, or give a hub id such as org/name")
    near = near_directory(name)
    if near is not None and not in_hub_cache(name):
        raise ModelError(f"there is no model directory '{name}' here; did you mean '{near}'? A hub id is org/name")
    if "/" not in name and (":" in name or nearest(name, MODELS)):
        raise ModelError(
            f"unknown model '{name}'{nearest(name, MODELS, 'Packaged models')}: {', '.join(sorted(MODELS))}; "
            "otherwise give a directory or a hub id such as org/name"
        )
    return name


def _lab(size: Literal["strong", "weak", "graded", "paths"]) -> Path:
    # Imported here because the recipe imports torch, and listing the names should not.
    from counterpoise.models.lab import lab_path

    return lab_path(size)


def _beside(path: Path) -> str:
    """What there is instead: the nearest sibling, or the deepest directory of the path that exists."""
    if path.parent.is_dir():
        return nearest(path.name, [entry.name for entry in path.parent.iterdir() if entry.is_dir()])
    existing = next(parent for parent in path.parents if parent.is_dir())
    return f" ({existing} exists, what follows it does not)"
