"""What a few rollouts of a policy say about it and about a task, as records that advice reads and JSON shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from counterpoise.diagnostics.explanation import Measured
from counterpoise.text import counted

__all__ = ["Budget", "PartRange", "PassAt", "Plan", "Profile", "RuleShare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassAt:
    """pass@k at one k."""

    k: int
    """Tries."""
    share: Measured
    """The unbiased estimate, or what the beta-binomial model says; NaN where neither exists."""
    extrapolated: bool
    """Whether k is above the rollouts that were drawn, so that this is a model's word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleShare:
    """What one rule would make of these rollouts."""

    rule: str
    """Registry name, with its lambda where it has one: `weighted_reinforce(0.1)`."""
    polarity_share: float
    """rho, the positive share of its credit weighed by tokens; NaN where nothing has credit."""
    trained: float
    """Share of the scored rollouts that have credit."""
    thrown_away: float
    """Share that has none: for rules with a group baseline the groups whose rewards are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRange:
    """One graded part of the verdicts, over the scored rollouts that have it."""

    name: str
    """As the verifier writes it, e.g. `tests_passed`."""
    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    mean: float
    """Mean value."""
    mean_wrong: float
    """Mean over wrong rollouts; NaN without any."""
    varied: float
    """Share of the groups without a success in which it is not the same for all: where a graded reward sees more than the verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A policy on one task type, or on all of them; shares are in [0, 1]."""

    name: str
    """Task type, or `all`."""
    problems: int
    """Problems with at least one scored rollout."""
    group_size: int
    """Rollouts drawn for each."""
    rollouts: int
    """All that were drawn, unscored ones included."""
    pass_rate: Measured
    """Mean over problems of their success rate, with its interval over problems; NaN where nothing was scored."""
    coverage: Measured
    """Share of problems with a success among `group_size`, with its exact interval."""
    pass_at: Sequence[PassAt]
    """At powers of two, the first ones estimated and the others extrapolated."""
    all_right: float
    """Share of groups whose scored rollouts are all right."""
    all_wrong: float
    """Share whose scored rollouts are all wrong."""
    mixed: float
    """Share with both."""
    truncated: float
    """Share of the rollouts cut off at the token limit."""
    no_answer: float
    """Share of the scored rollouts in which no answer was found."""
    no_answer_cut: float
    """Share of those without an answer that were cut off; NaN without any."""
    unscored: float
    """Share of all rollouts that no verifier could judge."""
    response_tokens: float
    """Mean length."""
    entropy: float
    """Mean of -log p over sampled tokens, nats: estimates the policy's entropy."""
    surprisal_right: float
    """The same over right rollouts; NaN without any."""
    surprisal_wrong: float
    """The same over wrong ones."""
    rules: Sequence[RuleShare] = ()
    """What rules would make of them."""
    parts: Sequence[PartRange] = ()
    """Graded parts that the verifier gave."""

    def pass_at_k(self, k: int) -> float:
        """pass@k, estimated or extrapolated; NaN where it is not known."""
        return next((one.share.value for one in self.pass_at if one.k == k), math.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What guard `narrowing` lets a run lose, and what it looks at."""

    drop: float
    """pass@k that may be lost, in (0, 1)."""
    k: int
    """Its k."""
    problems: int
    """Held-out problems, at most."""
    n: int
    """Responses to each."""
    every: int = 25
    """Steps between two looks; the first is after the first step."""
    patience: int = 2
    """Looks running that must have lost it before the run ends."""

    def looks(self, steps: int) -> int:
        """How often it looks in so many steps."""
        return -(-steps // self.every)

    def may_end(self, steps: int) -> bool:
        """Whether so many steps have the looks that it takes: one to lose from, and `patience` more."""
        return self.looks(steps) > self.patience

    def __str__(self) -> str:
        return f"{100 * self.drop:.3g} points of pass@{self.k} on {counted(self.problems, 'problem')} x {self.n}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is about to do, as far as advice depends on it."""

    parameters: int
    """Of the model."""
    adapters: bool
    """Whether adapters are trained instead of all weights."""
    prompts_per_step: int
    """Problems of a step."""
    group_size: int
    """Rollouts for each."""
    max_tokens: int
    """Of a response."""
    truncated_is: str
    """`wrong` or `unscored`: what a response without an answer is that was cut off."""
    learning_rate: float
    """Peak rate."""
    steps: int
    """Training steps."""
    guards_act: bool
    """Whether guards may act."""
    controller: str = "constant"
    """What sets the two lambdas."""
    rule: str | None = None
    """The rule the run file names, called as in `RuleShare` (`share` where that controller is on); None where it names none."""
    credit_rule: str | None = None
    """Its name in `credit.rule`, whatever sets the lambdas."""
    problems: Mapping[str, int] = field(default_factory=dict)
    """Training problems of each task type; empty where they were not counted."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """How often each task type is drawn, relative to the others; empty draws every problem equally often."""
    held_out: int = 0
    """Test problems of the task."""
    guards: tuple[str, ...] = ()
    """The guards that watch; none where the run file asks for none."""
    budget: Budget | None = None
    """What `narrowing` lets a run lose before it ends it; None where it is not watched or ends nothing."""
    kl: float | None = None
    """The coefficient of the loss's KL to the base that the run file names, 0 where it wants none; None where it says nothing."""
    leashed: bool = False
    """Whether that KL is the one that was measured beside the guard (`leash`)."""
    kl_by_problem: bool = False
    """Whether `loss.kl_focus` or `loss.kl_evidence` weighs that KL by problem."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """What else the run file says of how credit is weighed, by key of `credit`, e.g. `emphasis`: what no run behind the advice had."""
