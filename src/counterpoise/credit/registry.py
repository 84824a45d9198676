"""Credit rules by name: a new rule is one file in `rules/`, one line here and one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from counterpoise.credit.emphasis import EMPHASES, Emphasis
from counterpoise.credit.rules.area import Area
from counterpoise.credit.rules.asym_grpo import AsymGrpo
from counterpoise.credit.rules.asymmetric import Asymmetric
from counterpoise.credit.rules.base import Rule
from counterpoise.credit.rules.boundary import Boundary
from counterpoise.credit.rules.dr_grpo import DrGrpo
from counterpoise.credit.rules.fade import Fade
from counterpoise.credit.rules.gdpo import Gdpo
from counterpoise.credit.rules.grpo import Grpo
from counterpoise.credit.rules.hinge import Hinge
from counterpoise.credit.rules.maxrl import MaxRl
from counterpoise.credit.rules.needs import Needs
from counterpoise.credit.rules.ngrpo import Ngrpo
from counterpoise.credit.rules.nsr import Nsr
from counterpoise.credit.rules.passk import PassK
from counterpoise.credit.rules.ppo import Ppo
from counterpoise.credit.rules.psr import Psr
from counterpoise.credit.rules.reinforce import Reinforce
from counterpoise.credit.rules.rloo import Rloo
from counterpoise.credit.rules.soft import Soft
from counterpoise.credit.rules.weighted_reinforce import WeightedReinforce
from counterpoise.errors import ConfigError, UnknownNameError
from counterpoise.plugins import Parts, Shape
from counterpoise.settings import construct

__all__ = ["RULES", "check_emphasis", "make_rule", "needs_of"]

_OWN: Mapping[str, Callable[..., Rule]] = {
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
    "asym_grpo": AsymGrpo,
    "boundary": Boundary,
    "fade": Fade,
    "area": Area,
    "hinge": Hinge,
    "soft": Soft,
    "gdpo": Gdpo,
    "ppo": Ppo,
}

RULES: Parts[Callable[..., Rule]] = Parts(
    "rule", _OWN, Shape(methods={"__call__": ("rewards", "statistics")}), message="credit.rule"
)
"""Rules by name; any other name is one of a package or an import path (`counterpoise.plugins`)."""


def make_rule(name: str, **settings: Any) -> Rule:
    """The rule called `name`, e.g. `make_rule("weighted_reinforce", lambda_=0.1)`.

    Rules whose `needs` are a critic or graded parts refuse to be called with rewards alone; `credit.advantages.step_rule` and drivers
    make what a step calls.

    Raises:
        UnknownNameError: no rule has that name.
        ConfigError: a setting is unknown, missing or out of range.
    """
    return construct("credit.rule", RULES, name, settings)


def needs_of(name: str) -> Needs:
    """What the rule called `name` asks of a run.

    Raises:
        UnknownNameError: no rule has that name.
    """
    if name not in RULES:
        raise UnknownNameError("credit.rule", name, RULES.known())
    needs: Needs = getattr(RULES[name], "needs", Needs.NOTHING)
    return needs


def check_emphasis(rule: Rule, emphasis: Emphasis | None) -> None:
    """Refuse an emphasis that divides a second time by what the rule has divided by: its groups would count by the square.

    Raises:
        ConfigError: with the rule that has the weight already, or a baseline rule to take with the emphasis.
    """
    if getattr(rule, "divides", False) and getattr(emphasis, "divides", False):
        raise ConfigError(
            f"credit.emphasis={_name(emphasis, EMPHASES)} divides by a function of the success rate, and "
            f"credit.rule={_name(rule, RULES)} has done so already; "
            "keep credit.emphasis=none, take focal, or put the emphasis on credit.rule=dr_grpo (with inverse that is maxrl, with "
            "inverse_sqrt it is grpo with ddof=0 and eps=0)"
        )


def _name(part: object, registry: Mapping[str, object]) -> str:
    return next((name for name, kind in registry.items() if kind is type(part)), type(part).__name__)
