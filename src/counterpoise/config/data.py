"""From a task to verdicts: problems, rollouts, verification."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from counterpoise.config.base import STORED, Compiling, Section
from counterpoise.ranges import AboveZero, Count, Positive, Probability

__all__ = ["RolloutConfig", "TasksConfig", "VerificationConfig"]


class TasksConfig(Section):
    """Where problems come from."""

    name: str = "countdown"
    """Registry name: `counterpoise tasks list` prints them."""
    train: Path | None = None
    """File of training problems, or folder of them, or `hub:NAME[:SPLIT]`, for tasks that read files; relative to the run file where it
    stands in one."""
    test: Path | None = None
    """The same of test problems."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Further settings of the task."""
    max_train: Positive | None = None
    """Use at most this many training problems (the first by identity hash)."""
    weights: dict[str, AboveZero] = Field(default_factory=dict)
    """How often each task type is drawn in training, relative to the others; empty draws every problem equally often."""


class RolloutConfig(Section):
    """How training responses are drawn."""

    prompts_per_step: Positive = 64
    """Problems per training step, over all processes."""
    group_size: Positive = 8
    """Rollouts per problem."""
    temperature: AboveZero = 1.0
    """Training samples at this temperature and trains that distribution."""
    top_p: Probability = 1.0
    """Nucleus; below 1 the proposal differs from the trained policy."""
    top_k: Count = 0
    """0 switches it off."""
    max_tokens: Positive = 256
    """Response tokens at most, EOS included."""
    stop: list[str] = Field(default_factory=list)
    """Strings that end a response."""
    max_rows: Positive = 512
    """Rows decoded together at most."""
    flat_decode: bool = True
    """Decode by fused operators, where the model is proven to allow it; false runs its own modules at every token."""
    compiled_decode: Compiling = "auto"
    """Let that pass attend, norm and gate by operators compiled for this machine at the first step, by g++ or clang++; `auto` does so
    where one is there and does it, `true` refuses the run elsewhere."""
    overlap: bool = True
    """Judge responses that have ended while others are still being decoded; the numbers are the same. Verifiers that need a worker or an
    endpoint gain by it."""
    sampler: Literal["embedded", "vllm"] = "embedded"
    """Who draws training responses: the model itself, or vLLM in the same process, with the weights pushed to it after each update."""
    max_gap: AboveZero | None = None
    """Mean difference of vLLM and policy in log-probability at most, nats a token; None is 0.001 in float32, 0.05 in half precision."""
    gpu_share: Probability = 0.4
    """Share of a GPU's memory that vLLM takes while it draws."""

    @model_validator(mode="before")
    @classmethod
    def _begun_before(cls, data: Any, info: ValidationInfo) -> Any:
        # A run that was begun before decoding was fused, or compiled, goes on as it was, to the last bit.
        if (info.context or {}).get(STORED) and isinstance(data, Mapping):
            return {"flat_decode": False, "compiled_decode": False, **data}
        return data

    @field_validator("sampler", mode="before")
    @classmethod
    def _no_address(cls, value: Any) -> Any:
        if isinstance(value, str) and "://" in value:
            raise ValueError(
                f"{value} is a server, which is for evaluation only: weights cannot be pushed to it; use embedded or vllm, and measure "
                "what the server has with: counterpoise eval URL"
            )
        return value


class VerificationConfig(Section):
    """How responses are judged."""

    timeout: AboveZero = 5.0
    """Seconds of processor time for one judgement; what a second try does not reach in it either is decided by `blame`."""
    workers: Positive = 1
    """Killable worker processes, for verifiers that need isolation."""
    truncated: Literal["wrong", "unscored"] = "wrong"
    """What a response without an answer is that hit `max_tokens`."""
    blame: Literal["answer", "none"] = "answer"
    """Who is at fault when an answer, and not its gold, makes the verifier hang, crash or run out of memory: `answer` is wrong, `none`
    unscored."""
    max_unscored: Probability = 0.1
    """A step with a larger unscored share stops the run."""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of verifiers by name, e.g. `{qa = {max_words = 8}}`."""
