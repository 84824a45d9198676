"""Responses drawn and judged, for jobs that look at a policy without training it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from counterpoise.jobs.profile import Group
from counterpoise.types import Prompt, Sampler, SamplingSettings, StopReason, Verify

__all__ = ["Drawing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """How a job draws and judges."""

    sampler: Sampler
    """Prompt -> rollouts."""
    verify: Verify
    """Rollout -> verdict."""
    settings: SamplingSettings
    """Of the draws."""
    group_size: int
    """Responses to each prompt."""

    def groups(self, prompts: Sequence[Prompt], *, seed: int, temperature: float | None = None) -> list[Group]:
        """One judged group for each prompt, in their order; `temperature` takes the place of that of the settings."""
        settings = self.settings if temperature is None else replace(self.settings, temperature=temperature)
        drawn = self.sampler.sample(prompts, group_size=self.group_size, settings=settings, seed=seed)
        asked = [(prompt, rollout) for prompt, own in zip(prompts, drawn, strict=True) for rollout in own]
        verdicts = self.verify(
            [prompt.problem for prompt, _ in asked],
            [prompt.judged(rollout.text) for prompt, rollout in asked],
            [rollout.stop_reason is StopReason.LENGTH for _, rollout in asked],
        )
        size = self.group_size
        return [
            Group(problem=prompt.problem, rollouts=own, verdicts=verdicts[at * size : (at + 1) * size])
            for at, (prompt, own) in enumerate(zip(prompts, drawn, strict=True))
        ]
