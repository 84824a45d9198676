"""A policy that gets narrow: pass@k of problems it is not trained on falls, whatever pass@1 does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final

from annotated_types import Ge

from counterpoise.columns import column
from counterpoise.diagnostics.guards.base import Alarm, Relief, Switch, Switched
from counterpoise.ranges import Inside, PartialShare, Positive
from counterpoise.settings import check_number, settings

__all__ = ["Narrowing"]

_COLUMN = column("held_out_pass_k")
_REMEDY: Final = "an end where that is lost (guards.settings.narrowing.finish=true, counted from where it starts)"


@settings("guards narrowing", frozen=False)
class Narrowing(Switched):
    """Fires when `held_out_pass_k` has been more than `drop` below its best for `patience` measurements running; ends within half of it.

    It asks for what it reads: every `every` steps, the first one included, `n` responses to each of `problems` held-out problems are
    drawn as training draws them, which costs as much as `problems * n` rollouts. Its best is a mean of two measurements running (the
    first stands alone), so that one lucky one is none. No balance of the signs is known to bring back what a policy has lost, so by
    default it asks for no relief: where guards act, the run goes back to its last good checkpoint and, after `guards.rollbacks`
    returns, stops.

    With `finish` it stops a run early instead: `drop` is what pass@k may cost, a checkpoint is good when it was measured and has lost no
    more, and a run that has lost more ends with the weights of the last good one. That is early stopping as it is known from supervised
    learning (Prechelt 1998), held to a budget of pass@k instead of the best loss.
    """

    guard: ClassVar[str] = "narrowing"
    past: ClassVar[tuple[str, ...]] = ("best", "last")
    draws: ClassVar[bool] = True

    every: Positive = 25
    """Steps between measurements, >= 1."""
    problems: Positive = 32
    """Held-out problems, >= 1: of each task type, the first that are neither trained on nor among those that `evaluation.problems`
    evaluates; those too where no others are left."""
    n: Annotated[int, Ge(2)] = 16
    """Responses to each, >= 2."""
    k: Annotated[int, Ge(2)] = 8
    """k of pass@k, in [2, n]."""
    drop: Inside = 0.1
    """pass@k that is lost, in (0, 1): 0.1 is ten points."""
    patience: Positive = 2
    """Measurements running, >= 1."""
    share: PartialShare = 0.0
    """Least positive share it asks for, in [0, 0.99]."""
    finish: bool = False
    """Whether the run ends, where guards act, with the weights of the last measurement that had lost no more than `drop`."""

    def __post_init__(self) -> None:
        check_number("guards narrowing", "k", self.k, low=2, high=self.n)
        self._switch = Switch(self.patience)
        self._best, self._last = -1.0, -1.0

    def due(self, index: int) -> bool:
        """Whether it wants a measurement after the step of this index."""
        return index % self.every == 0

    def due_between(self, first: int, end: int) -> int:
        """How many measurements it wants after the steps of index `first` to `end - 1`."""
        return max(0, -(-end // self.every) - -(-first // self.every))

    def look(self, record: Mapping[str, float]) -> Alarm | None:
        """See `Guard`."""
        value = _COLUMN.of(record)
        if not math.isnan(value):
            before = self._last if self._last >= 0.0 else value
            self._best, self._last = max(self._best, (before + value) / 2.0), value
            lost = self._best - value
            back = lost <= self.drop if self.finish else lost < 0.5 * self.drop
            self._switch.move(beyond=lost > self.drop, back=back)
        elif self.finish:
            self._switch.calm = False  # what was not measured is not known to be within the budget
        if not self._switch.on:
            return None
        return Alarm(
            message=f"{_COLUMN.name} is {self._last:.1%} on held-out problems, it was {self._best:.1%} (limit: {self.drop:.0%} less)",
            seen={_COLUMN.name: self._last, "best": self._best},
            excess=-self._last,
            relief=Relief(share=self.share),
            remedy="" if self.finish else _REMEDY,
            finish=self.finish,
        )
