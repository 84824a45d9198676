"""The bed for programs: described functions, the slips that a base was shown, and what the tests make of them."""

import json
from collections import Counter

import numpy as np
import pytest

from counterpoise.errors import ConfigError
from counterpoise.tasks.base import HasKinds, Showing
from counterpoise.tasks.generators.snippets import Snippets, _ways
from counterpoise.tasks.registry import make_task


def everything():
    return [*Snippets().problems("train"), *Snippets().problems("test")]


def passed(problem, program):
    function = eval(program.removeprefix("f="))  # of this file's own texts
    return np.mean([function(*arguments) == value for arguments, value in json.loads(problem.gold)["cases"]])


def test_every_description_is_there_once():
    problems = everything()
    # 5 starts; 4 changes with 8 numbers, and 12 ordered pairs of changes with 8 numbers each
    assert len({problem.problem_id for problem in problems}) == len(problems) == 5 * (4 * 8 + 12 * 64)
    assert all(len(json.loads(problem.gold)["cases"]) == 8 for problem in problems[::97])


def test_what_has_no_slip_passes_every_test_and_slips_fail_by_shares():
    shares = []
    for problem in Snippets(largest=4).problems("train")[::3]:
        for way in _ways(problem.question):
            share = passed(problem, f"f=lambda a,b:{way.text}")
            assert way.slip or share == 1.0, (problem.question, way.text)
            if way.slip:
                shares.append(share)
        assert passed(problem, problem.demonstration) == 1.0
    # a slip may be harmless (a bound that nothing reaches), but few are
    assert np.mean(np.array(shares) == 1.0) < 0.15 and np.mean([0 < share < 1 for share in shares]) > 0.2


def test_a_base_is_shown_each_text_by_its_share():
    task = Snippets()
    assert isinstance(task, HasKinds) and isinstance(task, Showing)
    problem = next(p for p in everything() if p.question == "gap,times 3")
    generator = np.random.default_rng(0)
    kinds = Counter(task.kind_of(problem, task.shown(problem, generator)) for _ in range(4000))
    # abs(a-b) 0.3 is right either way round; max(a,b)-min(a,b) 0.1 and a-b 0.6 are multiplied without parentheses 6 times in 10
    expected = {"right": 0.3 + 0.1 * 0.4, "parentheses": 0.1 * 0.6, "sign": 0.6}
    assert kinds.keys() == expected.keys()
    for kind, share in expected.items():
        assert abs(kinds[kind] / 4000 - share) < 4 * (share * (1 - share) / 4000) ** 0.5


def test_a_text_that_was_not_shown_is_another_kind():
    task = Snippets()
    problem = everything()[0]
    assert task.kind_of(problem, "f=lambda a,b:0") == task.kind_of(problem, "") == "other"


def test_a_largest_number_that_is_too_small_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"task snippets: largest = 1"):
        make_task("snippets", largest=1)
