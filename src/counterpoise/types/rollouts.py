"""From a problem to what the policy answered."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from counterpoise.thought import judged_text, opens_thought

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "MESSAGES",
    "OnRollouts",
    "Problem",
    "Prompt",
    "Rollout",
    "Sampler",
    "SamplingSettings",
    "StopReason",
    "TellingSampler",
]

MESSAGES = "messages"
"""Key of a problem's `meta`: the messages of its conversation before the question, each a role and a text."""

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
    record: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    """Every field of the record it was made of, where its verifier is one that is given them (`verifiers.guests.own`)."""
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
    prefix: str = ""
    """The end of `text` that is the beginning of every response, and is judged with it."""

    @property
    def in_thought(self) -> bool:
        """Whether responses begin inside a thought that the prompt opened before the prefix."""
        return opens_thought(self.text.removesuffix(self.prefix))

    def judged(self, response: str) -> str:
        """What a verifier judges of a response to it: after its prefix, and with the tag of a thought that was open then."""
        return judged_text(self.prefix + response, in_thought=self.in_thought)


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
    """Record `Rollout.entropy` and `Rollout.entropy_slope` too; no draw changes, so it is not part of equality. False computes nothing."""


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


OnRollouts = Callable[[Sequence[tuple[int, int]], Sequence[Rollout]], None]
"""Given rollouts that have ended, and for each the place of its prompt in the call and its number in the group, both from 0."""


@runtime_checkable
class TellingSampler(Sampler, Protocol):
    """A sampler that tells of rollouts as they end, while others are still being drawn."""

    def sample_telling(
        self,
        prompts: Sequence[Prompt],
        *,
        group_size: int,
        settings: SamplingSettings,
        seed: int,
        policy_version: int = 0,
        ended: OnRollouts,
    ) -> list[list[Rollout]]:
        """What `sample` gives; `ended` has been told of each rollout once before this returns."""
        ...
