"""Forward passes of one model over rows of a batch, in micro-batches and under the learner's precision."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from counterpoise.learner.batches import Part
from counterpoise.learner.forward import ResponseLogProbs, evaluating, find_route, response_log_probs, updating
from counterpoise.learner.products import row_block
from counterpoise.learner.settings import LearnerSettings
from counterpoise.learner.shared import dropless
from counterpoise.learner.states import parts_of
from counterpoise.types import Rollout

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Passes"]


class Passes:
    """A model, the way to its log-probabilities, and the settings that bound one pass."""

    def __init__(self, model: nn.Module, accelerator: Accelerator, settings: LearnerSettings) -> None:
        self._model = model
        self._accelerator = accelerator
        self._settings = settings
        self._route = find_route(model, share_prompts=settings.share_prompts, compiled=settings.compiled)

    def way(self) -> str:
        """Who computes, in words that follow "trained by"; accelerators and other types than float32 have their own products."""
        with self.evaluating():
            multiplied = " and oneDNN's products" if row_block() > 1 else ""
        return ("torch's operators" if self._route.operators is None else "compiled operators") + multiplied

    def evaluating(self) -> AbstractContextManager[None]:
        """What passes without gradient run in (`forward.evaluating`)."""
        return evaluating(self._model, self._settings.products, self._route.operators)

    def updating(self) -> AbstractContextManager[None]:
        """What passes with gradient, and the gradients, run in (`forward.updating`)."""
        return updating(self._model, self._settings.products, self._route.operators)

    def parts(self, rollouts: Sequence[Rollout], rows: npt.NDArray[np.int64]) -> list[Part]:
        """The rows in micro-batches of at most `tokens_per_microbatch` tokens."""
        # layers that recompute their activations pass plainly, padded
        packed = self._route.operators is not None and dropless(self._model)
        budget = self._settings.tokens_per_microbatch
        return parts_of(rollouts, rows, budget, window=self._route.window, packed=packed)

    def forward(
        self,
        rollouts: Sequence[Rollout],
        part: Part,
        *,
        temperature: float,
        with_entropy: bool = False,
    ) -> ResponseLogProbs:
        """One pass over some rows, with gradient where it is on."""
        with self._accelerator.autocast():
            return response_log_probs(
                self._model,
                [rollouts[row] for row in part.rows],
                temperature=temperature,
                chunk_tokens=self._settings.chunk_tokens,
                with_entropy=with_entropy,
                route=self._route,
                shared=part.shared,
            )

    @torch.no_grad()
    def table(self, rollouts: Sequence[Rollout], rows: npt.NDArray[np.int64], *, temperature: float) -> torch.Tensor:
        """(N, T) log-probabilities of the rows, zero elsewhere."""
        span = max((len(rollout.token_ids) for rollout in rollouts), default=0)
        table = torch.zeros(len(rollouts), span, device=self._accelerator.device)
        for part in self.parts(rollouts, rows):
            log_probs = self.forward(rollouts, part, temperature=temperature).log_probs
            table[torch.from_numpy(part.rows), : log_probs.shape[1]] = log_probs
        return table
