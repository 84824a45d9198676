"""The state of rule and controller in the checkpoint of another library's trainer, `counterpoise.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from counterpoise.build.credit import credit_of
from counterpoise.config import CreditConfig, RunConfig
from counterpoise.engines.outside import OutsideCredit
from counterpoise.errors import CheckpointError
from counterpoise.files import JsonFault, atomic_write_text, parse_json, read_text, why
from counterpoise.runs.engine_checkpoints import CREDIT_STATE

__all__ = ["read_state", "write_state"]


def write_state(folder: Path, parts: OutsideCredit) -> None:
    """Write what rule and controller hold."""
    folder.mkdir(parents=True, exist_ok=True)
    states = {name: part.state_dict() for name, part in parts.step.states.items()}
    kept = {"rule": parts.config.credit.rule, "controller": parts.config.credit.controller, "states": states}
    atomic_write_text(folder / CREDIT_STATE, json.dumps(kept))


def read_state(folder: Path, now: CreditConfig, *, writer: str, setting: str, afresh: str) -> Mapping[str, Any]:
    """What rule and controller held, by name.

    Args:
        folder: the checkpoint.
        now: what the trainer is asked for.
        writer: who writes such checkpoints, for the message.
        setting: what stands before `rule` and `controller` where a user names them, e.g. `credit.`.
        afresh: what a user sets to start from the checkpoint's weights alone.

    Raises:
        CheckpointError: it is missing or broken, or of another rule or controller.
    """
    path = folder / CREDIT_STATE
    try:
        kept = parse_json(read_text(path))  # controllers keep NaN for what they have not measured
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder} has no {CREDIT_STATE}: it was not written by {writer}, so rule and controller cannot go on from it; "
            f"start from its weights instead ({afresh})"
        ) from error
    except (OSError, JsonFault) as error:
        raise CheckpointError(f"cannot read {path}: {why(error)}; {_ANOTHER}") from error
    if not isinstance(kept, dict) or not kept.keys() >= {"rule", "controller", "states"}:
        raise CheckpointError(f"{path} is damaged: it does not hold rule, controller and states; {_ANOTHER}")
    for name, wanted in (("rule", now.rule), ("controller", now.controller)):
        if kept.get(name) != wanted:
            raise CheckpointError(
                f"{folder} was trained with {setting}{name}={kept.get(name)}, and now it is {wanted}; resume with what it was, or start "
                f"from its weights instead ({afresh})"
            )
    states = kept["states"]
    if not isinstance(states, dict):
        raise CheckpointError(f"{path} is damaged: states is no JSON object; {_ANOTHER}")
    _try(path, states, now)
    return states


_ANOTHER: Final = "resume from another checkpoint"


def _try(path: Path, states: Mapping[str, Any], now: CreditConfig) -> None:
    """Let parts that nobody uses go on from those states: what is damaged in them is met here, and not after the first generation."""
    for name, part in credit_of(RunConfig(credit=now), started=True).states.items():
        try:
            part.load_state_dict(states.get(name))
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"{path} is damaged: the {name} cannot go on from its state ({type(error).__name__}: {error}); {_ANOTHER}"
            ) from error
