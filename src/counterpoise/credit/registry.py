"""Credit rules by name: a new rule is one file in `rules/`, one line here and one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from counterpoise.credit.rules.asymmetric import Asymmetric
from counterpoise.credit.rules.base import Rule
from counterpoise.credit.rules.dr_grpo import DrGrpo
from counterpoise.credit.rules.gdpo import Gdpo
from counterpoise.credit.rules.grpo import Grpo
from counterpoise.credit.rules.hinge import Hinge
from counterpoise.credit.rules.maxrl import MaxRl
from counterpoise.credit.rules.ngrpo import Ngrpo
from counterpoise.credit.rules.nsr import Nsr
from counterpoise.credit.rules.passk import PassK
from counterpoise.credit.rules.ppo import Ppo
from counterpoise.credit.rules.psr import Psr
from counterpoise.credit.rules.reinforce import Reinforce
from counterpoise.credit.rules.rloo import Rloo
from counterpoise.credit.rules.soft import Soft
from counterpoise.credit.rules.weighted_reinforce import WeightedReinforce
from counterpoise.errors import UnknownNameError, UsageError
from counterpoise.registry import construct

__all__ = ["CRITIC_RULES", "PARTS_RULES", "RULES", "make_critic_rule", "make_parts_rule", "make_rule"]

RULES: Mapping[str, Callable[..., Rule]] = {
    "psr": Psr,
    "nsr": Nsr,
    "reinforce": Reinforce,
    "weighted_reinforce": WeightedReinforce,
    "asymmetric": Asymmetric,
    "grpo": Grpo,
    "dr_grpo": DrGrpo,
    "rloo": Rloo,
    "maxrl": MaxRl,
    "passk": PassK,
    "ngrpo": Ngrpo,
    "hinge": Hinge,
    "soft": Soft,
}

CRITIC_RULES: Mapping[str, Callable[..., Ppo]] = {"ppo": Ppo}
"""Rules whose credit is a function of values as well, so that they have settings here and are composed where a critic is."""

PARTS_RULES: Mapping[str, Callable[..., Gdpo]] = {"gdpo": Gdpo}
"""Rules whose credit is a function of the verdicts' graded parts; their settings are here, a run supplies the parts."""


def make_rule(name: str, **settings: Any) -> Rule:
    """The rule called `name`, e.g. `make_rule("weighted_reinforce", lambda_=0.1)`.

    Raises:
        UnknownNameError: no rule has that name.
        UsageError: the rule needs a critic, or the graded parts of the verdicts.
        ConfigError: a setting is unknown, missing or out of range.
    """
    if name in CRITIC_RULES:
        raise UsageError(
            f"credit.rule {name} needs the values of a critic, which this has not; train with it, or take its advantages from "
            "counterpoise.credit.gae"
        )
    if name in PARTS_RULES:
        raise UsageError(
            f"credit.rule {name} needs the graded parts of every verdict, which this has not; train with it, or take its advantages "
            "from counterpoise.credit.rules.gdpo"
        )
    if name not in RULES:
        raise UnknownNameError("credit.rule", name, [*RULES, *CRITIC_RULES, *PARTS_RULES])
    return construct("credit.rule", RULES, name, settings)


def make_critic_rule(name: str, **settings: Any) -> Ppo:
    """The settings of the rule with a critic called `name`, e.g. `make_critic_rule("ppo", lam=0.95)`.

    Raises:
        UnknownNameError: no such rule has that name.
        ConfigError: a setting is unknown or out of range.
    """
    return construct("credit.rule", CRITIC_RULES, name, settings)


def make_parts_rule(name: str, **settings: Any) -> Gdpo:
    """The settings of the rule on graded parts called `name`, e.g. `make_parts_rule("gdpo", dimensions={"value": 1.0})`.

    Raises:
        UnknownNameError: no such rule has that name.
        ConfigError: a setting is unknown, missing or out of range.
    """
    return construct("credit.rule", PARTS_RULES, name, settings)
