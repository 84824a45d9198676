"""Every name of a run file looked up and every file of problems read, before torch is imported: a slip of the pen should cost a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from counterpoise.columns import COLUMNS, find_scored
from counterpoise.config import CriticConfig, RunConfig, VerificationConfig
from counterpoise.credit import (
    FILTERS,
    Needs,
    make_controller,
    make_emphasis,
    make_rule,
    make_token_weights,
    needs_of,
)
from counterpoise.credit.registry import check_emphasis
from counterpoise.diagnostics.guards.registry import make_guards
from counterpoise.engines.balance import balance_set_twice, controller_settings, rule_settings
from counterpoise.errors import ConfigError, DataError, MissingExtraError, UnknownNameError
from counterpoise.losses import make_divide, make_loss
from counterpoise.models.load import check_model
from counterpoise.prompts.templates import PER_PROBLEM, TEMPLATES
from counterpoise.rewards.registry import make_reward
from counterpoise.tasks.base import Task
from counterpoise.tasks.registry import make_task
from counterpoise.types import Problem
from counterpoise.verifiers.batch import Judge
from counterpoise.verifiers.registry import make_verifier

__all__ = [
    "TRACKERS",
    "Problems",
    "check_best_by",
    "check_evaluation",
    "check_names",
    "check_needs",
    "check_precision",
    "check_run",
    "check_verifiers",
    "denominator_settings",
    "judge_of",
    "read_problems",
    "task_and_template",
]

TRACKERS = ("aim", "clearml", "comet_ml", "dvclive", "mlflow", "swanlab", "tensorboard", "trackio", "wandb")
"""The trackers that accelerate knows; asking it would import torch."""

_EXTRAS = ("tensorboard", "trackio", "wandb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problems:
    """Both sides of a run's task."""

    config: RunConfig
    """The run they are of."""
    train: Sequence[Problem]
    """Training problems, by identity; never empty."""
    test: Sequence[Problem]
    """Test problems, none of which is a training problem; empty where the run never evaluates."""
    template: str
    """Prompt template's name."""


def check_run(config: RunConfig, *, evaluates: bool = True, started: bool = False) -> Problems:
    """Everything that training, or advice on it, can refuse without torch; the problems, so that they need not be read again.

    Raises:
        UnknownNameError, ConfigError, DataError, ModelError, MissingExtraError: see `check_names`, `check_model` and
            `read_problems`.
    """
    check_names(config, started=started)
    check_model(config.model.name)
    problems = read_problems(config, evaluates=evaluates)
    check_best_by(config, problems.train)
    return problems


def check_best_by(config: RunConfig, train: Sequence[Problem]) -> None:
    """See that `checkpoint.best_by` is a column that this run has, and that one direction of it is better.

    Raises:
        ConfigError: it is not.
    """
    if config.checkpoint.best_by is not None:
        try:
            find_scored(config.checkpoint.best_by, sorted({problem.task_type for problem in train}))
        except ConfigError as error:
            raise ConfigError(f"checkpoint.best_by: {error}") from error


def check_evaluation(config: RunConfig, *, model: bool = True) -> None:
    """Everything that an evaluation can refuse without torch: the model (a run has weights of its own), task, template, verifiers.

    Raises:
        UnknownNameError, ConfigError, DataError, ModelError: what it is that cannot be.
    """
    if model:
        check_model(config.model.name)
    task, _ = task_and_template(config)
    check_verifiers(task.problems("test"), config.verification.settings)


