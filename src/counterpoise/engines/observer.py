"""Who watches a run: the engine tells, an observer shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["Observer", "Silent"]


class Observer(Protocol):
    """Told about a run as it goes; must not raise."""

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


class Silent:
    """An observer that shows nothing."""

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
