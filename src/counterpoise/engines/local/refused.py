"""The batch of a refused step, saved so that it can be looked at and replayed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from counterpoise.errors import StoreError
from counterpoise.files import atomic_write
from counterpoise.learner.report import RefusedStepError

__all__ = ["save_evidence"]


def save_evidence(error: RefusedStepError, path: Path) -> str:
    """Save the refused batch and return the line about it, also where the disk has no room: the refusal is the news."""
    buffer = io.BytesIO()
    torch.save(_evidence(error), buffer)
    try:
        atomic_write(path, lambda handle: handle.write(buffer.getbuffer()))
    except StoreError as failed:
        return f"The batch is lost ({failed})"
    return f"The batch is saved in {path}"


def _evidence(error: RefusedStepError) -> dict[str, Any]:
    return {
        "message": str(error),
        "rows": list(error.rows),
        "prompt_ids": [torch.from_numpy(rollout.prompt_ids) for rollout in error.rollouts],
        "token_ids": [torch.from_numpy(rollout.token_ids) for rollout in error.rollouts],
        "log_probs": [torch.from_numpy(rollout.log_probs) for rollout in error.rollouts],
        "problem_ids": [rollout.problem_id for rollout in error.rollouts],
        "texts": [rollout.text for rollout in error.rollouts],
        "plus": error.credit.plus.cpu(),
        "minus": error.credit.minus.cpu(),
    }
