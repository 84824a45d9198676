"""From a run file to the parts of a run: names are looked up and files read here, before any model is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from counterpoise.config import CreditConfig, RunConfig
from counterpoise.credit import (
    CRITIC_RULES,
    PARTS_RULES,
    Controller,
    make_controller,
    make_emphasis,
    make_rule,
    make_token_weights,
)
from counterpoise.credit.filters import FILTERS
from counterpoise.credit.rules.hinge import Hinge
from counterpoise.engines.assign import assigner, select_rows
from counterpoise.engines.balance import balance_set_twice, controller_settings, own_weights, rule_settings
from counterpoise.engines.lookup import Problems, check_precision, denominator_settings, read_problems
from counterpoise.engines.notices import cut_draws
from counterpoise.engines.policy import Policy
from counterpoise.engines.ppo import ActorCritic
from counterpoise.engines.rules import AtMovingThreshold, FromParts, RuleOf, Stateful, always
from counterpoise.engines.token_weighing import TokenWeighing
from counterpoise.errors import ConfigError, UnknownNameError
from counterpoise.learner.settings import LearnerSettings
from counterpoise.learner.update import Learner
from counterpoise.losses import counts, make_divide, make_loss, needs_entropy, needs_reference, with_terms
from counterpoise.models.load import check_model, load_model
from counterpoise.pipeline import Outcome, Pipeline
from counterpoise.rewards.registry import RewardFunction, make_reward
from counterpoise.rewards.response_parts import with_response_parts
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.types import (
    Credit,
    Divide,
    Loss,
    Problem,
    Prompt,
    Reward,
    Rollout,
    Sampler,
    SamplingSettings,
    Sum,
    Verdict,
)
from counterpoise.verifiers.batch import Judge

__all__ = [
    "Assembly",
    "assemble",
    "make_learner",
    "make_pipeline",
    "make_sampler",
    "sampling_settings",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """Everything of a run but the model."""

    train: Sequence[Problem]
    """Training problems."""
    test: Sequence[Problem]
    """Test problems, none of which is a training problem."""
    template: str
    """Prompt template's name."""
    controller: Controller
    """What sets the two lambdas."""
    reward: Callable[[Verdict], Reward]
    """Verdict -> reward."""
    assign: Callable[[Outcome], tuple[Credit, Mapping[str, Sum]]]
    """Outcome -> credit."""
    with_entropy: bool
    """Whether the credit reads entropies, which the sampler then has to record."""
    critic: ActorCritic | None
    """What the rule's advantages come from, to be built beside the policy; None for rules without a critic."""
    states: Mapping[str, Stateful]
    """What the rule carries from step to step, by its name in a checkpoint."""
    select: Callable[[Outcome, Credit], tuple[torch.Tensor, torch.Tensor]]
    """(M,) indices of the rows the learner counts, and (M,) bool those it trains on."""
    loss: Loss
    """Surrogate."""
    divide: Divide
    """Denominator."""
    notices: Sequence[str] = ()
    """What the user should be told before the first step."""


def assemble(config: RunConfig, problems: Problems | None = None, *, started: bool = False) -> Assembly:
    """Look up every name and read every file of a run.

    Args:
        config: the run file.
        problems: those that `lookup.check_run` has read of it before torch was imported; None reads them.
        started: the run has steps behind it. It goes on as what it was: a balance set in two places, refused otherwise, is a notice.

    Raises:
        UnknownNameError: a rule, emphasis, token weight, controller, filter, loss, denominator, reward, task, template or model has no
            such name.
        ConfigError: a setting is unknown or out of range.
        DataError: a task's file is malformed or a split is empty.
    """
    check_precision(config)
    credit = config.credit
    reward = make_reward(credit.reward, **credit.reward_settings)
    critic = ActorCritic(config) if credit.rule in CRITIC_RULES else None
    rule_of = critic or _rule_of(credit, reward)
    emphasis = make_emphasis(credit.emphasis, **credit.emphasis_settings)
    weighing = TokenWeighing(make_token_weights(credit.token_weights, **credit.token_weight_settings))
    controller = make_controller(credit.controller, **controller_settings(config))
    twice = balance_set_twice(config)
    if twice is not None and not started:
        raise ConfigError(twice)
    if credit.filter not in FILTERS:
        raise UnknownNameError("credit.filter", credit.filter, FILTERS)
    loss = with_terms(
        make_loss(config.loss.name, **config.loss.settings),
        kl=config.loss.kl,
        kl_estimator=config.loss.kl_estimator,
        kl_clamp=config.loss.kl_clamp,
        entropy=config.loss.entropy,
    )
    divide = make_divide(config.loss.denominator, **denominator_settings(config))
    check_model(config.model.name)
    if problems is None or problems.config != config:
        problems = read_problems(config)
    kinds = sorted({problem.task_type for problem in problems.train})
    return Assembly(
        train=problems.train,
        test=problems.test,
        template=problems.template,
        controller=controller,
        reward=reward,
        assign=assigner(
            rule_of, emphasis, weighing, controller, credit.all_wrong_cap, kinds, own_weights(credit, reward)
        ),
        with_entropy=weighing.needs_entropy,
        critic=critic,
        states=_states(rule_of),
        select=lambda outcome, signed: select_rows(
            outcome, signed, credit.filter, terms=needs_entropy(loss) or needs_reference(loss)
        ),
        loss=loss,
        divide=divide,
        notices=tuple(filter(None, [twice] if started else [cut_draws(config.rollout)])),
    )


