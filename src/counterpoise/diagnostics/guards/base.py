"""What a guard says, what it may ask for, and the protocol it follows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from counterpoise.errors import CheckpointError

__all__ = ["Alarm", "Guard", "Relief", "Start", "Switch", "Switched", "restore"]

_FIRST_STEPS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """What the credit of the next steps is changed by, after the controller has decided."""

    share: float = 0.0
    """Least positive share of the credit by tokens, in [0, 1); 0 asks for nothing."""
    minus: float = 1.0
    """Factor on the negative credit, in (0, 1]; 1 asks for nothing."""

    @property
    def active(self) -> bool:
        """Whether it changes anything."""
        return self.share > 0.0 or self.minus < 1.0

    def __or__(self, other: Relief) -> Relief:
        """Both wishes met."""
        return Relief(share=max(self.share, other.share), minus=min(self.minus, other.minus))

    def scaled(self, strength: float) -> Relief:
        """This share of it: 1 is all of it, 0 none."""
        return Relief(share=self.share * strength, minus=1.0 - (1.0 - self.minus) * strength)

    def remedies(self, positive_share: float) -> tuple[str, ...]:
        """What a new run may set to the same ends, in words.

        A share can be moved only where credit has both signs: nothing is said of it where `positive_share` of the credit, in [0, 1], is
        0, 1 or nan (unknown).
        """
        more = ("more positive credit (guards.floor)",) if self.share and 0.0 < positive_share < 1.0 else ()
        return (*more, *(("less negative credit",) if self.minus < 1.0 else ()))

    def __str__(self) -> str:
        parts = [f"the positive share is held at {self.share:.2g} or more"] if self.share else []
        parts += [f"negative credit is weighed by {self.minus:.2g}"] if self.minus < 1.0 else []
        return " and ".join(parts) or "the credit stays as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What a guard sees while it fires."""

    message: str
    """What was measured and against what, in words."""
    seen: Mapping[str, float]
    """The numbers behind it, by name."""
    excess: float
    """How bad it is, in units of its own: the larger the worse. It says whether relief helps."""
    relief: Relief
    """What it asks for."""
    remedy: str = ""
    """What a new run may set instead, in words, beside what the relief asks for."""
    finish: bool = False
    """Whether the run should come to its end here, with the weights of its last good checkpoint."""


class Guard(Protocol):
    """Reads one column or two of every step. Deterministic: every process gives it the same record."""

    def look(self, record: Mapping[str, float]) -> Alarm | None:
        """Take one step's metrics in; an alarm as long as the guard fires. A column that is absent or NaN changes nothing."""
        ...

    @property
    def calm(self) -> bool:
        """Whether an alarm would end: between that bound and the one that starts it, a run is not worth coming back to."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything `look` depends on beside its argument, as JSON-serialisable values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()`'s result."""
        ...


@dataclass(slots=True)
class Switch:
    """Fires after `patience` steps running beyond one bound, and until the number is back within another (hysteresis)."""

    patience: int
    """Steps running, >= 1."""
    beyond: int = 0
    """Steps beyond the bound so far, running."""
    on: bool = False
    """Whether it fires."""
    calm: bool = True
    """Whether the number is back, or was never gone."""

    def move(self, *, beyond: bool, back: bool) -> bool:
        """One step more; whether it fires now."""
        self.beyond, self.calm = self.beyond + 1 if beyond else 0, back
        self.on = not back if self.on else self.beyond >= self.patience
        return self.on

    def state(self) -> list[Any]:
        """Everything but the setting."""
        return [self.beyond, self.on, self.calm]

    def load(self, state: Sequence[Any]) -> None:
        """Continue from `state()`'s result."""
        self.beyond, self.on, self.calm = state


class Switched:
    """What guards with one switch share: their past is that switch and the values of `past`."""

    guard: ClassVar[str]
    """Registry name."""
    past: ClassVar[tuple[str, ...]]
    """Names of those values in a checkpoint; with an underscore before them, their attributes."""

    _switch: Switch

    @property
    def calm(self) -> bool:
        """See `Guard`."""
        return self._switch.calm

    def state_dict(self) -> dict[str, Any]:
        """See `Guard`."""
        return {name: getattr(self, f"_{name}") for name in self.past} | {"switch": self._switch.state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Guard`."""
        *values, switch = restore(self.guard, state, (*self.past, "switch"))
        for name, value in zip(self.past, values, strict=True):
            setattr(self, f"_{name}", value)
        self._switch.load(switch)


@dataclass(slots=True)
class Start:
    """The value a column began with: its mean over the first five steps that have it, since one step is too noisy to be held to."""

    first: list[float] = field(default_factory=list)
    """Those values."""

    @property
    def mean(self) -> float:
        """NaN until it is known."""
        return math.fsum(self.first) / _FIRST_STEPS if len(self.first) == _FIRST_STEPS else math.nan

    def known(self, value: float) -> bool:
        """Whether the beginning is over; a value of the beginning is kept."""
        if len(self.first) < _FIRST_STEPS:
            self.first.append(value)
            return False
        return True


def restore(guard: str, state: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    """The values of these keys.

    Raises:
        CheckpointError: the state has others.
    """
    if set(state) != set(keys):
        raise CheckpointError(
            f"the checkpoint's state of the guard '{guard}' has the keys {', '.join(sorted(state)) or 'none'} instead of "
            f"{', '.join(sorted(keys))}; it was written by another version: resume with that one, or start a new run from its policy"
        )
    return tuple(state[key] for key in keys)
