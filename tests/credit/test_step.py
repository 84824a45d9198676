"""A whole step's credit as a driver calls it, without the run file and without anything that knows of processes."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from counterpoise.credit import CreditStep, make_controller, make_rule, make_token_weights, signed_credit, step_rule
from counterpoise.errors import ConfigError
from counterpoise.types import Batch, Credit

BLOCKED = ["accelerate", "counterpoise.config", "counterpoise.runfile", "torch.distributed"]


def _batch(pattern: str, kinds: str | None = None) -> Batch:
    """Groups of "+" (right), "-" (wrong) and "?" (unscored), separated by blanks; one letter a group names its kind."""
    groups = pattern.split()
    rows = [(mark, index) for index, group in enumerate(groups) for mark in group]
    correct = torch.tensor([mark == "+" for mark, _ in rows])
    scored = torch.tensor([mark != "?" for mark, _ in rows])
    return Batch(
        rewards=torch.where(scored, correct.double() * 2 - 1, torch.nan),
        correct=correct,
        scored=scored,
        group_ids=torch.tensor([index for _, index in rows]),
        lengths=torch.full((len(rows),), 3),
        task_types=[(kinds or "t" * len(groups))[index] for _, index in rows],
    )


def _step(rule: str = "nsr", controller: str = "constant", **settings: object) -> CreditStep:
    return CreditStep(rule=step_rule(make_rule(rule)), controller=make_controller(controller), **settings)


_ALONE = """
import json, sys
import torch
for name in {blocked}:
    for loaded in [module for module in sys.modules if module == name or module.startswith(name + ".")]:
        del sys.modules[loaded]
    sys.modules[name] = None  # from here on importing it is an ImportError
from counterpoise.credit import CreditStep, make_controller, make_emphasis, make_rule, step_rule
from counterpoise.types import Batch
correct = torch.tensor([True, False, False, False])
batch = Batch(
    rewards=correct.double() * 2 - 1, correct=correct, scored=torch.ones(4).bool(), group_ids=torch.tensor([0, 0, 1, 1]),
    lengths=torch.tensor([2, 4, 6, 8]), task_types=["t"] * 4,
)
step = CreditStep(
    rule=step_rule(make_rule("weighted_reinforce")), controller=make_controller("constant"), all_wrong_cap=0.5
)
credit, metrics = step(batch)
rows, trained = step.select(batch, credit)
print(json.dumps([credit.advantages.tolist(), rows.tolist(), trained.tolist(), metrics["success_rate"].mean]))
"""


def test_a_step_needs_no_run_file_and_no_processes() -> None:
    program = _ALONE.format(blocked=BLOCKED)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    advantages, rows, trained, success = json.loads(done.stdout)
    # the all-wrong group may carry half of the negative mass: 1 beside 1, shared by two rollouts
    assert advantages == pytest.approx([0.1, -1.0, -0.5, -0.5])
    assert (rows, trained, success) == ([0, 1, 2, 3], [True] * 4, 0.25)


def test_the_rule_runs_once_a_step() -> None:
    calls = []

    def rule(rewards: torch.Tensor, statistics: object) -> torch.Tensor:
        calls.append(len(rewards))
        return rewards.double()

    weight = make_token_weights("probability_floor")
    step = CreditStep(rule=step_rule(rule), controller=make_controller("share"))
    step(_batch("+-- ---"))
    assert calls == [6]
    assert weight.needs_entropy is False


@pytest.mark.parametrize("rule", ["psr", "nsr", "weighted_reinforce", "grpo", "maxrl"])
def test_without_anything_that_acts_on_it_credit_is_the_rules(rule: str) -> None:
    batch = _batch("+-? --- +++")
    credit, metrics = _step(rule)(batch)
    alone = signed_credit(
        rewards=batch.rewards,
        correct=batch.correct,
        scored=batch.scored,
        group_ids=batch.group_ids,
        rule=make_rule(rule),
    )
    assert torch.equal(credit.plus, alone.plus) and torch.equal(credit.minus, alone.minus)
    assert metrics["lambda_plus"].mean == metrics["lambda_minus"].mean == 1.0


def test_the_controller_sees_the_masses_of_all_processes() -> None:
    """Alone the process has no positive mass; with the other one's the share of one half can be had."""
    mine, other = _batch("---"), _batch("+++")
    sums = []
    _step("reinforce", world=SimpleNamespace(gather=lambda own: (sums.extend(own), own)[1]))(other)
    world = SimpleNamespace(gather=lambda own: [*own, *sums])
    _, metrics = _step("reinforce", "share", world=world)(mine)
    # 9 tokens up and 9 down: lambda+ = (0.5 / 0.5) * 9 / 9
    assert metrics["lambda_plus"].mean == pytest.approx(1.0)
    assert _step("reinforce", "share")(mine)[1]["lambda_plus"].mean == 20.0  # its largest


def test_a_group_without_credit_leaves_the_step_and_keeps_its_place_in_the_others() -> None:
    batch = _batch("+- ++ -?")
    step = _step("nsr")
    credit, _ = step(batch)
    rows, trained = step.select(batch, credit)
    assert rows.tolist() == [0, 1, 4] and trained.tolist() == [False, True, True]
    with_terms = _step("nsr", terms=True, row_filter="none")
    rows, trained = with_terms.select(batch, credit)
    assert rows.tolist() == [0, 1, 2, 3, 4] and trained.all()


def test_rows_and_kinds_of_a_batch() -> None:
    batch = _batch("+- -- ++", kinds="aba")
    assert {kind: rows.tolist() for kind, rows in batch.by_task_type().items()} == {"a": [0, 1, 4, 5], "b": [2, 3]}
    part = batch.rows(torch.tensor([5, 0]))
    assert (part.group_ids.tolist(), part.task_types, part.surprisal, part.rollouts) == ([2, 0], ["a", "a"], None, ())
    credit = Credit(plus=torch.tensor([[1.0, 2.0], [0.0, 0.0]]), minus=torch.tensor([[0.0, 0.0], [0.0, 3.0]]))
    assert credit.nonzero_rows.tolist() == [True, True]
    assert credit.rows(torch.tensor([1]), 1).minus.tolist() == [[0.0]]
    assert not credit.rows(torch.tensor([1]), 1).nonzero_rows.any()


def test_states_go_through_the_checkpoint_by_name() -> None:
    assert set(_step("nsr").states) == {"controller"}
    hinge = make_rule("hinge", threshold="ema", low=-1.0, high=1.0)
    moving = CreditStep(rule=step_rule(hinge), controller=make_controller("constant"))
    moving(_batch("+---"))
    saved = {name: part.state_dict() for name, part in moving.states.items()}
    assert saved == {"controller": {}, "threshold": {"means": {"t": -0.5}}}


def test_a_cap_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"credit\.all_wrong_cap = 2; expected a number in \(0, 1\]"):
        _step("nsr", all_wrong_cap=2)(_batch("--"))
