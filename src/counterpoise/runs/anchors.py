"""The anchors of a run: responses of its base that nothing is ever trained on, drawn once and kept with the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.errors import StoreError
from counterpoise.files import atomic_write_text, parse_json, read_text
from counterpoise.types import Prompt, Rollout, Sampler, SamplingSettings, StopReason

__all__ = ["draw_anchors", "load_anchors"]


def draw_anchors(
    path: Path, prompts: Sequence[Prompt], *, sampler: Sampler, settings: SamplingSettings, seed: int
) -> list[Rollout]:
    """One response of the base to each prompt, as training draws them, written to `path`.

    Raises:
        StoreError: the file cannot be written.
    """
    groups = sampler.sample(prompts, group_size=1, settings=settings, seed=seed)
    anchors = [rollout for group in groups for rollout in group]
    atomic_write_text(path, "".join(_line(anchor) + "\n" for anchor in anchors))
    return anchors


def load_anchors(path: Path) -> list[Rollout]:
    """The anchors as they were drawn: float32 survives being written as a decimal number.

    Raises:
        StoreError: the file is damaged.
    """
    try:
        return [_rollout(parse_json(line)) for line in read_text(path).splitlines()]
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise StoreError(
            f"{path} is damaged ({type(error).__name__}: {error}); delete it, and the run goes on without the columns that it is for"
        ) from error


def _line(anchor: Rollout) -> str:
    record = {
        "problem_id": anchor.problem_id,
        "text": anchor.text,
        "prompt_ids": anchor.prompt_ids.tolist(),
        "token_ids": anchor.token_ids.tolist(),
        "mask": anchor.mask.tolist(),
        "log_probs": anchor.log_probs.tolist(),
        "temperature": anchor.temperature,
        "stop_reason": anchor.stop_reason.value,
    }
    return json.dumps(record, separators=(",", ":"))


def _rollout(record: Any) -> Rollout:
    return Rollout(
        problem_id=record["problem_id"],
        prompt_ids=np.array(record["prompt_ids"], dtype=np.int64),
        token_ids=np.array(record["token_ids"], dtype=np.int64),
        mask=np.array(record["mask"], dtype=np.bool_),
        log_probs=np.array(record["log_probs"], dtype=np.float32),
        text=record["text"],
        temperature=float(record["temperature"]),
        stop_reason=StopReason(record["stop_reason"]),
        policy_version=0,
    )
