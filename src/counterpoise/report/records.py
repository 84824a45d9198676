"""What a report is made of: runs as they lie on disk, the evaluations to compare, and the comparisons. Shares are in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from counterpoise.evaluation.bands import BandPoint
from counterpoise.evaluation.comparison import Comparison, Contender
from counterpoise.evaluation.summary import EvaluationResult

__all__ = [
    "Against",
    "Breakdown",
    "Contrast",
    "Entry",
    "Evaluated",
    "Event",
    "Report",
    "Run",
    "ShownRollout",
    "ShownRollouts",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a run's events: a resume, an interrupt, a guard, something the run said."""

    step: int
    """Training step it belongs to."""
    kind: str
    """Kind as the run names it, e.g. `interrupted`."""
    message: str
    """What happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A finished evaluation of a run."""

    step: int
    """Training steps before it."""
    path: Path
    """Its directory."""
    result: EvaluationResult
    """Its numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, evaluation or file of counts as a report sees it."""

    name: str
    """Short name, different for every run of a report."""
    target: str
    """What was typed."""
    path: Path
    """Directory or file."""
    kind: Literal["run", "evaluation", "counts"]
    """What was found there."""
    config: Mapping[str, Any]
    """Configuration as dotted keys; empty where there is none."""
    config_text: str
    """The TOML as it stands in the file."""
    steps: tuple[int, ...]
    """Steps with metrics, ascending."""
    columns: Mapping[str, Sequence[float | None]]
    """Metrics by name, one value a step; None where undefined."""
    events: tuple[Event, ...]
    """Events in the order of writing."""
    checkpoints: tuple[int, ...]
    """Steps whose checkpoint is there."""
    evaluations: tuple[Evaluated, ...]
    """Finished evaluations, steps ascending."""
    contender: Contender | None
    """The evaluation that takes part in the comparison; None where there is none."""
    step: int | None
    """Its step; None outside a run."""
    result: EvaluationResult | None
    """Its numbers, where they are more than counts."""
    started: float | None
    """Time of the first line of metrics, in seconds since 1970."""
    ended: float | None
    """Time of the last one."""
    notes: tuple[str, ...]
    """What a reader should know: damaged lines, unfinished evaluations, what is absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One curve of the comparison: a run, or the base that runs share."""

    contender: Contender
    """Counts under the name that the report uses."""
    base: bool
    """Whether this is the policy before training."""
    style: int
    """Colour, dash and marker: 0 and below for bases, from 1 for runs in their order."""
    result: EvaluationResult | None = None
    """Its numbers, where they are more than counts."""

    @property
    def name(self) -> str:
        """Name in the report."""
        return self.contender.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One entry against another."""

    comparison: Comparison
    """The difference at each k and what follows from it."""
    refused: str | None
    """Why it could not be paired, so that means are compared instead; None for a paired one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """Every other entry against one reference."""

    reference: str
    """Name of the reference."""
    differences: tuple[Contrast, ...]
    """One for each other entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """The comparison on all problems, or on those of one task type."""

    title: str
    """Task type, or `all problems`."""
    ks: tuple[int, ...]
    """Numbers of tries."""
    entries: tuple[Entry, ...]
    """Who takes part: those with problems of that type."""
    curves: tuple[tuple[BandPoint, ...], ...]
    """pass@k of each entry with interval and band."""
    against: tuple[Against, ...]
    """Comparisons for each possible reference, the report's own first; empty for a single entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRollout:
    """One rollout to show."""

    step: int | None
    """Training step it was drawn in."""
    problem_id: str
    """Problem."""
    question: str | None
    """The problem's text, where it is stored."""
    gold: str | None
    """Right answer, where it is stored."""
    text: str
    """Response."""
    tokens: tuple[str, ...]
    """Its tokens as text; empty where only the text is stored."""
    log_probs: tuple[float, ...]
    """Log-probability of each token under the sampler, in nats."""
    credit: tuple[float, ...]
    """Signed credit of each token, plus minus minus."""
    mean_log_prob: float | None
    """Mean log-probability over its tokens, in nats."""
    reward: float | None
    """Reward; None where there is none."""
    verdict: str
    """Verdict."""
    answer: str | None
    """Extracted answer."""
    stop_reason: str
    """Why it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRollouts:
    """Best and worst rollouts of one run."""

    best: tuple[ShownRollout, ...]
    """Correct ones, the highest reward first, then the most probable."""
    worst: tuple[ShownRollout, ...]
    """Wrong ones, the lowest reward first, then the most probable: the mistakes that the policy is surest of."""
    note: str
    """Where they come from, and why token colours are missing if they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a page, the CSV files, the LaTeX table and the pictures are made from."""

    title: str
    """Heading."""
    runs: tuple[Run, ...]
    """Runs in the order given."""
    entries: tuple[Entry, ...]
    """Curves, bases first."""
    sections: tuple[Breakdown, ...]
    """All problems first, then one for each task type where there are several; empty without an evaluation."""
    samples: Mapping[str, ShownRollouts]
    """Rollouts to show, by run."""
    confidence: float
    """Coverage of intervals and bands."""
    seed: int
    """Seed of the bootstrap."""
    made: float
    """When it was made, in seconds since 1970."""
    notes: tuple[str, ...]
    """What concerns several runs, e.g. evaluations drawn with different settings."""
