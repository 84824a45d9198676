"""`SignedGRPOTrainer` in TRL's own loop, on a policy that can do the task: columns, verdicts, resumption, adapters, traps."""

import asyncio
import json
import logging
import time

import pytest
import torch

from counterpoise.engines.trl import verdict_reward
from counterpoise.engines.trl.checks import check_version
from counterpoise.engines.trl.own_rewards import WATCH
from counterpoise.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    ModelError,
    TrainingError,
    UnknownNameError,
    UsageError,
)
from counterpoise.runs.engine_logs import engine_lines, find_engine_log


def history(trainer, name):
    return [record[name] for record in trainer.state.log_history if name in record]


@pytest.mark.parametrize(
    "credit", ["nsr", "weighted_reinforce", {"rule": "grpo", "controller": "share", "emphasis": "focal"}]
)
def test_it_trains_and_logs_the_signs_apart(make_trainer, credit):
    trainer = make_trainer(verdict_reward("countdown"), credit=credit)
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    trainer.train()
    assert len(history(trainer, "credit/plus")) == 2
    assert history(trainer, "credit/success_rate") == pytest.approx(history(trainer, "reward"), abs=1e-6)
    assert all(rate > 0.2 for rate in history(trainer, "reward"))  # the lab's policy answers: the verdicts are real
    assert any(not torch.equal(before[name], value) for name, value in trainer.model.named_parameters())
    if credit == "nsr":
        assert history(trainer, "credit/plus") == [0.0, 0.0] and min(history(trainer, "credit/minus")) > 0


def test_sixty_steps_raise_the_reward(make_trainer):
    trainer = make_trainer(
        verdict_reward("countdown"), credit="grpo", arguments={"max_steps": 60, "learning_rate": 2e-4}
    )
    trainer.train()
    reward = history(trainer, "reward")
    assert sum(reward[-15:]) / 15 > sum(reward[:15]) / 15 + 0.05


def test_none_is_unscored_and_moves_nothing(make_trainer):
    def sometimes(completions, **_):
        return [None if index % 2 else float(index % 4 == 0) for index in range(len(completions))]

    trainer = make_trainer(sometimes, credit="grpo")
    seen = []
    replace = trainer._replace_advantages
    trainer._replace_advantages = lambda out: (replace(out), seen.append(out["advantages"].clone()))
    trainer.train()
    assert history(trainer, "credit/unscored") == [0.5, 0.5]
    for advantages in seen:
        assert advantages[1::2].abs().max() == 0 and advantages[::2].abs().min() > 0


@pytest.mark.parametrize(("weights", "unscored"), [([1.0, 0.0], 0.5), ([0.0, 1.0], 0.0), ([1.0, 0.5], 0.5)])
def test_of_several_functions_one_that_counts_and_cannot_judge_leaves_a_response_unscored(
    make_trainer, weights, unscored
):
    def verdict(completions, **_):
        return [None if index % 2 else float(index % 4 == 0) for index in range(len(completions))]

    def neat(completions, **_):
        return [float(index % 8 < 4) for index in range(len(completions))]

    arguments = {"reward_weights": weights, "max_steps": 1}
    trainer = make_trainer([verdict, neat], credit="grpo", arguments=arguments, reward_range=(0, sum(weights)))
    trainer.train()
    assert history(trainer, "credit/unscored") == [unscored]
    if unscored:
        assert set(list(trainer._logs["advantages"])[1::2]) == {0.0}


@pytest.mark.parametrize(
    ("weights", "says"),
    [(None, "2 reward functions are summed.*reward_weights=.1, 0.*reward_range="), ([0, 0], "all 0")],
)
def test_a_sum_of_functions_whose_range_is_unknown_is_refused(make_trainer, weights, says):
    functions = [verdict_reward("countdown"), lambda completions, **_: [1.0] * len(completions)]
    with pytest.raises(UsageError, match=says):
        make_trainer(functions, credit="nsr", arguments={"reward_weights": weights})


def test_a_response_that_is_masked_because_it_was_cut_off_is_unscored(make_trainer):
    trainer = make_trainer(
        lambda completions, **_: [0.0] * len(completions),
        credit="nsr",
        arguments={"max_completion_length": 3, "mask_truncated_completions": True},
    )
    trainer.train()
    assert history(trainer, "credit/unscored") == history(trainer, "completions/clipped_ratio") == [1.0, 1.0]
    assert history(trainer, "credit/minus") == [None, None]  # there is nothing that it could be the mean of
    assert all(loss == 0.0 for loss in history(trainer, "loss"))


