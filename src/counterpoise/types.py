"""The nouns that cross a stage: problem, prompt, rollout, verdict, reward, credit, loss output.

One noun, one meaning. Records are frozen; shapes are in the field's docstring, with G the group size, N the number of
rollouts of a batch, P prompt tokens, T response tokens. Importing this module does not import torch.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from counterpoise.thought import judged_text, opens_thought

if TYPE_CHECKING:
    import torch

__all__ = [
    "TRUNCATED",
    "Counts",
    "Credit",
    "Divide",
    "Extraction",
    "Judgement",
    "Loss",
    "LossOutput",
    "Problem",
    "Prompt",
    "Reward",
    "Rollout",
    "Sampler",
    "SamplingSettings",
    "StopReason",
    "Sum",
    "Verdict",
    "VerdictValue",
    "Verifier",
]

TRUNCATED = "truncated"
"""The reason of a verdict that is withheld because the response was cut off (`verification.truncated`)."""

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem of a task.

    Example: `Problem(problem_id="9f2c…", task_type="countdown", question="3 7 9 = 30", gold="3 7 9 = 30",
    verifier="countdown")`.
    """

    problem_id: str
    """Hash of the content (`tasks.identity`): equal problems have equal ids wherever they were loaded from."""
    task_type: str
    """Kind of task; travels with every rollout, so that statistics and controllers can be kept per kind."""
    question: str
    """What the policy is asked, before any template."""
    gold: str
    """What the verifier compares with."""
    verifier: str
    """Name of the verifier that judges responses."""
    demonstration: str | None = None
    """A worked answer, where the source has one (supervised pre-training and self-checks use it; RL does not)."""
    template: str | None = None
    """Name of the prompt template its question is written for, where problems of one task differ in it (mixtures)."""
    meta: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    """Source-specific extras, e.g. MATH's level and subject."""
    source: str | None = field(default=None, compare=False)
    """Where its record stands, e.g. `train.jsonl:17`, for messages; None where it was generated. No part of what the problem is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A problem after its template and the tokenizer."""

    problem: Problem
    """The problem it renders."""
    text: str
    """Exactly the text that was tokenized."""
    token_ids: npt.NDArray[np.int64]
    """(P,) ids, special tokens included."""

    def judged(self, response: str) -> str:
        """What a verifier judges of a response to it: with the tag of a thought that the prompt opened (`thought.judged_text`)."""
        return judged_text(response, in_thought=opens_thought(self.text))


class StopReason(enum.StrEnum):
    """Why a rollout ended."""

    EOS = "eos"
    STOP_STRING = "stop_string"
    LENGTH = "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingSettings:
    """How responses are drawn: the distribution is `softmax(logits / temperature)`, then top-k, then top-p, renormalised."""

    temperature: float = 1.0
    """> 0; 0 means greedy, whose recorded log-probabilities are those at temperature 1."""
    top_p: float = 1.0
    """Nucleus mass in (0, 1]; 1 switches it off."""
    top_k: int = 0
    """Largest number of candidates; 0 switches it off."""
    max_tokens: int = 256
    """Response tokens at most, EOS included."""
    stop: tuple[str, ...] = ()
    """Strings that end a response; the string stays in the response's tokens and text."""
    with_entropy: bool = field(default=False, compare=False)
    """Record `Rollout.entropy` and `Rollout.entropy_slope` too; no draw changes, so it is no part of equality. False computes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One sampled response, as the sampler recorded it: nobody re-derives mask or log-probabilities from padding."""

    problem_id: str
    """Problem it answers."""
    prompt_ids: npt.NDArray[np.int64]
    """(P,) ids of the prompt."""
    token_ids: npt.NDArray[np.int64]
    """(T,) ids of the response; ends with EOS exactly when `stop_reason` is EOS."""
    mask: npt.NDArray[np.bool_]
    """(T,) tokens the policy chose (EOS included) and may be trained on."""
    log_probs: npt.NDArray[np.float32]
    """(T,) log-probability of each token under `softmax(logits / temperature)` over the whole vocabulary, float32, natural
    logarithm, before top-k and top-p (which cut the proposal, not the policy that is trained)."""
    text: str
    """The response decoded without special tokens."""
    temperature: float
    """Temperature it was drawn at."""
    stop_reason: StopReason
    """Why it ended."""
    policy_version: int
    """Number of optimiser steps behind the weights that drew it."""
    entropy: npt.NDArray[np.float32] | None = None
    """(T,) entropy H in nats of the distribution that `log_probs` are of; None unless the sampler was asked and can."""
    entropy_slope: npt.NDArray[np.float32] | None = None
    """(T,) `pi_y (log pi_y + H) - sum_v pi_v^2 (log pi_v + H)`: where it is above 0, pushing the token down raises H (to first order)."""


class Sampler(Protocol):
    """Anything that draws rollouts: the evaluator and the trainer know no more than this."""

    def sample(
        self,
        prompts: Sequence[Prompt],
        *,
        group_size: int,
        settings: SamplingSettings,
        seed: int,
        policy_version: int = 0,
    ) -> list[list[Rollout]]:
        """`group_size` rollouts for each prompt, in the prompts' order; the same seed, prompts and weights give the same rollouts."""
        ...


