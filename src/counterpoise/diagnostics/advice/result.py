"""Advice as a record: what to do, and why, in words and in lines of a run file."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Advice", "Choice", "Finding", "Regime", "RuleVerdict", "Status", "Urgency"]


class Regime(enum.StrEnum):
    """Where a policy stands on a task."""

    UNREADABLE = "unreadable"
    """Too much is unscored, cut off or without an answer to say."""
    NOTHING_RIGHT = "nothing_right"
    """No rollout was right."""
    WEAK = "weak"
    """Most groups, or nearly all rollouts, are wrong."""
    MIDDLE = "middle"
    """Neither weak nor strong."""
    STRONG = "strong"
    """Most groups hold a success, and a good part of the rollouts is right."""
    SATURATED = "saturated"
    """Nearly all rollouts are right."""


class Status(enum.StrEnum):
    """What is said of a rule."""

    RECOMMENDED = "recommended"
    POSSIBLE = "possible"
    AGAINST = "advised against"


class Urgency(enum.StrEnum):
    """How much a finding matters."""

    FIX = "fix first"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One setting to change."""

    key: str
    """Dotted key of the run file."""
    value: str | int | float | bool | tuple[str, ...]
    """Its value."""
    why: str
    """The reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVerdict:
    """One rule under these measurements."""

    rule: str
    """Called as in `RuleShare`; `share` is REINFORCE under that controller."""
    status: Status
    """What is said of it."""
    why: str
    """The reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something worth knowing."""

    level: Urgency
    """How much it matters."""
    text: str
    """What was found and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do with a model on a task."""

    regime: Regime
    """Where the policy stands."""
    headline: str
    """The advice in one or two sentences."""
    rule: str | None
    """The recommended rule, called as in `RuleVerdict`; None where none would learn, or it is too early to say."""
    choices: Sequence[Choice]
    """Settings of the run file, the rule's first."""
    rules: Sequence[RuleVerdict]
    """Every rule that was looked at."""
    findings: Sequence[Finding]
    """The rest, what must be fixed first before warnings before notes."""
