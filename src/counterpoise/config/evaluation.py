"""What is measured and where the figures go."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from counterpoise.config.base import Component, Section
from counterpoise.ranges import Count, Inside, NonNegative, Positive, Probability

__all__ = ["EvaluationConfig", "TrackingConfig"]


class EvaluationConfig(Section):
    """pass@k on the test split."""

    before: bool = True
    """Evaluate the base first, so that every run has its own baseline."""
    every: Count = 0
    """Steps between evaluations; 0 evaluates at the end only."""
    after: bool = True
    """Evaluate the final policy."""
    problems: Positive | None = 128
    """The first so many test problems of each task type by identity hash; None takes all."""
    n: Positive = 256
    """Rollouts per problem."""
    k: list[Positive] | Literal["all"] | None = None
    """ks of the curve; `all` takes every whole number up to n, None the powers of two."""
    temperature: NonNegative = 0.6
    """The paper's evaluation: temperature 0.6, top-p 0.95."""
    top_p: Probability = 0.95
    """Nucleus."""
    top_k: Count = 0
    """0 switches it off."""
    max_tokens: Positive | None = None
    """None takes `rollout.max_tokens`."""
    confidence: Inside = 0.95
    """Level of the intervals."""

    @property
    def ks(self) -> list[int] | None:
        """`k` as numbers; None is the powers of two."""
        return list(range(1, self.n + 1)) if self.k == "all" else self.k

    @model_validator(mode="after")
    def _check(self) -> EvaluationConfig:
        too_large = [k for k in self.ks or () if k > self.n]
        if too_large:
            raise ValueError(
                f"k={too_large[0]} is larger than n={self.n}: pass@k is undefined for n < k; raise n or drop that k"
            )
        if self.temperature == 0 and self.n > 1:
            raise ValueError(
                f"temperature=0 is greedy, so all n={self.n} responses to a problem would be equal; set n=1 or a temperature above 0"
            )
        return self


class TrackingConfig(Section):
    """Where metrics go besides metrics.jsonl."""

    trackers: list[str] = Field(default_factory=list)
    """Any of accelerate's: `tensorboard`, `wandb`, `trackio`, …"""
    project: Component = "counterpoise"
    """Project name for trackers that have one; some make a directory of it."""

    @field_validator("trackers", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value
