"""Settings that follow from numbers alone: learning rate and group size."""

from __future__ import annotations

import math

from counterpoise.diagnostics.advice.profile import Plan, Profile
from counterpoise.diagnostics.advice.thresholds import Thresholds

__all__ = ["fitting_group_size", "fitting_rate", "matching_lambda", "rate_is_high", "replaced_credit"]


def fitting_rate(parameters: int, thresholds: Thresholds) -> float:
    """Learning rate for a model of so many parameters under full fine-tuning, to one significant digit.

    `small_rate` up to `small_model`, `large_rate` from `large_model`, and in between linear in the logarithms of both.
    """
    t = thresholds
    position = math.log(max(parameters, 1) / t.small_model) / math.log(t.large_model / t.small_model)
    position = min(max(position, 0.0), 1.0)
    rate = t.small_rate * (t.large_rate / t.small_rate) ** position
    return float(f"{rate:.0e}")


def rate_is_high(plan: Plan, thresholds: Thresholds) -> bool:
    """Whether the plan's rate is more than `rate_factor` above the fitting one; never said of adapters."""
    fitting = fitting_rate(plan.parameters, thresholds)
    return not plan.adapters and plan.learning_rate > thresholds.rate_factor * fitting


def fitting_group_size(profile: Profile, thresholds: Thresholds) -> int | None:
    """The smallest group size above the present one whose pass@k reaches `wanted_coverage`.

    The present one where it does already; None where no size up to `largest_group` is known to. A group of size k holds a success with
    the chance pass@k. Groups of one, which hold nothing to compare a rollout with, become those of the runs behind the advice.
    """
    size = profile.group_size
    if size == 1:
        return thresholds.reference_k
    if profile.coverage.value >= thresholds.wanted_coverage:
        return size
    for one in sorted(profile.pass_at, key=lambda one: one.k):
        if size < one.k <= thresholds.largest_group and one.share.value >= thresholds.wanted_coverage:
            return one.k
    return None


def matching_lambda(pass_rate: float, rho: float) -> float:
    """The weight of positives that gives the polarity share rho at this pass rate: `lambda = rho / (1 - rho) * (1 - p) / p`.

    The inverse of `rho = lambda p / (lambda p + 1 - p)`, for right and wrong responses of equal length.
    """
    return rho / (1.0 - rho) * (1.0 - pass_rate) / pass_rate


def replaced_credit(*, rule: bool, controller: bool, constant: bool) -> set[str]:
    """The keys of `credit` that go with a rule or a controller.

    Args:
        rule: the rule is replaced: its settings and emphasis go.
        controller: the controller is replaced, or what it is set to: its settings go.
        constant: the weights of the signs stand still, and so are the rule's own.
    """
    gone = {"settings", "emphasis", "emphasis_settings"} if rule else set[str]()
    return gone | {"controller_settings"} if controller or (rule and constant) else gone
