"""What evaluations of a run file share, whoever draws: which problems, what the store is begun with, and the lines about damaged files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from counterpoise.config import RunConfig
from counterpoise.evaluation.store.rollouts import Manifest, RolloutStore
from counterpoise.evaluation.store.task_file import keep_task
from counterpoise.models.gguf.header import file_sha256, is_gguf
from counterpoise.plugins import portable
from counterpoise.prompts import Wording
from counterpoise.runfile import settled
from counterpoise.text import counted
from counterpoise.types import Problem, SamplingSettings

__all__ = ["OnCount", "Say", "first_problems", "given_of", "keep_given", "manifest_of", "say_damages", "unsaid"]

OnCount = Callable[[int, int], None]
Say = Callable[[str], None]

_DAMAGES_SAID = 5

_GIVEN = {"name", "train", "test", "settings"}
"""What of `[tasks]` decides which problems the test split has."""


def first_problems(problems: Sequence[Problem], limit: int | None) -> list[Problem]:
    """The first `limit` problems of each task type in the order of their ids: a fixed sample of the split, whatever order the file has."""
    seen: Counter[str] = Counter()
    chosen: list[Problem] = []
    for problem in sorted(problems, key=lambda problem: problem.problem_id):
        seen[problem.task_type] += 1
        if limit is None or seen[problem.task_type] <= limit:
            chosen.append(problem)
    return chosen


def unsaid(line: str) -> None:
    """A `Say` that says nothing."""


def manifest_of(config: RunConfig, template: Wording, step: int, *, served: str | None = None) -> Manifest:
    """What the store of an evaluation is begun with; `served` is the name of a model that a server draws from."""
    wanted = config.evaluation
    return Manifest(
        model=config.model.name if served is None else served,
        task=f"{portable(config.tasks.name)}:test",
        template=str(template),
        settings=SamplingSettings(
            temperature=wanted.temperature,
            top_p=wanted.top_p,
            top_k=wanted.top_k,
            max_tokens=wanted.max_tokens or config.rollout.max_tokens,
            stop=tuple(config.rollout.stop),
        ),
        seed=config.run.seed,
        weights=f"{config.run.name} step {step}" if step else None if served else _digest(config.model.name),
        sampler=None if served is None else "server",
    )


def _digest(model: str) -> str | None:
    """The version of a GGUF file, which is often replaced by another of the same name."""
    path = Path(model).expanduser()
    return f"gguf sha256 {file_sha256(path)}" if is_gguf(model) and path.is_file() else None


def keep_given(directory: Path, config: RunConfig) -> None:
    """Write what of `[tasks]` decides the problems beside the manifest.

    Raises:
        StoreError: it cannot be written.
    """
    keep_task(directory, given_of(config))


def given_of(config: RunConfig) -> dict[str, Any]:
    """What of `[tasks]` decides the problems, paths absolute."""
    return settled(config).tasks.model_dump(mode="json", exclude_none=True, include=_GIVEN)


def say_damages(store: RolloutStore, say: Say) -> None:
    """A line for each of the first damaged lines that were met, and how many more there are."""
    for damage in store.damages[:_DAMAGES_SAID]:
        say(str(damage))
    if len(store.damages) > _DAMAGES_SAID:
        say(f"and {counted(len(store.damages) - _DAMAGES_SAID, 'more damaged line')} in {store.directory}")
