"""How many updates a step makes, of how many rows, and at which rate."""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from counterpoise.engines.local.assemble import assemble
from counterpoise.engines.local.loop import train
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics
from counterpoise.types import Batch


def records(config):
    run = RunDirectory.create(config)
    train(run)
    return list(read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage))))


SIXTEEN = ("rollout.prompts_per_step=16", "tasks.settings.count=3", "tasks.settings.largest=9", "learner.minibatch=4")


# 128 rows, 81 of them wrong, three or so right in every group; mini-batches of 4 x 8: ceil(81 / 32) = 3 and ceil(47 / 32) = 2. All 16
# groups have both, so that prompts make 4 updates under either rule. Filter none trains on all rows: ceil(128 / 32).
@pytest.mark.parametrize(
    ("rule", "unit", "extra", "updates", "rows"),
    [
        ("nsr", "rows", [], 3, 81 / 3),
        ("psr", "rows", [], 2, 47 / 2),
        ("reinforce", "rows", [], 4, 32),
        ("nsr", "prompts", [], 4, 81 / 4),
        ("psr", "prompts", [], 4, 47 / 4),
        ("nsr", "rows", ["credit.filter=none", "loss.kl=0.001"], 4, 32),
        ("nsr", "rows", ["learner.epochs=2"], 6, 81 / 3),
        ("nsr", "prompts", ["learner.minibatch=none"], 1, 81),
    ],
)
def test_updates_are_as_many_as_the_trained_rows_fill(configure, judged, rule, unit, extra, updates, rows):
    judged(lambda row: row * 47 % 128 < 47)  # 47 and 128 have no common factor: 47 right, spread evenly
    config = configure(
        *SIXTEEN,
        "rollout.group_size=8",
        "learner.steps=1",
        "diagnostics.every=0",
        f"credit.rule={rule}",
        f"learner.minibatch_unit={unit}",
        *extra,
    )
    (record,) = records(config)
    assert record["optimiser_steps"] == updates
    assert record["rows_per_update"] == pytest.approx(rows)


# Half of each group is right, so that a focus of 1 halves the term, and one of 2 quarters it: to the last bit, for these are powers of two.
@pytest.mark.parametrize(("kl", "focus"), [(0.5, 1.0), (1.0, 2.0)])
def test_a_prompt_half_solved_is_held_half_as_strongly(configure, judged, kl, focus):
    judged(lambda row: row % 2 == 0)
    common = (*SIXTEEN, "rollout.group_size=8", "learner.steps=2", "credit.rule=nsr", "credit.filter=none")
    weights = []
    for name, terms in {"plain": (0.25, 0.0), "focused": (kl, focus)}.items():
        run = RunDirectory.create(configure(*common, f"loss.kl={terms[0]}", f"loss.kl_focus={terms[1]}", name=name))
        train(run)
        weights.append(load_file(run.checkpoints / "step-000002" / "policy" / "model.safetensors"))
        (_, second) = read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))
        assert second["kl_reference"] > 0  # it moved, and the term had something to hold
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


# every other rollout has no verdict: 64 rows count, ceil(64 / 32), in all 16 groups, 16 / 4
@pytest.mark.parametrize(("unit", "updates"), [("rows", 2), ("prompts", 4)])
def test_the_critic_of_ppo_makes_as_many_updates_as_the_policy(configure, judged, unit, updates):
    judged(lambda row: row % 4 == 0, scored=lambda row: row % 2 == 0)
    settings = ("credit.rule=ppo", "rollout.group_size=8", "learner.steps=1", f"learner.minibatch_unit={unit}")
    settings = (*settings, "verification.max_unscored=0.5")
    run = RunDirectory.create(configure(*SIXTEEN, *settings))
    train(run)
    (record,) = read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))
    assert record["optimiser_steps"] == updates
    assert record["rows_per_update"] == 64 / updates
    state = torch.load(run.checkpoints / "step-000001" / "state.pt", weights_only=False)
    assert state["critic"]["updates"] == updates


@pytest.mark.parametrize(
    ("mixed", "updates", "last"),
    [
        # rates of the last of 8 steps: 1/8 and 1/16 of the peak. By updates taken it would have been (18 + 17) / 64
        (5, 2, (1 / 8 + 1 / 16) / 2),
        # every group trained on, as planned: 4/32, 3/32, 2/32, 1/32
        (16, 4, 10 / 32 / 4),
    ],
)
def test_a_decaying_rate_reaches_its_end_when_groups_are_dropped(configure, judged, mixed, updates, last):
    judged(lambda row: row % 2 == 0 or row >= 2 * mixed)  # grpo drops groups that are all right
    config = configure(
        *SIXTEEN,
        "rollout.group_size=2",
        "learner.steps=8",
        "learner.schedule=linear",
        "learner.learning_rate=3e-5",
        "credit.rule=grpo",
        "diagnostics.every=0",
        "checkpoint.every_steps=0",
    )
    found = records(config)
    assert [record["optimiser_steps"] for record in found] == [updates] * 8
    assert found[0]["learning_rate"] > 2.6e-5
    assert found[-1]["learning_rate"] == pytest.approx(3e-5 * last)


def test_the_cap_on_all_wrong_groups_is_met_over_processes(configure):
    # this process holds an all-wrong group of four; the other a group with a success and three wrong: 4 f / (4 f + 3) = 1/2, f = 3/4
    verdicts = torch.zeros(4, dtype=torch.bool)
    batch = Batch(
        rewards=verdicts.double() * 2 - 1,
        correct=verdicts,
        scored=~verdicts,
        group_ids=torch.zeros(4, dtype=torch.int64),
        lengths=torch.full((4,), 3),
        surprisal=torch.ones(4, dtype=torch.float64),
        task_types=["countdown"] * 4,
    )
    config = configure("credit.rule=nsr", "credit.all_wrong_cap=0.5")
    assert assemble(config).credit(batch)[0].minus.tolist() == [0.0] * 4  # alone there is no other negative mass
    world = SimpleNamespace(gather=lambda own: [*own, [0.0, 3.0]] if isinstance(own[0], list) else own)
    assert assemble(config, world=world).credit(batch)[0].minus.tolist() == [0.75] * 4
