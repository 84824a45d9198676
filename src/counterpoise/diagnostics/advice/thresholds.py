"""Every number that decides an advice, in one place. docs/advise.md has the same table with the evidence for each."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["THRESHOLDS", "Thresholds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Rules of thumb; shares are in [0, 1]. A field that is changed changes its row in docs/advise.md (a test compares them)."""

    reference_k: int = 8
    """Coverage is compared at this k whatever the group size, because the runs behind these numbers had groups of 8."""
    weak_coverage: float = 0.6
    """At or below it negatives alone are advised against: most groups hold nothing that is pushed up."""
    weak_pass_rate: float = 0.15
    """The same for the pass rate."""
    strong_coverage: float = 0.8
    """At or above it, with `strong_pass_rate`, every rule gained."""
    strong_pass_rate: float = 0.3
    """At or above it, with `strong_coverage`, every rule gained."""
    saturated_pass_rate: float = 0.95
    """Above it there is next to nothing to learn."""
    collapsing_share: float = 0.05
    """A rule whose positive share is below it is advised against on a weak base."""
    share_rho: float = 0.5
    """Set point of `credit.controller=share` that is recommended."""
    low_share: float = 0.1
    """A rule whose positive share is below it is called mostly negative: guards should act in long or small runs."""
    small_batch: int = 256
    """Rollouts of a step below which mostly negative rules are advised against without guards."""
    long_run: int = 250
    """Steps above which mostly negative rules should have guards that act."""
    seen_often: float = 128.0
    """Rollouts of a training problem beyond which the choice of a rule rests on runs that saw theirs less often."""
    overdone: float = 256.0
    """Rollouts of a training problem beyond which pass@1 of test problems fell with every rule: where to stop."""
    wanted_coverage: float = 0.3
    """A larger group is recommended until so many groups see a success."""
    largest_group: int = 64
    """No larger group is recommended; easier problems are."""
    small_model: int = 10_000_000
    """Parameters up to which `small_rate` is recommended."""
    small_rate: float = 3e-5
    """Learning rate of the lab's models."""
    large_model: int = 100_000_000
    """Parameters from which `large_rate` is recommended; in between it is interpolated in logarithms."""
    large_rate: float = 1e-6
    """Learning rate of language models under full fine-tuning."""
    rate_factor: float = 3.0
    """A rate that is off by a larger factor than this is worth a word."""
    unscored: float = 0.01
    """More unscored rollouts than this are worth a word."""
    unscored_stop: float = 0.2
    """More than this are fixed first: the rest is no longer a sample of the task."""
    truncated: float = 0.1
    """More truncated rollouts than this are worth a word, and `rollout.max_tokens` is doubled."""
    truncated_stop: float = 0.5
    """More than this are fixed first: what the policy can do was not seen."""
    no_answer: float = 0.1
    """More rollouts without an answer than this are worth a word."""
    no_answer_stop: float = 0.3
    """More than this are fixed first: negatives would train on the missing form and not on the task."""
    few_problems: int = 32
    """Fewer problems than this are too few to tell the regimes apart."""
    few_of_a_kind: int = 8
    """Fewer problems of a task type than this do not change the advice for all."""
    screen_gain: float = 0.1
    """pass@1 that worked examples, or a lower temperature, must give to be called a gain."""
    screen_present: float = 0.3
    """Where neither gives it: the ability is there from this pass@1 on, and absent below."""
    varied_part: float = 0.2
    """A graded part that differs in more of the groups without a success than this is worth a word."""


THRESHOLDS = Thresholds()
"""What the command uses."""
