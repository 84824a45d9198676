"""Checkpoints that other engines' trainers leave in a run: which is the newest whole one. A save that was killed leaves a part.

TRL's trainer writes its state last, verl's names a checkpoint in a file of its own once all of it is there. No torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from counterpoise.errors import CheckpointError
from counterpoise.files import JsonFault, parse_json, read_text, why

__all__ = [
    "CREDIT_STATE",
    "TRAINER_STATE",
    "NewestCheckpoint",
    "newest_of_trl",
    "newest_of_verl",
    "trl_fault",
    "trl_states",
]

TRAINER_STATE: Final = "trainer_state.json"
"""What TRL's trainer writes last into a checkpoint: the step, and the log of all steps before."""
CREDIT_STATE: Final = "counterpoise.json"
"""What rule and controller hold, in a checkpoint of either engine."""
_TRACKER: Final = "latest_checkpointed_iteration.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestCheckpoint:
    """From which step of a run another trainer can go on."""

    step: int | None
    """Its step; None where nothing whole is there."""
    left: tuple[str, ...] = ()
    """Later ones that are not whole, each with what it lacks."""

    @property
    def passed_over(self) -> str | None:
        """The later ones in a line."""
        return f"not whole and left out: {', '.join(self.left)}" if self.left else None


def newest_of_trl(folder: Path) -> NewestCheckpoint:
    """The newest of `checkpoint-N` that `SignedGRPOTrainer` can go on from."""
    left: list[str] = []
    for step, checkpoint in _numbered(folder):
        fault = trl_fault(checkpoint) or _fault(checkpoint / CREDIT_STATE)
        if fault is None:
            return NewestCheckpoint(step=step, left=tuple(left))
        left.append(f"{checkpoint.name} ({fault})")
    return NewestCheckpoint(step=None, left=tuple(left))


def trl_fault(checkpoint: Path) -> str | None:
    """Why TRL's trainer cannot go on from a checkpoint; None where its save was ended."""
    return _fault(checkpoint / TRAINER_STATE)


def _fault(path: Path) -> str | None:
    """Why a file of a checkpoint is no JSON object."""
    try:
        state = parse_json(read_text(path))  # a value that was not measured is NaN there
    except FileNotFoundError:
        return f"it has no {path.name}"
    except (OSError, JsonFault) as error:
        return f"its {path.name} is {why(error)}"
    return None if isinstance(state, dict) else f"its {path.name} is no JSON object"


def trl_states(folder: Path) -> Iterator[Path]:
    """The states of TRL's checkpoints in a folder, of any trainer of theirs, the newest first."""
    return (path for _, checkpoint in _numbered(folder) if (path := checkpoint / TRAINER_STATE).is_file())


def newest_of_verl(folder: Path) -> int | None:
    """The step that verl's trainer goes on from: what it has named itself, and no other; None where it begins anew.

    Raises:
        CheckpointError: what it has named is not whole, which it would find out once all its processes have started.
    """
    tracker = folder / _TRACKER
    try:
        said = read_text(tracker).strip()
    except FileNotFoundError:
        return None
    except (OSError, JsonFault) as error:
        raise CheckpointError(f"cannot read {tracker}: {why(error)}; {_NAME_ANOTHER}") from error
    if re.fullmatch(r"[0-9]{1,15}", said) is None:
        raise CheckpointError(f"{tracker} holds {said[:40]!r}, not the number of a step; {_NAME_ANOTHER}")
    checkpoint = folder / f"global_step_{int(said)}"
    missing = next((name for name in ("actor", "data.pt") if not _holds(checkpoint / name)), None)
    if not checkpoint.is_dir() or missing is not None:
        fault = f"has no {missing}" if checkpoint.is_dir() else "is no directory"
        raise CheckpointError(f"{tracker} names step {int(said)}, and {checkpoint} {fault}; {_NAME_ANOTHER}")
    return int(said)


_NAME_ANOTHER: Final = (
    "write the step of a whole global_step_N into it, remove it to begin anew, or give another run.name"
)


def _holds(path: Path) -> bool:
    with suppress(OSError):
        return any(path.iterdir()) if path.is_dir() else path.stat().st_size > 0
    return False


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    """(N, directory) of each `checkpoint-N`, the newest first."""
    found = ((re.fullmatch(r"checkpoint-([0-9]{1,15})", one.name), one) for one in folder.glob("checkpoint-*"))
    return sorted(((int(match[1]), one) for match, one in found if match and one.is_dir()), reverse=True)
