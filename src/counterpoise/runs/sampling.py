"""Names of the folders in which evaluations of a run stand, one for each sampling that it was measured at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.config import EvaluationConfig

__all__ = ["evaluations_folder", "sampling_name"]

_SAMPLING = {"temperature": "t", "top_p": "p", "top_k": "k", "max_tokens": "m"}
"""Settings of [evaluation] that decide how responses are drawn, and what each begins its part of a folder's name with."""


def evaluations_folder(asked: EvaluationConfig, own: EvaluationConfig) -> str:
    """`evaluation`, followed by the sampling where it is not the run's own."""
    ours, theirs = ([getattr(config, name) for name in _SAMPLING] for config in (asked, own))
    if ours == theirs:
        return "evaluation"
    return f"evaluation-{sampling_name(dict(zip(_SAMPLING, ours, strict=True)))}"


def sampling_name(settings: Mapping[str, Any]) -> str:
    """E.g. `t0.6-p0.95`: the part of a folder's name that tells evaluations apart by temperature, top_p, top_k and max_tokens."""
    return "-".join(f"{letter}{settings[name]:g}" for name, letter in _SAMPLING.items() if settings.get(name))
