"""Reading a controller's state back, with an error that says whose state it is not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from counterpoise.errors import CheckpointError

__all__ = ["check_state"]


def check_state(controller: str, state: Mapping[str, Any], keys: Collection[str]) -> None:
    """See that a state has exactly these keys.

    Raises:
        CheckpointError: the state belongs to another controller.
    """
    if set(state) != set(keys):
        raise CheckpointError(
            f"the checkpoint holds the state of another controller (keys: {', '.join(sorted(state)) or 'none'}), "
            f"not of '{controller}'; resume with the controller it was written by"
        )
