"""From judged rollouts to the profile that advice is given on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from counterpoise.credit import credit_metrics, make_rule, signed_credit
from counterpoise.diagnostics.advice.profile import PartRange, PassAt, Profile, RuleShare
from counterpoise.diagnostics.explanation import Measured
from counterpoise.diagnostics.rollouts import rollout_metrics
from counterpoise.evaluation.estimators.passk import k_sweep, pass_at_k
from counterpoise.evaluation.statistics.extrapolation import extrapolated_pass_at_k
from counterpoise.evaluation.statistics.intervals import Interval, bootstrap_intervals, exact_interval
from counterpoise.pipeline import judged_batch
from counterpoise.rewards.binary import Binary
from counterpoise.streams import numpy_generator
from counterpoise.types import Batch, Credit, Problem, Reward, Rollout, StopReason, Sum, Verdict, VerdictValue

__all__ = ["STANDARD_RULES", "Group", "as_measured", "measure_profile"]

STANDARD_RULES: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "nsr": ("nsr", {}),
    "weighted_reinforce(0.1)": ("weighted_reinforce", {"lambda_": 0.1}),
    "reinforce": ("reinforce", {}),
    "grpo": ("grpo", {}),
    "maxrl": ("maxrl", {}),
    "area": ("area", {}),
    "psr": ("psr", {}),
}
"""Rules that every profile looks at: what they are called, their registry name and settings."""

_EXTRAPOLATED = 8
"""pass@k is extrapolated up to so many times the rollouts that were drawn."""
_SAME = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The rollouts of one problem."""

    problem: Problem
    """The problem."""
    rollouts: Sequence[Rollout]
    """(G,) responses."""
    verdicts: Sequence[Verdict]
    """(G,) verdicts."""


def measure_profile(
    name: str,
    groups: Sequence[Group],
    *,
    seed: int,
    confidence: float = 0.95,
    own: tuple[str, Callable[[Batch], Credit], Callable[[Verdict, Rollout], Reward]] | None = None,
) -> Profile:
    """Measure groups of equal size.

    Intervals are over problems: percentile bootstrap for the pass rate and pass@k, exact for coverage, which also bounds the pass rate
    where nothing, or everything, was right.

    Args:
        name: task type, or `all`.
        groups: at least one.
        seed: of the bootstrap.
        confidence: of the intervals.
        own: a further rule: what it is called, its credit, and the reward it reads.
    """
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    verdicts = [verdict for group in groups for verdict in group.verdicts]
    size = len(groups[0].rollouts)
    scored = [sum(verdict.scored for verdict in group.verdicts) for group in groups]
    right = [sum(verdict.correct for verdict in group.verdicts) for group in groups]
    n, c = (np.array(list(column), dtype=np.int64) for column in (scored, right))
    n, c = n[n > 0], c[n > 0]
    binary = _batch(groups, lambda verdict, rollout: Binary()(verdict))
    shares = [
        _rule_share(
            label,
            binary,
            signed_credit(
                rewards=binary.rewards,
                correct=binary.correct,
                scored=binary.scored,
                group_ids=binary.group_ids,
                rule=make_rule(rule, **settings),
            ),
        )
        for label, (rule, settings) in STANDARD_RULES.items()
    ]
    if own is not None:
        label, assign, reward = own
        batch = _batch(groups, reward)
        shares.append(_rule_share(label, batch, assign(batch)))
    metrics = rollout_metrics(rollouts, verdicts, [Binary()(verdict) for verdict in verdicts], group_size=size)
    silent = [
        rollout.stop_reason is StopReason.LENGTH
        for rollout, verdict in zip(rollouts, verdicts, strict=True)
        if verdict.value is VerdictValue.NO_ANSWER
    ]
    coverage = _coverage(c, confidence)
    return Profile(
        name=name,
        problems=len(n),
        group_size=size,
        rollouts=len(rollouts),
        pass_rate=_pass_rate(n, c, coverage, seed=seed, name=name, confidence=confidence),
        coverage=coverage,
        pass_at=_pass_at(n, c, size, seed=seed, name=name, confidence=confidence),
        all_right=_mean(c == n),
        all_wrong=_mean(c == 0),
        mixed=_mean((c > 0) & (c < n)),
        truncated=metrics["truncated_share"].mean,
        no_answer=metrics["no_answer_share"].mean,
        no_answer_cut=_mean(silent),
        unscored=_mean([not verdict.scored for verdict in verdicts]),
        response_tokens=metrics["response_tokens"].mean,
        entropy=metrics["entropy_sampled"].mean,
        surprisal_right=metrics["entropy_sampled_correct"].mean,
        surprisal_wrong=metrics["entropy_sampled_wrong"].mean,
        rules=tuple(shares),
        parts=tuple(_parts(groups)),
    )


