"""Capitals of countries, answered in a sentence."""

import json

import pytest

from counterpoise.errors import ConfigError, DataError
from counterpoise.tasks.generators.capitals import Capitals
from counterpoise.tasks.generators.facts import Facts
from counterpoise.tasks.registry import make_task


def everything():
    return [*Capitals().problems("train"), *Capitals().problems("test")]


def test_they_are_those_of_facts_on_the_same_sides():
    for split in ("train", "test"):
        known = {p.question: json.loads(p.gold) for p in Facts().problems(split) if p.meta["kind"] == "capital"}
        problems = Capitals().problems(split)
        assert {p.question for p in problems} == known.keys()
        for problem in problems:
            golds = json.loads(problem.gold)
            # six forms of every name, the usual name first
            assert len(golds) == 6 * len(known[problem.question])
            assert golds[0] == known[problem.question][0]
            assert set(known[problem.question]) < set(golds)
    assert len(everything()) == len({problem.problem_id for problem in everything()}) == 131


def test_the_seed_is_an_order():
    first, second = Capitals().problems("test"), Capitals(seed=1).problems("test")
    assert first == Capitals().problems("test") != second
    assert {problem.problem_id for problem in first} == {problem.problem_id for problem in second}


def test_selfcheck_passes_on_all_of_them(self_check):
    report = self_check(everything(), task="capitals", sample=None)
    assert report.ok, [offence for probe in report.probes for offence in probe.offences]


@pytest.mark.parametrize(
    ("country", "response", "value"),
    [
        ("France", "Paris", "correct"),
        ("France", "paris.", "correct"),
        ("France", "The capital of France is Paris.", "correct"),
        ("France", "The capital city of France is **Paris**.", "correct"),
        ("France", "Paris is the capital of France.", "correct"),
        ("France", "It is Paris.", "correct"),
        ("France", "The answer is Paris.", "correct"),
        ("Philippines", "The capital of the Philippines is Manila.", "correct"),
        ("Ukraine", "The capital of Ukraine is Kiev.", "correct"),
        ("Brazil", "The capital of Brazil is Brasilia.", "correct"),
        ("France", "The capital of France is Lyon.", "wrong"),
        ("France", "The capital of Germany is Paris.", "wrong"),
        ("France", "The capital of France is not Paris.", "wrong"),
        ("France", "The capital of France is Paris or Lyon.", "wrong"),
        ("France", "Lyon, and not Paris, is the capital of France.", "wrong"),
        ("France", "Parisian", "wrong"),
        ("France", "The capital of France is", "wrong"),
        ("France", "I do not know.", "abstained"),
        ("France", "", "no_answer"),
    ],
)
def test_a_whole_answer_is_compared(country, response, value, judge):
    problem = next(p for p in everything() if p.meta["country"] == country)
    assert judge.verify([problem], [response])[0].value == value


def test_settings():
    with pytest.raises(ConfigError, match=r"task capitals: test_fraction = 2; expected a number in \[0, 1\]"):
        make_task("capitals", test_fraction=2)
    with pytest.raises(DataError, match="task 'capitals' has no test problems with test_fraction=0"):
        Capitals(test_fraction=0.0).problems("test")
