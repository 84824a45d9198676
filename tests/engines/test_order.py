from collections import Counter

from counterpoise.engines.order import ProblemOrder
from counterpoise.types import Problem


def _problems(count):
    return [Problem(problem_id=str(i), task_type="t", question="q", gold="g", verifier="exact") for i in range(count)]


def _ids(order, steps):
    return [problem.problem_id for step in steps for problem in order.at(step)]


def test_every_epoch_shows_each_problem_once_even_when_steps_straddle_epochs():
    order = ProblemOrder(_problems(7), per_step=3, seed=0)
    seen = _ids(order, range(7))  # 21 = 3 epochs of 7
    assert Counter(seen[:7]) == Counter(seen[7:14]) == Counter(seen[14:]) == Counter(map(str, range(7)))
    assert seen[:7] != seen[7:14]


def test_a_step_does_not_depend_on_the_steps_before_it():
    order = ProblemOrder(_problems(7), per_step=3, seed=0)
    assert ProblemOrder(_problems(7), per_step=3, seed=0).at(5) == [*map(order.at, range(6))][5]
    assert ProblemOrder(_problems(7), per_step=3, seed=1).at(5) != order.at(5)
