"""verl's trainer on Ray with our credit: a plugin of verl, its trainer, and verifiers as a reward function (extra `verl`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterpoise.engines.verl.rewards import compute_score as compute_score

__all__ = ["compute_score"]


def __getattr__(name: str) -> Any:
    if name == "compute_score":
        from counterpoise.engines.verl.rewards import compute_score

        return compute_score
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
