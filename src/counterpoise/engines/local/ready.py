"""A run in memory, ready for its next step: model, problems that have room, learner, sampler. Nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator

from counterpoise.config import RunConfig
from counterpoise.engines.local.assemble import Assembly, make_learner, make_sampler
from counterpoise.engines.local.order import ProblemOrder
from counterpoise.engines.local.policy import Policy, load_policy
from counterpoise.engines.local.precision import slow_precision
from counterpoise.engines.local.room import with_room
from counterpoise.engines.local.sampler import make_training_sampler
from counterpoise.learner.update import Learner
from counterpoise.types import Sampler

__all__ = ["Ready", "make_ready"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What stands before a step."""

    policy: Policy
    """Model and tokenizer."""
    assembly: Assembly
    """The other parts, with the problems that have room."""
    order: ProblemOrder
    """Which problems each step gets."""
    learner: Learner
    """The optimiser around the policy."""
    sampler: Sampler
    """Draws from the policy what is trained on."""
    evaluator: Sampler
    """Draws evaluations from it: always in the same way, so that runs of different samplers compare."""
    remarks: list[str]
    """What the user should know of precision and room."""


def make_ready(config: RunConfig, assembly: Assembly, accelerator: Accelerator, *, saved: Path | None) -> Ready:
    """Read the model and check all that needs it.

    Args:
        config: the run file.
        assembly: the parts that it names.
        accelerator: device and precision.
        saved: weights of the checkpoint that the run goes on from; None before its first one.

    Raises:
        ModelError: the model cannot be loaded. DataError: a prompt is too long. ConfigError: a response can never have its length.
        MissingExtraError: LoRA is asked for and `peft` is absent.
    """
    policy = load_policy(config.model, saved, seed=config.run.seed)
    # Said when everything is in order: a run that is refused here leaves nothing behind.
    remarks = slow_precision(config, policy.model, device=accelerator.device.type)
    # All prompts now: one that has no room would end the run where it is drawn, after hours.
    assembly = with_room(policy, assembly, config, say=remarks.append, begun=saved is not None)
    order = ProblemOrder(
        assembly.train,
        per_step=config.rollout.prompts_per_step,
        seed=config.run.seed,
        weights=config.tasks.weights,
    )
    if config.learner.gradient_checkpointing:
        policy.model.gradient_checkpointing_enable()
    learner = make_learner(config, policy, assembly, accelerator)
    if assembly.critic is not None:
        assembly.critic.build(policy, accelerator)
    evaluator = make_sampler(config, policy, accelerator)
    embedded = config.rollout.sampler == "embedded"
    sampler = evaluator if embedded else make_training_sampler(config, policy, assembly, accelerator)
    return Ready(
        policy=policy,
        assembly=assembly,
        order=order,
        learner=learner,
        sampler=sampler,
        evaluator=evaluator,
        remarks=remarks,
    )
