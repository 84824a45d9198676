"""How long a run takes at a measured pace, and the sizes with which it takes no longer than it may."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator

from counterpoise.config import RunConfig
from counterpoise.diagnostics.advice.result import Choice
from counterpoise.diagnostics.guards.narrowing import Narrowing
from counterpoise.engines.local.guarding import make_supervisor
from counterpoise.engines.local.held_out import narrowing_of
from counterpoise.engines.local.messages.outlook import evaluations_to_come
from counterpoise.engines.local.policy import Policy
from counterpoise.errors import UsageError
from counterpoise.learner.batches import row_width
from counterpoise.learner.forward import find_route, response_log_probs, updating
from counterpoise.learner.states import parts_of
from counterpoise.text import counted, lasting
from counterpoise.types import Rollout

__all__ = ["Pace", "Times", "measure_pace", "size_to", "times_of"]

_EVALUATIONS = 0.3
"""Share of the time that evaluations may have."""
_STEPS = 50
"""Steps that a run should have before its steps get more prompts."""
_N = 16
"""Rollouts of a problem in an evaluation, below which rather problems are left out."""
_PROBLEMS = 128
"""Problems of an evaluation that takes all of the task's, whose number is not known here."""
_SHORT = 2.0
"""A pass of fewer seconds is measured twice, since the first one pays for what is set up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What one response costs, in seconds."""

    draw: float
    """To draw and to judge it."""
    update: float
    """To pass it forward and backward once."""
    read: float
    """To pass it forward alone, as the base of a KL term is."""

    def of_step(self, config: RunConfig) -> float:
        """Seconds that a response takes in a step that trains on every row."""
        return max(self.draw, 1e-9) + config.learner.epochs * self.update + (self.read if config.loss.kl else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long a run takes, in seconds; no more than about, and without reading the model."""

    step: float
    """One step, where every row is trained on and, with a KL to the base, read by it."""
    training: float
    """All of them, with what guard `narrowing` draws of held-out problems."""
    evaluations: float
    """Before, while and after training."""

    @property
    def total(self) -> float:
        """Both."""
        return self.training + self.evaluations

    def __str__(self) -> str:
        return (
            f"about {lasting(self.step)} a step, {lasting(self.training)} of training and {lasting(self.evaluations)} of "
            f"evaluations: {lasting(self.total)} in all"
        )


def measure_pace(
    policy: Policy, rollouts: Sequence[Rollout], config: RunConfig, accelerator: Accelerator, *, draw: float
) -> Pace:
    """The pace of a policy that takes `draw` seconds to draw and judge a response; the gradients of a pass are thrown away.

    The pass takes as many tokens as one of training (`learner.tokens_per_microbatch`), shares prompts as training does, and a row's share
    of it is that of its tokens.
    """
    widths = [row_width(rollout) for rollout in rollouts]
    model, device = policy.model, accelerator.device.type
    training = model.training
    if config.learner.gradient_checkpointing:
        model.gradient_checkpointing_enable()
    route = find_route(model, share_prompts=config.learner.share_prompts, compiled=config.learner.compiled)
    packed = route.operators is not None and not config.learner.gradient_checkpointing
    budget = config.learner.tokens_per_microbatch
    part = parts_of(rollouts, np.arange(len(rollouts)), budget, window=route.window, packed=packed)[0]
    rows = [rollouts[row] for row in part.rows]

    def once(*, train: bool) -> float:
        begun = time.perf_counter()
        with torch.set_grad_enabled(train), accelerator.autocast():
            found = response_log_probs(
                model,
                rows,
                temperature=config.rollout.temperature,
                chunk_tokens=config.learner.chunk_tokens,
                route=route,
                shared=part.shared,
            )
            if train:
                found.log_probs.sum().backward()  # type: ignore[no-untyped-call]
        if device == "cuda":
            torch.cuda.synchronize(accelerator.device)
        model.zero_grad(set_to_none=True)
        return time.perf_counter() - begun

    def best(*, train: bool) -> float:
        taken = once(train=train)
        return min(taken, once(train=train)) if taken < _SHORT else taken

    model.train()
    with updating(model, config.learner.products, route.operators):
        taken, read = best(train=True), best(train=False)
    model.train(training)
    own = [widths[row] for row in part.rows]
    each = sum(widths) / len(widths) / (sum(own) if part.shared else len(own) * max(own))
    return Pace(draw=draw, update=taken * each, read=read * each)


def times_of(config: RunConfig, pace: Pace, *, kinds: int = 1) -> Times:
    """How long the run of this configuration takes on so many task types."""
    rows = config.rollout.prompts_per_step * config.rollout.group_size
    step = rows * pace.of_step(config)
    each = kinds * (config.evaluation.problems or _PROBLEMS) * config.evaluation.n
    drawn, every = _guarding(config, pace, kinds)
    return Times(
        step=step,
        training=config.learner.steps * step + math.ceil(config.learner.steps / every) * drawn,
        evaluations=evaluations_to_come(config, 0) * each * pace.draw,
    )


def size_to(config: RunConfig, pace: Pace, *, hours: float, kinds: int = 1, trained: float = 1.0) -> list[Choice]:
    """The settings with which the run lasts about so many hours; those that stay as they are are left out.

    Evaluations get 30% at most: fewer rollouts for each problem first, down to 16 or the largest k asked for, then fewer problems. Of the
    rest, or of the share `trained` of it, the steps get as many prompts as they have now, or fewer where there would be less than 50 of
    them.

    Raises:
        UsageError: the time is not enough for a single prompt.
    """
    wanted, seconds = config.evaluation, 3600.0 * hours
    times, problems, n = evaluations_to_come(config, 0), wanted.problems or _PROBLEMS, wanted.n
    each = max(pace.draw, 1e-9)
    allowed = math.floor(_EVALUATIONS * seconds / (max(times, 1) * kinds * each))
    least = min(n, max(_N, *(wanted.k if isinstance(wanted.k, list) else [1])))
    if problems * n > allowed:
        n = max(least, 2 ** math.floor(math.log2(max(1, allowed // problems))))
        n = min(n, wanted.n)
    if problems * n > allowed:
        problems = max(1, allowed // n)
    group = config.rollout.group_size
    drawn, every = _guarding(config, pace, kinds)
    # Without the guard's first time; the others are spread over the steps.
    left = trained * (seconds - times * kinds * problems * n * pace.draw - drawn)
    cost = group * pace.of_step(config)
    prompts = math.floor(left / cost)
    if prompts < 1:
        raise UsageError(
            f"{hours:g} hours are not enough: the {counted(group, 'response')} to one prompt take {lasting(cost)} here, and "
            f"evaluations and guards at least {lasting(seconds - left / trained)}; give more hours, a smaller model, or rollout.max_tokens "
            f"below {config.rollout.max_tokens}"
        )
    per_step = min(config.rollout.prompts_per_step, max(1, prompts // _STEPS))
    steps = max(1, math.floor(left / (per_step * cost + drawn / every)))
    read = f", {pace.read:.2g} s to read it by the base" if config.loss.kl else ""
    looks = f"; each look of guard {Narrowing.guard} takes {lasting(drawn)}" if drawn else ""
    why = f"{hours:g} h at {pace.draw:.2g} s to draw{read} and {pace.update:.2g} s to train on a response{looks}"
    during = times - int(wanted.before) - int(wanted.after)
    minibatch = config.learner.minibatch
    sized = {
        "learner.steps": (config.learner.steps, steps),
        "rollout.prompts_per_step": (config.rollout.prompts_per_step, per_step),
        "learner.minibatch": (minibatch, None if minibatch is None else min(minibatch, per_step)),
        "evaluation.problems": (wanted.problems, problems),
        "evaluation.n": (wanted.n, n),
        "evaluation.every": (wanted.every, math.ceil(steps / (during + 1)) if during else wanted.every),
    }
    return [Choice(key=key, value=new, why=why) for key, (old, new) in sized.items() if new is not None and new != old]


def _guarding(config: RunConfig, pace: Pace, kinds: int) -> tuple[float, int]:
    """Seconds for what guard `narrowing` draws of so many task types, and every how many steps, from the first one on."""
    guard = narrowing_of(make_supervisor(config.guards))
    return (0.0, 1) if guard is None else (kinds * guard.problems * guard.n * pace.draw, guard.every)
