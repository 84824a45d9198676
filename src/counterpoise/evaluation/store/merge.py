"""Rollouts of several machines in one store: other draws of a problem add up, the same draw met twice does not.

A draw is known by (problem_id, sample, seed of its block) as it was made. One that cannot keep its sample index in the target gets
another, and its line then says in `drawn_as` which it had, so that merging again, or after a kill, adds nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from counterpoise.errors import StoreError, UsageError
from counterpoise.evaluation.estimators.subsets import MAX_ROLLOUTS
from counterpoise.evaluation.store.golds import append_problems, kept_problems
from counterpoise.evaluation.store.rollouts import Manifest, RolloutStore, StoredRollout, same_model
from counterpoise.evaluation.store.stored import read_stored
from counterpoise.evaluation.store.task_file import keep_task, kept_task
from counterpoise.files import Damage, append_json_lines

__all__ = ["DRAWN_AS", "HeldDraws", "Merged", "merge_stores"]

DRAWN_AS = "drawn_as"
"""Field of a draw's line that holds the sample index it was made under, where it could not keep it."""
_WRITTEN_AT_ONCE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What one source gave."""

    source: Path
    """Its directory."""
    added: int
    """Draws that were new to the target."""
    known: int
    """Draws the target had."""
    damages: tuple[Damage, ...]
    """Lines of the source that could not be read; they stay where they are and are not merged."""


def merge_stores(target: str | Path, sources: Sequence[str | Path]) -> list[Merged]:
    """Add the rollouts of `sources` to `target`, in order; the sources are only read.

    A draw keeps its sample index where that is free in the target and takes the lowest free one otherwise. Verdicts are not merged: grade
    the target. Batches are on the disk before the next is read; stopped anywhere, the same call goes on and ends with the same file.

    Args:
        target: a store, or a directory without one, which begins with the first source's manifest.
        sources: stores drawn from the same model, weights, task, template and settings; the seed may differ.

    Returns:
        For each source what it gave.

    Raises:
        UsageError: no source, or the target is one of them.
        StoreError: a directory is not a store, a manifest differs in more than the seed (the message names in what), a problem would have
            more draws than a store holds, or the disk is full.
    """
    if not sources:
        raise UsageError("merging needs a target and at least one source")
    target = Path(target)
    for source in sources:
        if Path(source).resolve() == target.resolve():
            raise UsageError(f"{source} is the target and a source at once; leave it away as a source")
    stores = [RolloutStore(source) for source in sources]
    begun = (target / "manifest.json").is_file() or (target / "rollouts.jsonl").is_file()
    reference = RolloutStore(target) if begun else stores[0]
    for store in stores:
        _check_same(reference, store)
    into = RolloutStore(target, None if begun else reference.manifest)
    task = kept_task(reference.directory)
    if not begun and task is not None and all(kept_task(store.directory) == task for store in stores):
        keep_task(into.directory, task)  # where they differ, grading has to be told whose
    held, kept = HeldDraws(into), kept_problems(into.directory)
    for store in stores:
        fresh = {name: one for name, one in kept_problems(store.directory).items() if name not in kept}
        append_problems(into.directory, list(fresh.values()))
        kept |= fresh
    return [_merge(store, into, held) for store in stores]


class HeldDraws:
    """What a store has: taken sample indices, and draws by how they were made."""

    def __init__(self, store: RolloutStore) -> None:
        self._problems: dict[str, int] = {}
        self._seeds: dict[int, int] = {}
        self._taken: list[int] = []
        """One bit for each sample index of a problem."""
        self._made: dict[int, int] = {}
        """By seed and problem, one bit for each draw whose sample index is the one that it was made under."""
        self._moved: dict[int, int] = {}
        """Sample index of the others by how they were made."""
        for rollout, drawn_as in _lines(store.rollouts_path, []):
            self._note(rollout.problem_id, rollout.sample, drawn_as, rollout.seed)

    def found(self, problem_id: str, drawn_as: int, seed: int) -> int | None:
        """The sample index under which the store has the draw; None when it has it not."""
        key = self._key(problem_id, seed)
        return drawn_as if self._made.get(key, 0) >> drawn_as & 1 else self._moved.get(key * MAX_ROLLOUTS + drawn_as)

    def place(self, problem_id: str, drawn_as: int, seed: int) -> int | None:
        """The sample index a draw gets from now on; None when the draw is here."""
        if self.found(problem_id, drawn_as, seed) is not None:
            return None
        taken = self._taken[self._problem(problem_id)]
        lowest_free = (~taken & (taken + 1)).bit_length() - 1
        sample = lowest_free if taken >> drawn_as & 1 else drawn_as
        if sample >= MAX_ROLLOUTS:
            raise StoreError(f"problem {problem_id} would have more than {MAX_ROLLOUTS} draws; merge fewer stores")
        self._note(problem_id, sample, drawn_as, seed)
        return sample

    def lengths(self) -> dict[str, int]:
        """By problem: one more than the last of its sample indices."""
        return {name: self._taken[index].bit_length() for name, index in self._problems.items() if self._taken[index]}

    def _note(self, problem_id: str, sample: int, drawn_as: int, seed: int) -> None:
        self._taken[self._problem(problem_id)] |= 1 << sample
        key = self._key(problem_id, seed)
        if sample == drawn_as:
            self._made[key] = self._made.get(key, 0) | 1 << sample
        else:
            self._moved[key * MAX_ROLLOUTS + drawn_as] = sample

    def _problem(self, problem_id: str) -> int:
        index = self._problems.setdefault(problem_id, len(self._taken))
        if index == len(self._taken):
            self._taken.append(0)
        return index

    def _key(self, problem_id: str, seed: int) -> int:
        return self._seeds.setdefault(seed, len(self._seeds)) << 32 | self._problem(problem_id)


def _merge(source: RolloutStore, target: RolloutStore, held: HeldDraws) -> Merged:
    damages: list[Damage] = []
    batch: list[dict[str, Any]] = []
    added = known = 0
    for rollout, drawn_as in _lines(source.rollouts_path, damages):
        sample = held.place(rollout.problem_id, drawn_as, rollout.seed)
        if sample is None:
            known += 1
            continue
        line = rollout.to_json() | {"sample": sample}
        batch.append(line if sample == drawn_as else line | {DRAWN_AS: drawn_as})
        added += 1
        if len(batch) == _WRITTEN_AT_ONCE:
            append_json_lines(target.rollouts_path, batch)
            batch = []
    append_json_lines(target.rollouts_path, batch)
    return Merged(source=source.directory, added=added, known=known, damages=tuple(damages))


def _lines(path: Path, damages: list[Damage]) -> Iterator[tuple[StoredRollout, int]]:
    """Each stored draw once, with the index it was made under; what cannot be read goes to `damages`."""
    seen: dict[str, int] = {}

    def parse(data: Mapping[str, Any]) -> tuple[StoredRollout, int]:
        rollout = StoredRollout.from_json(data)
        return rollout, int(data.get(DRAWN_AS, rollout.sample))

    for rollout, drawn_as in read_stored(path, parse, on_damage=damages.append):
        samples = seen.get(rollout.problem_id, 0)
        if not samples >> rollout.sample & 1:
            seen[rollout.problem_id] = samples | 1 << rollout.sample
            yield rollout, drawn_as


def _check_same(reference: RolloutStore, store: RolloutStore) -> None:
    ours, theirs = _compared(reference.manifest), _compared(store.manifest)
    differing = [
        f"{key} is {value!r} in {reference.directory} and {theirs[key]!r} in {store.directory}"
        for key, value in ours.items()
        if theirs[key] != value and not (key == "model" and same_model(value, theirs[key]))
    ]
    if differing:
        raise StoreError(
            f"cannot merge {store.directory}: only the seed may differ, but {'; '.join(differing)}. Nothing was written"
        )


def _compared(manifest: Manifest) -> dict[str, Any]:
    fields = asdict(manifest)
    del fields["seed"]
    return {**{f"settings.{key}": value for key, value in fields.pop("settings").items()}, **fields}
