"""The parts of a run: what `build` makes of the run file, and the embedded sampler and learner around a policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from accelerate import Accelerator

from counterpoise.build.balance import balance_refused
from counterpoise.build.checks import check_best_by, check_needs, check_policy, check_precision
from counterpoise.build.credit import credit_of, reward_of
from counterpoise.build.loss import loss_of
from counterpoise.build.problems import Problems, problems_of
from counterpoise.config import RunConfig
from counterpoise.credit import CreditStep, step_rule
from counterpoise.credit.rules.ppo import Ppo
from counterpoise.engines.local.learning import learner_settings
from counterpoise.engines.local.messages.notices import cut_draws, unheld_rows
from counterpoise.engines.local.policy import Policy, load_base
from counterpoise.engines.local.ppo import ActorCritic
from counterpoise.learner.update import Learner
from counterpoise.losses import counts, needs_entropy, needs_reference
from counterpoise.models.frozen import frozen_base
from counterpoise.pipeline import Assign, Pipeline
from counterpoise.prompts import Wording
from counterpoise.rewards.random import Random
from counterpoise.rewards.response_parts import with_response_parts
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.rollouts.ways import DecodingWay
from counterpoise.runs.identity import Identity, same_base
from counterpoise.tasks.base import HasKinds
from counterpoise.types import (
    Divide,
    Loss,
    OnRollouts,
    Problem,
    Prompt,
    Reward,
    Rollout,
    Sampler,
    SamplingSettings,
    Verdict,
)
from counterpoise.verifiers.judge import Judge
from counterpoise.world import ALONE, World

__all__ = [
    "Assembly",
    "DecodingSampler",
    "assemble",
    "make_learner",
    "make_pipeline",
    "make_sampler",
    "sampling_settings",
    "with_base",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """Everything of a run but the model."""

    train: Sequence[Problem]
    """Training problems."""
    test: Sequence[Problem]
    """Test problems, none of which is a training problem."""
    template: Wording
    """How the questions are worded."""
    reward: Callable[[Verdict], Reward]
    """Verdict -> reward."""
    credit: CreditStep
    """Batch -> credit, and the rows of it that the learner gets."""
    critic: ActorCritic | None
    """What the rule's advantages come from, to be built beside the policy; None for rules without a critic."""
    loss: Loss
    """Surrogate."""
    divide: Divide
    """Denominator."""
    has_kinds: HasKinds | None = None
    """The task, where it tells kinds of responses apart."""
    notices: Sequence[str] = ()
    """What the user should know before the first step."""


def assemble(
    config: RunConfig, problems: Problems | None = None, *, started: bool = False, world: World = ALONE
) -> Assembly:
    """Look up every name and read every file of a run.

    Args:
        config: the run file.
        problems: those that were read of this very configuration before (`check_run`); None reads them.
        started: the run has steps behind it. It goes on as what it was: a balance set in two places, refused otherwise, is a notice.
        world: the processes that share each step.

    Raises:
        UnknownNameError: a rule, emphasis, token weight, controller, filter, loss, denominator, reward, task, template or model has no
            such name.
        ConfigError: a setting is unknown or out of range.
        DataError: a task's file is malformed or a split is empty.
    """
    check_precision(config)
    check_needs(config)
    loss, divide = loss_of(config)
    step = credit_of(
        config,
        for_steps=lambda rule: ActorCritic(config, rule) if isinstance(rule, Ppo) else step_rule(rule),
        terms=needs_entropy(loss) or needs_reference(loss),
        started=started,
        world=world,
    )
    if problems is None or not problems.are_of(config):
        problems = problems_of(config)
    check_best_by(config, problems.train)
    check_policy(config.model)
    notices = (balance_refused(config) if started else cut_draws(config.rollout), unheld_rows(config))
    return Assembly(
        train=problems.train,
        test=problems.test,
        template=problems.template,
        reward=reward_of(config),
        credit=replace(step, kinds=sorted({problem.task_type for problem in problems.train})),
        critic=step.rule if isinstance(step.rule, ActorCritic) else None,
        loss=loss,
        divide=divide,
        has_kinds=problems.has_kinds,
        notices=[notice for notice in notices if notice is not None],
    )