def test_advantages_stay_with_their_rows_when_trl_shuffles(make_trainer):
    trainer = make_trainer(
        lambda completions, completion_ids, **_: [float(len(ids) % 2) for ids in completion_ids], credit="reinforce"
    )
    inputs = []
    loss = trainer._compute_loss
    trainer._compute_loss = lambda model, batch: (inputs.append(batch), loss(model, batch))[1]
    trainer.train()
    for batch in inputs:
        odd = batch["completion_mask"].sum(dim=1) % 2 == 1
        assert 0 < odd.sum() < len(odd)
        assert torch.equal(batch["advantages"] > 0, odd)


def test_the_table_of_completions_shows_our_advantages(make_trainer):
    trainer = make_trainer(verdict_reward("countdown"), credit="nsr")
    trainer.train()
    logged = torch.tensor(list(trainer._logs["advantages"]))
    assert len(logged) == 32 and bool((logged <= 0).all()) and bool((logged == -1).any())


def test_an_evaluation_moves_no_controller(make_trainer, rows):
    credit = {"rule": "grpo", "controller": "share"}
    trainer = make_trainer(
        verdict_reward("countdown"),
        credit=credit,
        arguments={"per_device_eval_batch_size": 32},
        eval_dataset=rows.select(range(8)),
    )
    trainer.train()
    before = json.dumps(trainer.signed_credit.step.controller.state_dict())
    trainer.evaluate()
    assert json.dumps(trainer.signed_credit.step.controller.state_dict()) == before


def test_a_resumed_run_goes_on_with_the_state_of_its_controller(make_trainer, tmp_path):
    credit = {"rule": "reinforce", "controller": "share"}
    arguments = {"max_steps": 6, "save_strategy": "steps", "save_steps": 3}
    whole = make_trainer(verdict_reward("countdown"), credit=credit, arguments=arguments)
    whole.train()
    resumed = make_trainer(verdict_reward("countdown"), credit=credit, arguments=arguments)
    resumed.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-3"))
    wanted, found = history(whole, "credit/lambda_plus"), history(resumed, "credit/lambda_plus")
    assert found[-3:] == pytest.approx(wanted[-3:], rel=1e-6) and len(set(wanted)) > 2
    # What a report reads of it: the newest checkpoint's history under our names.
    log = find_engine_log(tmp_path / "out")
    lines = dict(engine_lines(log, on_damage=print))
    assert (log.engine, log.path.parent.name, list(lines)) == ("TRL", "checkpoint-6", [1, 2, 3, 4, 5, 6])
    assert [line["lambda_plus"] for line in lines.values()] == history(resumed, "credit/lambda_plus")
    ours = {
        "reward",
        "success_rate",
        "entropy",
        "loss",
        "gradient_norm",
        "learning_rate",
        "response_tokens",
        "truncated_share",
        "seconds",
    }
    assert ours <= set(lines[6]) and not [name for name in lines[6] if name.startswith("credit")]
    other = make_trainer(verdict_reward("countdown"), credit="nsr", arguments=arguments)
    with pytest.raises(CheckpointError, match=r"trained with credit.rule=reinforce, and now it is nsr"):
        other.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-3"))
    (tmp_path / "out" / "checkpoint-3" / "counterpoise.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"cannot read .*counterpoise.json"):
        resumed.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-3"))


def test_what_a_killed_save_left_is_not_gone_on_from(make_trainer, tmp_path, caplog):
    arguments = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2, "save_total_limit": 2}
    out = tmp_path / "out"
    with pytest.raises(
        CheckpointError, match=r"out holds no whole checkpoint of SignedGRPOTrainer; leave resume_from_"
    ):
        make_trainer(credit="nsr").train(resume_from_checkpoint=True)
    trainer = make_trainer(credit="nsr", arguments=arguments)
    seen, save = [], trainer.state.__class__.save_to_json
    trainer.state.__class__.save_to_json = lambda state, path: (
        seen.append((out / "checkpoint-2" / "counterpoise.json").is_file()),
        save(state, path),
    )
    try:
        trainer.train()
    finally:
        trainer.state.__class__.save_to_json = save
    assert seen == [True, True]  # TRL's state is the last, so that it stands for ours, too
    (out / "checkpoint-4" / "trainer_state.json").unlink()
    (out / "checkpoint-9").mkdir()
    again = make_trainer(credit="nsr", arguments=arguments)
    with caplog.at_level(logging.WARNING):
        again.train(resume_from_checkpoint=True)
    assert "not whole and left out: checkpoint-9 (it has no trainer_state.json), checkpoint-4 (it has no" in caplog.text
    assert [record["step"] for record in again.state.log_history if "loss" in record] == [1, 2, 3, 4]
    with pytest.raises(
        CheckpointError, match=r"checkpoint-9 is no whole checkpoint: it has no trainer_state.json; resu"
    ):
        again.train(resume_from_checkpoint=str(out / "checkpoint-9"))


