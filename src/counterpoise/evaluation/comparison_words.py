"""A comparison in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from counterpoise.evaluation.statistics.bands import Crossing
from counterpoise.evaluation.statistics.cautions import few_problems
from counterpoise.evaluation.statistics.stretches import Stretch
from counterpoise.text import counted

if TYPE_CHECKING:
    from counterpoise.evaluation.comparison import Comparison

__all__ = ["sentences"]


def sentences(comparison: Comparison) -> list[str]:
    """The comparison in words: where the runs differ, where not and what would be needed, and the crossing."""
    if all(math.isnan(point.band_low) for point in comparison.points):
        return [
            f"{comparison.after} and {comparison.base} have fewer than two problems at every k: nothing can be said of others"
        ]
    said = [*_over_every_k(comparison), *_apart(comparison), *_alike(comparison)]
    if comparison.crossing is not None:
        upper = comparison.base if comparison.lower == comparison.after else comparison.after
        said.append(_crossing_sentence(comparison.crossing, comparison.lower, upper))
    few = few_problems(max(point.problems for point in comparison.points))
    return [*said, few] if few else said


def _over_every_k(comparison: Comparison) -> list[str]:
    """`b against a, over every k from 1 to 64 at once: gains for k=1-10, undecided for k=11-60, loses from k=61; …`"""
    if not comparison.stretches:
        return []
    last = comparison.stretches[-1].last_k
    parts = ", ".join(_stretch(stretch, last) for stretch in comparison.stretches)
    said = f"{comparison.after} against {comparison.base}, over every k from {comparison.stretches[0].first_k} to {last} at once: {parts}"
    lost = comparison.first_loss
    if lost is not None and lost.ranges and not (lost.never and len(comparison.stretches) == 1):
        where = " or ".join(f"{low}-{high}" if low < high else f"{low}" for low, high in lost.ranges)
        said += f"; the first k at which it loses is in {where}" + (", or there is none" if lost.never else "")
    return [said]


def _apart(comparison: Comparison) -> list[str]:
    said = []
    for word, sign in (("above", 1), ("below", -1)):
        ks = [
            k
            for k, p in zip(comparison.ks, comparison.points, strict=True)
            if min(sign * p.band_low, sign * p.band_high) > 0
        ]
        if ks:
            said.append(
                f"{comparison.after} lies {word} {comparison.base} at k={_listed(ks)}, outside the band over all k"
            )
    return said


def _alike(comparison: Comparison) -> list[str]:
    inside = [i for i, p in enumerate(comparison.points) if p.band_low <= 0 <= p.band_high]
    # Without any spread of its own: the band may have width all the same, where other k have spread.
    equal = [
        comparison.ks[i]
        for i in inside
        if comparison.points[i].critical in (0.0, math.inf) and not comparison.points[i].estimate
    ]
    inside = [i for i in inside if comparison.ks[i] not in equal]
    alike = "are equal on every problem" if comparison.detectable else "have equal means without any spread"
    said = [f"{comparison.after} and {comparison.base} {alike} at k={_listed(equal)}"] if equal else []
    if not inside:
        return said
    most = max(inside, key=lambda i: abs(comparison.points[i].estimate))
    point, where = comparison.points[most], _listed([comparison.ks[i] for i in inside])
    problems = counted(point.problems, "problem")
    sentence = f"{problems} cannot tell {comparison.after} from {comparison.base} at k={where}"
    if comparison.detectable:
        found = comparison.detectable[most]
        sentence += f": the largest difference there is {_points(point.estimate)} points at k={comparison.ks[most]}"
        if not math.isnan(found.minimum):
            sentence += f", and {problems} find {_points(found.minimum, signed=False)} points or more (power 80%)"
        if not math.isnan(found.needed):
            sentence += f"; a difference this large would take about {found.needed:.0f} problems"
    return [*said, sentence]


def _crossing_sentence(crossing: Crossing, lower: str, upper: str) -> str:
    if crossing.state == "above":
        return f"no crossing: the curves do not part from k={crossing.first_k} to {crossing.last_k}"
    if crossing.state == "under":
        said = (
            f"{lower} lies under {upper} at every k from {crossing.first_k} to {crossing.last_k} that tells them apart"
        )
        return f"{said}; so it does in {crossing.under_share:.0%} of the resamples, and they cross in {crossing.crossing_share:.0%}"
    low = f"{crossing.low:.1f}" if crossing.low > crossing.first_k else f"<={crossing.first_k}"
    high = f">{crossing.last_k}" if math.isinf(crossing.high) else f"{crossing.high:.1f}"
    said = (
        f"{lower} drops under {upper} at k={crossing.k:.1f} [{low}, {high}]; "
        f"the curves cross so in {crossing.crossing_share:.0%} of the resamples"
    )
    open_ends = crossing.low <= crossing.first_k and math.isinf(crossing.high)
    return f"{said}: these problems do not tell whether they cross" if open_ends else said


def _stretch(stretch: Stretch, last: int) -> str:
    word = stretch.state
    if stretch.first_k == stretch.last_k:
        return f"{word} at k={stretch.first_k}"
    if stretch.last_k == last and stretch.first_k > 1:
        return f"{word} from k={stretch.first_k}"
    return f"{word} for k={stretch.first_k}-{stretch.last_k}"


def _listed(ks: Sequence[int]) -> str:
    return ", ".join(map(str, ks))


def _points(share: float, *, signed: bool = True) -> str:
    return f"{100 * share:+.1f}" if signed else f"{100 * share:.1f}"
