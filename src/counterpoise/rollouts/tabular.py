"""A policy small enough to write down: every prefix has its own logits, so every expectation can be summed exactly.

It exists to test gradients. `sequence_log_probs` lists all complete responses with their probabilities, so the expected
reward, and its gradient, can be had without sampling, and an estimator compared with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from counterpoise.errors import DataError, UsageError
from counterpoise.rollouts.sampling import check_request, draw, entropy_and_slope, row_uniforms
from counterpoise.text import counted
from counterpoise.types import Problem, Prompt, Rollout, SamplingSettings, StopReason

__all__ = ["TabularConfig", "TabularPolicy", "TabularSampler"]

_LARGEST_TABLE = 10_000_000


class TabularConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes of a `TabularPolicy`."""

    model_type = "counterpoise_tabular"

    def __init__(
        self, problems: int = 1, vocab_size: int = 3, response_tokens: int = 3, eos_token_id: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.eos_token_id = eos_token_id
        self.problems = problems
        self.vocab_size = vocab_size
        self.response_tokens = response_tokens
        self.end = eos_token_id


class TabularPolicy(PreTrainedModel):  # type: ignore[no-untyped-call]
    """A softmax policy over responses of at most T tokens out of V, with free logits for each problem and prefix.

    `logits` has shape (problems, 1 + V + ... + V^(T-1), V): a response's prefix read as a base-V number, behind all
    shorter prefixes, is its row. As a causal language model it reads rows `[problem, y_1, y_2, ...]`: the prompt is one
    token, the problem's number. Logits of positions past T are zero and carry no gradient.
    """

    config_class = TabularConfig

    def __init__(self, config: TabularConfig) -> None:
        """Uniform policy.

        Raises:
            UsageError: a size is below its minimum, or the table would exceed ten million numbers.
        """
        super().__init__(config)
        problems, vocabulary, length = config.problems, config.vocab_size, config.response_tokens
        if problems < 1 or vocabulary < 2 or length < 1:
            raise UsageError(
                f"a tabular policy of {counted(problems, 'problem')}, {counted(vocabulary, 'token')} and responses of {length} is empty; "
                "use at least 1 problem, 2 tokens and 1 response token"
            )
        prefixes = (vocabulary**length - 1) // (vocabulary - 1)
        if problems * prefixes * vocabulary > _LARGEST_TABLE:
            raise UsageError(
                f"a tabular policy of {problems} x {prefixes} x {vocabulary} logits cannot be enumerated; keep it under "
                f"{_LARGEST_TABLE} by fewer tokens or shorter responses"
            )
        self.logits = torch.nn.Parameter(torch.zeros(problems, prefixes, vocabulary))

    def randomize(self, seed: int, *, scale: float = 1.0) -> TabularPolicy:
        """Independent normal logits with standard deviation `scale`, in place; returns itself."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.logits.normal_(0.0, scale, generator=generator)
        return self

    def forward(self, input_ids: torch.Tensor, logits_to_keep: int = 0, **ignored: Any) -> CausalLMOutputWithPast:
        """Logits of the next token after each position.

        Args:
            input_ids: (B, 1 + S): the problem's number, then S response tokens, padded on the right with anything.
            logits_to_keep: how many of the last positions to return; 0 returns all.
            ignored: what a language model takes besides (masks, positions, caches).
        """
        config = cast(TabularConfig, self.config)
        vocabulary, width = config.vocab_size, input_ids.shape[1]
        codes, code = [], torch.zeros_like(input_ids[:, 0])
        for depth in range(min(width, config.response_tokens)):
            if depth:
                code = code * vocabulary + input_ids[:, depth].clamp(0, vocabulary - 1)
            codes.append(code + (vocabulary**depth - 1) // (vocabulary - 1))
        rows = self.logits[input_ids[:, :1], torch.stack(codes, 1)]
        logits = torch.nn.functional.pad(rows, (0, 0, 0, width - len(codes)))
        return CausalLMOutputWithPast(logits=cast(Any, logits[:, -logits_to_keep:] if logits_to_keep else logits))

    def sequences(self) -> list[tuple[int, ...]]:
        """Every complete response, shortest first: those that end in EOS, and those cut at T tokens."""
        config = cast(TabularConfig, self.config)
        words = [token for token in range(config.vocab_size) if token != config.end]
        end = config.end
        ended = [
            (*prefix, end)
            for length in range(config.response_tokens)
            for prefix in itertools.product(words, repeat=length)
        ]
        return ended + list(itertools.product(words, repeat=config.response_tokens))

    def sequence_log_probs(
        self, problem: int, sequences: Sequence[Sequence[int]] | None = None, *, temperature: float = 1.0
    ) -> torch.Tensor:
        """(S,) log-probabilities, with gradient, of `sequences` (all of them by default), in their order."""
        rows = self.sequences() if sequences is None else sequences
        width = max(len(row) for row in rows)
        ids = torch.zeros(len(rows), 1 + width, dtype=torch.long)
        mask = torch.zeros(len(rows), width, dtype=torch.bool)
        ids[:, 0] = problem
        for index, row in enumerate(rows):
            ids[index, 1 : 1 + len(row)] = torch.tensor(row)
            mask[index, : len(row)] = True
        logits = cast(torch.Tensor, self(ids).logits)
        chosen = (logits[:, :-1] / temperature).log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
        return chosen.where(mask, 0.0).sum(-1)

    def prompt(self, number: int, problem: Problem) -> Prompt:
        """The prompt that asks for problem `number` of the table."""
        return Prompt(problem=problem, text=str(number), token_ids=np.array([number], dtype=np.int64))


class TabularSampler:
    """Draws rollouts from a `TabularPolicy` by the same settings and the same uniform numbers as the embedded sampler.

    Texts are the token numbers with spaces between, EOS left out: `"2 1"`. Stop strings are refused.
    """

    def __init__(self, policy: TabularPolicy) -> None:
        self._policy = policy

    def sample(
        self,
        prompts: Sequence[Prompt],
        *,
        group_size: int,
        settings: SamplingSettings,
        seed: int,
        policy_version: int = 0,
    ) -> list[list[Rollout]]:
        """`group_size` rollouts for each prompt, in the prompts' order; rollouts are the same in whatever company.

        Raises:
            UsageError: settings that describe no distribution, or stop strings.
            DataError: a prompt is not one problem number of the table.
        """
        check_request(settings, group_size)
        if settings.stop:
            raise UsageError("the tabular policy has numbers, not text; remove the stop strings")
        config = cast(TabularConfig, self._policy.config)
        steps = min(settings.max_tokens, config.response_tokens)
        groups = []
        asked: dict[str, int] = {}
        for prompt in prompts:
            name, ids = prompt.problem.problem_id, prompt.token_ids
            if len(ids) != 1 or not 0 <= int(ids[0]) < config.problems:
                raise DataError(
                    f"the prompt of problem '{name}' is {ids.tolist()}; the tabular policy takes one number from 0 to "
                    f"{config.problems - 1}, as TabularPolicy.prompt makes it"
                )
            time = asked[name] = asked.get(name, -1) + 1
            uniforms = row_uniforms(seed, [(name, time, rollout) for rollout in range(group_size)], steps)
            tokens, log_probs, entropies = self._draw(int(ids[0]), torch.from_numpy(uniforms), settings)
            groups.append(
                [
                    self._rollout(prompt, *row, settings, policy_version)
                    for row in zip(tokens.tolist(), log_probs.numpy(), entropies.numpy(), strict=True)
                ]
            )
        return groups

    def _draw(
        self, number: int, uniforms: torch.Tensor, settings: SamplingSettings
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(R, T) tokens and log-probabilities, and (R, 2, T) entropies and slopes, zero unless they are asked for."""
        rows, steps = uniforms.shape
        ids = torch.full((rows, 1), number)
        recorded = []
        entropies = torch.zeros(rows, 2, steps)
        with torch.no_grad():
            for step in range(steps):
                logits = cast(torch.Tensor, self._policy(ids, logits_to_keep=1).logits)[:, -1]
                drawn, chosen = draw(logits, uniforms[:, step], settings)
                ids = torch.cat((ids, drawn[:, None]), 1)
                recorded.append(chosen)
                if settings.with_entropy:
                    entropies[:, 0, step], entropies[:, 1, step] = entropy_and_slope(logits, drawn, settings)
        return ids[:, 1:], torch.stack(recorded, 1), entropies

    def _rollout(
        self,
        prompt: Prompt,
        tokens: list[int],
        log_probs: Any,
        entropies: Any,
        settings: SamplingSettings,
        policy_version: int,
    ) -> Rollout:
        end = cast(TabularConfig, self._policy.config).end
        ended = end in tokens
        length = tokens.index(end) + 1 if ended else len(tokens)
        return Rollout(
            problem_id=prompt.problem.problem_id,
            prompt_ids=prompt.token_ids,
            token_ids=np.array(tokens[:length], dtype=np.int64),
            mask=np.ones(length, dtype=np.bool_),
            log_probs=log_probs[:length].copy(),
            text=" ".join(str(token) for token in tokens[: length - ended]),
            temperature=settings.temperature,
            stop_reason=StopReason.EOS if ended else StopReason.LENGTH,
            policy_version=policy_version,
            entropy=entropies[0, :length].copy() if settings.with_entropy else None,
            entropy_slope=entropies[1, :length].copy() if settings.with_entropy else None,
        )
