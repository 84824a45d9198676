"""Rollouts and verdicts of one evaluation on disk: append-only, resumable, nothing counted twice.

A directory holds `manifest.json` (what was sampled, written once), `rollouts.jsonl` (one line for each draw) and
`verdicts-<verifier>-<version>.jsonl` (one line for each judged draw). A draw is named by (problem_id, sample); its first line counts,
later ones are duplicates. Reading streams: memory holds one bit for each draw and never the texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any, TypeVar

from counterpoise.errors import StoreError
from counterpoise.evaluation.store.checked import checked
from counterpoise.evaluation.store.seen import Seen
from counterpoise.evaluation.store.stored import StoredRollout, StoredVerdict, read_stored
from counterpoise.files import Damage, append_json_lines, atomic_write_text, read_json, why
from counterpoise.types import SamplingSettings

__all__ = ["Manifest", "RolloutStore", "StoredRollout", "StoredVerdict", "same_draws", "same_model"]

_SCHEMA = 1
_PACKAGED = ("lab", "smollm2")
"""Names that are not a directory, whatever directories there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a store's rollouts were drawn from; two draws belong in one store only if all of this is equal."""

    model: str
    """Name or path of the model."""
    task: str
    """Task and split, e.g. `countdown:test`."""
    template: str
    """Prompt template's name or text."""
    settings: SamplingSettings
    """How responses are drawn."""
    seed: int
    """Seed of the evaluation."""
    weights: str | None = None
    """Digest or version of the weights, where known: a path alone does not tell one training step from the next."""
    sampler: str | None = None
    """`server` where an OpenAI-compatible server drew; None for our own sampler. It is not part of the file then, as it never was."""

    def to_json(self) -> dict[str, Any]:
        """As it stands in `manifest.json`."""
        loaded: dict[str, Any] = json.loads(json.dumps({"schema": _SCHEMA, **asdict(self)}))
        del loaded["settings"]["with_entropy"]  # what else was recorded: no part of how responses are drawn
        if self.sampler is None:
            del loaded["sampler"]
        return loaded

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Manifest:
        """Inverse of `to_json`."""
        fields = {name: value for name, value in data.items() if name != "schema"}
        settings = dict(fields.pop("settings"))
        drawn = checked(SamplingSettings(**{**settings, "stop": tuple(settings["stop"])}))
        return checked(cls(settings=drawn, **fields))


def same_draws(one: Manifest, other: Manifest) -> bool:
    """Whether draws of both belong in one store: all is equal, but for where the model's directory is.

    Where `weights` names the step of a run, it is that step's own weights; else see `same_model`.
    """
    same = one.weights is not None or same_model(one.model, other.model)
    return same and replace(one, model=other.model) == other


def same_model(one: str, other: str) -> bool:
    """Whether two names of a model mean the same: equal, or two paths of a directory that was moved, or is named from elsewhere.

    A path is known by its end: a relative one as a whole, an absolute one by its last two components, and from the run's name on where
    it is a checkpoint. Two directories that are both there are the same only if they are one.
    """
    if one == other:
        return True
    first, second = PurePath(one), PurePath(other)
    absolute = first.is_absolute() + second.is_absolute()
    if not absolute or any(name.partition(":")[0] in _PACKAGED for name in (one, other)):
        return False
    if all(Path(name).is_dir() for name in (one, other)):
        return Path(one).resolve() == Path(other).resolve()
    if absolute == 2:
        return _tail(first) == _tail(second)
    short, long = sorted((first.parts, second.parts), key=len)
    return long[-len(short) :] == short


def _tail(path: PurePath) -> tuple[str, ...]:
    parts = path.parts
    start = parts.index("checkpoints") - 1 if "checkpoints" in parts[1:] else len(parts) - 2
    return parts[max(0, start) :]


_Line = TypeVar("_Line", StoredRollout, StoredVerdict)


