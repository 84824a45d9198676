"""The balance of the two signs is set in one place: a rule's own weights and a controller's lambdas are both factors of the credit."""

from __future__ import annotations

from counterpoise.credit.controllers.base import Controller
from counterpoise.credit.controllers.constant import Constant
from counterpoise.credit.controllers.entropy_step import EntropyStep
from counterpoise.credit.controllers.schedules import WarmupPsr
from counterpoise.credit.controllers.share import PolarityShare
from counterpoise.credit.rules.base import SignWeights

__all__ = ["lacking_sign", "sign_weights", "two_balances"]


def sign_weights(rule: object) -> SignWeights:
    """A rule's own: of its `sign_weights`, where it has any; 1 and 1 for rules whose weights come from the group or from a critic."""
    own: SignWeights = getattr(rule, "sign_weights", SignWeights())
    return own


def two_balances(rule_name: str, own: SignWeights, controller_name: str, controller: Controller) -> str | None:
    """What is wrong where both the rule's settings and the controller tilt the balance of the signs; None where one of them does at most.

    Both are factors of the credit: under `linear`, whose `lambda_plus` goes from 1 to 0.1, `weighted_reinforce` with its lambda of 0.1
    would weigh right answers 0.1 and then 0.01. Equal weights are a scale and no balance. `psr` and `nsr` have one sign, so there is
    nothing to balance. `share` measures the rule's credit with the rule's own weights in it and sets the balance that it is told, so
    these divide out.
    """
    if not own.neutral or own.plus == own.minus or isinstance(controller, PolarityShare):
        return None
    theirs, to_rule = "", "set credit.controller=constant"
    if isinstance(controller, Constant):
        if controller.lambda_plus == controller.lambda_minus:
            return None
        theirs = f" (lambda_plus = {controller.lambda_plus:g}, lambda_minus = {controller.lambda_minus:g})"
        to_rule = "drop credit.controller_settings"
    to_controller = " ".join(f"credit.settings.{name}={value:g}" for name, value in own.neutral.items())
    return (
        f"credit.controller={controller_name} weighs the two signs{theirs}, and credit.rule={rule_name} multiplies weights of its own onto "
        f"them ({own.plus:g} on what is pushed up, {own.minus:g} on what is pushed down); set the balance in one place: {to_controller} "
        f"leaves it to the controller; or {to_rule}, which leaves it to the rule"
    )


def lacking_sign(rule_name: str, own: SignWeights, controller_name: str, controller: Controller) -> str | None:
    """What is wrong where a rule has credit of one sign and the controller needs the other one; None where it does not.

    `share` brings the sign that is there to nothing where no push up can be held against it; without a push down it holds nothing.
    `warmup_psr` begins with pushes up alone, `entropy_step` moves their weight, and `constant` may have the weight 0 for the only sign.
    """
    if (own.plus > 0) == (own.minus > 0):
        return None
    has, lacks = ("up", "down") if own.plus > 0 else ("down", "up")
    if isinstance(controller, PolarityShare):
        why = "would bring every credit to zero" if lacks == "up" else "would have no share to hold"
    elif isinstance(controller, WarmupPsr) and lacks == "up" and controller.share > 0:
        why = "begins with pushes up alone, so that the first steps would train nothing"
    elif isinstance(controller, EntropyStep) and lacks == "up":
        why = "moves the weight of pushes up alone, and would do nothing"
    elif isinstance(controller, Constant) and not (
        controller.lambda_plus * own.plus + controller.lambda_minus * own.minus
    ):
        why = f"weighs pushes {has} 0, so that every credit would be zero"
    else:
        return None
    return (
        f"credit.rule={rule_name} only pushes {has} here, and credit.controller={controller_name} {why}; set credit.controller=constant "
        "without credit.controller_settings, or a rule with both signs, such as credit.rule=reinforce"
    )
