"""Who watches a run: the engine tells, an observer shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

from counterpoise.errors import StoreError

__all__ = ["Observer", "ShowsSamples", "Silent", "Unfailing", "unfailing"]


class Observer(Protocol):
    """Told about a run as it goes; one that cannot write what it shows raises OSError and is not called again."""

    def started(self, *, path: str, first_step: int, steps: int) -> None:
        """Training is about to begin after `first_step` steps of `steps`."""
        ...

    def stepped(self, step: int, record: Mapping[str, float]) -> None:
        """A step is done and logged."""
        ...

    def evaluating(self, label: str, done: int, total: int) -> None:
        """`done` of `total` evaluation rollouts are stored and graded."""
        ...

    def evaluated(self, label: str, result: Any) -> None:
        """An evaluation is complete (`evaluation.run.EvaluationResult`)."""
        ...

    def said(self, line: str) -> None:
        """One line the user should see."""
        ...


@runtime_checkable
class ShowsSamples(Protocol):
    """An observer that also gets the rollouts that a run keeps."""

    def sampled(self, step: int, samples: Sequence[Mapping[str, Any]]) -> None:
        """A step left these in samples.jsonl, each as it stands there."""
        ...


class Silent:
    """An observer that shows nothing."""

    def sampled(self, step: int, samples: Sequence[Mapping[str, Any]]) -> None:
        """Ignored."""

    def started(self, *, path: str, first_step: int, steps: int) -> None:
        """Ignored."""

    def stepped(self, step: int, record: Mapping[str, float]) -> None:
        """Ignored."""

    def evaluating(self, label: str, done: int, total: int) -> None:
        """Ignored."""

    def evaluated(self, label: str, result: Any) -> None:
        """Ignored."""

    def said(self, line: str) -> None:
        """Ignored."""


def unfailing(observer: Observer | None, *, lost: Callable[[int, str], None]) -> Silent | Unfailing:
    """The observer as a run may tell it; a silent one for None. `lost`: see `Unfailing`."""
    return Silent() if observer is None else Unfailing(observer, lost=lost)


class Unfailing:
    """An observer that a run cannot fail by: once the one behind it cannot write (OSError, ValueError of a closed stream), it is silent.

    Args:
        observer: the one behind it.
        lost: called once, with the step done last and a sentence.
    """

    def __init__(self, observer: Observer, *, lost: Callable[[int, str], None]) -> None:
        self._observer = observer
        self._lost = lost
        self._step = 0

    def started(self, *, path: str, first_step: int, steps: int) -> None:
        """Passed on."""
        self._step = first_step
        self._tell(lambda: self._observer.started(path=path, first_step=first_step, steps=steps))

    def stepped(self, step: int, record: Mapping[str, float]) -> None:
        """Passed on."""
        self._step = step
        self._tell(lambda: self._observer.stepped(step, record))

    def sampled(self, step: int, samples: Sequence[Mapping[str, Any]]) -> None:
        """Passed on, where the one behind it wants them."""
        if isinstance(self._observer, ShowsSamples):
            shows = self._observer
            self._tell(lambda: shows.sampled(step, samples))

    def evaluating(self, label: str, done: int, total: int) -> None:
        """Passed on."""
        self._tell(lambda: self._observer.evaluating(label, done, total))

    def evaluated(self, label: str, result: Any) -> None:
        """Passed on."""
        self._tell(lambda: self._observer.evaluated(label, result))

    def said(self, line: str) -> None:
        """Passed on."""
        self._tell(lambda: self._observer.said(line))

    def _tell(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except (OSError, ValueError) as error:
            self._observer = Silent()
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            with suppress(StoreError):  # a disk that is full for both is met again by what has to be written
                self._lost(self._step, f"output lost ({reason}); the run goes on without it")
