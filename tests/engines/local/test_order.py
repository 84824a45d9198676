from collections import Counter

import pytest

from counterpoise.engines.local.order import ProblemOrder
from counterpoise.errors import ConfigError
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


def _kinds(**counts):
    return [
        Problem(problem_id=f"{kind}{i}", task_type=kind, question="q", gold="g", verifier="exact")
        for kind, count in counts.items()
        for i in range(count)
    ]


def test_weights_give_every_step_its_share_and_carry_what_is_left_over():
    order = ProblemOrder(_kinds(a=50, b=4, c=9), per_step=4, seed=0, weights={"a": 5, "b": 3, "c": 2})
    total = Counter()
    for step in range(50):
        problems = order.at(step)
        assert len(problems) == 4
        total.update(problem.task_type for problem in problems)
        for kind, share in {"a": 0.5, "b": 0.3, "c": 0.2}.items():
            assert abs(total[kind] - share * 4 * (step + 1)) <= 1.0
    assert total == {"a": 100, "b": 60, "c": 40}


def test_every_kind_has_epochs_of_its_own():
    order = ProblemOrder(_kinds(a=6, b=3), per_step=4, seed=0, weights={"a": 1, "b": 1})
    drawn = [problem.problem_id for step in range(3) for problem in order.at(step)]
    assert Counter(drawn) == {**{f"a{i}": 1 for i in range(6)}, **{f"b{i}": 2 for i in range(3)}}


def test_a_weighted_step_does_not_depend_on_the_steps_asked_for_before_it():
    def fresh():
        return ProblemOrder(_kinds(a=7, b=5), per_step=3, seed=0, weights={"a": 2, "b": 1})

    order = fresh()
    assert fresh().at(6) == [order.at(step) for step in range(7)][6] == order.at(6)


def test_weights_must_name_the_task_types_there_are():
    with pytest.raises(
        ConfigError, match=r"tasks\.weights names a, c, and the problems are of the types a, b; give every"
    ):
        ProblemOrder(_kinds(a=1, b=1), per_step=1, seed=0, weights={"a": 1, "c": 1})