def _batch(groups: Sequence[Group], reward: Callable[[Verdict, Rollout], Reward]) -> Batch:
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    verdicts = [verdict for group in groups for verdict in group.verdicts]
    sizes = torch.tensor([len(group.rollouts) for group in groups])
    return judged_batch(
        [group.problem for group in groups for _ in group.rollouts],
        rollouts,
        verdicts,
        [reward(verdict, rollout) for verdict, rollout in zip(verdicts, rollouts, strict=True)],
        group_ids=torch.arange(len(groups)).repeat_interleave(sizes),
    )


def _rule_share(label: str, batch: Batch, credit: Credit) -> RuleShare:
    found: Mapping[str, Sum] = credit_metrics(credit, batch)
    idle = found["zero_credit"].mean
    return RuleShare(
        rule=label, polarity_share=found["polarity_share_tokens"].mean, trained=1.0 - idle, thrown_away=idle
    )


def _coverage(c: np.ndarray, confidence: float) -> Measured:
    if not len(c):
        return Measured(value=math.nan, low=math.nan, high=math.nan)
    return as_measured(exact_interval(int((c > 0).sum()), len(c), confidence=confidence))


def _pass_rate(
    n: np.ndarray, c: np.ndarray, coverage: Measured, *, seed: int, name: str, confidence: float
) -> Measured:
    if not len(n):
        return Measured(value=math.nan, low=math.nan, high=math.nan)
    generator = numpy_generator(seed, "advise", "pass rate", name)
    (interval,) = bootstrap_intervals(c / n, generator=generator, confidence=confidence, resamples=2000)
    low, high = interval.low, interval.high
    if not c.any():  # no success in n tries of a problem is more than no success at all, so coverage bounds it
        low, high = 0.0, coverage.high
    elif (c == n).all():
        low, high = exact_interval(len(n), len(n), confidence=confidence).low, 1.0
    return Measured(value=interval.estimate, low=low, high=high)


def _pass_at(n: np.ndarray, c: np.ndarray, size: int, *, seed: int, name: str, confidence: float) -> tuple[PassAt, ...]:
    if not len(n):
        return ()
    measured = sorted({*k_sweep(size), size})
    beyond = [k for k in k_sweep(_EXTRAPOLATED * size) if k > size]
    estimated = bootstrap_intervals(
        pass_at_k(n, c, measured),
        generator=numpy_generator(seed, "advise", "pass@k", name),
        confidence=confidence,
        resamples=2000,
    )
    modelled = extrapolated_pass_at_k(
        n, c, beyond, generator=numpy_generator(seed, "advise", "extrapolation", name), confidence=confidence
    )
    return (
        *(PassAt(k=k, share=as_measured(one), extrapolated=False) for k, one in zip(measured, estimated, strict=True)),
        *(PassAt(k=k, share=as_measured(one), extrapolated=True) for k, one in zip(beyond, modelled, strict=True)),
    )


def _parts(groups: Sequence[Group]) -> list[PartRange]:
    names = sorted({name for group in groups for verdict in group.verdicts if verdict.scored for name in verdict.parts})
    found = []
    for name in names:
        values = [
            [(_part(verdict, name), verdict.correct) for verdict in group.verdicts if _has(verdict, name)]
            for group in groups
        ]
        everything = [value for own in values for value, _ in own]
        unsolved = [[value for value, _ in own] for own in values if own and not any(right for _, right in own)]
        found.append(
            PartRange(
                name=name,
                low=min(everything),
                high=max(everything),
                mean=_mean(everything),
                mean_wrong=_mean([value for own in values for value, right in own if not right]),
                varied=_mean([max(own) - min(own) > _SAME for own in unsolved]),
            )
        )
    return found


def _has(verdict: Verdict, name: str) -> bool:
    """A response without an answer has 0 of every part that is graded."""
    return verdict.scored and (name in verdict.parts or verdict.value is VerdictValue.NO_ANSWER)


def _part(verdict: Verdict, name: str) -> float:
    return float(verdict.parts.get(name, 0.0))


def as_measured(interval: Interval) -> Measured:
    """An interval of the statistics as advice keeps it."""
    return Measured(value=interval.estimate, low=interval.low, high=interval.high)


def _mean(values: Sequence[float] | Sequence[bool] | np.ndarray) -> float:
    return float(np.mean(np.asarray(values, dtype=np.float64))) if len(values) else math.nan
