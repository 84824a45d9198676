"""What verl loads by the entry point `verl.plugins` in its driver and in every worker: our names in its registries."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch

from counterpoise.engines.verl.critic import attending
from counterpoise.engines.verl.estimator import given_advantages
from counterpoise.errors import MissingExtraError

try:
    from verl.trainer.ppo.core_algos import register_adv_est
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "verl", extra="verl", purpose="the plugin of verl") from error

__all__ = ["NAME", "counterpoise_advantage"]

NAME = "counterpoise"
"""Of the advantage estimator and of the trainer."""


@register_adv_est(NAME)  # type: ignore[untyped-decorator,unused-ignore]
def counterpoise_advantage(
    token_level_rewards: torch.Tensor, response_mask: torch.Tensor, index: Any = None, **_: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, T) advantages, twice, that our trainer has made of verdicts and parts, which verl gives no estimator.

    Raises:
        UsageError: another trainer asks.
    """
    given = given_advantages(index)[
        :, : response_mask.shape[1]
    ]  # a step's longest response may be among rows that are left out
    advantages = given.to(token_level_rewards) * response_mask
    return advantages, advantages


def _register_trainer(_: ModuleType) -> None:
    """Beside verl's trainers, which are imported in the driver alone; workers need none, and it takes seconds."""
    importlib.import_module("counterpoise.engines.verl.trainer")


def _hold_configurations(module: ModuleType) -> None:
    """Have verl's check of a configuration, which its command makes before Ray starts, refuse one in which our credit would not be called.

    Without it `algorithm.adv_estimator=grpo` beside `algorithm.counterpoise` trains GRPO, and says nothing.
    """
    theirs = module.validate_config

    @wraps(theirs)
    def validate_config(config: Any, *arguments: Any, **named: Any) -> Any:
        # Other commands of verl's have other keys: what does not name us is nobody's business here.
        if config.algorithm.get("counterpoise", None) is not None or config.algorithm.adv_estimator == NAME:
            from counterpoise.engines.verl.settings import check_config

            check_config(config)
        return theirs(config, *arguments, **named)

    vars(module)["validate_config"] = validate_config


def _replace_attention(module: ModuleType) -> None:
    """Of critics on a CPU, in every worker."""
    vars(module)["load_valuehead_model"] = attending(module.load_valuehead_model)


_AFTER: dict[str, Callable[[ModuleType], None]] = {
    "verl.trainer.ppo.v1": _register_trainer,
    "verl.utils.config": _hold_configurations,
    "verl.utils.model": _replace_attention,
}
"""What is done once verl has imported a module: verl itself is still being imported when it loads this one."""


class _Afterwards(MetaPathFinder):
    """Does what `_AFTER` says when a module has been imported, once."""

    def __init__(self, awaited: Mapping[str, Callable[[ModuleType], None]]) -> None:
        self._awaited = dict(awaited)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        then = self._awaited.pop(fullname, None)
        if then is None:
            return None
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            then(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


for _name, _then in _AFTER.items():
    if _name in sys.modules:
        _then(sys.modules[_name])
sys.meta_path.insert(0, _Afterwards({name: then for name, then in _AFTER.items() if name not in sys.modules}))
