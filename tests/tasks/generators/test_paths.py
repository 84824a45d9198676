"""The bed of procedures: enumerated, stratified, and what it says of a response."""

import hashlib
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from counterpoise.errors import ConfigError
from counterpoise.tasks.base import HasKinds
from counterpoise.tasks.generators.paths import EASY, HARD, PROCEDURES, Paths, spelling
from counterpoise.tasks.registry import make_task

RESULT = {"+": lambda left, right: left + right, "-": lambda left, right: left - right}


def test_every_result_names_its_procedure_and_none_is_negative():
    problems = [*Paths().problems("train"), *Paths().problems("test")]
    assert len(problems) == len({problem.problem_id for problem in problems}) == 6295
    for problem in problems[::97]:
        values = dict(zip("abc", problem.meta["numbers"], strict=True))
        results = []
        for one in PROCEDURES:
            left, right = (values.get(side, int(side) if side.isdigit() else 0) for side in (one.left, one.right))
            results.append(RESULT[one.sign](left, right))
            assert one.written(values) == (f"{left}{one.sign}{right}", results[-1])
        assert len(set(results)) == 12
        assert min(results) >= 0


@pytest.mark.parametrize("split", ["train", "test"])
def test_hard_problems_want_each_good_procedure_equally_often(split):
    task = Paths()
    problems = task.problems(split)
    hard = [problem for problem in problems if problem.task_type == HARD]
    assert len(hard) == round(0.3 * len(problems))
    wanted = Counter(task.kind_of(problem, problem.gold) for problem in hard)
    assert len(wanted) == 8
    assert max(wanted.values()) - min(wanted.values()) <= 1
    assert all(len(json.loads(problem.gold)) == 8 for problem in problems if problem.task_type == EASY)


def test_sides_and_golds_do_not_depend_on_the_order():
    first, second = ({p.problem_id: p.gold for p in Paths(seed=seed).problems("test")} for seed in (0, 1))
    assert first == second
    assert not first.keys() & {problem.problem_id for problem in Paths().problems("train")}
    assert [p.problem_id for p in Paths(seed=0).problems("test")] != [
        p.problem_id for p in Paths(seed=1).problems("test")
    ]


def test_a_clean_set_accepts_every_good_procedure():
    assert {problem.task_type for problem in Paths(hard_share=0.0).problems("train")} == {EASY}


@pytest.mark.parametrize("named", [True, False])
def test_the_kind_of_a_response_is_its_procedure(named):
    task = Paths(named=named)
    assert isinstance(task, HasKinds)
    problem = task.problems("test")[0]
    generator = np.random.default_rng(0)
    kinds = Counter(task.kind_of(problem, spelling(problem, generator)) for _ in range(4000))
    assert "other" not in kinds
    expected = {f"{one.name} {one.left}{one.sign}{one.right}": one.prior for one in PROCEDURES}
    for kind, prior in expected.items():
        assert abs(kinds[kind] / 4000 - prior) < 4 * (prior * (1 - prior) / 4000) ** 0.5
    assert task.kind_of(problem, "I do not know") == task.kind_of(problem, "") == "other"


def test_the_packaged_bases_prior_is_the_default_to_the_last_bit():
    task, generator = Paths(), np.random.default_rng(0)
    shown = [task.shown(problem, generator) for problem in task.problems("train")[:2000]]
    # as they were drawn before there was a setting
    assert shown[:6] == ["h:34-7=27", "k:36+36=72", "s:22+39=61", "s:20+40=60", "n:23-1=22", "x:12-1=11"]
    assert hashlib.sha256("\n".join(shown).encode()).hexdigest()[:16] == "25f0726feef2c6da"
    assert task.wrong_prior == pytest.approx(sum(one.prior for one in PROCEDURES if not one.good), abs=1e-12)


@pytest.mark.parametrize("wrong_prior", [0.0, 0.3, 0.9, 1.0])
def test_the_wrong_prior_is_the_share_of_what_is_never_right(wrong_prior):
    task, generator, draws = Paths(wrong_prior=wrong_prior), np.random.default_rng(1), 4000
    problem = task.problems("test")[0]
    kinds = Counter(task.kind_of(problem, task.shown(problem, generator)) for _ in range(draws))
    assert kinds.total() == draws
    for one in PROCEDURES:
        # a common good one is shown 0.08 / 0.4 = 1/5 of what the wrong ones leave, a rare one 1/20, a wrong one a quarter of theirs
        share = (1 - wrong_prior) * (1 / 5 if one.prior == 0.08 else 1 / 20) if one.good else wrong_prior / 4
        found = kinds[f"{one.name} {one.left}{one.sign}{one.right}"] / draws
        assert abs(found - share) <= 4 * (share * (1 - share) / draws) ** 0.5


def test_problems_do_not_depend_on_what_a_base_is_shown():
    assert replace(Paths(), wrong_prior=0.1).problems("test") == Paths().problems("test")
    with pytest.raises(ConfigError, match=r"task paths: wrong_prior = 1\.5; expected a number in \[0, 1\]"):
        make_task("paths", wrong_prior=1.5)


def test_a_name_that_is_not_the_procedures_is_another_kind():
    task = Paths()
    problem = next(p for p in task.problems("test") if p.task_type == EASY)
    expression = problem.demonstration.partition(":")[2]
    assert task.kind_of(problem, f"a:{expression}") == "other"
    assert task.kind_of(problem, problem.demonstration) == "s b+c"


def test_a_number_that_is_too_small_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"task paths: largest = 3"):
        make_task("paths", largest=3)
