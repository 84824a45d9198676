"""From a run file to the parts of a run: names are looked up and files read here, before any model is."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from accelerate import Accelerator

from counterpoise.config import CreditConfig, CriticConfig, RunConfig
from counterpoise.credit import (
    CONTROLLERS,
    RULES,
    CreditStep,
    Needs,
    make_controller,
    make_emphasis,
    make_rule,
    make_token_weights,
    needs_of,
    step_rule,
)
from counterpoise.credit.filters import FILTERS
from counterpoise.credit.registry import check_emphasis
from counterpoise.engines.policy import Policy
from counterpoise.engines.ppo import ActorCritic
from counterpoise.errors import ConfigError, DataError, UnknownNameError
from counterpoise.learner.settings import LearnerSettings
from counterpoise.learner.update import Learner
from counterpoise.losses import counts, make_divide, make_loss, needs_entropy, needs_reference, with_terms
from counterpoise.models.load import load_model
from counterpoise.models.registry import resolve_model
from counterpoise.pipeline import Assign, Pipeline
from counterpoise.prompts.templates import PER_PROBLEM, TEMPLATES
from counterpoise.rewards.registry import RewardFunction, make_reward
from counterpoise.rewards.response_parts import with_response_parts
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.tasks.base import Task
from counterpoise.tasks.registry import make_task
from counterpoise.types import (
    Divide,
    Loss,
    Problem,
    Prompt,
    Reward,
    Rollout,
    Sampler,
    SamplingSettings,
    Verdict,
)
from counterpoise.verifiers.batch import Judge
from counterpoise.verifiers.registry import make_verifier
from counterpoise.world import ALONE, World

__all__ = [
    "Assembly",
    "assemble",
    "check_verifiers",
    "make_learner",
    "make_pipeline",
    "make_sampler",
    "rule_settings",
    "sampling_settings",
    "task_and_template",
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


def assemble(config: RunConfig, world: World = ALONE) -> Assembly:
    """Look up every name and read every file of a run, whose credit is shared with the processes of `world`.

    Raises:
        UnknownNameError: a rule, emphasis, token weight, controller, filter, loss, denominator, reward, task, template or model has no
            such name.
        ConfigError: a setting is unknown or out of range.
        DataError: a task's file is malformed or a split is empty.
    """
    # Here and not in the run file's own checks: evaluating in bfloat16 is fine.
    if config.model.lora.rank == 0 and config.model.dtype != "float32":
        raise ConfigError(
            f"model.dtype={config.model.dtype} with full fine-tuning would round most updates away (bfloat16 keeps 8 bits of a "
            "weight); keep model.dtype=float32 with learner.mixed_precision=bf16, or train adapters: model.lora.rank=16"
        )
    credit = config.credit
    reward = make_reward(credit.reward, **credit.reward_settings)
    _check_needs(config)
    critic = ActorCritic(config) if Needs.CRITIC in needs_of(credit.rule) else None
    rule = critic or step_rule(make_rule(credit.rule, **rule_settings(credit, reward)))
    emphasis = make_emphasis(credit.emphasis, **credit.emphasis_settings)
    check_emphasis(credit.rule, credit.emphasis)
    token_weight = make_token_weights(credit.token_weights, **credit.token_weight_settings)
    controller = make_controller(credit.controller, **_controller_settings(config))
    if credit.filter not in FILTERS:
        raise UnknownNameError("credit.filter", credit.filter, FILTERS)
    loss = with_terms(
        make_loss(config.loss.name, **config.loss.settings),
        kl=config.loss.kl,
        kl_estimator=config.loss.kl_estimator,
        entropy=config.loss.entropy,
    )
    length = (
        {"length": config.loss.constant or config.rollout.max_tokens} if config.loss.denominator == "constant" else {}
    )
    divide = make_divide(config.loss.denominator, **length)
    resolve_model(config.model.name)
    task, template = task_and_template(config)
    wants_test = config.evaluation.before or config.evaluation.after or config.evaluation.every
    train = sorted(task.problems("train"), key=lambda problem: problem.problem_id)[: config.tasks.max_train]
    test = task.problems("test") if wants_test else []
    if not train:
        raise DataError(f"task '{config.tasks.name}' has no training problems; give a larger file")
    check_verifiers([*train, *test], config.verification.settings)
    kinds = sorted({problem.task_type for problem in train})
    return Assembly(
        train=train,
        test=test,
        template=template,
        reward=reward,
        credit=CreditStep(
            rule=rule,
            controller=controller,
            emphasis=emphasis,
            token_weight=token_weight,
            all_wrong_cap=credit.all_wrong_cap,
            row_filter=credit.filter,
            terms=needs_entropy(loss) or needs_reference(loss),
            kinds=kinds,
            world=world,
        ),
        critic=critic,
        loss=loss,
        divide=divide,
    )


def _check_needs(config: RunConfig) -> None:
    """What the rule needs of the rest of the run file.

    Raises:
        UnknownNameError: no rule has that name.
        ConfigError: a rule that compares a rollout with its group has groups of one, or a critic is set that no rule reads.
    """
    rule, needs = config.credit.rule, needs_of(config.credit.rule)
    if config.rollout.group_size == 1 and Needs.BASELINE in needs:
        raise ConfigError(
            f"credit.rule={rule} compares a rollout with its group, and rollout.group_size=1 has nothing to compare: every credit "
            "would be zero; raise the group size, or use psr, nsr, weighted_reinforce or reinforce"
        )
    if config.critic != CriticConfig() and Needs.CRITIC not in needs:
        raise ConfigError(
            f"the section critic is set and credit.rule={rule} has no critic; drop the section, or set credit.rule=ppo"
        )


def rule_settings(credit: CreditConfig, reward: RewardFunction) -> Mapping[str, Any]:
    """The run file's settings; a rule that is not told the reward's range takes the declared one."""
    low, high = reward.range
    return {**_taken(RULES, credit.rule, {"low": low, "high": high}), **credit.settings}


def _controller_settings(config: RunConfig) -> Mapping[str, Any]:
    """The run file's settings; a schedule that is not told its length takes the run's."""
    credit = config.credit
    known = _taken(CONTROLLERS, credit.controller, {"steps": config.learner.steps})
    return {**known, **credit.controller_settings}


def _taken(registry: Mapping[str, Callable[..., Any]], name: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of the settings that the named object takes; nothing for a name that is about to be refused."""
    parameters = inspect.signature(registry[name]).parameters if name in registry else {}
    return {key: value for key, value in known.items() if key in parameters}


def task_and_template(config: RunConfig) -> tuple[Task, str]:
    """The task of a run and the name of the template its problems are rendered with.

    Raises:
        UnknownNameError: no task or template has that name.
        ConfigError: a setting of the task is unknown or out of range.
    """
    files = {"train": config.tasks.train, "test": config.tasks.test}
    task = make_task(config.tasks.name, **{k: v for k, v in files.items() if v is not None}, **config.tasks.settings)
    template = config.prompt.template or task.template
    if template != PER_PROBLEM and template not in TEMPLATES:
        raise UnknownNameError("prompt.template", template, TEMPLATES)
    return task, template


def check_verifiers(problems: Sequence[Problem], settings: Mapping[str, Mapping[str, Any]]) -> None:
    """See that every problem's verifier can be made, before a model is read and responses are drawn for it.

    Raises:
        UnknownNameError: a problem, or one of the settings, names no known verifier.
        ConfigError: a setting that its verifier does not have, or a bad value.
    """
    for name in sorted({problem.verifier for problem in problems} | set(settings)):
        make_verifier(name, **settings.get(name, {}))


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
            minibatch_prompts=settings.minibatch,
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
