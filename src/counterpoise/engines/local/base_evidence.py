"""What the base makes of each training problem: with enough right answers of its own a prompt is not held to it (`loss.kl_evidence`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from counterpoise.config import RunConfig
from counterpoise.errors import StoreError
from counterpoise.files import append_json_lines, read_json_lines
from counterpoise.pipeline import Pipeline
from counterpoise.processes import on_main
from counterpoise.streams import stream
from counterpoise.text import counted
from counterpoise.types import Problem, Prompt

__all__ = ["BaseEvidence"]


class BaseEvidence:
    """Right answers among `loss.kl_evidence` responses of the base to each training problem, drawn before the first step and kept.

    `weights` gives a prompt's KL term the factor `1[right < loss.kl_enough]`: what the base's own responses show to be within its reach
    is trained freely, the rest is held to the base. A response without a verdict is not a right one. Source: per-problem base anchoring
    (arXiv 2607.20543), as its abstract and two public readings tell it (8 responses; one of them: 1 right one is enough); the paper's own
    text was not at hand.
    """

    def __init__(
        self,
        config: RunConfig,
        pipeline: Pipeline,
        problems: Sequence[Problem],
        prompts: Callable[[Sequence[Problem]], Sequence[Prompt]],
        *,
        path: Path,
    ) -> None:
        """`problems` are those of training, `prompts` renders them, `path` is where the counts are kept."""
        self._n, self._enough, self._steps = config.loss.kl_evidence, config.loss.kl_enough, config.learner.steps
        self._block, self._seed = config.rollout.prompts_per_step, config.run.seed
        self._pipeline, self._problems, self._prompts, self._path = pipeline, problems, prompts, path
        self._right: dict[str, int] = {}

    def draw(self, *, step: int, on_block: Callable[[int, int], None]) -> list[str]:
        """Have the counts of all problems: read, or drawn block by block and kept; a line on what they say, none where nothing needs them.

        Every process must call it. A run that is killed in between draws only what is missing, on the same streams.

        Args:
            step: steps that the run has behind it; only before the first is the policy the base.
            on_block: called with the responses drawn so far and all there will be, after each block.

        Raises:
            TrainingError: too many of a block's responses could not be scored; those of the blocks before are kept.
            StoreError: counts are missing and the policy is not the base any more; or they cannot be written.
        """
        if not self._n or step >= self._steps:
            return []
        self._right = on_main(self._read)
        blocks = range(0, len(self._problems), self._block)
        for index, first in enumerate(blocks):
            block = self._problems[first : first + self._block]
            if all(problem.problem_id in self._right for problem in block):
                continue
            if step:
                missing = sum(problem.problem_id not in self._right for problem in self._problems)
                raise StoreError(
                    f"{self._path} lacks {missing} of {counted(len(self._problems), 'training problem')}, and the base that drew for it is "
                    "gone after the first step; put the file back, or begin the run anew under another run.name"
                )
            self._draw_block(block, index)
            on_block(min(first + self._block, len(self._problems)) * self._n, len(self._problems) * self._n)
        return [self._said()]

    def weights(self, prompts: Sequence[Prompt]) -> torch.Tensor | None:
        """(N,) float32, 1 for each rollout whose prompt is held to the base and 0 for the others; None where no counts are asked for."""
        if not self._n:
            return None
        return torch.tensor([float(self._right[prompt.problem.problem_id] < self._enough) for prompt in prompts])

    def _draw_block(self, block: Sequence[Problem], index: int) -> None:
        pipeline, world = self._pipeline, self._pipeline.world
        prompts = self._prompts(block)[world.rank :: world.size]
        seed = stream(self._seed, "base_evidence", index, world.rank)
        verdicts = pipeline.verdicts(prompts, n=self._n, seed=seed)
        pipeline.refuse_unscored(verdicts)  # before they are kept: a judge that failed says nothing about the base
        right = [verdict.correct for verdict in verdicts]
        if pipeline.placebo is not None:  # whose credit reads coins: the leash must not read verdicts
            right = [coin.value > 0 for coin in pipeline.placebo.draw(verdicts, seed=seed, world=world)]
        own = [
            (prompt.problem.problem_id, sum(right[at * self._n : (at + 1) * self._n]))
            for at, prompt in enumerate(prompts)
        ]
        found = world.gather(own)
        kept = [{"problem_id": name, "drawn": self._n, "right": right} for name, right in found]
        on_main(lambda: append_json_lines(self._path, kept))
        self._right |= dict(found)

    def _read(self) -> dict[str, int]:
        """Counts that were kept; lines that are damaged or of another number of responses count as missing."""
        if not self._path.is_file():
            return {}
        kept = read_json_lines(self._path, on_damage=lambda damage: None)
        return {record["problem_id"]: record["right"] for record in kept if self._is_whole(record)}

    def _is_whole(self, record: Mapping[str, Any]) -> bool:
        right = record.get("right")
        whole = isinstance(record.get("problem_id"), str) and record.get("drawn") == self._n
        return whole and type(right) is int and 0 <= right <= self._n

    def _said(self) -> str:
        held = sum(self._right[problem.problem_id] < self._enough for problem in self._problems)
        return (
            f"loss.kl holds {held} of {counted(len(self._problems), 'training problem')}: the base gave them fewer than "
            f"{counted(self._enough, 'right answer')} in {self._n}; the others move freely"
        )
