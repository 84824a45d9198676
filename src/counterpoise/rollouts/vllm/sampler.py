"""The sampler that lets another engine draw: it pushes the weights, and holds the engine's log-probabilities against the policy's own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from counterpoise.errors import TrainingError, UsageError
from counterpoise.rollouts.decoding import inferring
from counterpoise.rollouts.sampling import check_prompt, check_request
from counterpoise.rollouts.stopping import decode_rows, end_of_sequence_ids
from counterpoise.streams import stream
from counterpoise.types import Prompt, Rollout, SamplingSettings, StopReason

__all__ = ["EnginePrompt", "EngineSampler", "PushedEngine", "Response"]

_SEEDS = 2**62
_CHECKED = 4
"""Responses of a call whose log-probabilities the policy computes, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePrompt:
    """A prompt for the engine."""

    token_ids: list[int]
    """Its ids."""
    seed: int
    """Seed of its first response."""
    limit: int
    """Response tokens at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the engine drew."""

    tokens: Sequence[int]
    """Ids, the end of sequence included."""
    log_probs: Sequence[float]
    """Of each id, under `softmax(logits / temperature)` over the whole vocabulary."""
    stop_reason: StopReason
    """Why it ended."""


class PushedEngine(Protocol):
    """An engine with weights of its own, which it is given."""

    @property
    def sleeps(self) -> bool:
        """Whether it drops its weights when it sleeps."""
        ...

    def wake(self) -> None:
        """Get ready to take weights and to draw."""
        ...

    def sleep(self) -> None:
        """Leave the memory to others."""
        ...

    def push(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Take weights by their names in a checkpoint."""
        ...

    def generate(
        self, asks: Sequence[EnginePrompt], *, group_size: int, settings: SamplingSettings, end_ids: Sequence[int]
    ) -> list[list[Response]]:
        """So many responses for each prompt."""
        ...


class EngineSampler:
    """Draws from a policy in training by an engine that holds a copy of its weights.

    The weights are pushed before a call when the policy's version or any of its tensors has changed. After every call the policy itself
    computes the log-probabilities of up to four of the responses, spread over the prompts; with `a` the engine's and `b` the policy's, over
    their T tokens,

        gap = (1 / T) sum_t |a_t - b_t|    nats,

    may be `max_gap` at most. An engine that was not given the weights, or computes another model, is found out before a step is made of
    what it drew.

    Reproducibility: the same seed, prompts, weights, library versions and company of prompts give the same responses. Response g of a
    prompt has the seed `stream(seed, "engine", problem, occurrence) mod 2^62 + g`; in other company rounding may move a token.

    Args:
        engine: who draws.
        model: the policy.
        tokenizer: decodes responses; its end-of-sequence id ends them, too.
        max_gap: nats.
        precision: entered around the policy's own computation, e.g. the learner's autocast.
    """

    def __init__(
        self,
        engine: PushedEngine,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_gap: float,
        precision: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self._engine, self._model, self._tokenizer = engine, model, tokenizer
        self._max_gap, self._precision = max_gap, precision
        self._end_ids = end_of_sequence_ids(model.generation_config, tokenizer)
        config = model.config.get_text_config(decoder=True)
        self._positions: int | None = getattr(config, "max_position_embeddings", None)
        self._vocabulary = int(config.vocab_size)
        self._pushed: tuple[int, int] | None = None
        self.gap = float("nan")
        """Of the last call."""

    def sample(
        self,
        prompts: Sequence[Prompt],
        *,
        group_size: int,
        settings: SamplingSettings,
        seed: int,
        policy_version: int = 0,
    ) -> list[list[Rollout]]:
        """`group_size` rollouts for each prompt, in the prompts' order.

        Raises:
            UsageError: settings that describe no distribution, or one of which the engine's log-probabilities are not the policy's.
            DataError: a prompt is empty, fills the model's positions, or holds an id outside the vocabulary.
            ModelError: the engine does not take the weights.
            TrainingError: log-probabilities are not finite, or not the policy's.
        """
        check_request(settings, group_size)
        _check_whole(settings)
        for prompt in prompts:
            check_prompt(prompt, positions=self._positions, vocabulary=self._vocabulary)
        if not prompts:
            return []
        self._engine.wake()
        try:
            self._push(policy_version)
            asks = self._asks(prompts, settings, seed)
            drawn = self._engine.generate(asks, group_size=group_size, settings=settings, end_ids=self._end_ids)
        finally:
            self._engine.sleep()
            if self._engine.sleeps:
                self._pushed = None
        groups = [
            self._rollouts(prompt, own, settings, policy_version) for prompt, own in zip(prompts, drawn, strict=True)
        ]
        self._check(groups, policy_version)
        return groups

    def _push(self, version: int) -> None:
        # In-place changes are counted by each tensor: an optimiser's, and those of a checkpoint that is read into it.
        state = (version, sum(parameter._version for parameter in self._model.parameters()))
        if state != self._pushed:
            self._pushed = None
            self._engine.push((name, tensor.detach()) for name, tensor in self._model.state_dict().items())
            self._pushed = state

    def _asks(self, prompts: Sequence[Prompt], settings: SamplingSettings, seed: int) -> list[EnginePrompt]:
        times: Counter[str] = Counter()
        asks = []
        for prompt in prompts:
            name, length = prompt.problem.problem_id, len(prompt.token_ids)
            room = settings.max_tokens if self._positions is None else self._positions - length
            own = stream(seed, "engine", name, times[name]) % _SEEDS
            asks.append(
                EnginePrompt(token_ids=prompt.token_ids.tolist(), seed=own, limit=min(settings.max_tokens, room))
            )
            times[name] += 1
        return asks

    def _rollouts(
        self, prompt: Prompt, responses: Sequence[Response], settings: SamplingSettings, version: int
    ) -> list[Rollout]:
        texts = decode_rows(self._tokenizer, [list(response.tokens) for response in responses])
        name = prompt.problem.problem_id
        for response in responses:
            if not all(map(math.isfinite, response.log_probs)):
                raise TrainingError(
                    f"the policy (version {version}) gave log-probabilities that are not finite for problem '{name}'; its weights have "
                    "diverged: go back to the last good checkpoint and lower the learning rate or the weight of negative rollouts"
                )
        return [
            Rollout(
                problem_id=name,
                prompt_ids=prompt.token_ids,
                token_ids=np.array(response.tokens, dtype=np.int64),
                mask=np.ones(len(response.tokens), dtype=np.bool_),
                log_probs=np.array(response.log_probs, dtype=np.float32),
                text=text,
                temperature=settings.temperature,
                stop_reason=response.stop_reason,
                policy_version=version,
            )
            for response, text in zip(responses, texts, strict=True)
        ]

    def _check(self, groups: Sequence[Sequence[Rollout]], version: int) -> None:
        step = max(1, len(groups) // _CHECKED)
        chosen = [group[place % len(group)] for place, group in enumerate(groups[::step][:_CHECKED])]
        gaps = np.concatenate([np.abs(rollout.log_probs - self._own(rollout)) for rollout in chosen])
        self.gap = float(gaps.mean())
        if not self.gap <= self._max_gap:
            raise TrainingError(
                f"the engine's log-probabilities are {self.gap:.3g} nats a token from the policy's (version {version}, largest "
                f"{gaps.max():.3g}), and rollout.max_gap allows {self._max_gap:g}: it has other weights, or computes another model; "
                "use rollout.sampler=embedded, or allow more where both compute in half precision"
            )

    def _own(self, rollout: Rollout) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(T,) log-probabilities of the response under the policy."""
        device = next(self._model.parameters()).device
        ids = torch.from_numpy(np.concatenate([rollout.prompt_ids, rollout.token_ids])).to(device)
        first = len(rollout.prompt_ids) - 1
        with inferring(self._model), self._precision():
            logits = self._model(input_ids=ids[None]).logits[0, first:-1].float()
            own = (logits / rollout.temperature).log_softmax(-1).gather(-1, ids[first + 1 :, None])[:, 0]
        found: np.ndarray[Any, np.dtype[np.float32]] = own.cpu().numpy()
        return found


def _check_whole(settings: SamplingSettings) -> None:
    if settings.top_p < 1 or settings.top_k or settings.temperature == 0:
        raise UsageError(
            f"temperature {settings.temperature:g}, top-p {settings.top_p:g}, top-k {settings.top_k}: the engine gives log-probabilities "
            "of what is left of the vocabulary, and those of all of it are trained; use a temperature above 0, top-p 1 and top-k 0, or "
            "rollout.sampler=embedded"
        )
    if settings.with_entropy:
        raise UsageError("the engine gives no entropies; use rollout.sampler=embedded for token weights that read them")
