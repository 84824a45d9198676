"""`python -m counterpoise.engines.verl [OVERRIDE…]`: verl's `main_ppo`, after a check of everything that can be checked first.

Without overrides it only says whether the plugin is loaded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from counterpoise.engines.verl.checks import check_environment, check_plugin
from counterpoise.engines.verl.settings import check_config, verl_settings
from counterpoise.errors import CounterpoiseError

__all__ = ["check_overrides", "run_checked"]


def check_overrides(overrides: Sequence[str]) -> None:
    """Compose verl's configuration and check the credit in it.

    Raises:
        CounterpoiseError: it says something that cannot be.
    """
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    with initialize_config_module("verl.trainer.config", version_base=None):
        config = compose("ppo_trainer", overrides=list(overrides))
    if "counterpoise" not in (config.algorithm.adv_estimator, config.trainer.v1.trainer_mode):
        return  # verl's own credit, as launch has for a rule with a critic
    check_config(config)
    table = config.algorithm.get("counterpoise", None)
    asked = verl_settings(None if table is None else OmegaConf.to_container(table, resolve=True))
    asked.compose(steps=1, length=int(config.data.max_response_length))


def run_checked(arguments: Sequence[str]) -> int:
    """Run verl's command; the exit code."""
    try:
        check_environment()
        print(check_plugin(), flush=True)
        if not arguments:
            return 0
        check_overrides([one for one in arguments if not one.startswith("-")])
        from verl.trainer.main_ppo import main as train

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
