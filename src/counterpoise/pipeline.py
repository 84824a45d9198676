"""One training step's data, in the order it flows: prompt -> rollout -> verdict -> reward -> credit."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import torch

from counterpoise.diagnostics.histogram import Histogram
from counterpoise.diagnostics.kinds import kind_totals
from counterpoise.diagnostics.rollouts import rollout_metrics, surprisal_histograms
from counterpoise.errors import TrainingError
from counterpoise.rewards.random import Random
from counterpoise.rewards.vector import VERDICT
from counterpoise.tasks.base import HasKinds
from counterpoise.text import counted
from counterpoise.types import (
    TRUNCATED,
    Batch,
    Credit,
    Judging,
    Problem,
    Prompt,
    Reward,
    Rollout,
    Sampler,
    SamplingSettings,
    StopReason,
    Sum,
    TellingSampler,
    Verdict,
    VerdictValue,
    Verify,
)
from counterpoise.world import ALONE, World

__all__ = ["Assign", "Experience", "Pipeline", "graded_parts", "judged_batch"]


Assign = Callable[[Batch], tuple[Credit, Mapping[str, Sum]]]
"""From a batch to its signed credit and the statistics of that step (`credit.step.CreditStep`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """A credited batch of N rollouts."""

    prompts: Sequence[Prompt]
    """(N,) prompt of each rollout."""
    verdicts: Sequence[Verdict]
    """(N,) verdicts."""
    rewards: Sequence[Reward]
    """(N,) rewards with their parts."""
    batch: Batch
    """(N,) rollouts, group by group, and what credit may know of them."""
    credit: Credit
    """(N,) credit."""
    metrics: Mapping[str, Sum]
    """What the step measured so far."""
    histograms: Mapping[str, Histogram]
    """Distributions over its tokens."""
    seconds: Mapping[str, float]
    """Wall time by stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The stages of one step, composed."""

    sampler: Sampler
    """Prompt -> rollout."""
    verify: Verify
    """Rollout -> verdict."""
    reward: Callable[[Verdict, float], Reward]
    """Verdict, and response tokens as a share of the limit -> reward."""
    assign: Assign
    """Reward -> credit."""
    settings: SamplingSettings
    """How rollouts are drawn."""
    group_size: int
    """G."""
    max_unscored: float
    """Unscored share above which the run stops: its statistics would no longer mean what they say. Responses that are left out because
    they were cut off (`verification.truncated`) are not counted: that was asked for."""
    world: World = ALONE
    """The processes that share the step."""
    placebo: Random | None = None
    """Coins that credit reads in the place of rewards and verdicts; `reward` is then not called."""
    describe: Callable[[Credit, Batch], Mapping[str, Sum]] | None = None
    """Columns of a credit and the batch as it was judged, which under a placebo take the place of those of the coins."""
    begin: Callable[[], Judging] | None = None
    """Judges rollouts as they end, where the sampler tells of them; None judges all after the last."""
    has_kinds: HasKinds | None = None
    """What tells right responses of one kind from those of another; None counts none."""

    def experience(self, prompts: Sequence[Prompt], *, seed: int, policy_version: int) -> Experience:
        """Draw, judge, reward and credit `group_size` rollouts for each prompt.

        Raises:
            TrainingError: too many rollouts are unscored.
        """
        started = time.perf_counter()
        asked = [prompt for prompt in prompts for _ in range(self.group_size)]
        problems = [prompt.problem for prompt in asked]
        rollouts, verdicts, judging = self._judged(asked, prompts, seed=seed, policy_version=policy_version)
        judged_at = time.perf_counter()
        self.refuse_unscored(verdicts)
        verified = time.perf_counter()
        if self.placebo is None:
            rewards = [
                self.reward(verdict, len(rollout.token_ids) / self.settings.max_tokens)
                for verdict, rollout in zip(verdicts, rollouts, strict=True)
            ]
        else:
            rewards = self.placebo.draw(verdicts, seed=seed, world=self.world)
        group_ids = torch.arange(len(prompts)).repeat_interleave(self.group_size)
        judged = batch = judged_batch(problems, rollouts, verdicts, rewards, group_ids=group_ids)
        if self.placebo is not None:
            coins = batch.rewards > 0  # NaN is not
            batch = replace(batch, correct=coins, parts=_coined(batch))
        credit, credit_metrics = self.assign(batch)
        if self.placebo is not None and self.describe is not None:
            credit_metrics = {**credit_metrics, **self.describe(credit, judged)}
        credited = time.perf_counter()
        metrics = rollout_metrics(rollouts, verdicts, rewards, group_size=self.group_size)
        histograms = surprisal_histograms(rollouts, verdicts)
        return Experience(
            prompts=asked,
            verdicts=verdicts,
            rewards=rewards,
            batch=batch,
            credit=credit,
            metrics={**metrics, **credit_metrics, **self._kinds(asked, rollouts, verdicts)},
            histograms=histograms,
            seconds={
                "sample": judged_at - started - judging,
                "verify": verified - judged_at + judging,  # other processes' verdicts are waited for
                "credit": credited - verified,
                "diagnostics": time.perf_counter() - credited,
            },
        )

    def verdicts(self, prompts: Sequence[Prompt], *, n: int, seed: int, policy_version: int = 0) -> list[Verdict]:
        """Verdicts of n responses to each prompt, one prompt after the other: a look at the policy that nothing is trained on."""
        groups = self.sampler.sample(
            prompts, group_size=n, settings=self.settings, seed=seed, policy_version=policy_version
        )
        asked = [(prompt, rollout) for prompt, group in zip(prompts, groups, strict=True) for rollout in group]
        return self.verify(
            [prompt.problem for prompt, _ in asked],
            [prompt.judged(rollout.text) for prompt, rollout in asked],
            [rollout.stop_reason is StopReason.LENGTH for _, rollout in asked],
        )

    def refuse_unscored(self, verdicts: Sequence[Verdict]) -> None:
        """Refuse a batch too much of which has no verdict; every process must call it with its own.

        Raises:
            TrainingError: none is scored, or more is not than `max_unscored` allows, what was cut off aside.
        """
        _refuse_unscored(self.world.gather([_reasons(verdicts)]), limit=self.max_unscored)

    def _judged(
        self, asked: Sequence[Prompt], prompts: Sequence[Prompt], *, seed: int, policy_version: int
    ) -> tuple[list[Rollout], list[Verdict], float]:
        """The rollouts, their verdicts, and the seconds for which only judging went on."""
        sampler, size, spent = self.sampler, self.group_size, 0.0

        def texts(rows: Sequence[int], rollouts: Sequence[Rollout]) -> tuple[list[Problem], list[str], list[bool]]:
            return (
                [asked[row].problem for row in rows],
                [asked[row].judged(rollout.text) for row, rollout in zip(rows, rollouts, strict=True)],
                [rollout.stop_reason is StopReason.LENGTH for rollout in rollouts],
            )

        if self.begin is None or not isinstance(sampler, TellingSampler):
            groups = sampler.sample(
                prompts, group_size=size, settings=self.settings, seed=seed, policy_version=policy_version
            )
            drawn, sampled = [rollout for group in groups for rollout in group], time.perf_counter()
            verdicts = self.verify(*texts(range(len(drawn)), drawn))
            return drawn, verdicts, time.perf_counter() - sampled

        with closing(self.begin()) as judging:

            def ended(places: Sequence[tuple[int, int]], rollouts: Sequence[Rollout]) -> None:
                nonlocal spent
                since = time.perf_counter()
                rows = [prompt * size + number for prompt, number in places]
                judging.add(rows, *texts(rows, rollouts))
                spent += time.perf_counter() - since

            groups = sampler.sample_telling(
                prompts, group_size=size, settings=self.settings, seed=seed, policy_version=policy_version, ended=ended
            )
            drawn, sampled = [rollout for group in groups for rollout in group], time.perf_counter()
            verdicts = judging.verdicts()
            return drawn, verdicts, spent + time.perf_counter() - sampled

    def _kinds(
        self, asked: Sequence[Prompt], rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]
    ) -> Mapping[str, Sum]:
        if self.has_kinds is None:
            return {}
        found = []
        for prompt, rollout, verdict in zip(asked, rollouts, verdicts, strict=True):
            if verdict.correct:
                # as a stored rollout has it, which `compare --kinds` reads
                found.append(self._kind(prompt.problem, prompt.prefix + rollout.text))
        return kind_totals(found, getattr(self.has_kinds, "kinds", ()))

    def _kind(self, problem: Problem, response: str) -> str:
        assert self.has_kinds is not None
        try:
            return str(self.has_kinds.kind_of(problem, response))
        except Exception as error:  # the task may be somebody else's
            raise TrainingError(
                f"kind_of of the task raised {type(error).__name__} for a right response to problem {problem.problem_id}: {error}; let it "
                "return a name for every response"
            ) from error


