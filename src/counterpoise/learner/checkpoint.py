"""Checkpoints that survive a kill: a directory is written aside, sealed with a manifest of hashes, then renamed into place.

Layout of one checkpoint: `step-000050/` with `policy/` (a Hugging Face model directory), `state.pt` (optimiser, schedule,
controller, counters), further texts of the caller's and `manifest.json`. A directory without a matching manifest is not a checkpoint.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from counterpoise.errors import CheckpointError, StoreError
from counterpoise.files import atomic_write_text, fsync_directory, read_json
from counterpoise.lazy import torch

__all__ = ["Checkpoint", "CheckpointStore", "Score"]

_NAME = re.compile(r"step-(\d{6,})$")
_MANIFEST = "manifest.json"
_STATE = "state.pt"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
"""What reading a damaged file can raise: text that is not valid UTF-8, JSON that is none or too deep, values of other kinds, a bad disk."""
_BEST = "best.json"
_WEIGHTS = (".safetensors", ".bin")
"""Ends of the names of files that hold weights, whole or in shards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One verified checkpoint on disk."""

    step: int
    """Training steps done."""
    path: Path
    """Its directory."""

    @property
    def policy(self) -> Path:
        """Directory that `load_model` and `transformers` read."""
        return self.path / "policy"

    def state(self) -> dict[str, Any]:
        """Everything but the weights, as it was saved."""
        state: dict[str, Any] = torch.load(self.path / _STATE, map_location="cpu", weights_only=True)
        return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a checkpoint is compared with others by."""

    name: str
    """Name of the metric; scores of another one are not compared with it."""
    value: float
    """Its value; NaN is never the best."""
    lower: bool = False
    """Whether low values are the better ones."""

    def beats(self, other: float) -> bool:
        """Whether it is better than the value `other`; against NaN every number is."""
        if math.isnan(self.value) or math.isnan(other):
            return not math.isnan(self.value)
        return self.value < other if self.lower else self.value > other


