"""Where an arm stops paying, and where another leaves it behind."""

import math

import pytest

from counterpoise.evaluation.statistics.arms import Arm
from counterpoise.evaluation.statistics.cells import measured_cell
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.differences import arm_differences
from counterpoise.evaluation.statistics.turns import turns

N = 16


def counts(right):
    return [ProblemCounts(problem_id=f"p{i}", n=N, c=c) for i, c in enumerate(right)]


def cell(arm, step, shift, *, seed=0, size=10, intensity=None, uneven=(0, 1)):
    """Twelve problems, each with `shift` right responses more than at the base, a little more or less by seed."""
    base = [4 + i % 3 for i in range(12)]
    after = [c + shift + uneven[(i + seed) % 2] for i, c in enumerate(base)]
    made = Arm(name=arm, after={seed: counts(after)}, before=counts(base))
    trained = {"rollouts_per_problem": 8.0 * step if intensity is None else intensity}
    return measured_cell(made, seed=seed, bed="lab", axes={"size": size}, step=step, trained=trained)


def by_arm(cells, **settings):
    return {(turn.arm, turn.axes["size"]): turn for turn in turns(cells, arm_differences(cells), **settings)}


@pytest.fixture
def cells():
    moves = {"first": {1: 3, 2: 3, 3: 3}, "falls": {1: 2, 2: -3, 3: -4}, "stays": {1: 3, 2: 3, 3: 3}}
    found = [
        cell(arm, step, by, seed=seed) for arm, steps in moves.items() for step, by in steps.items() for seed in (0, 1)
    ]
    return [*found, cell("elsewhere", 1, 2, size=99)]


def test_a_turn_is_the_first_step_of_the_side_that_lasts(cells):
    found = by_arm(cells)
    assert (found["first", 10].side, found["first", 10].step, found["first", 10].intensity) == (1, 1, 8.0)
    falls = found["falls", 10]
    assert (falls.side, falls.step, falls.intensity, falls.against) == (-1, 2, 16.0, "base")
    assert falls.difference.high < 0 and len(falls.difference.by_seed) == 2
    assert found["elsewhere", 99].side == 1


def test_arms_are_paired_by_seed_and_problem(cells):
    found = by_arm(cells, against="first")
    assert set(found) == {("falls", 10), ("stays", 10)}  # not itself, and not where it was not measured
    assert (found["falls", 10].side, found["falls", 10].step) == (-1, 1)
    same = found["stays", 10]  # equal on every problem and seed: the spread of seeds and problems cancels
    assert (same.side, same.step, same.difference.estimate, same.difference.low) == (0, 3, 0.0, 0.0)
    assert by_arm([one for one in cells if one.arm != "first"], against="first") == {}


def test_a_side_that_was_left_again_is_not_said():
    cells = [cell("back", step, by) for step, by in ((1, -3), (2, 0), (3, 0))]
    cells.append(cell("back", 4, 0, intensity=math.nan, uneven=(-2, 2)))
    (turn,) = turns(cells, arm_differences(cells))
    assert turn.side == 0 and turn.step == 4 and math.isnan(turn.intensity)