def judged_batch(
    problems: Sequence[Problem],
    rollouts: Sequence[Rollout],
    verdicts: Sequence[Verdict],
    rewards: Sequence[Reward],
    *,
    group_ids: torch.Tensor,
) -> Batch:
    """What credit may know of N rollouts that were judged and rewarded.

    Args:
        problems: (N,) the problem of each rollout.
        rollouts: (N,) what was sampled.
        verdicts: (N,) their verdicts.
        rewards: (N,) their rewards.
        group_ids: (N,) int64, equal for rollouts of one prompt.
    """
    return Batch(
        rewards=torch.tensor([reward.value for reward in rewards], dtype=torch.float64),
        correct=torch.tensor([verdict.correct for verdict in verdicts]),
        scored=torch.tensor([verdict.scored for verdict in verdicts]),
        group_ids=group_ids,
        lengths=torch.tensor([int(rollout.mask.sum()) for rollout in rollouts]),
        surprisal=torch.tensor(
            [-float(rollout.log_probs[rollout.mask].sum(dtype="float64")) for rollout in rollouts],
            dtype=torch.float64,
        ),
        task_types=[problem.task_type for problem in problems],
        rollouts=rollouts,
        parts=graded_parts(verdicts, rewards),
    )


def graded_parts(verdicts: Sequence[Verdict], rewards: Sequence[Reward]) -> dict[str, torch.Tensor]:
    """Every part of every reward, and the verdict itself; a response without an answer has 0 in all, one that abstained has none."""
    rows: list[Mapping[str, float]] = []
    for verdict, reward in zip(verdicts, rewards, strict=True):
        abstained = verdict.value is VerdictValue.ABSTAINED
        rows.append({} if abstained or not verdict.scored else {**reward.parts, VERDICT: float(verdict.correct)})
    silent = [verdict.value is VerdictValue.NO_ANSWER for verdict in verdicts]
    return {
        name: torch.tensor(
            [0.0 if none and row else row.get(name, math.nan) for none, row in zip(silent, rows, strict=True)],
            dtype=torch.float64,
        )
        for name in sorted({name for row in rows for name in row})
    }


def _coined(batch: Batch) -> dict[str, torch.Tensor]:
    """Under a placebo the coin is all that is graded: any other part would tell of the response."""
    return {VERDICT: torch.where(batch.scored, (batch.rewards > 0).double(), math.nan)}


_SCORED = "scored"


def _reasons(verdicts: Sequence[Verdict]) -> Counter[str]:
    return Counter(_SCORED if verdict.scored else verdict.reason or "no reason given" for verdict in verdicts)


def _refuse_unscored(counts: Sequence[Counter[str]], *, limit: float) -> None:
    """Decided on the rollouts of all processes, so that all of them go on or none does."""
    reasons: Counter[str] = sum(counts, Counter())
    rollouts = reasons.total()
    unscored = rollouts - reasons.pop(_SCORED, 0)
    if unscored and (unscored == rollouts or unscored - reasons[TRUNCATED] > limit * rollouts):
        listed = ", ".join(f"{reason}: {count}" for reason, count in reasons.most_common(3))
        raise TrainingError(
            f"{unscored} of {counted(rollouts, 'rollout')} could not be scored ({listed}); nothing was trained on them. Check the golds "
            "with `counterpoise tasks selfcheck`, or raise verification.timeout or verification.max_unscored"
        )
