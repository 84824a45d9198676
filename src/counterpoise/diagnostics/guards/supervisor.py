"""All guards of a run: from their alarms to what is done about them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from counterpoise.columns import column
from counterpoise.diagnostics.guards.base import Alarm, Guard, Relief, restore
from counterpoise.errors import CheckpointError
from counterpoise.text import counted

__all__ = ["Decision", "Firing", "Supervisor"]

_LONGEST = 1000.0
"""Times `hold` and `fade` that relief lasts at most."""

_POSITIVE = column("polarity_share_rows")
_STATE = ("guards", "wanted", "left", "returned", "good", "firing", "standing", "excess", "alarms", "finished")


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One thing to write down: a guard that began or ceased to fire."""

    guard: str
    """Its name."""
    message: str
    """What was seen, and what is done."""
    seen: Mapping[str, float]
    """The numbers."""
    action: str
    """`watched` (nothing of the credit is changed), `relieved`, `finished` or `ended`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What follows from one step."""

    firings: tuple[Firing, ...] = ()
    """Guards that began or ceased to fire."""
    roll_back: int | None = None
    """Step of the checkpoint to go back to."""
    stop: str | None = None
    """Why the run must not go on."""
    remedies: tuple[str, ...] = ()
    """What a new run may set instead where this one must not go on, in words."""
    finish: str | None = None
    """Why the run is at its end, with the weights of its last good checkpoint."""


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """Heeds the guards' alarms, where `act` allows it; otherwise only says them.

    One guard that fires gets the relief it asks for, at full strength while it fires and for `hold` steps after, then less and
    less over `fade` steps. With every alarm after the first both last `backoff` times as long: a rule that fails each time it is let go
    is let go less and less. Several that fire at once, or any that `hold` steps of relief have not made better than it was before them,
    send the run back to its last good checkpoint, the newest that was written while all guards were calm and no relief was in force;
    the relief stays. After `rollbacks` such returns the run is stopped. Going back and then taking other data: PaLM (arXiv 2204.02311,
    section 5.1).
    """

    guards: Mapping[str, Guard]
    """By name."""
    act: bool
    """Whether anything but words follows."""
    together: int
    """Guards that must fire at once for a return, >= 1."""
    rollbacks: int
    """Returns at most, >= 0."""
    hold: int
    """Steps of full relief after the first alarm, >= 0; also those after which relief must have helped."""
    fade: int
    """Steps over which it is then taken back, >= 0."""
    backoff: float = 1.0
    """Factor on both for every alarm after the first, >= 1, to a thousand times at most."""
    floor: float = 0.0
    """Least positive share at all times, whatever fires; in [0, 1)."""
    good: int | None = None
    """Step of the last good checkpoint."""
    _wanted: Relief = field(default_factory=Relief)
    _left: int = 0
    _returned: int = 0
    _firing: tuple[str, ...] = ()
    _standing: int = 0
    _excess: dict[str, float] = field(default_factory=dict)
    _alarms: int = 0
    _finished: dict[str, Any] | None = None

    @property
    def finished(self) -> Mapping[str, Any] | None:
        """Where a guard has ended the run: after which `step`, with the weights of which (`weights_of`), and `why`; None before that."""
        return self._finished

    def finish(self, step: int, why: str) -> None:
        """The run ends after this step with the weights of the last good checkpoint; it stays so where it is resumed."""
        self._finished = {"step": step, "weights_of": self.good, "why": why}

    @property
    def relief(self) -> Relief:
        """What the next step's credit is changed by."""
        if not self.act:
            return Relief()
        return Relief(share=self.floor) | self._wanted.scaled(min(1.0, self._left / (self._lasting(self.fade) + 1)))

    @property
    def healthy(self) -> bool:
        """Whether a checkpoint written now is a good one."""
        return self.act and not self._left and all(guard.calm for guard in self.guards.values())

    def look(self, record: Mapping[str, float]) -> Decision:
        """Take in the metrics of one step, the same on every process."""
        alarms: dict[str, Alarm] = {}
        for name, guard in self.guards.items():
            alarm = guard.look(record)
            if alarm is not None:
                alarms[name] = alarm
        if alarms and not self._firing:
            self._alarms += 1
        self._relieve(alarms)
        began = tuple(self._began(name, alarm) for name, alarm in alarms.items() if name not in self._firing)
        ended = tuple(self._ended(name) for name in self._firing if name not in alarms)
        self._firing = tuple(alarms)
        ending = [f"{name}: {alarm.message}" for name, alarm in alarms.items() if alarm.finish]
        if self.act and ending and self.good is not None:
            return Decision(firings=began + ended, finish="; ".join(ending))
        in_vain = self._in_vain(alarms)
        if not (self.act and (in_vain or len(alarms) >= self.together)):
            return Decision(firings=began + ended)
        if self.good is None or self._returned >= self.rollbacks:
            nowhere = " and there is no good checkpoint" if self.good is None else ""
            stop = f"{self._why()}, after {self._returned} of {self.rollbacks} returns{nowhere}"
            remedies = _remedies(alarms.values(), _POSITIVE.of(record))
            return Decision(firings=began + ended, stop=stop, remedies=remedies)
        return Decision(firings=began + ended, roll_back=self.good)

    def _in_vain(self, alarms: Mapping[str, Alarm]) -> bool:
        """Whether a guard has fired for more than `hold` steps and is not better than it was before them."""
        seen = {name: alarm.excess for name, alarm in alarms.items()}
        self._standing = self._standing + 1 if alarms else 0
        self._excess = {name: self._excess.get(name, excess) for name, excess in seen.items()}
        if self._standing <= max(1, self.hold):
            return False
        helped = all(excess < self._excess[name] for name, excess in seen.items())
        if helped:
            self._standing, self._excess = 1, seen
        return not helped

    def _lasting(self, steps: int) -> int:
        # by logarithms, because a run that is watched alone may be alarmed a thousand times
        growth = max(0, self._alarms - 1) * math.log(self.backoff)
        return round(steps * math.exp(min(growth, math.log(_LONGEST))))

    def _relieve(self, alarms: Mapping[str, Alarm]) -> None:
        if alarms:
            for alarm in alarms.values():
                self._wanted |= alarm.relief
            self._left = self._lasting(self.hold) + self._lasting(self.fade) + 1
        elif self._left:
            self._left -= 1
            if not self._left:
                self._wanted = Relief()

    def _began(self, name: str, alarm: Alarm) -> Firing:
        what, action = str(alarm.relief), "relieved" if alarm.relief.active else "watched"
        if alarm.finish:
            what, action = "the run ends", "finished"
        if self.act:
            return Firing(guard=name, message=f"{name}: {alarm.message}; {what}", seen=alarm.seen, action=action)
        return Firing(
            guard=name,
            message=f"{name}: {alarm.message}; nothing is done about it (guards.act=true would: {what})",
            seen=alarm.seen,
            action="watched",
        )

    def _ended(self, name: str) -> Firing:
        lasting = (self._lasting(self.fade), self._lasting(self.hold))
        relieved = self.act and self._wanted.active
        then = "; its relief is taken back over {} steps after {} more".format(*lasting) if relieved else ""
        return Firing(guard=name, message=f"{name}: back within its limits{then}", seen={}, action="ended")

    def _why(self) -> str:
        names = ", ".join(self._firing)
        if len(self._firing) >= self.together:
            return f"{names} fired at once" if len(self._firing) > 1 else f"{names} fired"
        in_spite = " in spite of the relief" if self._wanted.active else ""
        return f"{names} fired for {counted(self._standing, 'step')}{in_spite}"

    def returned(self, state: Mapping[str, Any]) -> str:
        """The run is as it was when `state` was saved: so are the guards, but the relief and the count of returns stay. What to say.

        Raises:
            CheckpointError: the state is of other guards.
        """
        why = self._why()
        self._load_guards(state["guards"])
        self._firing, self._standing, self._excess = (), 0, {}
        self._returned += 1
        return f"{why} (return {self._returned} of {self.rollbacks} at most)"

    def state_dict(self) -> dict[str, Any]:
        """Everything decisions depend on beside the records and the settings, as JSON-serialisable values."""
        values = (
            {name: guard.state_dict() for name, guard in self.guards.items()},
            [self._wanted.share, self._wanted.minus],
            self._left,
            self._returned,
            self.good,
            list(self._firing),
            self._standing,
            dict(self._excess),
            self._alarms,
            self._finished,
        )
        return dict(zip(_STATE, values, strict=True))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()`'s result.

        Raises:
            CheckpointError: the state is of other guards.
        """
        # A run of before guards could finish one has not been finished.
        (
            guards,
            (share, minus),
            self._left,
            self._returned,
            self.good,
            firing,
            self._standing,
            excess,
            self._alarms,
            ended,
        ) = restore("supervisor", {"finished": None, **state}, _STATE)
        self._finished = None if ended is None else dict(ended)
        self._load_guards(guards)
        self._wanted, self._firing, self._excess = Relief(share=share, minus=minus), tuple(firing), dict(excess)

    def _load_guards(self, states: Mapping[str, Any]) -> None:
        if set(states) != set(self.guards):
            raise CheckpointError(
                f"the checkpoint was written under other guards ({', '.join(sorted(states)) or 'none'}) than the run has "
                f"({', '.join(sorted(self.guards)) or 'none'}); resume with the same guards.names"
            )
        for name, guard in self.guards.items():
            guard.load_state_dict(states[name])


def _remedies(alarms: Iterable[Alarm], positive_share: float) -> tuple[str, ...]:
    """What these alarms would have set in a new run, each once; `positive_share` is that of the last step, nan where nobody knows it."""
    told = [words for alarm in alarms for words in (*alarm.relief.remedies(positive_share), alarm.remedy) if words]
    return tuple(dict.fromkeys(told))
