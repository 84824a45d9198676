"""TRL's `GRPOTrainer` with our credit: a drop-in class, and verifiers as its reward functions (extra `trl`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterpoise.engines.trl.rewards import verdict_reward as verdict_reward
    from counterpoise.engines.trl.trainer import SignedGRPOTrainer as SignedGRPOTrainer

__all__ = ["SignedGRPOTrainer", "verdict_reward"]


def __getattr__(name: str) -> Any:
    # The rewards are of use without TRL, which takes seconds to import.
    if name == "SignedGRPOTrainer":
        from counterpoise.engines.trl.trainer import SignedGRPOTrainer

        return SignedGRPOTrainer
    if name == "verdict_reward":
        from counterpoise.engines.trl.rewards import verdict_reward

        return verdict_reward
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
