"""Can reinforcement do more for a task than a lower temperature? pass@1 with and without worked examples, at several temperatures."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from counterpoise.diagnostics.advice.thresholds import Thresholds
from counterpoise.diagnostics.explanation import Measured
from counterpoise.text import counted

__all__ = ["Capability", "Screen", "ScreenCell", "judge_screen"]


class Capability(enum.StrEnum):
    """What a policy has of a task."""

    LATENT = "latent"
    """It can do it and does not: examples elicit what no temperature does."""
    SHARPENING = "sharpening"
    """It does it when drawn colder."""
    PRESENT = "present"
    """It does it as it is drawn."""
    ABSENT = "absent"
    """Nothing elicits it."""
    UNCLEAR = "unclear"
    """A gain that its interval does not hold up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenCell:
    """One way of asking."""

    shots: int
    """Worked examples in the prompt."""
    temperature: float
    """Of the draws."""
    pass_1: Measured
    """Success rate, mean over problems."""
    pass_k: Measured
    """pass@k at k = the responses drawn to each problem; NaN where some were not scored."""
    no_answer: float
    """Share of the scored responses in which no answer was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What the measurement says of one task type."""

    task_type: str
    """Its name."""
    problems: int
    """Training problems that were asked, the same in every cell."""
    group_size: int
    """Responses to each in each cell."""
    cells: Sequence[ScreenCell]
    """Without examples by falling temperature, then with them."""
    examples: Measured
    """pass@1 of the best cell with examples less that of the best one without, over the same problems."""
    cooling: Measured
    """pass@1 of the best cell without examples less that at the first temperature, over the same problems."""
    capability: Capability
    """What the policy has of the task."""
    line: str
    """That and what to do, with the numbers, in one line."""


def judge_screen(
    task_type: str,
    cells: Sequence[ScreenCell],
    *,
    examples: Measured,
    cooling: Measured,
    problems: int,
    group_size: int,
    t: Thresholds,
) -> Screen:
    """Latent, where examples gain `screen_gain` of pass@1 over every temperature; else sharpening, where a lower temperature gains it.

    A gain counts where the lower end of its interval is above 0, and is unclear where it is not. Where neither gains, the ability is there
    already (`screen_present`) or absent.
    """
    zero = [cell for cell in cells if not cell.shots]
    few = [cell for cell in cells if cell.shots]
    drawn, cold, shown = zero[0], _best(zero), _best(few)
    number = counted(shown.shots, "example")
    if math.isnan(drawn.pass_1.value):
        said, words = Capability.UNCLEAR, "nothing could be scored."
    elif examples.value >= t.screen_gain and examples.low > 0:
        said = Capability.LATENT
        words = (
            f"train. {number} in the prompt give pass@1 {_percent(shown.pass_1)} (temperature {shown.temperature:g}), and no temperature "
            f"without them more than {_percent(cold.pass_1)}: {_points(examples)}."
        )
        if drawn.no_answer > t.no_answer_stop:
            words += (
                f" {drawn.no_answer:.0%} of the responses without examples hold no answer (with them {shown.no_answer:.0%}), so some of it "
                "is form alone."
            )
    elif examples.value < t.screen_gain and cooling.value >= t.screen_gain and cooling.low > 0:
        said = Capability.SHARPENING
        words = (
            f"lower the temperature. {cold.temperature:g} in the place of {drawn.temperature:g} gives pass@1 {_percent(cold.pass_1)} "
            f"instead of {_percent(drawn.pass_1)} without training: {_points(cooling)}; {number} give {_percent(shown.pass_1)}."
        )
    elif max(examples.value, cooling.value) >= t.screen_gain:
        said = Capability.UNCLEAR
        words = (
            f"{number} change pass@1 by {_points(examples)}, a lower temperature by {_points(cooling)}, from "
            f"{_percent(drawn.pass_1)}: more --problems would tell."
        )
    else:
        there = drawn.pass_1.value >= t.screen_present
        said = Capability.PRESENT if there else Capability.ABSENT
        words = (
            f"{'see the rules above for what training gives' if there else 'supervise first'}. pass@1 is {_percent(drawn.pass_1)}, and "
            f"neither {number} ({_points(examples)} over the best temperature) nor a lower temperature ({_points(cooling)}) gives "
            f"{100 * t.screen_gain:g} points more."
        )
    return Screen(
        task_type=task_type,
        problems=problems,
        group_size=group_size,
        cells=tuple(cells),
        examples=examples,
        cooling=cooling,
        capability=said,
        line=f"{said.value}: {words}",
    )


def _best(cells: Sequence[ScreenCell]) -> ScreenCell:
    return max(cells, key=lambda cell: -math.inf if math.isnan(cell.pass_1.value) else cell.pass_1.value)


def _percent(share: Measured) -> str:
    return f"{100 * share.value:.1f}% [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def _points(change: Measured) -> str:
    return f"{100 * change.value:+.1f} points [{100 * change.low:+.1f}, {100 * change.high:+.1f}]"
