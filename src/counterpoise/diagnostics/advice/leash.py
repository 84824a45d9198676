"""A KL to the base beside the guard that ends a run: what it was worth where problems are seen often."""

from __future__ import annotations

from collections.abc import Iterator

from counterpoise.diagnostics.advice.profile import Plan
from counterpoise.diagnostics.advice.result import Finding, Urgency

__all__ = ["kl_findings", "leash_findings"]

_SETTINGS = "credit.rule=area credit.filter=none loss.kl=0.1 loss.kl_estimator=k1"


def leash_findings(plan: Plan) -> Iterator[Finding]:
    """For a plan that the guard `narrowing` would end: the leash that was measured beside it. A run file with a KL keeps its own."""
    if plan.kl or not plan.held_out or not plan.guards:
        return
    yield Finding(
        level=Urgency.NOTE,
        text=f"A leash beside the guard is not set here, and is above every rule without one on the mean: {_SETTINGS} with guard narrowing "
        "that finishes (lab, three bases, ten cells, three seeds) has 5.9 [4.4, 7.5] more area under pass@k than maxrl, 0.4 [-0.2, 0.9] "
        "more pass@1 than it and 0.5 [0.2, 0.8] less than grpo. It is 1.9 [1.0, 2.8] of area above area with that guard alone, by the "
        "cells of lab:paths, which has many ways to an answer (+4.3 [3.7, 4.9]); on the strong base it adds nothing (-0.2 [-1.1, 0.8]). It "
        "reads the base once more for every response, and holds a second copy of the weights unless adapters are trained. On a language "
        "model area learned on it as fast as without and nsr half as fast (SmolLM2-135M, 40 steps, one seed).",
    )


def kl_findings(plan: Plan) -> Iterator[Finding]:
    """Where the run file has a KL to the base: that what is said of rules rests on runs without one, and what was run with one."""
    if plan.kl:
        yield Finding(
            level=Urgency.NOTE,
            text=f"The run file has loss.kl={plan.kl:g}, and what is said here of rules, and of how often problems may be seen, comes from "
            "runs without a KL to the base. With loss.kl=0.1 loss.kl_estimator=k1 credit.filter=none nsr kept the whole curve of lab:paths "
            "on 200 problems seen 512 times (three seeds), and on the weak base stayed at its pass@1 and lost 2.1 [0.3, 3.9] of area (one "
            "seed), and area under guard narrowing was above every rule without a KL on the mean; maxrl was not run so.",
        )
