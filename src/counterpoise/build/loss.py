"""The loss of a run file: surrogate with its terms, and what its sums are divided by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.config import RunConfig
from counterpoise.losses import make_divide, make_loss, with_terms
from counterpoise.types import Divide, Loss

__all__ = ["loss_of"]


def loss_of(config: RunConfig) -> tuple[Loss, Divide]:
    """Surrogate and denominator.

    Raises:
        UnknownNameError: no loss or denominator has that name.
        ConfigError: a setting is unknown or out of range.
    """
    section = config.loss
    loss = with_terms(
        make_loss(section.name, **section.settings),
        kl=section.kl,
        kl_estimator=section.kl_estimator,
        kl_clamp=section.kl_clamp,
        entropy=section.entropy,
    )
    return loss, make_divide(section.denominator, **_denominator_settings(config))


def _denominator_settings(config: RunConfig) -> Mapping[str, Any]:
    """The length of the `constant` denominator; the others have no settings in a run file."""
    if config.loss.denominator != "constant":
        return {}
    return {"length": config.loss.constant or config.rollout.max_tokens}
