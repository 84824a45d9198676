"""What a rule asks of a run."""

from __future__ import annotations

from enum import Flag, auto

__all__ = ["Needs"]


class Needs(Flag):
    """Stands in every rule's class as `needs`, so that no driver has to know rules by name."""

    NOTHING = 0
    """Rewards and group statistics are enough, of groups of any size."""
    BASELINE = auto()
    """A rollout is compared with its group: with one rollout a prompt every credit is zero."""
    CRITIC = auto()
    """Values of a critic that learns beside the policy."""
    PARTS = auto()
    """The graded parts of the verdicts."""
    SURPRISAL = auto()
    """`Batch.surprisal` of every rollout: an engine that leaves out what has no credit has to read it of all of them first."""
