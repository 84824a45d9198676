"""What verl loads by the entry point `verl.plugins` in its driver and in every worker: our names in its registries."""

from __future__ import annotations

import importlib
import importlib.util
import os
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
from counterpoise.errors import CounterpoiseError, MissingExtraError

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
        from counterpoise.engines.verl.settings import check_whole

        try:
            check_whole(config)  # what does not name us is nobody's business there
        except CounterpoiseError as error:
            _end_command(error)
            raise
        return theirs(config, *arguments, **named)

    vars(module)["validate_config"] = validate_config


def _end_command(error: CounterpoiseError) -> None:
    """Where it is Hydra that runs, end with our line: it would print a traceback over it. Whoever calls verl by hand gets the error."""
    from hydra.core.hydra_config import HydraConfig

    if HydraConfig.initialized() and not os.environ.get("COUNTERPOISE_TRACEBACK"):
        print(f"error: {error}", file=sys.stderr, flush=True)
        raise SystemExit(error.exit_code) from None


def _replace_attention(module: ModuleType) -> None:
    """Of critics on a CPU, in every worker."""
    vars(module)["load_valuehead_model"] = attending(module.load_valuehead_model)


def _limit_rewards(module: ModuleType) -> None:
    """Have a reward function of the user's own, where the credit is ours, return within a limit or be unscored."""
    theirs = module.get_custom_reward_fn

    @wraps(theirs)
    def get_custom_reward_fn(config: Any) -> Any:
        found = theirs(config)
        if found is None or "algorithm" not in config or config.algorithm.get("adv_estimator") != NAME:
            return found
        from omegaconf import OmegaConf

        from counterpoise.engines.verl.own_rewards import limited_of

        table = config.algorithm.get("counterpoise", None)
        where = config.reward.custom_reward_function
        own = None if table is None else OmegaConf.to_container(table, resolve=True)
        return limited_of(found, own, name=f"{where.name} of {where.path}")

    vars(module)["get_custom_reward_fn"] = get_custom_reward_fn


_AFTER: dict[str, Callable[[ModuleType], None]] = {
    "verl.trainer.ppo.reward": _limit_rewards,
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
