"""From rewards to signed credit: one rule per file, emphasis, and the place where controllers act.

Everything here is a function of plain tensors, so that any trainer can call it.
"""

from counterpoise.credit.advantages import Advantages, StepRule, step_rule
from counterpoise.credit.anchoring import anchor_weights
from counterpoise.credit.balance import lacking_sign, sign_weights, two_balances
from counterpoise.credit.controllers import (
    CONTROLLERS,
    Controller,
    Lambdas,
    StepStatistics,
    lambdas_for_rows,
    make_controller,
    step_statistics,
)
from counterpoise.credit.emphasis import EMPHASES, Emphasis, make_emphasis
from counterpoise.credit.filters import FILTERS, keep_rows
from counterpoise.credit.groups import GroupStatistics, group_statistics
from counterpoise.credit.registry import RULES, make_rule, needs_of
from counterpoise.credit.rules.base import Rule, SignWeights
from counterpoise.credit.rules.needs import Needs
from counterpoise.credit.signed import signed, signed_credit
from counterpoise.credit.statistics import credit_metrics, token_masses
from counterpoise.credit.step import CreditStep
from counterpoise.credit.token_weights import (
    TOKEN_WEIGHTS,
    TokenContext,
    TokenWeight,
    TokenWeights,
    Unweighted,
    make_token_weights,
    token_weight_metrics,
    weigh_tokens,
)

__all__ = [
    "CONTROLLERS",
    "EMPHASES",
    "FILTERS",
    "RULES",
    "TOKEN_WEIGHTS",
    "Advantages",
    "Controller",
    "CreditStep",
    "Emphasis",
    "GroupStatistics",
    "Lambdas",
    "Needs",
    "Rule",
    "SignWeights",
    "StepRule",
    "StepStatistics",
    "TokenContext",
    "TokenWeight",
    "TokenWeights",
    "Unweighted",
    "anchor_weights",
    "credit_metrics",
    "group_statistics",
    "keep_rows",
    "lacking_sign",
    "lambdas_for_rows",
    "make_controller",
    "make_emphasis",
    "make_rule",
    "make_token_weights",
    "needs_of",
    "sign_weights",
    "signed",
    "signed_credit",
    "step_rule",
    "step_statistics",
    "token_masses",
    "token_weight_metrics",
    "two_balances",
    "weigh_tokens",
]