def test_a_damaged_file_of_a_checkpoint_is_named_with_the_way_on(make_trainer, tmp_path):
    arguments = {"max_steps": 2, "save_strategy": "steps", "save_steps": 1}
    checkpoint = tmp_path / "out" / "checkpoint-2"
    make_trainer(credit="nsr", arguments=arguments).train()
    again = make_trainer(credit="nsr", arguments={**arguments, "max_steps": 3})

    def said(name, change):
        path = checkpoint / name
        whole = path.read_bytes()
        path.write_bytes(change(whole))
        with pytest.raises((CheckpointError, ModelError)) as refused:
            again.train(resume_from_checkpoint=True)
        path.write_bytes(whole)
        assert "\n" not in str(refused.value) and "the checkpoint before it" in str(refused.value)
        return str(refused.value)

    for name in ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"):
        assert said(name, lambda whole: whole[: len(whole) // 2]).startswith(f"{checkpoint / name} is damaged (")
    # of whole files, what they hold
    other = (checkpoint / "rng_state.pth").read_bytes()
    assert said("optimizer.pt", lambda _: other).startswith(f"cannot load the optimizer of {checkpoint}: ")
    (checkpoint / "counterpoise.json").write_text("{")
    again.train(resume_from_checkpoint=True)  # from the one before
    assert again.state.global_step == 3 and len(history(again, "loss")) == 3


def test_adapters_are_trained_and_go_on_as_if_nothing_had_been(make_trainer, tmp_path):
    from peft import LoraConfig

    def made():
        lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
        arguments = {"max_steps": 2, "save_strategy": "steps", "save_steps": 1}
        return make_trainer(verdict_reward("countdown"), credit="nsr", peft_config=lora, arguments=arguments)

    whole = made()
    whole.train()
    resumed = made()
    resumed.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-1"))
    for (name, one), (_, other) in zip(whole.model.named_parameters(), resumed.model.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_adapters_are_trained(make_trainer):
    from peft import LoraConfig

    lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    trainer = make_trainer(verdict_reward("countdown"), credit="nsr", peft_config=lora)
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    trainer.train()
    moved = {name for name, value in trainer.model.named_parameters() if not torch.equal(before[name], value)}
    assert moved and all("lora" in name for name in moved)


def test_kinds_of_tasks_and_several_rewards(make_trainer):
    def format_reward(completions, **_):
        return [1.0] * len(completions)

    trainer = make_trainer(
        [verdict_reward("countdown"), format_reward],
        credit={"rule": "grpo", "controller": "share"},
        task_column="kind",
        reward_range=(0, 2),
    )
    trainer.train()
    assert {"credit/controller_rho/a", "credit/controller_rho/b"} <= set(trainer.state.log_history[0])


def test_each_reward_function_is_a_part_for_a_rule_that_reads_parts(make_trainer):
    def even(completion_ids, **_):
        return [float(len(ids) % 2 == 0) for ids in completion_ids]

    credit = {"rule": "gdpo", "settings": {"dimensions": {"countdown": 1.0, "even": 0.5}}}
    trainer = make_trainer([verdict_reward("countdown"), even], credit=credit, reward_range=(0, 2))
    trainer.train()
    assert min(history(trainer, "credit/plus")) > 0 < min(history(trainer, "credit/minus"))


def test_schedules_follow_generations(make_trainer):
    credit = {"rule": "reinforce", "controller": "linear", "controller_settings": {"plus_start": 1.0, "plus_end": 0.1}}
    trainer = make_trainer(verdict_reward("countdown"), credit=credit, arguments={"max_steps": 4, "steps_per_generation": 2,
                           "gradient_accumulation_steps": 1})  # fmt: skip
    trainer.train()
    assert history(trainer, "credit/lambda_plus") == pytest.approx([1.0, 0.1])


@pytest.mark.parametrize(
    ("named", "error", "says"),
    [
        ({"credit": "nrs"}, UnknownNameError, "did you mean 'nsr'"),
        ({"credit": {"rule": "weighted_reinforce", "settings": {"lamda": 1}}}, ConfigError, "lamda"),
        ({"credit": "ppo"}, UsageError, "needs a critic, and TRL's GRPOTrainer trains none"),
        ({"credit": {"rule": "nsr", "token_weights": "probability"}}, UsageError, "log-probabilities of every token"),
        ({"credit": {"rule": "maxrl", "emphasis": "inverse"}}, ConfigError, "has done so already"),
        ({"denominator": "tokens"}, UnknownNameError, "tokens"),
        ({"denominator": "tokens_all", "arguments": {"loss_type": "grpo"}}, UsageError, "take loss_type=dapo"),
        ({"reward_range": (1, 0)}, ConfigError, "reward_range"),
    ],
)
def test_what_cannot_be_said_to_trl_is_refused_before_it_starts(make_trainer, named, error, says):
    with pytest.raises(error, match=says):
        make_trainer(**{"credit": "nsr", **named})


def test_rewards_outside_their_range_name_the_row(make_trainer):
    with pytest.raises(
        DataError, match=r"rollout 0 of the batch has reward -1, and rewards were said to lie in \[0, 1\]"
    ):
        make_trainer(lambda completions, **_: [-1.0] * len(completions), credit="nsr").train()


def test_what_is_allowed_and_changes_the_objective_is_said(make_trainer, caplog):
    with caplog.at_level(logging.WARNING):
        make_trainer(credit="nsr", arguments={"beta": 0.01, "loss_type": "grpo"})
    for said in (
        "responses without credit have a KL gradient",
        "divides by what each process sees",
        "cut off at max_completion_length",
    ):
        assert said in caplog.text


@pytest.mark.parametrize("loss_type", ["dapo", "grpo", "bnpo", "dr_grpo", "cispo"])
def test_divisors_of_the_loss_types(make_trainer, loss_type):
    """TRL's own divisor, or ours where it can be set: the sum over tokens is the same."""
    trainer = make_trainer(
        verdict_reward("countdown"),
        credit="nsr",
        arguments={"loss_type": loss_type, "max_steps": 1, "epsilon_high": 5.0},
    )
    seen = {}
    loss = trainer._compute_loss
    trainer._compute_loss = lambda model, batch: seen.setdefault("loss", loss(model, seen.setdefault("batch", batch)))
    trainer.train()
    batch, mask = seen["batch"], seen["batch"]["completion_mask"]
    tokens = -batch["advantages"].unsqueeze(1) * mask
    lengths = mask.sum(dim=1)
    signed = lengths[batch["advantages"] != 0].sum()
    wanted = {
        "dapo": tokens.sum() / signed,
        "grpo": (tokens.sum(dim=1) / lengths).mean(),
        "bnpo": tokens.sum() / mask.sum(),
        "dr_grpo": tokens.sum() / (32 * 12),
    }
    if loss_type in wanted:  # at a ratio of 1 the loss is the mean advantage; cispo's holds log-probabilities
        assert float(seen["loss"].detach()) == pytest.approx(float(wanted[loss_type]), rel=1e-5)
    assert (int(batch["num_items_in_batch"].flatten()[0]) == int(signed)) == (loss_type in ("dapo", "cispo"))


def test_versions():
    with pytest.raises(UsageError, match=r"needs 1.15 or 1.16"):
        check_version("1.14.0")
    assert check_version("1.15.0") is check_version("1.16.0") is None
    assert "tested with 1.15 and 1.16" in check_version("1.17.0")


def _waits(completions, trainer_state, **_):
    if trainer_state.global_step:
        time.sleep(1000)
    return [float(row % 2) for row in range(len(completions))]


async def _awaits(completions, trainer_state, **_):
    if trainer_state.global_step:
        await asyncio.sleep(1000)
    return [float(row % 2) for row in range(len(completions))]


@pytest.mark.parametrize("function", [_waits, _awaits])
def test_a_reward_function_that_never_returns_ends_the_run_in_one_line(make_trainer, function):
    functions = [function]
    trainer = make_trainer(functions, credit="nsr", reward_timeout=2.0)
    with pytest.raises(TrainingError) as found:
        trainer.train()
    said = str(found.value)
    assert said.startswith(
        f"the reward function {function.__name__} has not returned in 2 s on 32 completions, the first of them to '"
    )
    assert said.endswith("start again with resume_from_checkpoint=True, which goes on from the last checkpoint")
    assert trainer.state.global_step == 1  # the first step was trained
    assert functions == [function]  # the caller's own list
    assert WATCH.late is None  # nothing is held against the process that goes on


def test_a_limit_that_cannot_be_is_refused_before_the_model_is_made(make_trainer):
    with pytest.raises(ConfigError, match=r"reward_timeout=0: give seconds in \[0\.1, 86400\], or None for no limit"):
        make_trainer(_waits, reward_timeout=0)
