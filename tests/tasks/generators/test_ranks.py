"""Which of some numbers is the k-th largest."""

import pytest

from counterpoise.errors import ConfigError, DataError
from counterpoise.tasks.generators.ranks import Ranks
from counterpoise.tasks.registry import make_task


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "is the largest: "),
        ({"rank": 2}, "is the second largest: "),
        ({"rank": 3, "order": "smallest", "numbers": 5, "digits": 3}, "is the third smallest: "),
    ],
)
def test_golds_follow_from_the_question(settings, words):
    task = Ranks(count=200, **settings)
    for problem in (*task.problems("train"), *task.problems("test")):
        assert words in problem.question
        numbers = [int(one) for one in problem.question.partition(": ")[2].removesuffix("?").split(", ")]
        assert len(set(numbers)) == task.numbers
        assert all(len(str(number)) == task.digits for number in numbers)
        ordered = sorted(numbers, reverse=task.order == "largest")
        assert int(problem.gold) == ordered[task.rank - 1]


def test_sides_are_disjoint_and_repeat():
    task = Ranks(count=500)
    train, test = (task.problems(split) for split in ("train", "test"))
    assert len(train) + len(test) == 500
    assert not {p.problem_id for p in train} & {p.problem_id for p in test}
    assert train == task.problems("train") != Ranks(count=500, seed=1).problems("train")


def test_a_rank_beyond_the_numbers_is_refused():
    with pytest.raises(ConfigError, match="rank = 5 among numbers = 4; expected at most as many"):
        make_task("ranks", rank=5)


def test_more_problems_than_there_are_is_refused():
    with pytest.raises(
        DataError, match="found 90 different problems of 2 numbers with 1 digits, and count asks for 100"
    ):
        Ranks(numbers=2, digits=1, count=100).problems("train")