def _rule_of(credit: CreditConfig, reward: RewardFunction) -> RuleOf:
    if credit.rule in PARTS_RULES:
        return FromParts(credit)
    rule = make_rule(credit.rule, **rule_settings(credit, reward))
    return AtMovingThreshold(rule) if isinstance(rule, Hinge) and rule.threshold == "ema" else always(rule)


def _states(rule_of: RuleOf) -> dict[str, Stateful]:
    if isinstance(rule_of, ActorCritic):
        return {"critic": rule_of}
    return {"threshold": rule_of} if isinstance(rule_of, AtMovingThreshold) else {}


def sampling_settings(config: RunConfig) -> SamplingSettings:
    """How training responses are drawn."""
    return SamplingSettings(
        temperature=config.rollout.temperature,
        top_p=config.rollout.top_p,
        top_k=config.rollout.top_k,
        max_tokens=config.rollout.max_tokens,
        stop=tuple(config.rollout.stop),
    )


def make_pipeline(config: RunConfig, assembly: Assembly, sampler: Sampler, judge: Judge) -> Pipeline:
    """The stages of a step."""
    return Pipeline(
        sampler=sampler,
        verify=judge.verify,
        reward=lambda verdict, length: assembly.reward(with_response_parts(verdict, length=length)),
        assign=assembly.assign,
        settings=replace(sampling_settings(config), with_entropy=assembly.with_entropy),
        group_size=config.rollout.group_size,
        max_unscored=config.verification.max_unscored,
        everywhere=gather_object,
    )


def make_sampler(config: RunConfig, policy: Policy, accelerator: Accelerator) -> Sampler:
    """The embedded sampler on the weights that are trained, under the precision they are trained in."""
    sampler = EmbeddedSampler(
        policy.model, policy.tokenizer, max_rows=config.rollout.max_rows, device=accelerator.device
    )
    return sampler if config.learner.mixed_precision == "no" else _Autocast(sampler, accelerator)


def make_learner(config: RunConfig, policy: Policy, assembly: Assembly, accelerator: Accelerator) -> Learner:
    """The optimiser around the policy, with the base as reference when a KL term needs one."""
    settings = config.learner
    per_epoch = math.ceil(config.rollout.prompts_per_step / (settings.minibatch or config.rollout.prompts_per_step))
    reference = None
    if needs_reference(assembly.loss) and not config.model.lora.rank:
        reference = load_model(config.model.name, dtype=config.model.dtype).model
    return Learner(
        policy.model,
        accelerator=accelerator,
        settings=LearnerSettings(
            learning_rate=settings.learning_rate,
            betas=settings.betas,
            epsilon=settings.epsilon,
            weight_decay=settings.weight_decay,
            schedule=settings.schedule,
            warmup_steps=settings.warmup_steps,
            total_steps=settings.steps * settings.epochs * per_epoch,
            gradient_clip=settings.gradient_clip,
            minibatch_prompts=config.minibatch_prompts,
            minibatch_rows=config.minibatch_rows,
            epochs=settings.epochs,
            tokens_per_microbatch=settings.tokens_per_microbatch,
            chunk_tokens=settings.chunk_tokens,
            old_log_probs=settings.old_log_probs,
            needs_entropy=needs_entropy(assembly.loss),
            needs_reference=needs_reference(assembly.loss),
        ),
        loss=assembly.loss,
        divide=assembly.divide,
        make_counts=counts,
        reference=reference,
    )


class _Autocast:
    """Samples in the learner's precision, so that the two see the same policy."""

    def __init__(self, sampler: Sampler, accelerator: Accelerator) -> None:
        self._sampler = sampler
        self._accelerator = accelerator

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
