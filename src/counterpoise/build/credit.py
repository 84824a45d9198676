"""Reward and credit of a run file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from counterpoise.build.balance import balance_refused, controller_settings, own_weights, rule_settings
from counterpoise.config import RunConfig
from counterpoise.credit import (
    FILTERS,
    CreditStep,
    make_controller,
    make_emphasis,
    make_rule,
    make_token_weights,
    step_rule,
)
from counterpoise.credit.advantages import StepRule
from counterpoise.credit.registry import check_emphasis
from counterpoise.errors import ConfigError, UnknownNameError
from counterpoise.rewards.registry import RewardFunction, make_reward
from counterpoise.world import ALONE, World

__all__ = ["alone_in_group", "credit_of", "reward_of"]


def alone_in_group(rule: str, option: str) -> str:
    """What is wrong with a rule that needs a baseline where groups are of one, which an engine says with an option of its own."""
    return (
        f"credit.rule={rule} compares a rollout with its group, and {option}=1 has nothing to compare: every credit would be zero; "
        f"raise {option}, or use psr, nsr, weighted_reinforce or reinforce"
    )


def reward_of(config: RunConfig) -> RewardFunction:
    """Verdict -> reward.

    Raises:
        UnknownNameError: no reward has that name.
        ConfigError: a setting is unknown or out of range.
    """
    return make_reward(config.credit.reward, **config.credit.reward_settings)


def credit_of(
    config: RunConfig,
    *,
    kinds: Sequence[str] = (),
    for_steps: Callable[[Any], StepRule] = step_rule,
    terms: bool = False,
    started: bool = False,
    world: World = ALONE,
) -> CreditStep:
    """Batch -> credit, and the rows of it that a learner gets.

    Args:
        config: the run file.
        kinds: task types of the training problems.
        for_steps: makes of the rule what a step calls; an engine has its own way for a rule that needs a critic.
        terms: the loss has terms that act on rows without credit, too.
        started: the run has steps behind it. It goes on as what it was: rule and controller that do not go together are refused otherwise.
        world: the processes that share each step.

    Raises:
        UnknownNameError: a rule, emphasis, token weight, controller or filter has no such name.
        ConfigError: a setting is unknown or out of range, or rule and controller do not go together.
    """
    credit, reward = config.credit, reward_of(config)
    rule = make_rule(credit.rule, **rule_settings(credit, reward))
    emphasis = make_emphasis(credit.emphasis, **credit.emphasis_settings)
    check_emphasis(rule, emphasis)
    token_weight = make_token_weights(credit.token_weights, **credit.token_weight_settings)
    controller = make_controller(credit.controller, **controller_settings(config))
    refused = balance_refused(config)
    if refused is not None and not started:
        raise ConfigError(refused)
    if credit.filter not in FILTERS:
        raise UnknownNameError("credit.filter", credit.filter, FILTERS)
    return CreditStep(
        rule=for_steps(rule),
        controller=controller,
        emphasis=emphasis,
        token_weight=token_weight,
        all_wrong_cap=credit.all_wrong_cap,
        row_filter=credit.filter,
        terms=terms,
        kinds=kinds,
        own=own_weights(credit, reward),
        world=world,
    )
