"""From what every process measured to the columns of one line of metrics.jsonl."""

from __future__ import annotations

import resource
import sys

from counterpoise.diagnostics.histogram import Histogram, add_histograms, quantile_columns
from counterpoise.diagnostics.kinds import KIND, kind_columns
from counterpoise.engines.local.diagnose import UpdateMeasures
from counterpoise.learner.report import UpdateReport
from counterpoise.pipeline import Experience
from counterpoise.processes import Processes
from counterpoise.types import Sum

__all__ = ["intensity", "step_record"]

_TOTALS = ("tokens_saved_correct", "tokens_saved_wrong")
"""Metrics that are recorded as sums and not as means."""


def step_record(
    experience: Experience, report: UpdateReport, measures: UpdateMeasures, *, seconds: float, epochs: int
) -> dict[str, float]:
    """Columns by name, the same in every process but for the wall times; every process must call it.

    Sums, counts and histograms are added over the processes first: there is no mean of means and no mean of quantiles.
    """
    totals: dict[str, Sum] = {}
    histograms: dict[str, Histogram] = {}
    own = (
        {**experience.metrics, **measures.metrics},
        {**experience.histograms, **measures.tokens.histograms()},
    )
    for metrics, distributions in Processes().gather([own]):
        for name, value in metrics.items():
            totals[name] = totals[name] + value if name in totals else value
        add_histograms(histograms, distributions)
    tokens = totals["response_tokens"].total
    record = {name: value.mean for name, value in {**totals, **report.metrics}.items() if not name.startswith(KIND)}
    record |= {name: totals[name].total for name in _TOTALS}
    record |= kind_columns(totals)
    record |= quantile_columns(histograms)
    record |= {
        "optimiser_steps": float(report.optimiser_steps),
        "tokens_sampled": tokens,
        "tokens_trained": float(report.tokens_trained),
        "tokens_saved": tokens - report.tokens_trained / epochs,
        "sampler_gap_max": report.sampler_gap_max,
        "peak_memory_gib": _peak_memory_gib(),
        "tokens_trained_plus": float(report.tokens_plus),
        "tokens_trained_minus": float(report.tokens_minus),
    }
    return record | _times(experience, report, measures, seconds, sampled=tokens)


def intensity(step: int, *, prompts: int, group_size: int, problems: int) -> dict[str, float]:
    """How often training problems have been seen after `step` steps of `prompts` groups: `epochs = step * prompts / problems`.

    `rollouts_per_problem` is that times the group size. With weighted task types both are means over problems.
    """
    epochs = step * prompts / problems
    return {"epochs": epochs, "rollouts_per_problem": epochs * group_size}


def _times(
    experience: Experience, report: UpdateReport, measures: UpdateMeasures, seconds: float, *, sampled: float
) -> dict[str, float]:
    """Wall times of this process, and all processes' tokens over them."""
    signs = report.seconds.get("signs", 0.0)
    stages = {
        **experience.seconds,
        "update": sum(report.seconds.values()) - signs,
        "diagnostics": experience.seconds["diagnostics"] + measures.seconds + signs,
    }
    return {
        "seconds": seconds,
        **{f"seconds_{stage}": value for stage, value in stages.items()},
        "tokens_per_second": sampled / seconds,
        "tokens_per_second_sample": sampled / stages["sample"],
        "tokens_per_second_verify": sampled / stages["verify"],
        "tokens_per_second_update": report.tokens_trained / stages["update"],
    }


def _peak_memory_gib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**30 if sys.platform == "darwin" else peak / 2**20
