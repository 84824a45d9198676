"""What verl loads by the entry point `verl.plugins` in its driver and in every worker: our names in its registries."""

from __future__ import annotations

import logging
from typing import Any

import torch
from verl.trainer.ppo.core_algos import register_adv_est

from counterpoise.engines.verl.estimator import given_advantages

__all__ = ["NAME", "counterpoise_advantage"]

NAME = "counterpoise"
"""Of the advantage estimator and of the trainer."""

_LOG = logging.getLogger(__name__)


@register_adv_est(NAME)  # type: ignore[untyped-decorator,unused-ignore]
def counterpoise_advantage(
    token_level_rewards: torch.Tensor, response_mask: torch.Tensor, index: Any = None, **_: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, T) advantages, twice, that our trainer has made of verdicts and parts, which verl gives no estimator.

    Raises:
        UsageError: another trainer asks.
    """
    advantages = given_advantages(index).to(token_level_rewards) * response_mask
    return advantages, advantages


# The trainer stands in verl's registry when verl's driver looks for it there; nobody else needs it.
from counterpoise.engines.verl import trainer as trainer  # noqa: E402
