"""What verl loads by the entry point `verl.plugins` in its driver and in every worker: our names in its registries."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch

from counterpoise.engines.verl.estimator import given_advantages
from counterpoise.errors import MissingExtraError

try:
    from verl.trainer.ppo.core_algos import register_adv_est
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "verl", extra="verl", purpose="the plugin of verl") from error

__all__ = ["NAME", "counterpoise_advantage"]

NAME = "counterpoise"
"""Of the advantage estimator and of the trainer."""

_TRAINERS = "verl.trainer.ppo.v1"
_OURS = "counterpoise.engines.verl.trainer"


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


class _BesideTrainers(MetaPathFinder):
    """Registers our trainer when verl's have been imported, which is in the driver alone; workers need none, and it takes seconds."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname != _TRAINERS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            importlib.import_module(_OURS)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if _TRAINERS in sys.modules:
    importlib.import_module(_OURS)
else:
    sys.meta_path.insert(0, _BesideTrainers())
