"""Settings of the learner: one frozen record, checked when it is made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from counterpoise.compiler import Compiled
from counterpoise.errors import UsageError

__all__ = ["LearnerSettings", "OldLogProbs", "ProductsName", "ScheduleName"]

ScheduleName = Literal["constant", "linear", "cosine"]
OldLogProbs = Literal["sampler", "learner"]
ProductsName = Literal["auto", "torch", "onednn"]
"""Who multiplies: torch as it is, oneDNN, or the faster of the two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerSettings:
    """How a batch of credited rollouts becomes optimiser steps. The temperature is not here: it is the rollouts' own.

    Raises:
        UsageError: a value is outside its range, or a decaying schedule has no `total_steps`.
    """

    learning_rate: float = 1e-6
    """Peak rate of AdamW."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's decay rates of the first and second moment."""
    epsilon: float = 1e-8
    """Added to the square root of the second moment, after bias correction."""
    weight_decay: float = 0.01
    """Decoupled, on every trainable parameter (norms and biases too, as in the reference implementation)."""
    schedule: ScheduleName = "constant"
    """Shape of the rate after the warm-up; the two decaying ones reach zero at the end of the run."""
    warmup_steps: int = 0
    """Optimiser steps of linear rise to the peak."""
    total_steps: int | None = None
    """Optimiser steps planned for the whole run, warm-up included; needed by the decaying schedules."""
    gradient_clip: float | None = 1.0
    """Largest 2-norm of the whole gradient; None switches clipping off (the norm is still measured)."""
    minibatch_prompts: int | None = None
    """Groups behind one optimiser step, over all processes, at most. Without it and `minibatch_rows`: the whole batch."""
    minibatch_rows: int | None = None
    """In its place: trained rows behind one optimiser step, over all processes, at most."""
    epochs: int = 1
    """Passes over each batch."""
    tokens_per_microbatch: int = 2048
    """Rows times longest row (prompt and response) of one forward pass, at most; one longer row goes alone. The default
    suits a CPU, whose caches hold that much; an accelerator wants 16,384 or more."""
    chunk_tokens: int | None = None
    """Response tokens whose logits exist at once; None picks the number that keeps float32 logits under 128 MiB."""
    share_prompts: bool = True
    """Compute each prompt once for all its responses, forward and backward, where the model is proven to allow it."""
    products: ProductsName = "auto"
    """Who multiplies float32 matrices on a CPU; `auto` takes oneDNN where it is measured to be much faster (`learner.products`)."""
    compiled: Compiled = "auto"
    """Compile norms, gates and attention of float32 on a CPU, where the model's layers are Llama's and a proof holds (`learner.compiled`);
    `True` raises where there is no compiler, `auto` takes torch's."""
    old_log_probs: OldLogProbs = "sampler"
    """Denominator of the importance ratio: what the sampler recorded, or the learner's own weights before the first step."""
    needs_entropy: bool = False
    """The loss differentiates through the entropy (it is measured either way)."""
    needs_reference: bool = False
    """The loss reads the reference policy's log-probabilities."""

    def __post_init__(self) -> None:
        _at_least("learning_rate", self.learning_rate, 0.0)
        _at_least("epsilon", self.epsilon, 0.0)
        _at_least("weight_decay", self.weight_decay, 0.0)
        _at_least("warmup_steps", self.warmup_steps, 0)
        _at_least("epochs", self.epochs, 1)
        _at_least("tokens_per_microbatch", self.tokens_per_microbatch, 1)
        if not all(0.0 <= beta < 1.0 for beta in self.betas):
            raise UsageError(f"betas is {self.betas}; both must lie in [0, 1)")
        if self.gradient_clip is not None and not self.gradient_clip > 0.0:
            raise UsageError(f"gradient_clip is {self.gradient_clip}; give a positive norm, or None for no clipping")
        if self.minibatch_prompts is not None:
            _at_least("minibatch_prompts", self.minibatch_prompts, 1)
        if self.minibatch_rows is not None:
            _at_least("minibatch_rows", self.minibatch_rows, 1)
            if self.minibatch_prompts is not None:
                raise UsageError(
                    "minibatch_prompts and minibatch_rows are both set; a mini-batch is counted in one of them"
                )
        if self.chunk_tokens is not None:
            _at_least("chunk_tokens", self.chunk_tokens, 1)
        if self.schedule != "constant":
            if self.total_steps is None:
                raise UsageError(f"schedule '{self.schedule}' decays to zero at total_steps, which is not set; set it")
            if self.total_steps <= self.warmup_steps:
                raise UsageError(
                    f"warmup_steps={self.warmup_steps} leaves none of the {self.total_steps} optimiser updates for the schedule "
                    f"'{self.schedule}' to decay over; lower it (learner.warmup_steps in a run file), or train longer (learner.steps)"
                )


def _at_least(name: str, value: float, low: float) -> None:
    if not (math.isfinite(value) and value >= low):
        raise UsageError(f"{name} is {value}; it must be a finite number of at least {low}")
