"""`python -m counterpoise.engines.verl [OVERRIDE…]`: verl's `main_ppo`, after a check of everything that can be checked first.

Without overrides it only says whether the plugin is loaded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from counterpoise.engines.verl.checks import check_devices, check_environment, check_plugin, check_ray
from counterpoise.engines.verl.hydra import compose_config
from counterpoise.engines.verl.inputs import check_inputs, check_numbers, check_paths
from counterpoise.engines.verl.reward_function import check_function, check_reward_worth
from counterpoise.engines.verl.settings import check_whole, is_ours
from counterpoise.errors import CounterpoiseError

__all__ = ["check_overrides", "run_checked"]


def check_overrides(overrides: Sequence[str]) -> Any | None:
    """Compose verl's configuration and check in it what would end the run later, or train something else.

    Returns:
        The configuration, of which `check_inputs` says more; None where the run joins a cluster, whose machines are not looked at.

    Raises:
        CounterpoiseError: it says something that cannot be.
    """
    from omegaconf import OmegaConf

    config = compose_config(overrides, check="check them (verl's names are in its trainer/config/ppo_trainer.yaml)")
    check_numbers(config)
    check_paths(config)
    check_whole(config)
    reward = OmegaConf.to_container(config.reward, resolve=True)
    assert isinstance(reward, dict)
    function = check_function(
        reward["custom_reward_function"],
        manager=str(reward["reward_manager"].get("name")),
        model=bool(reward["reward_model"].get("enable")),
    )
    if is_ours(config):
        check_reward_worth(function, str((config.algorithm.get("counterpoise", None) or {}).get("reward", "binary")))
    address = check_ray(OmegaConf.to_container(config.ray_kwargs.ray_init, resolve=True))
    if address is not None:
        return None
    if "VERL_PLATFORM" not in os.environ:
        check_devices(int(config.trainer.n_gpus_per_node), _devices())
    return config


def _devices() -> int:
    import torch

    return torch.accelerator.device_count()


def run_checked(arguments: Sequence[str]) -> int:
    """Run verl's command; the exit code."""
    try:
        check_environment()
        print(check_plugin(), flush=True)
        if not arguments:
            return 0
        config = check_overrides([one for one in arguments if not one.startswith("-")])
        if config is not None:
            check_inputs(config)
        from verl.trainer.main_ppo import main as train

        os.environ["HYDRA_FULL_ERROR"] = "1"  # else it prints a traceback and exits itself
        sys.argv = ["main_ppo", *arguments]
        train()
    except CounterpoiseError as error:
        if os.environ.get("COUNTERPOISE_TRACEBACK"):
            raise
        # Ray gives an error of a process as a subclass of what it was there, with the other process's traceback as its text.
        cause = getattr(error, "cause", error)
        print(f"error: {cause}", file=sys.stderr)
        return int(getattr(cause, "exit_code", 1))
    return 0


if __name__ == "__main__":
    sys.exit(run_checked(sys.argv[1:]))
