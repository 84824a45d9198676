import math

import pytest
import torch

from counterpoise.credit import Lambdas, StepStatistics, lambdas_for_rows, make_rule, signed_credit, step_statistics
from counterpoise.errors import UsageError
from counterpoise.types import Batch, Sum

CORRECT = torch.tensor([1, 0, 0, 0, 0]).bool()
SCORED = torch.tensor([1, 1, 1, 1, 0]).bool()
IDS = torch.tensor([4, 4, 8, 8, 2])
LENGTHS = torch.tensor([3, 5, 7, 11, 13])
TYPES = ["math", "math", "code", "code", "code"]


def measure(**arguments: object) -> dict[str, StepStatistics]:
    rewards = torch.where(SCORED, CORRECT.double() * 2 - 1, math.nan)
    credit = signed_credit(rewards=rewards, correct=CORRECT, scored=SCORED, group_ids=IDS, rule=make_rule("reinforce"))
    rows = {"rewards": rewards, "correct": CORRECT, "scored": SCORED, "group_ids": IDS, "lengths": LENGTHS}
    return step_statistics(credit, Batch(**{**rows, "task_types": TYPES, **arguments}))  # type: ignore[arg-type]


def test_masses_and_rates_are_kept_per_task_type() -> None:
    found = measure(surprisal=torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert found == {
        "code": StepStatistics(
            scored=2, correct=0, groups=1, solved_groups=0, plus_mass=0, minus_mass=18, entropy=Sum(total=12, count=31)
        ),
        "math": StepStatistics(
            scored=2, correct=1, groups=1, solved_groups=1, plus_mass=3, minus_mass=5, entropy=Sum(total=3, count=8)
        ),
    }
    assert (found["math"].success_rate, found["math"].coverage) == (0.5, 1.0)


def test_entropy_that_was_not_measured_counts_nothing() -> None:
    assert measure()["math"].entropy == Sum(total=0, count=0)


def test_processes_add_up() -> None:
    total = measure()["math"] + measure()["code"]
    assert (total.scored, total.plus_mass, total.minus_mass, total.groups) == (4, 3, 23, 2)


def test_one_task_type_per_rollout_is_needed() -> None:
    with pytest.raises(UsageError, match="2 task types for 5 rollouts"):
        measure(task_types=["math", "code"])


def test_lambdas_reach_their_rollouts() -> None:
    plus, minus = lambdas_for_rows(
        {"a": Lambdas(plus=0.1, minus=1.0), "b": Lambdas(plus=0.5, minus=2.0)}, ["b", "a", "b"]
    )
    assert (plus.tolist(), minus.tolist()) == ([0.5, 0.1, 0.5], [2.0, 1.0, 2.0])


def test_a_task_type_without_lambdas_is_named() -> None:
    with pytest.raises(UsageError, match="no lambdas for the task type 'code'; the controller gave: math"):
        lambdas_for_rows({"math": Lambdas(plus=1.0, minus=1.0)}, TYPES)