class CheckpointStore:
    """The checkpoints of one run: atomic, the newest `keep` plus the best and one asked for, damaged ones set aside and named.

    Args:
        directory: where the `step-…` directories live; made when first written to.
        keep: newest checkpoints kept.
        say: gets one line when a damaged checkpoint is found.
    """

    def __init__(self, directory: Path, *, keep: int, say: Callable[[str], None]) -> None:
        self._directory = Path(directory)
        self._keep = keep
        self._say = say

    def save(
        self,
        step: int,
        *,
        write_policy: Callable[[Path], None],
        state: Mapping[str, Any],
        texts: Mapping[str, str] = MappingProxyType({}),
        score: Score | None = None,
        good: int | None = None,
    ) -> Checkpoint:
        """Write a checkpoint, then remove those no longer kept; saving a step that is already there is a no-op.

        `texts` are written beside the state, by file name. `score` decides which one is kept as the best; the one of step `good` is kept
        too.

        Raises:
            StoreError: the disk is full or the directory cannot be written; earlier checkpoints are untouched.
        """
        final = self._directory / f"step-{step:06d}"
        if not (final.is_dir() and _damage(final) is None):
            self._write(final, write_policy, state, texts)
        if score is not None and score.beats(self._best(score.name)[1]):
            best = {"step": step, "score": score.value, "by": score.name}
            atomic_write_text(self._directory / _BEST, json.dumps(best))
        self._prune(good)
        return Checkpoint(step=step, path=final)

    def latest(self) -> Checkpoint | None:
        """The newest intact checkpoint; damaged ones are renamed to `….damaged` and logged. None when there is none."""
        for step, path in sorted(self._all(), reverse=True):
            damage = _damage(path)
            if damage is None:
                return Checkpoint(step=step, path=path)
            self._say(f"checkpoint {path} is damaged ({damage}); {_set_aside(path)}, trying the one before it")
        return None

    def steps(self) -> list[int]:
        """Steps of the checkpoints there are, intact or not, ascending."""
        return sorted(step for step, _ in self._all())

    def best(self) -> Checkpoint | None:
        """The checkpoint with the best score seen, where it is still intact."""
        step = self._best()[0]
        return None if step is None else self.at(step)

    def at(self, step: int) -> Checkpoint:
        """The checkpoint of one step.

        Raises:
            CheckpointError: it is absent or damaged; says which steps there are.
        """
        path = self._directory / f"step-{step:06d}"
        damage = _damage(path) if path.is_dir() else "absent"
        if damage is not None:
            steps = ", ".join(str(s) for s, _ in sorted(self._all())) or "none"
            raise CheckpointError(f"checkpoint {path} cannot be used ({damage}); steps there: {steps}")
        return Checkpoint(step=step, path=path)

    def _write(
        self, final: Path, write_policy: Callable[[Path], None], state: Mapping[str, Any], texts: Mapping[str, str]
    ) -> None:
        aside = final.with_name(f".{final.name}.partial")
        try:
            shutil.rmtree(aside, ignore_errors=True)
            (aside / "policy").mkdir(parents=True)
            write_policy(aside / "policy")
            torch.save(dict(state), aside / _STATE)
            for name, text in texts.items():
                (aside / name).write_text(text, encoding="utf-8")
            files = {str(f.relative_to(aside)): _seal(f) for f in sorted(aside.rglob("*")) if f.is_file()}
            atomic_write_text(aside / _MANIFEST, json.dumps({"files": files}, indent=1))
            if final.exists():
                shutil.rmtree(final)
            os.replace(aside, final)
            fsync_directory(self._directory)
        except Exception as error:
            # The writers below this call (torch, safetensors) report a full disk in their own types and words.
            shutil.rmtree(aside, ignore_errors=True)
            if isinstance(error, (OSError, StoreError, RuntimeError)) or "safetensor" in type(error).__name__.lower():
                raise StoreError(_cannot_save(final, error)) from error
            raise

    def _prune(self, good: int | None) -> None:
        spared = (self._best()[0], good)
        for step, path in sorted(self._all(), reverse=True)[self._keep :]:
            if step in spared:
                continue
            # Renamed first: a kill in the middle of the removal must not leave half a checkpoint under a valid name.
            doomed = path.with_name(f".{path.name}.removed")
            shutil.rmtree(doomed, ignore_errors=True)
            os.replace(path, doomed)
        for leftover in [*self._directory.glob(".step-*.removed"), *self._directory.glob(".step-*.partial")]:
            shutil.rmtree(leftover, ignore_errors=True)

    def _best(self, name: str | None = None) -> tuple[int | None, float]:
        """Step and score of the best one; NaN where it was the best by something else than `name`."""
        try:
            record = read_json(self._directory / _BEST)
            # Files of earlier versions do not say by what; it was what the run file says.
            other = name is not None and record.get("by", name) != name
            return int(record["step"]), math.nan if other else float(record["score"])
        except (*_UNREADABLE, AttributeError):
            return None, math.nan

    def _all(self) -> Iterator[tuple[int, Path]]:
        if self._directory.is_dir():
            for path in self._directory.iterdir():
                match = _NAME.match(path.name)
                if match and path.is_dir():
                    yield int(match.group(1)), path


def _seal(path: Path) -> dict[str, Any]:
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _damage(path: Path) -> str | None:
    """What is wrong with a checkpoint directory; None when nothing is. Never raises: what cannot be checked is damaged."""
    try:
        return _found_damage(path)
    except _UNREADABLE as error:
        return f"it cannot be read: {error}"[:200]


def _found_damage(path: Path) -> str | None:
    manifest = path / _MANIFEST
    try:
        files = read_json(manifest)["files"]
    except _UNREADABLE:
        files = None
    if not isinstance(files, dict):
        return "no readable manifest"
    if _STATE not in files:
        return f"its manifest lists no {_STATE}"
    if not any(name.startswith("policy/") and name.endswith(_WEIGHTS) for name in files):
        return "its manifest lists no weights"
    for name, seal in files.items():
        # A seal of another kind, as a whole or in its parts, is not a seal.
        if not isinstance(seal, dict) or type(seal.get("bytes")) is not int or not isinstance(seal.get("sha256"), str):
            return f"{name} has no readable seal in its manifest"
        file = path / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != seal["bytes"]:
            return f"{name} has {file.stat().st_size} bytes instead of {seal['bytes']}"
        with open(file, "rb") as handle:
            if hashlib.file_digest(handle, "sha256").hexdigest() != seal["sha256"]:
                return f"{name} does not match its hash"
    return None


def _set_aside(path: Path) -> str:
    aside = path.with_name(path.name + ".damaged")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(path, aside)
    except OSError as error:  # on a disk that is only read, it stays where it is
        return f"it could not be set aside ({error.strerror or error})"
    return f"set aside as {aside.name}"


def _cannot_save(path: Path, error: BaseException) -> str:
    text = str(error)
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in text or "no space left" in text:
        return f"cannot save checkpoint {path}: no space left on the device; free some and resume, earlier checkpoints are intact"
    return f"cannot save checkpoint {path}: {text}; earlier checkpoints are intact"
