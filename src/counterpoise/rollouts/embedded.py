"""The sampler that runs in the training process, on the very weights that are trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from counterpoise.compiler import Compiled
from counterpoise.errors import TrainingError, UsageError
from counterpoise.rollouts.decoding import Decoded, OnEnded, decode, inferring, prefill
from counterpoise.rollouts.flat import FlatWeights, flat_weights
from counterpoise.rollouts.refilling import Refilled, unequal
from counterpoise.rollouts.rope import check_rope
from counterpoise.rollouts.sampling import check_prompt, check_request, row_uniforms
from counterpoise.rollouts.stopping import StopStrings, decode_rows, end_of_sequence_ids
from counterpoise.rollouts.ways import DecodingWay, find_way
from counterpoise.types import OnRollouts, Prompt, Rollout, SamplingSettings, StopReason

__all__ = ["EmbeddedSampler"]

_ROOM_SHARE = 0.75
"""Of the rows that have room with the shortest of some prompts, at least, with the longest: one long prompt does not thin out all."""


class EmbeddedSampler:
    """Draws rollouts from a Hugging Face causal language model in this process.

    Each prompt runs once and its keys and values are shared out to its group; rows that have ended leave the batch.
    Recorded log-probabilities are float32, `log_softmax(logits / temperature)` over the whole vocabulary, whatever the
    model's dtype. The model is switched to evaluation mode for the call and back.

    Reproducibility: the same seed, prompts, weights, dtype, device and thread count give the same rollouts. Rollout g
    of a prompt reads its own uniform numbers, so `max_rows`, the other prompts of the call and `group_size` change a
    token only where rounding of the logits moves a CDF step across a uniform number (rare in float32, not in bfloat16;
    docs/rollouts.md has numbers).
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_rows: int = 512,
        batch_tokens: int = 65_536,
        device: torch.device | str | None = None,
        eos_token_ids: Sequence[int] | None = None,
        flat: bool = True,
        compiled: Compiled = "auto",
    ) -> None:
        """Keep a model and its tokenizer; neither is copied.

        Args:
            model: the policy; a PEFT wrapper is fine, a distributed wrapper must be unwrapped first.
            tokenizer: decodes responses; its end-of-sequence id ends them, too.
            max_rows: responses decoded at once.
            batch_tokens: largest rows x (prompt + max_tokens) at once, which bounds the memory of the key/value cache:
                bytes = batch_tokens x layers x 2 x key/value heads x head width x bytes per number.
            device: where the model is; None asks its parameters.
            eos_token_ids: ids that end a response, in place of those of the generation configuration and tokenizer.
            flat: decode by fused operators (`rollouts.flat`) where the model is proven to allow it; False always runs its modules.
            compiled: let that flat pass attend, norm and gate by operators that a C++ compiler makes at the first call; "auto" where one is
                there and does it, True or not at all.

        Raises:
            UsageError: a bound is not positive.
        """
        if max_rows < 1 or batch_tokens < 1:
            raise UsageError(f"max_rows is {max_rows} and batch_tokens is {batch_tokens}; both must be at least 1")
        self._model = model
        self._tokenizer = tokenizer
        self._max_rows = max_rows
        self._batch_tokens = batch_tokens
        self._flat = flat
        self._compiled = compiled
        self._way: DecodingWay | None = None
        self._device = torch.device(device) if device is not None else next(model.parameters()).device
        self.eos_token_ids: tuple[int, ...] = (
            tuple(sorted(eos_token_ids))
            if eos_token_ids is not None
            else end_of_sequence_ids(model.generation_config, tokenizer)
        )
        """Ids that end a response."""
        text_config = model.config.get_text_config(decoder=True)
        self._positions: int | None = getattr(text_config, "max_position_embeddings", None)
        self._vocabulary = int(text_config.vocab_size)

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

        A response that would pass the model's last position is cut there, with stop reason LENGTH.

        Raises:
            UsageError: settings that describe no distribution.
            DataError: a prompt is empty, fills the model's positions, or holds an id outside the vocabulary.
            ModelError: the model cannot be sampled from here (recurrent layers, encoder-decoder), or not at that length (rotary
                frequencies that change with it).
            TrainingError: the policy gave logits that are not finite.
        """
        return self.sample_telling(
            prompts,
            group_size=group_size,
            settings=settings,
            seed=seed,
            policy_version=policy_version,
            ended=lambda places, rollouts: None,
        )

    def way(self) -> DecodingWay:
        """How tokens are decoded, which the first call finds out.

        Raises:
            UsageError: operators are to be compiled, and there is no C++ compiler, or it refuses.
        """
        if self._way is None:
            with inferring(self._model):
                self._way = find_way(self._model, self._device, flat=self._flat, compiled=self._compiled)
        return self._way

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
        """`sample`, telling of rollouts as they leave the batch, while the others are still being decoded.

        Raises:
            As `sample`; whatever `ended` raises.
        """
        check_request(settings, group_size)
        for prompt in prompts:
            check_prompt(prompt, positions=self._positions, vocabulary=self._vocabulary)
        check_rope(self._model.config, prompts, settings.max_tokens)
        keys = _row_keys(prompts, group_size)
        drawn: dict[tuple[int, int], Rollout] = {}
        with inferring(self._model):
            flat = self._fuse()
            call = _Call(prompts, keys, settings, group_size, seed, policy_version, flat, ended)
            left = sorted(range(len(prompts)), key=lambda index: len(prompts[index].token_ids))
            while left:
                share = self._share(call, left)
                drawn |= (found := self._decoded(call, share))
                left = left[len(share) :]
                more, rows = self._alike(call, left)
                if self._refills(call, more, rows, found):
                    drawn |= self._refilled(call, more, rows)
                    left = left[len(more) :]
        return [[drawn[index, number] for number in range(group_size)] for index in range(len(prompts))]

    def _fuse(self) -> FlatWeights | None:
        """The weights of this call, for the next update changes them."""
        way = self.way()
        return flat_weights(self._model, compiled=way.compiled) if way.flat else None

    def _rows_at(self, width: int, max_tokens: int) -> int:
        return max(1, min(self._max_rows, self._batch_tokens // (width + max_tokens)))

    def _share(self, call: _Call, left: Sequence[int]) -> Sequence[int]:
        """The first of the prompts that are left, decoded together: neighbours in length, so that little is padded."""
        count = 1
        for index in left[1:]:
            rows = self._rows_at(len(call.prompts[index].token_ids), call.settings.max_tokens)
            if (count + 1) * call.group_size > rows:
                break
            count += 1
        return left[:count]

    def _alike(self, call: _Call, left: Sequence[int]) -> tuple[Sequence[int], int]:
        """The first of the prompts that are left with about as much room as the shortest, and rows that may live at once of them."""
        rooms = [self._rows_at(len(call.prompts[index].token_ids), call.settings.max_tokens) for index in left]
        count = sum(room >= _ROOM_SHARE * rooms[0] for room in rooms)
        return left[:count], rooms[count - 1] if count else 0

    def _refills(self, call: _Call, more: Sequence[int], rows: int, found: Mapping[tuple[int, int], Rollout]) -> bool:
        """Whether these prompts have more rows than there is room for, and what was `found` says that it pays to give places on."""
        if (
            call.flat is None
            or call.flat.operators is None
            or not call.group_size <= rows < len(more) * call.group_size
        ):
            return False
        longest = len(call.prompts[more[-1]].token_ids) + call.settings.max_tokens
        return call.flat.holds(longest) and unequal([len(rollout.token_ids) for rollout in found.values()])

    def _decoded(self, call: _Call, chosen: Sequence[int]) -> dict[tuple[int, int], Rollout]:
        """Rollouts of prompts that run together, in parts where one has more of them than there is room for."""
        batch = prefill(self._model, [call.prompts[index].token_ids for index in chosen], self._device)
        size, drawn = call.group_size, _Drawn()
        step = size if len(chosen) > 1 else min(size, self._rows_at(batch.width, call.settings.max_tokens))
        for start in range(0, size, step):
            part = range(start, min(start + step, size))
            places = [(index, number) for index in chosen for number in part]
            limits = np.array([self._limit(call.prompts[index], call.settings.max_tokens) for index, _ in places])
            decode(
                batch,
                uniforms=call.uniforms(places, int(limits.max())),
                limits=limits,
                ended=self._leaving(call, places, drawn),
                **self._common(call),
            )
            drawn.refuse(call)
        return drawn.rollouts

    def _refilled(self, call: _Call, chosen: Sequence[int], rows: int) -> dict[tuple[int, int], Rollout]:
        """Rollouts of more prompts than there is room for, each taking the place of one that has ended."""
        places, drawn = [(index, number) for index in chosen for number in range(call.group_size)], _Drawn()
        limits = np.array([self._limit(call.prompts[index], call.settings.max_tokens) for index in chosen])
        leave = self._leaving(call, places, drawn)

        def ended(numbers: npt.NDArray[np.int64], piece: Decoded) -> None:
            leave(numbers, piece)
            drawn.refuse(call)

        Refilled(
            self._model,
            [call.prompts[index].token_ids for index in chosen],
            repeats=call.group_size,
            rows=rows,
            uniforms=lambda some: call.uniforms([places[number] for number in some], int(limits.max())),
            limits=limits,
            ended=ended,
            **self._common(call),
        ).run()
        return drawn.rollouts

    def _common(self, call: _Call) -> dict[str, Any]:
        stop = call.settings.stop
        on_cpu = self._device.type == "cpu"
        return {
            "settings": call.settings,
            "end_ids": self.eos_token_ids,
            "stops": StopStrings(self._tokenizer, stop) if stop else None,
            "positions": self._positions,
            # On an accelerator a look at the host stalls the queue; text is decoded at each look, so it is rarer then.
            "check_every": (4 if stop else 1) if on_cpu else 8,
            "flat": call.flat,
        }

    def _leaving(self, call: _Call, places: Sequence[tuple[int, int]], drawn: _Drawn) -> OnEnded:
        def leave(rows: npt.NDArray[np.int64], piece: Decoded) -> None:
            left = [places[row] for row in rows]
            asked = [call.prompts[index] for index, _ in left]
            if piece.non_finite.any():  # refused once the first is known
                drawn.faults += [
                    (int(step), prompt) for step, prompt in zip(piece.non_finite, asked, strict=True) if step
                ]
                return
            made = list(self._rollouts(piece, asked, call.settings, call.version))
            drawn.rollouts.update(zip(left, made, strict=True))
            call.ended(left, made)

        return leave

    def _limit(self, prompt: Prompt, max_tokens: int) -> int:
        return max_tokens if self._positions is None else min(max_tokens, self._positions - len(prompt.token_ids))

    def _rollouts(
        self, drawn: Decoded, asked: Sequence[Prompt], settings: SamplingSettings, policy_version: int
    ) -> Iterator[Rollout]:
        responses = [row[:length].copy() for row, length in zip(drawn.tokens, drawn.lengths, strict=True)]
        texts = decode_rows(self._tokenizer, [ids.tolist() for ids in responses])
        for row, (prompt, ids, text) in enumerate(zip(asked, responses, texts, strict=True)):
            entropies = (None, None) if drawn.entropies is None else drawn.entropies[:, row, : len(ids)].copy()
            yield Rollout(
                problem_id=prompt.problem.problem_id,
                prompt_ids=prompt.token_ids,
                token_ids=ids,
                mask=np.ones(len(ids), dtype=np.bool_),
                log_probs=drawn.log_probs[row, : len(ids)].copy(),
                text=text,
                temperature=settings.temperature,
                stop_reason=self._reason(ids, stopped=bool(drawn.stopped[row])),
                policy_version=policy_version,
                entropy=entropies[0],
                entropy_slope=entropies[1],
            )

    def _reason(self, ids: npt.NDArray[np.int64], *, stopped: bool) -> StopReason:
        if int(ids[-1]) in self.eos_token_ids:
            return StopReason.EOS
        return StopReason.STOP_STRING if stopped else StopReason.LENGTH


@dataclass(frozen=True, slots=True)
class _Call:
    """What one call of the sampler is about."""

    prompts: Sequence[Prompt]
    keys: Sequence[Sequence[tuple[str, int, int]]]
    settings: SamplingSettings
    group_size: int
    seed: int
    version: int
    flat: FlatWeights | None
    ended: OnRollouts

    def uniforms(self, places: Sequence[tuple[int, int]], count: int) -> npt.NDArray[np.float64]:
        """(rows, count) uniform numbers of rollouts."""
        return row_uniforms(self.seed, [self.keys[index][number] for index, number in places], count)


@dataclass(slots=True)
class _Drawn:
    """Rollouts so far, and first tokens (from 1) whose logits were not finite."""

    rollouts: dict[tuple[int, int], Rollout] = field(default_factory=dict)
    faults: list[tuple[int, Prompt]] = field(default_factory=list)

    def refuse(self, call: _Call) -> None:
        """Raise TrainingError where there was a fault."""
        if not self.faults:
            return
        step, prompt = min(self.faults, key=lambda fault: fault[0])
        raise TrainingError(
            f"the policy (version {call.version}) gave logits that are not finite for response token {step} of "
            f"problem '{prompt.problem.problem_id}'; its weights have diverged: go back to the last "
            "good checkpoint and lower the learning rate or the weight of negative rollouts"
        )


def _row_keys(prompts: Sequence[Prompt], group_size: int) -> list[list[tuple[str, int, int]]]:
    """Per prompt, the names of its rollouts' uniform numbers: problem, which time it is asked in this call, rollout."""
    asked: Counter[str] = Counter()
    keys = []
    for prompt in prompts:
        name = prompt.problem.problem_id
        keys.append([(name, asked[name], rollout) for rollout in range(group_size)])
        asked[name] += 1
    return keys