def check_needs(config: RunConfig) -> None:
    """What the rule needs of the rest of the run file, and what needs a rule with a critic.

    Raises:
        UnknownNameError: no rule has that name.
        ConfigError: a rule that compares a rollout with its group has groups of one; a critic, or a column of one, that no rule reads.
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
    best_by = COLUMNS.get(config.checkpoint.best_by or "")
    if best_by is not None and best_by.critic and Needs.CRITIC not in needs:
        raise ConfigError(
            f"checkpoint.best_by={best_by.name} is a column of the critic, and credit.rule={rule} has none; "
            "set checkpoint.best_by=success_rate, or credit.rule=ppo"
        )


def check_names(config: RunConfig, *, started: bool = False) -> None:
    """Look up reward, rule, emphasis, token weights, controller, filter, loss, denominator, guards and trackers, with their settings.

    A run that was `started` goes on as what it was: a balance set in two places is a notice there (`assemble`).

    Raises:
        UnknownNameError: one of them has no such name.
        ConfigError: a setting is unknown, missing or out of range.
        MissingExtraError: a tracker is not installed.
    """
    check_precision(config)
    credit = config.credit
    reward = make_reward(credit.reward, **credit.reward_settings)
    make_rule(credit.rule, **rule_settings(credit, reward))
    check_needs(config)
    make_emphasis(credit.emphasis, **credit.emphasis_settings)
    check_emphasis(credit.rule, credit.emphasis)
    make_token_weights(credit.token_weights, **credit.token_weight_settings)
    make_controller(credit.controller, **controller_settings(config))
    twice = balance_set_twice(config)
    if twice is not None and not started:
        raise ConfigError(twice)
    if credit.filter not in FILTERS:
        raise UnknownNameError("credit.filter", credit.filter, FILTERS)
    make_loss(config.loss.name, **config.loss.settings)
    make_divide(config.loss.denominator, **denominator_settings(config))
    make_guards(config.guards.names, config.guards.settings)
    for name in config.tracking.trackers:
        if name not in TRACKERS:
            raise UnknownNameError("tracking.trackers", name, TRACKERS)
        if name in _EXTRAS and find_spec(name) is None:
            raise MissingExtraError(name, extra=name, purpose=f"tracking.trackers={name}")


def check_precision(config: RunConfig) -> None:
    """Refuse full fine-tuning of weights that round most updates away. No check of the run file itself: evaluating in bfloat16 is fine.

    Raises:
        ConfigError: with the settings that do what is meant.
    """
    if config.model.lora.rank == 0 and config.model.dtype != "float32":
        raise ConfigError(
            f"model.dtype={config.model.dtype} with full fine-tuning would round most updates away (bfloat16 keeps 8 bits of a "
            "weight); keep model.dtype=float32 with learner.mixed_precision=bf16, or train adapters: model.lora.rank=16"
        )


def read_problems(config: RunConfig, *, evaluates: bool = True) -> Problems:
    """Read both sides of the task, or the training side alone, and see that their verifiers can be made.

    Raises:
        UnknownNameError: no task, template or verifier has that name.
        ConfigError: a setting of the task is unknown or out of range.
        DataError: a file is missing or malformed, or a split is empty.
    """
    task, template = task_and_template(config)
    wants_test = evaluates and (config.evaluation.before or config.evaluation.after or config.evaluation.every)
    train = sorted(task.problems("train"), key=lambda problem: problem.problem_id)[: config.tasks.max_train]
    test = task.problems("test") if wants_test else []
    if not train:
        raise DataError(f"task '{config.tasks.name}' has no training problems; give a larger file")
    check_verifiers([*train, *test], config.verification.settings)
    return Problems(config=config, train=train, test=test, template=template)


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


def judge_of(verification: VerificationConfig, settings: Mapping[str, Mapping[str, Any]] | None = None) -> Judge:
    """What judges responses as the run file says; `settings` of verifiers take the place of the run file's.

    Raises:
        UnknownNameError: the settings name no known verifier.
        ConfigError: a setting that its verifier does not have, or a bad value.
    """
    return Judge(
        timeout=verification.timeout,
        workers=verification.workers,
        truncated_is=verification.truncated,
        blame=verification.blame,
        settings=verification.settings if settings is None else settings,
    )


def denominator_settings(config: RunConfig) -> Mapping[str, Any]:
    """The length of the `constant` denominator; the others have no settings in a run file."""
    if config.loss.denominator != "constant":
        return {}
    return {"length": config.loss.constant or config.rollout.max_tokens}
