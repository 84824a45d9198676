"""The report of an update, and the error of a refused step."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from counterpoise.errors import TrainingError
from counterpoise.learner.gradients import gather
from counterpoise.types import Credit, Rollout, Sum

__all__ = ["RefusedStepError", "UpdateReport", "UpdateSums", "gathered_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """One call of `Learner.update`, over all processes."""

    metrics: Mapping[str, Sum]
    """The loss's own metrics summed over micro-batches, and the learner's (see `docs/learner.md`)."""
    optimiser_steps: int
    """Steps taken."""
    skipped_steps: int
    """Mini-batches without any credit: no step, so that momentum and weight decay do not act alone."""
    tokens_trained: int
    """Response tokens that went through a forward and a backward pass, each epoch counted."""
    tokens_plus: int
    """Those of them that were pushed up."""
    tokens_minus: int
    """Those that were pushed down."""
    tokens_saved: int
    """Response tokens of the other rows, which went through neither, each epoch counted."""
    sampler_gap_max: float
    """Largest |log-probability of the sampler - of the learner| over the first mini-batch; NaN when nothing was trained."""
    seconds: Mapping[str, float]
    """Wall time of this process by stage: prepare, old, reference, signs, forward, loss, backward, optimiser."""


class RefusedStepError(TrainingError):
    """Loss or gradient was not finite: the step was not taken. Carries what is needed to save and replay the mini-batch."""

    def __init__(
        self,
        *,
        step: int,
        epoch: int,
        minibatch: int,
        minibatches: int,
        loss: float,
        gradient_norm: float,
        rows: Sequence[int],
        rollouts: Sequence[Rollout],
        credit: Credit,
        notes: Sequence[str],
    ) -> None:
        """Keep the evidence.

        Args:
            step: optimiser steps taken before the refused one.
            epoch: from 0.
            minibatch: from 0.
            minibatches: mini-batches of the epoch.
            loss: divided loss over all processes.
            gradient_norm: 2-norm over all processes, before clipping.
            rows: this process's rows of the mini-batch that were trained on, as indices into the batch.
            rollouts: those rows.
            credit: of those rows.
            notes: what else was found to be wrong.
        """
        self.step = step
        self.epoch = epoch
        self.minibatch = minibatch
        self.loss = loss
        self.gradient_norm = gradient_norm
        self.rows = tuple(rows)
        self.rollouts = tuple(rollouts)
        self.credit = credit
        self.notes = tuple(notes)
        super().__init__(
            f"optimiser step {step + 1} refused (epoch {epoch + 1}, mini-batch {minibatch + 1} of {minibatches}): "
            f"loss {loss:g}, gradient norm {gradient_norm:g}"
            + "".join(f"; {note}" for note in notes)
            + f". The parameters are those after step {step}; go on from the last checkpoint with a smaller "
            "learning rate or a tighter gradient clip"
        )


@dataclass(slots=True, kw_only=True)
class UpdateSums:
    """Sums and seconds while an update runs."""

    metrics: dict[str, Sum] = field(default_factory=dict)
    """By name."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By stage."""
    gap_max: float = float("nan")
    """Largest gap seen."""
    pushed: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    """(2,) tokens pushed up and down."""

    def add(self, metrics: Mapping[str, Sum]) -> None:
        """Add sums to those of the same name."""
        for name, value in metrics.items():
            self.metrics[name] = self.metrics[name] + value if name in self.metrics else value

    def once(self, name: str, value: float) -> None:
        """Add one value."""
        self.add({name: Sum(total=value, count=1.0)})

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the wall time of the body to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started


def gathered_report(
    sums: UpdateSums, *, optimiser_steps: int, skipped_steps: int, tokens: npt.NDArray[np.int64], processes: int
) -> UpdateReport:
    """The report of all processes from each one's sums and (2,) tokens trained and saved.

    The numbers of steps are the same on every process, and seconds stay this one's.
    """
    everywhere = gather((sums.metrics, sums.gap_max, [*tokens, *sums.pushed]), processes)
    merged = UpdateSums()
    for metrics, _, _ in everywhere:
        merged.add(metrics)
    trained, saved, plus, minus = np.sum([own for _, _, own in everywhere], axis=0).tolist()
    return UpdateReport(
        metrics=merged.metrics,
        optimiser_steps=optimiser_steps,
        skipped_steps=skipped_steps,
        tokens_trained=trained,
        tokens_plus=plus,
        tokens_minus=minus,
        tokens_saved=saved,
        sampler_gap_max=max((gap for _, gap, _ in everywhere if not math.isnan(gap)), default=math.nan),
        seconds=sums.seconds,
    )
