"""Settings of the two learners of a run, policy and critic, from its run file."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import torch

from counterpoise.config import LearnerConfig, RunConfig
from counterpoise.credit import anchor_weights
from counterpoise.learner.settings import LearnerSettings
from counterpoise.types import Batch

__all__ = ["critic_settings", "kl_weights", "learner_settings"]

_ALIKE = [field.name for field in fields(LearnerSettings) if field.name in LearnerConfig.model_fields]
"""What `[learner]` says in the learner's own words."""


def learner_settings(
    config: RunConfig, *, needs_entropy: bool = False, needs_reference: bool = False
) -> LearnerSettings:
    """Those of the policy; what its loss needs is the caller's to say.

    Raises:
        UsageError: the warm-up leaves a decaying schedule no updates.
    """
    learner, prompts = config.learner, config.rollout.prompts_per_step
    per_epoch = math.ceil(prompts / (learner.minibatch or prompts))
    return LearnerSettings(
        **{name: getattr(learner, name) for name in _ALIKE},
        total_steps=learner.steps * learner.epochs * per_epoch,
        minibatch_prompts=config.minibatch_prompts,
        minibatch_rows=config.minibatch_rows,
        needs_entropy=needs_entropy,
        needs_reference=needs_reference,
    )


def critic_settings(config: RunConfig) -> LearnerSettings:
    """The policy's with the rate, decay, clipping and epochs of `[critic]`; the rate is constant.

    Its `warmup_steps` is no warm-up of the rate: the critic learns alone then.
    """
    critic = config.critic
    return replace(
        learner_settings(config),
        learning_rate=critic.learning_rate,
        weight_decay=critic.weight_decay,
        gradient_clip=critic.gradient_clip,
        epochs=critic.epochs,
        schedule="constant",
        warmup_steps=0,
        total_steps=None,
    )


def kl_weights(
    config: RunConfig, batch: Batch, rows: torch.Tensor, *, held: torch.Tensor | None = None
) -> torch.Tensor | None:
    """(M,) how strongly each of the rows, (M,) int64 of a step's whole groups, is held to the base; None: all alike.

    The product of `loss.kl_focus`' weights and `held` (N,), what the base's own responses say of the prompts (`loss.kl_evidence`).
    """
    focus = config.loss.kl_focus
    weights = anchor_weights(batch, focus) if focus else None
    if held is not None:
        weights = held if weights is None else weights * held
    return None if weights is None else weights[rows]
