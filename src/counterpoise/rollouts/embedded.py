"""The sampler that runs in the training process, on the very weights that are trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from counterpoise.errors import TrainingError, UsageError
from counterpoise.rollouts.decoding import Decoded, PromptBatch, decode, inferring, prefill
from counterpoise.rollouts.flat import FlatWeights, flat_weights
from counterpoise.rollouts.rope import check_rope
from counterpoise.rollouts.sampling import check_prompt, check_request, row_uniforms
from counterpoise.rollouts.stopping import StopStrings, decode_rows, end_of_sequence_ids
from counterpoise.rollouts.ways import Compiled, DecodingWay, find_way
from counterpoise.types import OnRollouts, Prompt, Rollout, SamplingSettings, StopReason

__all__ = ["EmbeddedSampler"]


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
            for chosen in self._shares(prompts, group_size, settings.max_tokens):
                batch = prefill(self._model, [prompts[index].token_ids for index in chosen], self._device)
                step = (
                    group_size if len(chosen) > 1 else min(group_size, self._rows_at(batch.width, settings.max_tokens))
                )
                for start in range(0, group_size, step):
                    part = range(start, min(start + step, group_size))
                    places = [(index, number) for index in chosen for number in part]
                    drawn |= self._decode(
                        batch,
                        places,
                        prompts,
                        keys,
                        settings,
                        seed=seed,
                        version=policy_version,
                        flat=flat,
                        ended=ended,
                    )
        return [[drawn[index, number] for number in range(group_size)] for index in range(len(prompts))]

    def _fuse(self) -> FlatWeights | None:
        """The weights of this call, for the next update changes them."""
        way = self.way()
        return flat_weights(self._model, compiled=way.compiled) if way.flat else None

    def _rows_at(self, width: int, max_tokens: int) -> int:
        return max(1, min(self._max_rows, self._batch_tokens // (width + max_tokens)))

    def _shares(self, prompts: Sequence[Prompt], group_size: int, max_tokens: int) -> Iterator[list[int]]:
        """Indices of prompts decoded together: neighbours in length, so that little is padded."""
        share: list[int] = []
        for index in sorted(range(len(prompts)), key=lambda i: len(prompts[i].token_ids)):
            rows = self._rows_at(len(prompts[index].token_ids), max_tokens)
            if share and (len(share) + 1) * group_size > rows:
                yield share
                share = []
            share.append(index)
        if share:
            yield share

    def _decode(
        self,
        batch: PromptBatch,
        places: Sequence[tuple[int, int]],
        prompts: Sequence[Prompt],
        keys: Sequence[Sequence[tuple[str, int, int]]],
        settings: SamplingSettings,
        *,
        seed: int,
        version: int,
        flat: FlatWeights | None,
        ended: OnRollouts,
    ) -> dict[tuple[int, int], Rollout]:
        asked = [prompts[index] for index, _ in places]
        limits = np.array([self._limit(prompt, settings.max_tokens) for prompt in asked])
        on_cpu = self._device.type == "cpu"
        drawn: dict[tuple[int, int], Rollout] = {}
        non_finite = np.zeros(len(asked), dtype=np.int64)

        def leave(rows: npt.NDArray[np.int64], piece: Decoded) -> None:
            non_finite[rows] = piece.non_finite
            if not piece.non_finite.any():  # refused below, once the first is known
                made = list(self._rollouts(piece, [asked[row] for row in rows], settings, version))
                left = [places[row] for row in rows]
                drawn.update(zip(left, made, strict=True))
                ended(left, made)

        decode(
            batch,
            uniforms=row_uniforms(seed, [keys[index][number] for index, number in places], int(limits.max())),
            limits=limits,
            settings=settings,
            end_ids=self.eos_token_ids,
            stops=StopStrings(self._tokenizer, settings.stop) if settings.stop else None,
            positions=self._positions,
            # On an accelerator a look at the host stalls the queue; text is decoded at each look, so it is rarer then.
            check_every=(4 if settings.stop else 1) if on_cpu else 8,
            flat=flat,
            ended=leave,
        )
        if non_finite.any():
            step = int(non_finite[non_finite > 0].min())
            row = int(np.flatnonzero(non_finite == step)[0])
            raise TrainingError(
                f"the policy (version {version}) gave logits that are not finite for response token {step} of "
                f"problem '{asked[row].problem.problem_id}'; its weights have diverged: go back to the last "
                "good checkpoint and lower the learning rate or the weight of negative rollouts"
            )
        return drawn

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


def _row_keys(prompts: Sequence[Prompt], group_size: int) -> list[list[tuple[str, int, int]]]:
    """Per prompt, the names of its rollouts' uniform numbers: problem, which time it is asked in this call, rollout."""
    asked: Counter[str] = Counter()
    keys = []
    for prompt in prompts:
        name = prompt.problem.problem_id
        keys.append([(name, asked[name], rollout) for rollout in range(group_size)])
        asked[name] += 1
    return keys