def sampling_settings(config: RunConfig) -> SamplingSettings:
    """How training responses are drawn."""
    return SamplingSettings(
        temperature=config.rollout.temperature,
        top_p=config.rollout.top_p,
        top_k=config.rollout.top_k,
        max_tokens=config.rollout.max_tokens,
        stop=tuple(config.rollout.stop),
    )


def make_pipeline(
    config: RunConfig, assembly: Assembly, sampler: Sampler, judge: Judge, assign: Assign | None = None
) -> Pipeline:
    """The stages of a step; `assign` stands for the assembly's own credit where something acts on that."""
    return Pipeline(
        sampler=sampler,
        verify=judge.verify,
        reward=lambda verdict, length: assembly.reward(with_response_parts(verdict, length=length)),
        assign=assign or assembly.credit,
        settings=replace(sampling_settings(config), with_entropy=assembly.credit.needs_entropy),
        group_size=config.rollout.group_size,
        max_unscored=config.verification.max_unscored,
        world=assembly.credit.world,
        placebo=assembly.reward if isinstance(assembly.reward, Random) else None,
        describe=assembly.credit.columns,
        begin=judge.begin if config.rollout.overlap else None,
        has_kinds=assembly.has_kinds,
    )


@runtime_checkable
class DecodingSampler(Sampler, Protocol):
    """A sampler that decodes here, and says how."""

    def way(self) -> DecodingWay:
        """How tokens are decoded."""
        ...


def make_sampler(config: RunConfig, policy: Policy, accelerator: Accelerator) -> Sampler:
    """The embedded sampler on the weights that are trained, under the precision they are trained in."""
    sampler = EmbeddedSampler(
        policy.model,
        policy.tokenizer,
        max_rows=config.rollout.max_rows,
        device=accelerator.device,
        flat=config.rollout.flat_decode,
        compiled=config.rollout.compiled_decode,
    )
    return sampler if config.learner.mixed_precision == "no" else _Autocast(sampler, accelerator)


def make_learner(config: RunConfig, policy: Policy, assembly: Assembly, accelerator: Accelerator) -> Learner:
    """The optimiser around the policy, with the base as reference when a KL term needs one."""
    reads_base = needs_reference(assembly.loss)
    reference = load_base(config.model).model if reads_base and not config.model.lora.rank else None
    return Learner(
        policy.model,
        accelerator=accelerator,
        settings=learner_settings(config, needs_entropy=needs_entropy(assembly.loss), needs_reference=reads_base),
        loss=assembly.loss,
        divide=assembly.divide,
        make_counts=counts,
        reference=reference,
    )


def with_base(identity: Identity, policy: Policy, learner: Learner, assembly: Assembly, *, where: Path) -> Identity:
    """The identity of a run with the base in it, where the run reads it again whenever it goes on; learner and critic have been made.

    Raises:
        ConfigError: it is another one than the run was begun with.
    """
    critic = None if assembly.critic is None else assembly.critic.reference
    return same_base(identity, frozen_base(policy.model, learner.reference, critic), where=where)


class _Autocast:
    """Samples in the learner's precision, so that the two see the same policy."""

    def __init__(self, sampler: EmbeddedSampler, accelerator: Accelerator) -> None:
        self._sampler = sampler
        self._accelerator = accelerator

    def way(self) -> DecodingWay:
        with self._accelerator.autocast():
            return self._sampler.way()

    def sample(
        self,
        prompts: Sequence[Prompt],
        *,
        group_size: int,
        settings: SamplingSettings,
        seed: int,
        policy_version: int = 0,
    ) -> list[list[Rollout]]:
        with self._accelerator.autocast():
            return self._sampler.sample(
                prompts, group_size=group_size, settings=settings, seed=seed, policy_version=policy_version
            )

    def sample_telling(
        self,
        prompts: Sequence[Prompt],
        *,
        group_size: int,
        settings: SamplingSettings,
        seed: int,
        policy_version: int = 0,
        ended: OnRollouts,
    ) -> list[list[Rollout]]:
        with self._accelerator.autocast():
            return self._sampler.sample_telling(
                prompts,
                group_size=group_size,
                settings=settings,
                seed=seed,
                policy_version=policy_version,
                ended=ended,
            )
