"""From rewards to signed credit: one rule per file, emphasis, and the place where controllers act.

Everything here is a function of plain tensors, so that any trainer can call it.
"""

from counterpoise.credit.balance import sign_weights, two_balances
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
from counterpoise.credit.filters import FILTERS, keep_rows, tokens_saved
from counterpoise.credit.groups import GroupStatistics, group_statistics
from counterpoise.credit.registry import (
    CRITIC_RULES,
    PARTS_RULES,
    RULES,
    make_critic_rule,
    make_parts_rule,
    make_rule,
)
from counterpoise.credit.rules.base import Rule, SignWeights
from counterpoise.credit.signed import signed_credit
from counterpoise.credit.statistics import credit_metrics, token_masses
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
    "CRITIC_RULES",
    "EMPHASES",
    "FILTERS",
    "PARTS_RULES",
    "RULES",
    "TOKEN_WEIGHTS",
    "Controller",
    "Emphasis",
    "GroupStatistics",
    "Lambdas",
    "Rule",
    "SignWeights",
    "StepStatistics",
    "TokenContext",
    "TokenWeight",
    "TokenWeights",
    "Unweighted",
    "credit_metrics",
    "group_statistics",
    "keep_rows",
    "lambdas_for_rows",
    "make_controller",
    "make_critic_rule",
    "make_emphasis",
    "make_parts_rule",
    "make_rule",
    "make_token_weights",
    "sign_weights",
    "signed_credit",
    "step_statistics",
    "token_masses",
    "token_weight_metrics",
    "tokens_saved",
    "two_balances",
    "weigh_tokens",
]
