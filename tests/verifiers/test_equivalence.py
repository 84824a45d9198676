import pytest

from counterpoise.types import Problem
from counterpoise.verifiers.equivalence import equivalent_answers
from counterpoise.verifiers.judge import Judge


def same(verifier, one, other):
    problem = Problem(problem_id="p", task_type="t", question="?", gold="7", verifier=verifier)
    with Judge() as judge:
        return equivalent_answers(judge, problem, one, other)


@pytest.mark.parametrize(
    ("verifier", "one", "other", "expected"),
    [
        ("numeric", "0.5", "1/2", True),
        ("numeric", "0.5", "0.6", False),
        ("numeric", "no number", "0.6", False),  # an answer that is not a gold makes the judgement unscored
        ("exact", "the  cat", "the cat", True),
        ("math", r"\frac{1}{2}", "0.5", True),
        ("math", "x+1", "1+x", False),  # equal, but only algebra in a worker could say so
        ("countdown", "3+4", "3+4", False),  # its gold is a list of numbers and a target
        ("qa", "Paris", "Paris", False),
    ],
)
def test_what_the_verifier_can_say_at_once(verifier, one, other, expected):
    assert same(verifier, one, other) is expected
