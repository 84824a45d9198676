"""The bed for quantities: enumerated exercises, and the ways in which a base was shown their answers."""

from collections import Counter

import numpy as np
import pytest

from counterpoise.errors import ConfigError
from counterpoise.tasks.base import HasKinds, Showing
from counterpoise.tasks.generators.units import Units, _ways
from counterpoise.tasks.registry import make_task
from counterpoise.verifiers.compare.quantity import QuantityVerifier

RIGHT = {"plain", "prefixed", "product"}


def everything():
    return [*Units().problems("train"), *Units().problems("test")]


def test_every_exercise_is_there_once():
    problems = everything()
    # 5 laws, with and without a conversion, 97 first data from 3 to 99 and 17 second ones from 3 to 19
    assert len({problem.problem_id for problem in problems}) == len(problems) == 5 * 2 * 97 * 17
    assert Counter(problem.meta["converted"] for problem in problems) == {True: 8245, False: 8245}


def test_three_ways_of_writing_are_right_and_four_are_wrong():
    exact = QuantityVerifier(relative_tolerance=0.0)
    for problem in Units(largest=9).problems("train")[::7]:
        ways = _ways(problem)
        right = {kind for kind, text in ways.items() if exact.judge(problem.gold, text).value.value == "correct"}
        assert right == RIGHT and len(set(ways.values())) == len(ways) == 7
        assert all(exact.extract(text).answer == text for text in ways.values())


def test_a_base_is_shown_seven_wrong_answers_in_ten():
    task = Units()
    assert isinstance(task, HasKinds) and isinstance(task, Showing) and set(task.kinds) == RIGHT
    problem = task.problems("train")[0]
    generator = np.random.default_rng(0)
    kinds = Counter(task.kind_of(problem, task.shown(problem, generator)) for _ in range(4000))
    expected = {
        "plain": 0.15, "prefixed": 0.08, "product": 0.07, "unconverted": 0.3, "other unit": 0.15, "no unit": 0.15, "factor": 0.1
    }  # fmt: skip
    assert kinds.keys() == expected.keys()
    for kind, share in expected.items():
        assert abs(kinds[kind] / 4000 - share) < 4 * (share * (1 - share) / 4000) ** 0.5


def test_a_wrong_product_is_of_no_kind():
    task = Units()
    problem = next(p for p in task.problems("test") if not p.meta["converted"])
    value = problem.meta["value"]
    assert task.kind_of(problem, f"{value + 1}joule") == task.kind_of(problem, "") == "other"
    assert task.kind_of(problem, f"{value}parsec") == "other unit"


def test_a_largest_number_that_is_too_small_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"task units: largest = 8"):
        make_task("units", largest=8)