class VerdictValue(enum.StrEnum):
    """Right, wrong and not known. `no_answer` and `abstained` count as wrong: no answer was found, or it declines ("I don't know").

    `unscored` is our fault and counts as nothing.
    """

    CORRECT = "correct"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"
    ABSTAINED = "abstained"
    UNSCORED = "unscored"

    @classmethod
    def stored(cls, value: str, parts: Mapping[str, float]) -> VerdictValue:
        """The value of a stored verdict; lines written before `abstained` was a value have `no_answer` and a part of that name.

        Raises:
            ValueError: there is no such value.
        """
        found = cls(value)
        return cls.ABSTAINED if found is cls.NO_ANSWER and parts.get("abstained") == 1 else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """The answer a verifier found in a response."""

    answer: str | None
    """The answer's text; None when the response has none."""
    rule: str
    """Extraction rule that fired, e.g. `boxed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a verifier says of one (gold, answer) pair."""

    value: VerdictValue
    """CORRECT, WRONG, UNSCORED, ABSTAINED for an answer that declines ("I don't know"), or NO_ANSWER for one that is none after all."""
    rule: str
    """Comparison that decided, e.g. `symbolic`."""
    reason: str | None = None
    """Why it is unscored; None otherwise."""
    parts: Mapping[str, float] = field(default_factory=lambda: _EMPTY)
    """Graded dimensions in [0, 1] by name, e.g. `{"tests_passed": 0.4}`; empty for a purely binary verifier."""


class Verifier(Protocol):
    """Says whether an answer is right. `extract` is cheap and total; `judge` may be slow or crash and then runs in the pool."""

    @property
    def name(self) -> str:
        """Registry name."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever a verdict could change."""
        ...

    @property
    def isolated(self) -> bool:
        """True when `judge` must run in a killable worker."""
        ...

    def extract(self, response: str) -> Extraction:
        """The answer inside a response; never raises, whatever the text."""
        ...

    def judge(self, gold: str, answer: str) -> Judgement:
        """Compare one answer with the gold; must be picklable when `isolated`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judgement of one rollout. pass@k reads verdicts, never rewards."""

    value: VerdictValue
    """Truth value."""
    answer: str | None
    """Text that was judged; None when there was no answer."""
    rule: str
    """`extraction rule/comparison rule` that decided."""
    seconds: float
    """Wall time of the judgement; 0 when another rollout of the batch had the same answer."""
    verifier: str
    """Verifier's name."""
    version: str
    """Verifier's version."""
    reason: str | None = None
    """For UNSCORED: timeout, crash, unparsable gold, sandbox fault, …"""
    parts: Mapping[str, float] = field(default_factory=lambda: _EMPTY)
    """Graded dimensions from the judgement."""

    @property
    def correct(self) -> bool:
        """CORRECT and nothing else."""
        return self.value is VerdictValue.CORRECT

    @property
    def scored(self) -> bool:
        """False only for UNSCORED, which leaves every statistic."""
        return self.value is not VerdictValue.UNSCORED


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """What a verdict is worth: one value in the declared range, and its named parts."""

    value: float
    """In [low, high]; NaN when unscored."""
    low: float = -1.0
    """Smallest possible value."""
    high: float = 1.0
    """Largest possible value."""
    parts: Mapping[str, float] = field(default_factory=lambda: _EMPTY)
    """Named dimensions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Push up and push down, held apart. `plus >= 0`, `minus >= 0`, `plus * minus == 0`; unscored rows are zero in both."""

    plus: torch.Tensor
    """(N,) or (N, T) weight that pushes the rollout's probability up."""
    minus: torch.Tensor
    """(N,) or (N, T) weight that pushes it down."""

    @property
    def advantages(self) -> torch.Tensor:
        """(N,) or (N, T): `A = plus - minus`."""
        return self.plus - self.minus

    @property
    def signed(self) -> torch.Tensor:
        """(N,) or (N, T) bool: rows (tokens) that carry any credit."""
        return (self.plus != 0) | (self.minus != 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """A metric as (sum, count), so that a mean of means is impossible."""

    total: float
    """Sum of the values."""
    count: float
    """How many values."""

    @property
    def mean(self) -> float:
        """`total / count`; NaN when nothing was counted."""
        return self.total / self.count if self.count else float("nan")

    def __add__(self, other: Sum) -> Sum:
        return Sum(total=self.total + other.total, count=self.count + other.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What one optimiser update divides by, counted over its whole mini-batch and every process before any forward pass."""

    tokens_all: int
    """Response tokens of all scored rollouts, zero credit included."""
    tokens_signed: int
    """Response tokens of rollouts that carry credit."""
    sequences_all: int
    """Scored rollouts."""
    sequences_signed: int
    """Rollouts that carry credit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossOutput:
    """Undivided loss of some rows: `losses.denominators.divide` is the only place that divides."""

    row_sums: torch.Tensor
    """(B,) per-row sum of token losses, with gradient."""
    lengths: torch.Tensor
    """(B,) response tokens of each row."""
    metrics: Mapping[str, Sum]
    """Named (sum, count) pairs, detached."""


class Loss(Protocol):
    """A surrogate: from log-probabilities and signed credit of some rows to their undivided sums."""

    def __call__(
        self,
        *,
        log_probs: torch.Tensor,
        old_log_probs: torch.Tensor,
        plus: torch.Tensor,
        minus: torch.Tensor,
        mask: torch.Tensor,
        reference_log_probs: torch.Tensor | None = None,
        entropy: torch.Tensor | None = None,
    ) -> LossOutput:
        """(B, T) float32 log-probabilities with gradient, the sampling policy's without, (B,) or (B, T) credit, (B, T) bool mask.

        `reference_log_probs` (B, T) is needed by a KL term and `entropy` (B, T), with gradient, by an entropy term.
        """
        ...


class Divide(Protocol):
    """Turns undivided rows into the scalar that is differentiated."""

    def __call__(self, output: LossOutput, counts: Counts) -> torch.Tensor:
        """Scalar share of these rows in the mini-batch's loss; shares of disjoint micro-batches add up to the whole."""
        ...
