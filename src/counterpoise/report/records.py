"""What a report is made of: runs as they lie on disk, the evaluations to compare, and the comparisons. Shares are in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from counterpoise.evaluation.comparison import Comparison, Contender
from counterpoise.evaluation.statistics.bands import BandPoint
from counterpoise.evaluation.summary import EvaluationResult

__all__ = [
    "OWN_BASE",
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


OWN_BASE = "each run's own base"
"""What `Against.reference` says where every run is compared with the policy that it was trained from."""


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
    kind: Literal["run", "log", "evaluation", "counts"]
    """What was found there; a `log` is another trainer's."""
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
    engine: str = ""
    """Name of the trainer that wrote a `log`."""


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
    own_base: str | None = None
    """Name of the entry of the policy that it was trained from, where that was evaluated on the same problems."""

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
    """Every other entry against one reference, or against its own base."""

    reference: str
    """Name of the reference, or `OWN_BASE`; each comparison names its own."""
    differences: tuple[Contrast, ...]
    """One for each other entry; against `OWN_BASE` one for each run that has one."""


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
    """Comparisons for each possible reference, the report's own first; empty for a single entry. `OWN_BASE` is among them
    where no other reference is the base of every run."""

    def change_of(self, name: str) -> Contrast | None:
        """The run against the reference where both answered the same problems, else against its own base; None where neither can be."""
        first = [contrast for against in self.against[:1] for contrast in against.differences]
        own = next((entry.own_base for entry in self.entries if entry.name == name), None)
        with_base = [c for against in self.against for c in against.differences if c.comparison.base == own]
        fitting = (c for c in (*first, *with_base) if c.comparison.after == name and c.refused is None)
        return next(fitting, None)

    def telling(self) -> tuple[int, ...]:
        """Places in `ks` of one try and of the number of tries at which runs are furthest from what they are compared with, at most two.

        The largest k alone would often say that everything is solved within so many tries.
        """
        curves = [[point.estimate for point in curve] for curve in self.curves]
        defined = [i for i in range(len(self.ks)) if any(not math.isnan(curve[i]) for curve in curves)]
        changes = [
            change for entry in self.entries if (change := self.change_of(entry.name)) is not None and not entry.base
        ]
        if len(defined) < 2:
            return tuple(defined)

        def apart(i: int) -> float:
            known = [abs(change.comparison.points[i].estimate) for change in changes]
            return max((size for size in known if not math.isnan(size)), default=0.0)

        # Of equals the largest k.
        return defined[0], max(reversed(defined[1:]), key=apart)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRollout:
    """One rollout to show."""

    step: int | None
    """Training step it was drawn in, or after which it was evaluated."""
    evaluated: bool
    """Whether it is an evaluation's and not training's."""
    problem_id: str
    """Problem."""
    question: str | None
    """The problem's text, where it is stored."""
    gold: str | None
    """Right answer, where it is stored."""
    solution: str | None
    """A right response, where the problem has one and it is stored."""
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

    @property
    def cut_off(self) -> bool:
        """Whether it reached the token limit."""
        return self.stop_reason == "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRollouts:
    """A bounded choice of one run's rollouts to leaf through."""

    rollouts: tuple[ShownRollout, ...]
    """One of each kind in turn, of each kind the surest first."""
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
