"""From targets to a `Report`: everything is read and compared once, and every form of output is made from it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from counterpoise.report.collect import read_runs
from counterpoise.report.records import Report
from counterpoise.report.samples import find_rollouts
from counterpoise.report.sections import few_notes, find_entries, make_sections, settings_notes

__all__ = ["build_report"]


def build_report(
    targets: Sequence[str],
    *,
    title: str | None = None,
    against: str | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = 10_000,
) -> Report:
    """Read the targets and compare what was evaluated.

    Args:
        targets: run directories (`RUN@STEP` chooses an evaluation), evaluation directories, or files of {id, n, c} lines.
        title: heading; by default made of the runs' names.
        against: name of the curve that others are compared with; by default the first base, or the first run.
        confidence: coverage of intervals and bands, in (0, 1).
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        UsageError: no target, one twice, an `against` that is not there, or numbers out of range.
        DataError: a target is not there or holds nothing that could be shown.
        StoreError: an evaluation cannot be read.
    """
    runs = read_runs(targets)
    entries = find_entries(runs)
    samples = {run.name: found for run in runs if (found := find_rollouts(run)) is not None}
    return Report(
        title=title or _title([run.name for run in runs]),
        runs=tuple(runs),
        entries=tuple(entries),
        sections=tuple(make_sections(entries, against=against, confidence=confidence, seed=seed, resamples=resamples)),
        samples=samples,
        confidence=confidence,
        seed=seed,
        made=time.time(),
        notes=(*settings_notes(entries), *few_notes(entries)),
    )


def _title(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) <= 4 else f"{len(names)} runs"
