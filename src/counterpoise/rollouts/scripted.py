"""A sampler that gives scripted responses: for tests of everything that comes after the rollouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from counterpoise.errors import DataError, UsageError
from counterpoise.rollouts.sampling import check_request
from counterpoise.text import counted
from counterpoise.types import Prompt, Rollout, SamplingSettings, StopReason

__all__ = ["ScriptedSampler"]


class ScriptedSampler:
    """Hands out fixed responses by problem id; rollout g of a group gets text `g mod len(texts)`.

    Example: `ScriptedSampler({"p1": ["4", "5"]})` answers problem p1 with "4", "5", "4", ... Tokens are the code points
    of the text (or what `encode` makes of it) and one end-of-sequence id; each has log-probability `log_prob`.
    """

    def __init__(
        self,
        responses: Mapping[str, Sequence[str]],
        *,
        encode: Callable[[str], Sequence[int]] | None = None,
        eos_token_id: int = 0,
        log_prob: float = -1.0,
    ) -> None:
        self._responses = {name: tuple(texts) for name, texts in responses.items()}
        self._encode = encode or (lambda text: [ord(character) for character in text])
        self._eos = eos_token_id
        self._log_prob = log_prob

    def sample(
        self,
        prompts: Sequence[Prompt],
        *,
        group_size: int,
        settings: SamplingSettings,
        seed: int,
        policy_version: int = 0,
    ) -> list[list[Rollout]]:
        """`group_size` scripted rollouts for each prompt; the seed is not used.

        Raises:
            UsageError: settings that describe no distribution, or a text longer than `max_tokens`.
            DataError: a problem has no script.
        """
        check_request(settings, group_size)
        return [
            [self._rollout(prompt, number, settings, policy_version) for number in range(group_size)]
            for prompt in prompts
        ]

    def _rollout(self, prompt: Prompt, number: int, settings: SamplingSettings, policy_version: int) -> Rollout:
        name = prompt.problem.problem_id
        texts = self._responses.get(name, ())
        if not texts:
            known = ", ".join(sorted(self._responses)) or "none"
            raise DataError(f"no scripted response for problem '{name}'; add one (scripted problems: {known})")
        text = texts[number % len(texts)]
        ids = np.array([*self._encode(text), self._eos], dtype=np.int64)
        if len(ids) > settings.max_tokens:
            raise UsageError(
                f"the scripted response to problem '{name}' has {counted(len(ids), 'token')} with its end and max_tokens is "
                f"{settings.max_tokens}; shorten it or raise max_tokens"
            )
        return Rollout(
            problem_id=name,
            prompt_ids=prompt.token_ids,
            token_ids=ids,
            mask=np.ones(len(ids), dtype=np.bool_),
            log_probs=np.full(len(ids), self._log_prob, dtype=np.float32),
            text=text,
            temperature=settings.temperature,
            stop_reason=StopReason.EOS,
            policy_version=policy_version,
        )
