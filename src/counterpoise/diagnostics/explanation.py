"""What the token microscope found, as records that go to a terminal, a page or JSON. Runs without torch.

Probabilities are those of the policy at the rollouts' temperature, over the whole vocabulary; entropies are in nats. "Predicted" is the
tabular prediction: as if every context had logits of its own and they moved by the fitted step along their gradient. "Realised" is
what the policy says after one real optimiser step of the learner. NaN (null in JSON) is a number that does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

__all__ = [
    "Alternative",
    "Explanation",
    "Fit",
    "KindMove",
    "Measured",
    "Member",
    "Move",
    "Quadrant",
    "RuleStep",
    "TokenView",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One token of the vocabulary at one position, under one rule."""

    token_id: int
    """Its id."""
    text: str
    """Its text; special tokens by their name."""
    chosen: bool
    """Whether the rollout chose it."""
    probability: float
    """pi_v before the step."""
    gradient: float
    """Of this rollout's own credit on the token's logit, log-probability form: what is trained."""
    gradient_probability: float
    """The same in the probability form, eqs. (7)-(8) of arXiv 2506.01347."""
    predicted: float
    """pi_v after the tabular step of the whole group's credit; NaN without a fit."""
    realised: float
    """pi_v after the real step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What one rule does at one position."""

    rule: str
    """Name of the rule."""
    credit: float
    """Signed credit of this token: what loss and denominator make of the rule's advantage, in the rule's unit (the mean of |credit|
    over the batch's credited tokens)."""
    context_credit: float
    """The same on this token summed over the rollouts of the group that chose it in this very context."""
    predicted: float
    """Probability of the chosen token after the tabular step; NaN without a fit."""
    realised: float
    """Its probability after the real step."""
    entropy_slope: float
    """First-order change of the entropy under the tabular step, -eta Cov(log pi, gradient); NaN without a fit."""
    predicted_entropy: float
    """Entropy after the tabular step, exact for that step; NaN without a fit."""
    realised_entropy: float
    """Entropy after the real step."""
    alternatives: tuple[Alternative, ...]
    """The chosen token, the likeliest others, and those that really gained most; by falling probability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """One token of the explained rollout, before any step."""

    index: int
    """Position in the response, from 0."""
    token_id: int
    """Its id."""
    text: str
    """The text it adds; special tokens by their name."""
    probability: float
    """pi_y."""
    entropy: float
    """H of the whole distribution at this position."""
    collision: float
    """sum_v pi_v^2: pushing y down raises every alternative if pi_y is above it."""
    rank: int
    """1 for the likeliest token."""
    visitors: tuple[int, int]
    """Rollouts of the group that pass through this context: right, wrong."""
    sharers: tuple[int, int]
    """Those of them that chose this token too, this rollout included: right, wrong."""
    moves: tuple[Move, ...]
    """One for each rule, in the order of `Explanation.rules`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How well tabular predictions tell what really happened to the sampled tokens' log-probabilities."""

    step: float
    """eta: least squares through the origin of the realised on the predicted change, the one number that is fitted."""
    correlation: float
    """Pearson's, over tokens; NaN where either side does not vary."""
    same_sign: float
    """Share of tokens with a credit whose log-probability moved the way that was predicted."""
    tokens: int
    """Tokens behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A number with its bootstrap interval over problems."""

    value: float
    """NaN where nothing was counted."""
    low: float
    """Lower end; NaN with fewer than two problems."""
    high: float
    """Upper end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quadrant:
    """Tokens of right or of wrong rollouts that the policy was sure of, or was not."""

    right: bool
    """Verdict of the rollouts."""
    confident: bool
    """Side of the threshold."""
    tokens: int
    """How many."""
    values: Mapping[str, Measured]
    """`token_share`, `credit_share` (of the sum of |credit|), and means over its tokens: `probability`, `surprise` (-log pi, nats),
    `entropy`, `log_prob_change`, `probability_change`, `entropy_change`, each change also with the prefix `predicted_`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindMove:
    """Right rollouts of one kind, and what a step on the batch did to them; changes are sums over a response, in nats."""

    kind: str
    """As the task calls it."""
    right: int
    """Right rollouts of this kind in the batch."""
    share: float
    """Of all right ones."""
    tokens: float
    """Mean length."""
    shared_tokens: float
    """First tokens that some wrong rollout to the same prompt has too, mean."""
    shared_change: float
    """Change of the log-probability on those tokens, mean."""
    own_change: float
    """And on the others."""
    change: Measured
    """And of the whole response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStep:
    """One rule: its credit, one optimiser step on this group, and one on the whole batch."""

    rule: str
    """Registry name, and behind a + that of token weights, where they were named."""
    advantage: float
    """Signed credit of the explained rollout, mean over its tokens where they differ."""
    group_advantages: tuple[float, ...]
    """Signed credit of each rollout of the group."""
    gradient_norm: float
    """2-norm before clipping; NaN when no step was taken, because nothing had credit."""
    fit: Fit | None
    """Over all tokens of the group; None when no step was taken."""
    batch_gradient_norm: float
    """The same for the step on the whole batch."""
    batch_fit: Fit | None
    """Over all tokens of the batch."""
    quadrants: tuple[Quadrant, ...]
    """Split by probability, after the step on the batch."""
    quadrants_by_entropy: tuple[Quadrant, ...]
    """Split by entropy."""
    kinds: tuple[KindMove, ...] = ()
    """Right rollouts by kind, where the task tells kinds apart, after the step on the batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One rollout of the group."""

    text: str
    """Response."""
    verdict: str
    """`correct`, `wrong`, `no_answer` or `unscored`."""
    log_prob: float
    """Log-probability of the whole response under the policy before the step, in nats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One rollout under the microscope."""

    model: str
    """What was asked for."""
    task: str
    """Task of the problem."""
    problem_id: str
    """Problem."""
    question: str
    """Its question."""
    gold: str
    """What the verifier compared with."""
    prompt: str
    """The text the policy continues."""
    response: str
    """The explained response."""
    given: bool
    """Whether the user wrote it; the policy drew it otherwise."""
    verdict: str
    """As in `Member`."""
    answer: str | None
    """What was judged."""
    chosen_as: str
    """Why this rollout of the group was chosen, in words."""
    group: tuple[Member, ...]
    """Rollouts of the group; the explained one is at `position`."""
    position: int
    """Index of the explained one in the group."""
    tokens: tuple[TokenView, ...]
    """The response, token by token."""
    rules: tuple[RuleStep, ...]
    """One for each rule."""
    problems: int
    """Distinct prompts of the batch."""
    rollouts: int
    """Scored rollouts of the batch."""
    confident_probability: float
    """A token at or above it counts as confident."""
    confident_entropy: float
    """A token at or below it counts as confident when split by entropy."""
    settings: Mapping[str, Any]
    """Temperature, learning rate, loss, denominator, group size, seed, optimiser."""
