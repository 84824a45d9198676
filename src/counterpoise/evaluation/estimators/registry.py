"""Estimators by name: a new one is one file beside this one, one line here and one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np

from counterpoise.errors import UnknownNameError
from counterpoise.evaluation.estimators.area import area_over_log_k
from counterpoise.evaluation.estimators.bayes import bayes_at_n, bayes_over_problems
from counterpoise.evaluation.estimators.best import best_at_k
from counterpoise.evaluation.estimators.cover import cover_at_tau
from counterpoise.evaluation.estimators.gpass import g_pass_at_k
from counterpoise.evaluation.estimators.majority import maj_at_k
from counterpoise.evaluation.estimators.mean import mean_at_n
from counterpoise.evaluation.estimators.mgpass import mg_pass_at_k
from counterpoise.evaluation.estimators.pass_hat import pass_hat_k
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.estimators.subsets import FloatArray
from counterpoise.evaluation.estimators.token_budget import pass_at_tokens
from counterpoise.evaluation.statistics.intervals import Interval

__all__ = ["ESTIMATORS", "Estimator", "estimator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """A function of what was seen, and what it wants to be given."""

    function: Callable[..., Any]
    """Called with `data`, then `settings`, by position or name."""
    data: tuple[str, ...]
    """What was seen: n and c of each problem, its answer classes, its rewards, or the lengths of its responses."""
    settings: tuple[str, ...] = ()
    """What is asked: the list of k, a threshold tau, a list of token budgets."""
    whole_list: bool = False
    """Whether it makes one number of at least two k; others make one of each k."""
    values: Callable[[Any], FloatArray] = np.asarray
    """From the function's result to the value of each problem."""
    posterior: Callable[..., Interval] | None = None
    """Its own interval for the mean over exactly these problems, where it has one."""
    empty: Mapping[int, str] = field(default_factory=dict)
    """Numbers of tries at which it has no value, and why."""


ESTIMATORS: Mapping[str, Estimator] = {
    "pass@k": Estimator(function=pass_at_k, data=("n", "c"), settings=("k",)),
    "pass^k": Estimator(function=pass_hat_k, data=("n", "c"), settings=("k",)),
    "g-pass@k": Estimator(function=g_pass_at_k, data=("n", "c"), settings=("k", "tau")),
    "mg-pass@k": Estimator(
        function=mg_pass_at_k, data=("n", "c"), settings=("k",), empty={1: "the sum over thresholds is empty at k=1"}
    ),
    "cover@tau": Estimator(function=cover_at_tau, data=("n", "c"), settings=("tau",)),
    "mean@n": Estimator(function=mean_at_n, data=("n", "c")),
    "bayes@n": Estimator(
        function=bayes_at_n, data=("n", "c"), values=attrgetter("mean"), posterior=bayes_over_problems
    ),
    "area": Estimator(function=area_over_log_k, data=("n", "c"), settings=("k",), whole_list=True),
    "maj@k": Estimator(function=maj_at_k, data=("counts", "correct"), settings=("k",)),
    "best@k": Estimator(function=best_at_k, data=("rewards",), settings=("k",)),
    "pass@tokens": Estimator(function=pass_at_tokens, data=("right", "wrong"), settings=("tokens",)),
}


def estimator(name: str) -> Estimator:
    """The estimator called `name`, e.g. `estimator("pass^k").function(n, c, k)`.

    Raises:
        UnknownNameError: none has that name; the nearest is named.
    """
    if name not in ESTIMATORS:
        raise UnknownNameError("estimator", name, ESTIMATORS)
    return ESTIMATORS[name]
