"""The bed for declining: made-up facts, how much of them a base is taught, and what a response says."""

from collections import Counter

import numpy as np
import pytest

from counterpoise.errors import ConfigError
from counterpoise.tasks.base import HasKinds, Showing
from counterpoise.tasks.generators.recall import DECLINED, Recall
from counterpoise.tasks.registry import make_task
from counterpoise.types import VerdictValue


def everything(task=None):
    task = task or Recall()
    return [*task.problems("train"), *task.problems("test")]


def test_every_fact_is_about_a_place_of_its_own():
    problems = everything()
    assert len({problem.problem_id for problem in problems}) == len(problems) == 400
    places = Counter(problem.question.split(" ")[2] for problem in problems)
    assert max(places.values()) == 1
    assert Counter(p.question.split(" ")[-1] for p in problems) == {"ald?": 100, "bre?": 100, "cor?": 100, "dun?": 100}


def test_regions_differ_in_what_was_taught_on_both_sides():
    for side in ("train", "test"):
        taught = Counter()
        for problem in Recall(size=4000).problems(side):
            taught[problem.question[-4:-1], problem.meta["taught"] != "never"] += 1
        shares = [
            taught[region, True] / (taught[region, True] + taught[region, False])
            for region in ("ald", "bre", "cor", "dun")
        ]
        # about 500 facts of each: three standard deviations of a share of one half are 0.067
        assert shares == pytest.approx([0.85, 0.6, 0.35, 0.1], abs=0.07)


def test_the_sides_do_not_depend_on_the_order():
    first, second = ([problem.problem_id for problem in Recall(seed=seed).problems("test")] for seed in (0, 1))
    assert first != second and sorted(first) == sorted(second)
    assert not set(first) & {problem.problem_id for problem in Recall().problems("train")}


@pytest.mark.parametrize(
    ("taught", "shares"),
    [
        ("well", {"right": 0.6, "false": 0.3, "declined": 0.1}),
        ("badly", {"right": 0.15, "false": 0.75, "declined": 0.1}),
        ("never", {"other": 0.9, "declined": 0.1}),
    ],
)
def test_a_base_is_shown_what_the_bed_says(taught, shares):
    task = Recall()
    assert isinstance(task, HasKinds) and isinstance(task, Showing)
    problem = next(p for p in everything() if p.meta["taught"] == taught)
    generator = np.random.default_rng(0)
    shown = [task.shown(problem, generator) for _ in range(4000)]
    kinds = Counter(task.kind_of(problem, answer) for answer in shown)
    assert kinds.keys() == shares.keys()
    for kind, share in shares.items():
        assert abs(kinds[kind] / 4000 - share) < 4 * (share * (1 - share) / 4000) ** 0.5
    # 16 * 5 * 16 * 5 * 16 words: what was never taught is not guessed
    assert taught != "never" or len(set(shown)) > 3000


def test_the_verifier_knows_the_answer_that_declines(judge):
    problem = everything()[0]
    verdicts = judge.verify([problem] * 3, [problem.gold, DECLINED, "kibul"])
    assert [verdict.value for verdict in verdicts] == [
        VerdictValue.CORRECT, VerdictValue.ABSTAINED, VerdictValue.WRONG
    ]  # fmt: skip


def test_too_few_facts_are_refused():
    with pytest.raises(ConfigError, match=r"task recall: size = 4"):
        make_task("recall", size=4)
