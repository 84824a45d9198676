"""Measure a step beside training: `diagnostics` and the learner, composed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from counterpoise.config import DiagnosticsConfig
from counterpoise.diagnostics.displacement import anchor_kl, displacement, spread
from counterpoise.diagnostics.rollouts import by_verdict
from counterpoise.diagnostics.samples import choose_samples, merge_samples
from counterpoise.diagnostics.trained import TrainedTokens
from counterpoise.learner.update import Learner
from counterpoise.pipeline import Experience
from counterpoise.processes import Processes
from counterpoise.types import Rollout, Sum

__all__ = ["Diagnose", "UpdateMeasures", "saved_tokens"]


@dataclass(slots=True, kw_only=True)
class UpdateMeasures:
    """What one process saw of one update, while it ran and around it."""

    tokens: TrainedTokens = field(default_factory=TrainedTokens)
    """Distributions over the tokens trained on."""
    metrics: dict[str, Sum] = field(default_factory=dict)
    """Displacement, where it was due."""
    seconds: float = 0.0
    """What measuring took."""


class Diagnose:
    """The measurements of one process that are due every so many steps."""

    def __init__(
        self, config: DiagnosticsConfig, learner: Learner, anchors: Sequence[Rollout], *, process: int, processes: int
    ) -> None:
        """Take this process's share of the anchors.

        Args:
            config: how often, and how many rollouts.
            learner: reads log-probabilities.
            anchors: of the whole run.
            process: this process, from 0.
            processes: how many there are.
        """
        self._config = config
        self._learner = learner
        self._anchors = anchors[process::processes]
        self._limit = -(-config.rollouts // processes)

    def due(self, index: int) -> bool:
        """Whether step `index` (from 0) pays for more passes."""
        return bool(self._config.every) and index % self._config.every == 0

    @contextmanager
    def update(self, experience: Experience, index: int) -> Iterator[UpdateMeasures]:
        """Around the update of a step: where due, log-probabilities are read before and after it."""
        measures = UpdateMeasures()
        if not self.due(index):
            yield measures
            return
        started = time.perf_counter()
        rows = by_verdict(experience.verdicts)
        sets = {
            name: [experience.batch.rollouts[row] for row in spread(rows[f"_{name}"], self._limit)]
            for name in ("correct", "wrong")
        } | {"anchor": self._anchors}
        before = self._log_probs(sets)
        measures.seconds = time.perf_counter() - started
        yield measures
        started = time.perf_counter()
        after = self._log_probs(sets)
        measures.metrics |= {f"log_prob_change_{name}": displacement(before[name], after[name]) for name in sets}
        measures.metrics["anchor_kl"] = anchor_kl(self._anchors, after["anchor"])
        measures.seconds += time.perf_counter() - started

    def samples(
        self, experience: Experience, index: int, decode: Callable[[list[int]], str]
    ) -> list[Mapping[str, Any]]:
        """The lines of samples.jsonl for step `index`, the same in every process, all of which must ask."""
        every = self._config.samples_every
        if not every or index % every:
            return []
        chosen = choose_samples(
            step=index + 1,
            prompts=experience.prompts,
            rollouts=experience.batch.rollouts,
            verdicts=experience.verdicts,
            rewards=experience.rewards,
            credit=experience.credit,
            decode=decode,
        )
        return merge_samples(Processes().gather([chosen]))

    def _log_probs(self, sets: Mapping[str, Sequence[Rollout]]) -> dict[str, list[Any]]:
        """One pass over all sets, so that their rows share micro-batches."""
        found = iter(self._learner.log_probs([rollout for rollouts in sets.values() for rollout in rollouts]))
        return {name: [next(found) for _ in rollouts] for name, rollouts in sets.items()}


def saved_tokens(experience: Experience, trained: torch.Tensor) -> dict[str, Sum]:
    """Response tokens of correct and of wrong rollouts that were not trained on.

    Args:
        experience: N rollouts.
        trained: indices of the rows that were.
    """
    batch = experience.batch
    left = batch.lengths.clone()
    left[trained] = 0
    wrong = batch.scored & ~batch.correct
    return {
        "tokens_saved_correct": Sum(total=float(left[batch.correct].sum()), count=1.0),
        "tokens_saved_wrong": Sum(total=float(left[wrong].sum()), count=1.0),
    }
