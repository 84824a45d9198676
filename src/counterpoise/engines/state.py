"""The state of rule and controller in the checkpoint of another library's trainer, `counterpoise.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterpoise.config import CreditConfig
from counterpoise.engines.outside import OutsideCredit
from counterpoise.errors import CheckpointError
from counterpoise.files import JsonFault, atomic_write_text, parse_json, read_text

__all__ = ["read_state", "write_state"]

_FILE = "counterpoise.json"


def write_state(folder: Path, parts: OutsideCredit) -> None:
    """Write what rule and controller hold."""
    folder.mkdir(parents=True, exist_ok=True)
    states = {name: part.state_dict() for name, part in parts.step.states.items()}
    kept = {"rule": parts.config.credit.rule, "controller": parts.config.credit.controller, "states": states}
    atomic_write_text(folder / _FILE, json.dumps(kept))


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
    path = folder / _FILE
    try:
        kept = parse_json(read_text(path))  # controllers keep NaN for what they have not measured
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder} has no {_FILE}: it was not written by {writer}, so rule and controller cannot go on from it; "
            f"start from its weights instead ({afresh})"
        ) from error
    except (OSError, JsonFault) as error:
        raise CheckpointError(f"cannot read {path}: {error}; resume from another checkpoint") from error
    for name, wanted in (("rule", now.rule), ("controller", now.controller)):
        if kept.get(name) != wanted:
            raise CheckpointError(
                f"{folder} was trained with {setting}{name}={kept.get(name)}, and now it is {wanted}; resume with what it was, or start "
                f"from its weights instead ({afresh})"
            )
    states: Mapping[str, Any] = kept["states"]
    return states
