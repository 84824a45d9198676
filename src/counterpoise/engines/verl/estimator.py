"""Carry a step's advantages from our trainer through verl's estimator, which gets neither verdicts nor parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch

from counterpoise.errors import UsageError

__all__ = ["given_advantages", "giving"]

_GIVEN: ContextVar[tuple[torch.Tensor, tuple[str, ...]] | None] = ContextVar("given", default=None)


@contextmanager
def giving(advantages: torch.Tensor, uids: Sequence[str]) -> Iterator[None]:
    """Have the estimator return (B, T) `advantages` of the rows whose groups are `uids`, in that order."""
    token = _GIVEN.set((advantages, tuple(uids)))
    try:
        yield
    finally:
        _GIVEN.reset(token)


def given_advantages(index: Sequence[str]) -> torch.Tensor:
    """(B, T) advantages of the step.

    Raises:
        UsageError: no trainer of ours has made them, or verl has other rows than it had.
    """
    given = _GIVEN.get()
    if given is None:
        raise UsageError(
            "algorithm.adv_estimator=counterpoise works in the trainer of the same name, which sees verdicts; "
            "set trainer.v1.trainer_mode=counterpoise"
        )
    advantages, uids = given
    if tuple(index) != uids:
        raise UsageError(
            "verl has reordered or dropped rows between credit and advantages; leave rejection of rows off"
        )
    return advantages
