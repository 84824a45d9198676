"""What a run file says of the weights of the two signs: settings of rule and controller, and whether they go together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from counterpoise.config import CreditConfig, RunConfig
from counterpoise.credit import (
    CONTROLLERS,
    RULES,
    Needs,
    SignWeights,
    lacking_sign,
    make_controller,
    make_rule,
    needs_of,
    sign_weights,
    two_balances,
)
from counterpoise.rewards.registry import RewardFunction, make_reward
from counterpoise.settings import names_of

__all__ = ["balance_refused", "controller_settings", "own_weights", "rule_settings"]


def rule_settings(credit: CreditConfig, reward: RewardFunction) -> Mapping[str, Any]:
    """The run file's settings; without a range of its own, a rule takes the reward's declared one."""
    low, high = reward.range
    return {**_taken(RULES, credit.rule, {"low": low, "high": high}), **credit.settings}


def controller_settings(config: RunConfig) -> Mapping[str, Any]:
    """The run file's settings; without a length of its own, a schedule takes the run's."""
    credit = config.credit
    known = _taken(CONTROLLERS, credit.controller, {"steps": config.learner.steps})
    return {**known, **credit.controller_settings}


def _taken(registry: Mapping[str, Callable[..., Any]], name: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of the settings that the named object takes; nothing for a name that is about to be refused."""
    taken = names_of(registry[name]) if name in registry else []
    return {key: value for key, value in known.items() if key in taken}


def balance_refused(config: RunConfig) -> str | None:
    """What is wrong with a run's rule and controller together, and the ways out; None where nothing is.

    Both tilt the balance of the signs, or the controller needs a sign of which the rule has no credit.
    """
    credit = config.credit
    own = own_weights(credit, make_reward(credit.reward, **credit.reward_settings))
    controller = make_controller(credit.controller, **controller_settings(config))
    # A weight of 0 beside a controller is a balance set twice first; its way out is the nearer one.
    return two_balances(credit.rule, own, credit.controller, controller) or lacking_sign(
        credit.rule, own, credit.controller, controller
    )


def own_weights(credit: CreditConfig, reward: RewardFunction) -> SignWeights:
    """The weights that the rule itself puts on the signs; rules that are composed elsewhere put none."""
    if needs_of(credit.rule) & (Needs.CRITIC | Needs.PARTS):
        return SignWeights()
    return sign_weights(make_rule(credit.rule, **rule_settings(credit, reward)))