class RolloutStore:
    """Rollouts and verdicts of one evaluation in one directory.

    Args:
        directory: where the files live; created with the manifest.
        manifest: what is to be sampled. Needed to begin a store; for an existing one it must equal what the store was begun with, and
            without it the store is opened as it is.

    Raises:
        StoreError: the directory holds another evaluation, an unreadable manifest, rollouts without a manifest, or nothing and no
            manifest was given.
    """

    def __init__(self, directory: str | Path, manifest: Manifest | None = None) -> None:
        self.directory = Path(directory)
        self._damages: dict[tuple[Path, int], Damage] = {}
        self._index: Seen | None = None
        self.manifest = self._open(manifest)

    @property
    def rollouts_path(self) -> Path:
        """The file of draws."""
        return self.directory / "rollouts.jsonl"

    def verdicts_path(self, verifier: str, version: str) -> Path:
        """The file of one verifier version's verdicts."""
        name = re.sub(r"[^A-Za-z0-9.+_-]", "_", f"{verifier}-{version}")
        return self.directory / f"verdicts-{name}.jsonl"

    @property
    def damages(self) -> tuple[Damage, ...]:
        """Lines that could not be read so far, each once; they stay in their file and count as absent."""
        return tuple(self._damages.values())

    @property
    def duplicates(self) -> int:
        """Lines of `rollouts.jsonl` whose draw an earlier line already holds."""
        return self._held().duplicates

    def holds(self, problem_id: str, sample: int) -> bool:
        """Whether the draw is stored."""
        return self._held().has(problem_id, sample)

    def missing(self, problem_ids: Sequence[str], n: int) -> dict[str, list[int]]:
        """For each problem with fewer than its first n draws, the sample indices below n that are not stored."""
        held = self._held()
        gaps = {problem: [i for i in range(n) if not held.has(problem, i)] for problem in problem_ids}
        return {problem: samples for problem, samples in gaps.items() if samples}

    def waiting(self, problem_ids: Iterable[str], n: int, graded: Seen) -> int:
        """How many of the first n draws of these problems are stored and not among `graded`."""
        return self._held().beside(graded, problem_ids, n)

    def append(self, rollouts: Sequence[StoredRollout]) -> int:
        """Write the draws that are not stored yet, flushed to the disk before this returns; the number written.

        Raises:
            StoreError: the disk is full or the file cannot be written; earlier lines are intact.
        """
        held, batch = self._held(), Seen()
        fresh = [r for r in rollouts if not held.has(r.problem_id, r.sample) and batch.add(r.problem_id, r.sample)]
        append_json_lines(self.rollouts_path, [rollout.to_json() for rollout in fresh])
        for rollout in fresh:
            held.add(rollout.problem_id, rollout.sample)
        return len(fresh)

    def append_verdicts(self, verdicts: Sequence[StoredVerdict]) -> None:
        """Write verdicts to the files of their verifiers, flushed to the disk before this returns.

        Raises:
            StoreError: the disk is full or a file cannot be written; earlier lines are intact.
        """
        files: dict[Path, list[dict[str, Any]]] = {}
        for line in verdicts:
            path = self.verdicts_path(line.verdict.verifier, line.verdict.version)
            files.setdefault(path, []).append(line.to_json())
        for path, lines in files.items():
            append_json_lines(path, lines)

    def rollouts(self) -> Iterator[StoredRollout]:
        """Every stored draw once, in the order of writing; reads the file as it goes."""
        seen = Seen()
        yield from self._stream(self.rollouts_path, StoredRollout.from_json, seen)
        if self._index is None:  # read to its end: `holds` needs no pass of its own
            self._index = seen

    def drawn(self) -> dict[str, int]:
        """Samples of each problem that has any, up to the last one that is stored."""
        return self._held().lengths()

    def verdicts(self, verifier: str, version: str) -> Iterator[StoredVerdict]:
        """Every verdict of one verifier version once, in the order of writing; reads the file as it goes."""
        return self._stream(self.verdicts_path(verifier, version), StoredVerdict.from_json, Seen())

    def graded(self, verifier: str, version: str) -> Seen:
        """Which draws the verifier version has judged when this is called."""
        seen = Seen()
        for _ in self._stream(self.verdicts_path(verifier, version), StoredVerdict.from_json, seen):
            pass
        return seen

    def _held(self) -> Seen:
        if self._index is None:
            seen = Seen()
            for _ in self._stream(self.rollouts_path, StoredRollout.from_json, seen):
                pass
            self._index = seen
        return self._index

    def _stream(self, path: Path, parse: Callable[[Mapping[str, Any]], _Line], seen: Seen) -> Iterator[_Line]:
        for line in read_stored(path, parse, on_damage=self._note):
            if seen.add(line.problem_id, line.sample):
                yield line

    def _note(self, damage: Damage) -> None:
        self._damages.setdefault((damage.path, damage.line), damage)

    def _open(self, wanted: Manifest | None) -> Manifest:
        path = self.directory / "manifest.json"
        try:
            found = read_json(path)
        except FileNotFoundError:
            if self.rollouts_path.exists():
                raise StoreError(
                    f"{self.directory} holds rollouts.jsonl but no manifest.json, so nobody knows how they were drawn; "
                    "choose another directory"
                ) from None
            if wanted is None:
                raise StoreError(f"{self.directory} holds no rollout store: there is no manifest.json in it") from None
            atomic_write_text(path, json.dumps(wanted.to_json(), indent=2, ensure_ascii=False) + "\n")
            return wanted
        except (OSError, ValueError) as error:
            raise StoreError(
                f"cannot read {path}: {why(error)}; restore the file or evaluate into another directory"
            ) from error
        try:
            if found["schema"] != _SCHEMA:
                raise StoreError(
                    f"{path} has schema {found['schema']}; this version reads {_SCHEMA}: use the version that wrote it"
                )
            manifest = Manifest.from_json(found)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(
                f"{path} is not a store manifest ({error}); restore it or evaluate into another directory"
            ) from error
        if wanted is not None and not same_draws(wanted, manifest):
            old, new = _flat(manifest.to_json()), _flat(wanted.to_json())
            differing = "; ".join(
                f"{key} is {old.get(key)!r} there and {new.get(key)!r} here"
                for key in {**old, **new}
                if old.get(key) != new.get(key)
            )
            raise StoreError(
                f"{self.directory} holds an evaluation of something else: {differing}. Evaluate into another directory (--out DIR), "
                "or ask for the same to resume it"
            )
        return manifest


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    nested = {f"settings.{key}": value for key, value in data["settings"].items()}
    return {key: value for key, value in data.items() if key != "settings"} | nested
