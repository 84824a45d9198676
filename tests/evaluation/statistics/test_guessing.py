import pytest

from counterpoise.evaluation.statistics.guessing import guess_floor, guess_line
from counterpoise.types import Problem


def problems(*rates):
    return [
        Problem(problem_id=str(i), task_type="t", question="?", gold="A of 4", verifier="choice", meta={"guess_rate": rate} if rate else {})
        for i, rate in enumerate(rates)
    ]  # fmt: skip


def test_one_minus_all_guesses_wrong():
    # 1 - (3/4)^k
    assert guess_floor(problems(0.25, 0.25), [1, 4]) == pytest.approx({"1": 0.25, "4": 1 - 0.75**4})


def test_problems_without_options_cannot_be_guessed():
    assert guess_floor(problems(0.5, None), [1, 2]) == {"1": 0.25, "2": 0.375}  # (1/2 + 0)/2, (3/4 + 0)/2
    assert guess_floor(problems(None, None), [1, 2]) == {}


def test_line():
    assert guess_line({"1": 0.25, "4": 0.68359375}) == "guess floor: k=1 25.0%, k=4 68.4%"
