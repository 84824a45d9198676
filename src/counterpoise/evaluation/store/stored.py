"""Lines of a rollout store: a draw, and a verdict on one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from counterpoise.errors import StoreError
from counterpoise.evaluation.estimators.subsets import MAX_ROLLOUTS
from counterpoise.files import Damage, numbered_json_lines, why
from counterpoise.types import Rollout, StopReason, Verdict, VerdictValue

__all__ = ["StoredRollout", "StoredVerdict", "read_stored"]

_Line = TypeVar("_Line")


def read_stored(
    path: Path, parse: Callable[[Mapping[str, Any]], _Line], *, on_damage: Callable[[Damage], None]
) -> Iterator[_Line]:
    """The lines of a file as `parse` reads them, none where there is no file; what it cannot read goes to `on_damage`.

    Raises:
        StoreError: the file cannot be read.
    """
    if not path.exists():
        return
    try:
        for number, data in numbered_json_lines(path, on_damage=on_damage):
            try:
                line = parse(data)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                said = f"fields missing or wrong: {type(error).__name__}: {error}"
                on_damage(Damage(path=path, line=number, reason=said))
                continue
            yield line
    except OSError as error:
        raise StoreError(f"cannot read {path}: {why(error)}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRollout:
    """One line of `rollouts.jsonl`."""

    problem_id: str
    """Problem it answers."""
    sample: int
    """Index of the draw among the problem's draws, from 0."""
    seed: int
    """Seed the sampler got for the block this draw is part of."""
    text: str
    """The response, with the prefix that its prompt gave it."""
    tokens: int | None
    """Response tokens, EOS included; None where another tool drew it and did not say."""
    stop_reason: StopReason | None
    """Why it ended; None where another tool did not say."""
    policy_version: int = 0
    """Optimiser steps behind the weights that drew it."""
    mean_log_prob: float | None = None
    """Mean log-probability of its chosen tokens in nats; None for an empty response."""

    in_thought: bool = False
    """The prompt opened a thought, in which the response begins; lines written before this was known say nothing."""

    @classmethod
    def of(
        cls, rollout: Rollout, *, sample: int, seed: int, prefix: str = "", in_thought: bool = False
    ) -> StoredRollout:
        """What the store keeps of a rollout."""
        chosen = rollout.log_probs[rollout.mask].astype(np.float64)
        return cls(
            problem_id=rollout.problem_id,
            sample=sample,
            seed=seed,
            text=(prefix + rollout.text).encode("utf-8", "replace").decode(),  # a lone surrogate cannot be written
            tokens=len(rollout.token_ids),
            stop_reason=rollout.stop_reason,
            policy_version=rollout.policy_version,
            mean_log_prob=float(chosen.mean()) if chosen.size else None,
            in_thought=in_thought,
        )

    def to_json(self) -> dict[str, Any]:
        """Its line; written out, because `dataclasses.asdict` copies each value and takes ten times as long."""
        return {
            "problem_id": self.problem_id,
            "sample": self.sample,
            "seed": self.seed,
            "text": self.text,
            "tokens": self.tokens,
            "stop_reason": self.stop_reason,
            "policy_version": self.policy_version,
            "mean_log_prob": self.mean_log_prob,
            "in_thought": self.in_thought,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StoredRollout:
        """One parsed line; ValueError, KeyError or TypeError when it is not a rollout."""
        return cls(
            problem_id=_text(data["problem_id"]),
            sample=_sample(data["sample"]),
            seed=int(data["seed"]),
            text=_text(data["text"]),
            tokens=None if data["tokens"] is None else int(data["tokens"]),
            stop_reason=None if data["stop_reason"] is None else StopReason(data["stop_reason"]),
            policy_version=int(data["policy_version"]),
            mean_log_prob=None if data["mean_log_prob"] is None else _number(data["mean_log_prob"]),
            in_thought=bool(data.get("in_thought", False)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVerdict:
    """One line of a verdict file."""

    problem_id: str
    """Problem of the judged draw."""
    sample: int
    """Index of the judged draw."""
    verdict: Verdict
    """The judgement."""

    def to_json(self) -> dict[str, Any]:
        """The verdict's fields beside the draw's name, flat."""
        verdict = self.verdict
        return {
            "problem_id": self.problem_id,
            "sample": self.sample,
            "value": verdict.value.value,
            "answer": None if verdict.answer is None else verdict.answer.encode("utf-8", "replace").decode(),
            "rule": verdict.basis,
            "seconds": verdict.seconds,
            "verifier": verdict.verifier,
            "version": verdict.version,
            "reason": verdict.reason,
            "parts": dict(verdict.parts),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StoredVerdict:
        """One parsed line; ValueError, KeyError or TypeError when it is not a verdict."""
        verdict = Verdict(
            value=VerdictValue.stored(data["value"], data["parts"]),
            answer=None if data["answer"] is None else _text(data["answer"]),
            basis=_text(data["rule"]),
            seconds=float(data["seconds"]),
            verifier=_text(data["verifier"]),
            version=_text(data["version"]),
            reason=None if data["reason"] is None else _text(data["reason"]),
            parts={name: _number(value) for name, value in data["parts"].items() if name != "abstained"},
        )
        return cls(problem_id=_text(data["problem_id"]), sample=_sample(data["sample"]), verdict=verdict)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {value!r}")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, got {value!r}")
    return value


def _sample(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_ROLLOUTS:
        raise ValueError(f"sample must be an index in 0..{MAX_ROLLOUTS - 1}, got {value!r}")
    return value
