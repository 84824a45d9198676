"""The parts of verl's adapter that need no verl: rows, mini-batches, denominators, settings, state, reward function, versions.

The trainer itself runs in tests/engines/verl, in an environment of its own (`make test-verl`).
"""

import math

import numpy as np
import pytest
import torch

from counterpoise.build.credit import reward_of
from counterpoise.credit import RULES, Needs, needs_of
from counterpoise.engines.outside import compose, counted_rows, rewarded_batch, with_verdicts
from counterpoise.engines.state import read_state, write_state
from counterpoise.engines.verl import compute_score
from counterpoise.engines.verl.batch import recorded, session_batch, sessions_of, verdicts_of
from counterpoise.engines.verl.checks import check_versions
from counterpoise.engines.verl.estimator import given_advantages, giving
from counterpoise.engines.verl.lost import refuse_lost
from counterpoise.engines.verl.record import RECORD, record_of, verdict_of
from counterpoise.engines.verl.settings import as_written, check_config, column_kinds, is_ours, verl_settings
from counterpoise.engines.verl.updates import (
    dealt,
    fitting_micro,
    order_of,
    plan_updates,
    sent_rows,
    shares_of,
    tokens_of_updates,
)
from counterpoise.errors import CheckpointError, ConfigError, DataError, TrainingError, UnknownNameError, UsageError
from counterpoise.losses import counts
from counterpoise.types import LossOutput, Verdict, VerdictValue

NAN = float("nan")


class Table(dict):
    """What verl's configuration is to our code: keys that are attributes."""

    __getattr__ = dict.__getitem__


def config(
    *, actor=(), algorithm=(), trainer=(), critic=None, function="rewards.py", rollout=(), manager="naive", shaping=None
):
    return Table(
        actor_rollout_ref=Table(
            actor=Table({"loss_agg_mode": "token-sum", "shuffle": False, **dict(actor)}),
            rollout=Table({"calculate_log_probs": True, **dict(rollout)}),
        ),
        algorithm=Table({"adv_estimator": "counterpoise", "use_kl_in_reward": False, **dict(algorithm)}),
        trainer=Table({"use_v1": True, "v1": Table(trainer_mode="counterpoise"), **dict(trainer)}),
        critic=Table(enable=critic),
        reward=Table(
            custom_reward_function=Table(path=function),
            reward_manager=Table(name=manager),
            reward_kwargs=Table(overlong_buffer_cfg=shaping),
        ),
    )


def correction(*, filter="zero_credit", **settings):
    """Changes of `config`."""
    return {"algorithm": {"counterpoise": {"filter": filter}, "rollout_correction": settings}}


def test_rows_are_dealt_as_verl_deals_them():
    # two processes get 8 rows each, and cut them into runs of 8 / 2
    assert dealt(16, processes=2, minibatch=8).tolist() == [0, 0, 0, 0, 1, 1, 1, 1] * 2
    assert dealt(8, processes=1, minibatch=8).tolist() == [0] * 8


@pytest.mark.parametrize(
    ("rows", "most", "wanted"), [(12, 4, 4), (12, 5, 4), (12, 16, 12), (7, 4, 1), (8, 1, 1), (1, 16, 1)]
)
def test_a_pass_over_fewer_rows_is_cut_into_equal_microbatches(rows, most, wanted):
    assert fitting_micro(rows, most) == wanted


def test_the_outputs_of_a_session_are_one_rollout_and_padding_is_none():
    keys = ["a_0_0", "a_1_1", "pad_0_0", "a_1_0", "b_0_0"]
    sessions = sessions_of(keys, [False, False, True, False, False])
    assert sessions.of_row.tolist() == [0, 1, -1, 1, 2]
    assert sessions.final.tolist() == [0, 1, 4]
    assert sessions.spread(torch.tensor([1.0, 2.0, 3.0])).tolist() == [1.0, 2.0, 0.0, 2.0, 3.0]
    batch = session_batch(
        sessions,
        scores=torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0]),
        lengths=torch.tensor([3, 4, 0, 5, 6]),
        uids=["a", "a", "p", "a", "b"],
        infos=[{"scored": True, "form": 0.5}, {}, {}, {}, {"scored": False}],
        parts=["form"],
        kinds=["x", "y", "z", "w", "v"],
        surprisal=torch.tensor([1.0, 2.0, 9.0, 3.0, 4.0]),
        low=0.0,
        high=1.0,
    )
    assert batch.rewards.tolist()[:2] == [1.0, -1.0] and batch.scored.tolist() == [True, True, False]
    assert batch.group_ids.tolist() == [0, 0, 1] and batch.lengths.tolist() == [3, 9, 6]  # 9 = 4 + 5
    assert batch.parts["form"].isnan().tolist() == [False, True, True]
    assert list(batch.task_types) == ["x", "y", "v"] and batch.surprisal.tolist() == [1.0, 5.0, 4.0]


def session(info, *, parts=("form",), score=1.0):
    return session_batch(
        sessions_of(["a_0_0"], [False]), scores=torch.tensor([score]), lengths=torch.tensor([3]), uids=["a"], infos=[info],
        parts=parts, kinds=None, surprisal=None, low=0.0, high=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("info", "says"),
    [
        ({"scored": "False"}, "gave 'False' as 'scored', which is neither True nor False; give one of them"),
        ({"scored": None}, "gave None as 'scored'"),
        ({"scored": [True]}, r"gave \[True\] as 'scored'"),
        ({"form": "good"}, r"gave 'good' as the part 'form'; give a number in \[0, 1\], or leave it out"),
        ({"form": "0.5"}, "gave '0.5' as the part 'form'"),
        ({"form": [0.5, 0.5]}, r"gave '\[0.5, 0.5\]' as the part 'form'"),
        ({"form": 5}, "gave '5' as the part 'form'"),
        ({"form": -0.1}, "gave '-0.1' as the part 'form'"),
    ],
)
def test_what_a_reward_function_gave_is_read_strictly(info, says):
    with pytest.raises(DataError, match=says):
        session(info)


def test_numbers_and_truths_of_any_kind_are_read():
    for value in (True, 1, np.bool_(True)):
        assert session({"scored": value}).scored.tolist() == [True]
    for value in (False, 0, 0.0, np.bool_(False)):
        assert session({"scored": value}).scored.tolist() == [False]
    for value in (0.5, np.float32(0.5), torch.tensor(0.5)):
        assert session({"form": value}).parts["form"].tolist() == [0.5]
    assert session({"form": NAN}).parts["form"].isnan().tolist() == [True]
    with pytest.raises(
        DataError, match=r"algorithm.counterpoise.reward_range=\[wrong,right\], or scored: False beside the score"
    ):
        session({}, score=2.0)


OUTSIDE = sorted(name for name in RULES if not needs_of(name) & (Needs.CRITIC | Needs.PARTS) and name != "passk")


@pytest.mark.parametrize("denominator", ["tokens_all", "tokens_signed", "sequences", "sequence_mean", "constant"])
@pytest.mark.parametrize("rule", OUTSIDE)
def test_a_plain_sum_of_our_advantages_is_the_local_engines_loss_of_each_mini_batch(rule, denominator):
    generator = torch.Generator().manual_seed(0)
    rewards = torch.tensor(
        [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, torch.nan, 1.0, 0.0]
    ).double()
    lengths = torch.tensor([3 + i % 5 for i in range(16)])
    batch = rewarded_batch(rewards, low=0, high=1, group_ids=torch.arange(16) // 4, lengths=lengths)
    parts = compose(rule, engine="here", steps=2, length=12, denominator=denominator)
    credit, _ = parts.step(batch)
    minibatch = dealt(16, processes=2, minibatch=8)
    counted, _ = counted_rows(parts.step, credit, batch)
    shares = shares_of(parts.divide, credit, batch, minibatch, counted)
    token = torch.rand(
        16, generator=generator, dtype=torch.float64
    )  # each row's sum of token losses at an advantage of 1
    for number in (0, 1):
        assert shares[(minibatch == number) & ~counted].abs().sum() == 0
        index = torch.nonzero((minibatch == number) & counted).flatten()
        own, some = credit.rows(index), batch.rows(index)
        if not bool(own.nonzero_rows.any()):
            assert shares[index].abs().sum() == 0
            continue
        output = LossOutput(row_sums=own.advantages * token[index], lengths=some.lengths, metrics={})
        wanted = parts.divide(output, counts(own, some.lengths, some.scored))
        torch.testing.assert_close((credit.advantages * shares * token)[index].sum(), wanted, rtol=1e-12, atol=1e-12)


def test_the_estimator_gives_what_the_trainer_made_and_nothing_else():
    with pytest.raises(UsageError, match=r"set trainer.v1.trainer_mode=counterpoise"):
        given_advantages(["a"])
    with giving(torch.ones(2, 3), ["a", "b"]):
        assert given_advantages(["a", "b"]).shape == (2, 3)
        with pytest.raises(UsageError, match="reordered or dropped rows"):
            given_advantages(["b", "a"])
    with pytest.raises(UsageError):
        given_advantages(["a", "b"])


@pytest.mark.parametrize(
    ("table", "error", "says"),
    [
        ({"rule": "nrs"}, UnknownNameError, "did you mean 'nsr'"),
        ({"rule": "nsr", "settings": {"lamda": 1}}, ConfigError, "lamda"),
        ({"rule": "ppo"}, UsageError, "needs a critic, and verl's trainer trains none"),
        ({"rule": "nsr", "filter": "zero_varience"}, UnknownNameError, "did you mean 'zero_variance'"),
        (
            {"token_weights": "entropy_safe"},
            UsageError,
            "^algorithm.counterpoise.token_weights=entropy_safe reads more than",
        ),
        (
            {"rle": "nsr"},
            ConfigError,
            r"^algorithm\.counterpoise\.rle: there is no such key; did you mean 'rule'\? It takes: rule, ",
        ),
        (
            {"reward_rang": [0, 1]},
            ConfigError,
            r"counterpoise\.reward_rang: there is no such key; did you mean 'reward_range'\?",
        ),
        ({"lambda": 1}, ConfigError, r"did you mean 'algorithm\.counterpoise\.settings\.lambda'\? It takes: rule"),
        ({"zzz": 1}, ConfigError, r"^algorithm\.counterpoise\.zzz: there is no such key; it takes: rule, "),
        ({"rule": 3}, ConfigError, r"^algorithm\.counterpoise\.rule: "),
        (
            {"emphasis": "focl"},
            UnknownNameError,
            r"^unknown algorithm\.counterpoise\.emphasis 'focl'; did you mean 'focal'",
        ),
        ({"all_wrong_cap": "x"}, ConfigError, r"^algorithm\.counterpoise\.all_wrong_cap: "),
        ({"denominator": "tokens"}, UnknownNameError, r"^unknown algorithm\.counterpoise\.denominator 'tokens'"),
        ({"denominator": 1}, ConfigError, "denominator=1: give a name"),
        ({"reward_range": [1, 0]}, ConfigError, r"as \[0,1\]"),
        ({"reward_range": [0, True]}, ConfigError, "reward_range"),
        ({"reward_range": "01"}, ConfigError, "reward_range"),
        ({"reward_range": [0, math.inf]}, ConfigError, "reward_range"),
        ({"remove_rows": "yes"}, ConfigError, "give true or false"),
        ({"remove_rows": True, "filter": "none"}, ConfigError, "leave one out"),
    ],
)
def test_settings_that_cannot_be(table, error, says):
    with pytest.raises(error, match=says):
        verl_settings(table).compose(steps=2, length=8)


def test_what_a_step_refuses_is_said_in_verls_words_too():
    with (
        pytest.raises(DataError, match=r"^algorithm\.counterpoise\.rule gdpo: an answer was called right"),
        as_written(),
    ):
        verl_settings({"rule": "gdpo", "settings": {"dimensions": {"form": 1.0}}}).compose(steps=1, length=4).step(
            session({})
        )
    with pytest.raises(TrainingError, match=r"^3 of"), as_written():  # of others nothing is changed
        raise TrainingError("3 of")


def test_settings_that_can():
    asked = verl_settings({"rule": "weighted_reinforce", "settings": {"lambda": 0.2}, "reward_range": [-1, 1]})
    assert (asked.low, asked.high) == (-1.0, 1.0)
    assert asked.compose(steps=2, length=8).config.credit.settings == {"lambda": 0.2}
    assert verl_settings(None).compose(steps=2, length=8).config.credit.rule == "weighted_reinforce"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"actor": {"loss_agg_mode": "seq-mean-token-mean"}},
            "loss_agg_mode=seq-mean-token-mean: our denominator is in the advantages; set token-sum",
        ),
        ({"actor": {"entropy_coeff": 1e-4}}, "loss_agg_mode=token-sum: verl adds the KL and entropy terms up"),
        ({"actor": {"use_kl_loss": True}}, "undivided; set token-mean"),
        ({"actor": {"shuffle": True}}, "shuffle=True"),
        ({"actor": {"clip_ratio_c": 1.0}}, "clip_ratio_c=1.0: .* verl's loss vanilla wants more than 1; set 3.0"),
        ({"algorithm": {"use_kl_in_reward": True}}, "use_kl_in_reward=True"),
        ({"algorithm": {"use_pf_ppo": True}}, "use_pf_ppo=True"),
        ({"algorithm": {"adv_estimator": "grpo"}}, "adv_estimator=grpo: no rule of ours would be called"),
        (
            {"trainer": {"v1": Table(trainer_mode="sync")}},
            "trainer_mode=sync: that trainer shows an estimator no verdicts",
        ),
        ({"trainer": {"use_v1": False}}, "use_v1=False"),
        ({"critic": True}, "critic.enable=True: no rule here reads values"),
        ({"algorithm": {"filter_groups": {"enable": True}}}, "drops the groups that nsr learns from"),
        (
            {"algorithm": {"counterpoise": {"reward": "graded"}}, "function": None},
            "custom_reward_function.path=pkg://counterpoise",
        ),
        (
            {
                "algorithm": {
                    "counterpoise": {"token_weights": "entropy_top"},
                    "rollout_correction": {"bypass_mode": True},
                }
            },
            "bypass_mode=True: verl then records no entropies",
        ),
        (
            correction(rollout_rs="token_k1"),
            r"rollout_correction\.rollout_rs=token_k1: it takes tokens out when our denominator",
        ),
        (
            correction(rollout_is="token") | {"rollout": {"calculate_log_probs": False}},
            r"rollout_is=token: .*in silence.*; set actor_rollout_ref\.rollout\.calculate_log_probs=True",
        ),
        (
            correction(rollout_is="token", bypass_mode=True),
            "rollout_is=token with bypass_mode=True: .*makes no weights",
        ),
        (
            correction(rollout_is="token", rollout_is_batch_normalize=True),
            "batch_normalize=True: the mean would be that of the rows",
        ),
        (
            {"manager": "rate_limited"},
            "reward_manager.name=rate_limited: it gives 0 to a response that the reward function failed at",
        ),
        (
            {"manager": "dapo", "shaping": {"enable": True, "len": 4, "penalty_factor": 1.0}},
            "overlong_buffer_cfg.enable=True: it takes from the reward of a long response",
        ),
        ({"shaping": {"enable": True}}, "overlong_buffer_cfg.enable=True"),  # another manager does not read it
    ],
)
def test_settings_of_verl_that_change_the_objective_are_refused(changed, says):
    check_config(config())
    check_config(config(actor={"loss_agg_mode": "token-mean", "entropy_coeff": 1e-4, "use_kl_loss": True}))
    check_config(config(manager="dapo", shaping={"enable": False}))
    with pytest.raises(UsageError, match=says):
        check_config(config(**changed))


@pytest.mark.parametrize("mode", ["bypass_mode", "clip_cov", "dro", "geo_mean", "kl_cov", "sapo", "vanila"])
def test_a_loss_that_divides_otherwise_or_adds_its_own_terms_is_refused(mode):
    with pytest.raises(
        UsageError, match=f"policy_loss.loss_mode={mode}: our denominator .*; set one of cispo, dppo_kl"
    ):
        check_config(config(actor={"policy_loss": {"loss_mode": mode}}))


@pytest.mark.parametrize("mode", ["cispo", "dppo_kl", "dppo_tv", "gpg", "gspo", "vanilla"])
def test_losses_that_reduce_as_they_are_told_are_taken(mode):
    check_config(config(actor={"policy_loss": {"loss_mode": mode}}))


@pytest.mark.parametrize("rule", [name for name in RULES if Needs.BASELINE in needs_of(name)])
def test_a_rule_that_compares_with_the_group_is_refused_under_verls_groups_of_one(rule):
    check_config(config(algorithm={"counterpoise": {"rule": rule}}, rollout={"n": 2}))
    with pytest.raises(UsageError) as refused:
        check_config(config(algorithm={"counterpoise": {"rule": rule}}, rollout={"n": 1}))
    assert str(refused.value).startswith(
        f"algorithm.counterpoise.rule={rule} compares a rollout with its group, and actor_rollout_ref.rollout.n=1 has nothing to compare"
    )


@pytest.mark.parametrize("rule", ["nsr", "psr", "reinforce", "weighted_reinforce"])
def test_a_rule_that_looks_at_each_rollout_alone_is_taken_with_groups_of_one(rule):
    check_config(config(algorithm={"counterpoise": {"rule": rule}}, rollout={"n": 1}))


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("custom_reward_function", {"path": "own.py", "name": None}),
        ("reward_model", {"reward_manager": "dapo", "model": {"path": None}}),
        ("reward_model", {"reward_kwargs": {"max_resp_len": 4}}),
    ],
)
def test_older_keys_of_rewards_that_verl_reads_no_more_are_refused(section, values):
    with pytest.raises(
        UsageError, match=rf"{section}\.\w+=.*: verl's trainer reads this older key no more; write what stands below"
    ):
        check_config(Table(config() | {section: values}))
    check_config(Table(config() | {section: dict.fromkeys(values)}))


def test_weights_of_verls_correction_are_taken():
    check_config(config(**correction(rollout_is="token", rollout_is_threshold="0.5_2.0")))
    check_config(config(**correction(rollout_is="sequence", rollout_is_batch_normalize=True, filter="none")))
    check_config(config(**correction(bypass_mode=True)))


def test_the_mean_over_tokens_of_verl_is_undone_by_the_tokens_of_each_update():
    # updates 0 and 1, a row in none, a row of padding: 3 + 5 tokens, 4 + 0 tokens
    found = tokens_of_updates(torch.tensor([0, 1, -1, 0, 1]), torch.tensor([3, 4, 9, 5, 0]))
    assert found.tolist() == [8.0, 4.0, 0.0, 8.0, 4.0]
    assert tokens_of_updates(torch.tensor([-1, -1]), torch.tensor([3, 4])).tolist() == [0.0, 0.0]


def test_the_state_of_a_controller_comes_back_and_another_rule_is_refused(tmp_path):
    said = {"writer": "this trainer", "setting": "", "afresh": "trainer.resume_mode=disable"}
    credit = {"rule": "reinforce", "controller": "share"}
    parts = compose(credit, engine="here", steps=4, length=8)
    rewards = torch.tensor([1.0, 0.0, 0.0, 0.0]).double()
    batch = rewarded_batch(rewards, low=0, high=1, group_ids=torch.zeros(4).long(), lengths=torch.ones(4).long())
    parts.step(batch)
    write_state(tmp_path / "global_step_1", parts)
    states = read_state(tmp_path / "global_step_1", parts.config.credit, **said)
    fresh = compose(credit, engine="here", steps=4, length=8)
    fresh.step.controller.load_state_dict(states["controller"])
    one, other = (engine.step(batch)[1]["lambda_plus"].mean for engine in (parts, fresh))
    assert one == other
    other = compose("nsr", engine="here", steps=4, length=8).config.credit
    with pytest.raises(CheckpointError, match="was trained with rule=reinforce, and now it is nsr"):
        read_state(tmp_path / "global_step_1", other, **said)
    with pytest.raises(CheckpointError, match=r"has no counterpoise\.json"):
        read_state(tmp_path, other, **said)


def test_verdicts_as_verls_reward_function():
    right = compute_score("any", "so it is \\boxed{12}", "12", verifier="math")
    assert (right["score"], right["scored"], right["acc"]) == (1.0, True, 1.0)
    assert compute_score("math", "\\boxed{13}", "12")["score"] == 0.0
    with pytest.raises(UnknownNameError):
        compute_score("gsm", "1", "1")
    with pytest.raises(DataError, match="no gold"):
        compute_score("math", "1", None)
    with pytest.raises(DataError, match=r"data_source=None is no verifier's name; give .*verifier=NAME"):
        compute_score(None, "1", "1")
    with pytest.raises(ConfigError, match=r"rules = \[1\]"):
        compute_score("any", "1", "1", verifier="math", rules=[1])
    with pytest.raises(ConfigError, match="unknown setting 'deep'"):
        compute_score("math", "1", "1", deep=[{"a": [1.0]}])  # tables and lists are no keys either


def test_verls_own_algorithms_are_left_alone():
    assert is_ours(config())
    plain = {"adv_estimator": "gae"}
    assert not is_ours(config(algorithm=plain, trainer={"v1": Table(trainer_mode="sync")}))
    assert is_ours(
        config(algorithm=plain | {"counterpoise": {"rule": "nsr"}}, trainer={"v1": Table(trainer_mode="sync")})
    )


def test_a_table_that_is_called_nearly_so_is_read_by_nobody():
    with pytest.raises(
        ConfigError, match=r"algorithm\.counterpose: nobody reads that; did you mean algorithm\.counterpoise\?"
    ):
        is_ours(config(algorithm={"counterpose": {"rule": "nsr"}}))
    assert not is_ours(Table(algorithm=Table(adv_estimator="gae")))  # of another command


@pytest.mark.parametrize(
    "place", ["", "trainer", "actor_rollout_ref", "actor_rollout_ref.actor", "reward", "trainer.v1"]
)
@pytest.mark.parametrize("name", ["counterpoise", "counterpose"])
def test_a_table_that_stands_elsewhere_is_read_by_nobody(place, name):
    made = config()
    section = made
    for key in filter(None, place.split(".")):
        section = section[key]
    section[name] = {"rule": "nsr"}
    where = f"{place}.{name}".lstrip(".")
    with pytest.raises(ConfigError) as refused:
        is_ours(made)
    assert str(refused.value) == (
        f"{where}: nobody reads that; our table stands below algorithm, write +algorithm.counterpoise in its place"
    )


def test_a_part_that_is_called_as_a_field_of_verls_does_not_take_its_place(monkeypatch):
    graded = Verdict(value=VerdictValue.WRONG, parts={"score": 0.5, "tests": 0.25}, **SAID)
    monkeypatch.setattr("counterpoise.verifiers.judge.Judge.verify", lambda *_: [graded])
    given = compute_score("math", "1", "2")
    assert (given["score"], given["acc"], given["tests"]) == (0.0, 0.0, 0.25)
    assert verdict_of(given[RECORD]) == graded


SAID = {"answer": None, "basis": "boxed/equal", "seconds": 0.0, "verifier": "math", "version": "1"}


@pytest.mark.parametrize(
    ("reward", "settings", "wanted"),
    [
        ("binary", {}, [1.0, -1.0, -1.0, -1.0, NAN]),
        ("graded", {"part": "score"}, [0.75, 0.5, 0.0, 0.0, NAN]),
        ("abstention", {"abstained": -0.25}, [1.0, -1.0, -1.0, -0.25, NAN]),
        ("vector", {"dimensions": {"verdict": {}}}, [1.0, -1.0, -1.0, 0.0, NAN]),
        # 3 of 4 tokens: the part `brevity` is 1/4 for each, and what has no answer has 0
        ("graded", {"part": "brevity"}, [0.25, 0.25, 0.0, 0.0, NAN]),
    ],
)
def test_the_reward_of_a_run_file_is_made_of_our_verdicts(reward, settings, wanted):
    values = ["correct", "wrong", "no_answer", "abstained", "unscored"]
    graded = {"correct": {"score": 0.75}, "wrong": {"score": 0.5}}
    made = [Verdict(value=VerdictValue(one), parts=graded.get(one, {}), **SAID) for one in values]
    infos = [{"scored": one.scored, RECORD: record_of(one)} for one in made]
    sessions = sessions_of([f"a_{row}_0" for row in range(5)], [False] * 5)
    batch = session_batch(
        sessions, scores=torch.tensor([1.0, 0, 0, 0, 0]), lengths=torch.full((5,), 3), uids=["a"] * 5, infos=infos, parts=[], kinds=None,
        surprisal=None, low=0.0, high=1.0,
    )  # fmt: skip
    section = verl_settings({"rule": "hinge", "reward": reward, "reward_settings": settings})
    config = section.compose(steps=1, length=4).config
    found = with_verdicts(batch, verdicts_of(sessions, infos), reward_of(config), limit=4)
    torch.testing.assert_close(found.rewards, torch.tensor(wanted).double(), equal_nan=True)
    assert found.correct.tolist() == [True, False, False, False, False]
    assert found.scored.tolist() == [True, True, True, True, False]
    assert verdicts_of(sessions, [*infos[:4], {"scored": False}]) is None  # another function's


def test_rows_without_gradient_are_not_sent_and_the_mini_batches_stay():
    # three mini-batches of eight rows for two processes; the second has none that is trained on
    minibatch = dealt(24, processes=2, minibatch=8)
    trained = torch.zeros(24, dtype=torch.bool)
    trained[[0, 1, 12, 10]] = True  # rows 0, 1, 12 are of the first, 10 of the third
    cost = [9 - row % 8 for row in range(24)]
    update, size = sent_rows(minibatch, trained, cost, processes=2, multiple=2)
    assert size == 4 and len(set(update.tolist())) == len(update) == 8
    again = dealt(8, processes=2, minibatch=4)
    for number, wanted in enumerate(([0, 1, 12], [10])):
        own = update[again == number].tolist()
        assert [row for row in own if trained[row]] == wanted
        filled = [row for row in own if not trained[row]]
        assert set(minibatch[filled].tolist()) == {2 * number}  # of its own mini-batch, the cheapest
        others = [row for row in torch.nonzero(minibatch == 2 * number).flatten().tolist() if row not in wanted]
        assert filled == sorted(others, key=lambda row: cost[row])[: len(filled)]
    assert sent_rows(minibatch, torch.zeros(24, dtype=torch.bool), cost, processes=2, multiple=2)[0].tolist() == []
    everything, size = sent_rows(minibatch, torch.ones(24, dtype=torch.bool), cost, processes=2, multiple=2)
    assert size == 8 and everything.tolist() == list(range(24))


@pytest.mark.parametrize(
    ("whole", "anew", "rows", "size", "updates", "number", "sent"),
    [
        # rows 0, 2, 3 of 8 have a gradient; two mini-batches of four rows for one process, two of each in a micro-batch
        (False, False, [0, 2, 3, 1], 4, 1, [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 0, -1, -1, -1, -1]),
        (True, False, [0, 1, 2, 3, 4, 5, 6, 7], 4, 2, [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1]),
        (False, True, [0, 2, 3, 1], 4, 1, [0, 0, 0, 0, -1, -1, -1, -1], [0, 0, 0, 0, -1, -1, -1, -1]),
    ],
)
def test_what_the_actor_gets(whole, anew, rows, size, updates, number, sent):
    trained = torch.tensor([True, False, True, True] + [False] * 4)
    plan = plan_updates(trained, [1] * 8, processes=1, minibatch=4, multiple=2, whole=whole, anew=anew)
    assert (plan.rows, plan.size, len(plan)) == (rows, size, updates)
    assert (plan.number.tolist(), plan.sent.tolist()) == (number, sent)
    none = plan_updates(trained & False, [1] * 8, processes=1, minibatch=4, multiple=2, whole=False, anew=anew)
    assert len(none) == 0 and not none and none.sent.tolist() == [-1] * 8


def test_kinds_of_tasks_are_those_of_the_data():
    rows = Table(column_names=["prompt", "level"], level=[3, 1, 3])
    assert column_kinds(rows, "level") == ("1", "3")
    with pytest.raises(
        ConfigError, match=r"task_key=kind: the training data has no such column; name one of prompt, level"
    ):
        column_kinds(rows, "kind")


def test_a_step_that_is_mostly_lost_or_unscored_is_refused():
    infos = [{"reason": "timeout"}, {"reason": None}, {}, {}]
    assert refuse_lost(infos, [False, True, True, True], expected=5, limit=0.4) == 1
    with pytest.raises(TrainingError) as refused:
        refuse_lost(infos, [False, False, True, True], expected=5, limit=0.4)
    assert str(refused.value) == (
        "3 of 5 rollouts cannot be learned from: 1 lost, since the reward function or the agent loop raised (see 'Error in _run_prompt' "
        "above), 2 unscored (timeout: 1, no reason given: 1); nothing was trained on them. Fix the reward function, or allow more than "
        "algorithm.counterpoise.max_unscored=0.4"
    )
    with pytest.raises(TrainingError, match=r"4 of 4 rollouts .*: 4 lost"):
        refuse_lost([], [], expected=4, limit=1.0)  # nothing is left whatever is allowed
    assert refuse_lost(infos, [True] * 4, expected=2, limit=0.0) == 0  # an agent loop may draw more


@pytest.mark.parametrize("share", [True, -0.1, 1.5, "half", float("nan")])
def test_a_share_of_unscored_rollouts_that_is_none(share):
    with pytest.raises(ConfigError, match=r"max_unscored=.*: give a share in \[0, 1\]"):
        verl_settings({"max_unscored": share})


def test_versions():
    check_versions("0.9.1", "5.10.4")
    with pytest.raises(UsageError, match=r"pip install 'verl==0.9.1'"):
        check_versions("0.8.0", "5.10.4")
    with pytest.raises(UsageError, match=r"needs one before 5.11"):
        check_versions("0.9.1", "5.23.0")


def test_rows_without_credit_are_removed_and_the_mini_batches_are_whole():
    kept = torch.tensor([True, False] * 10 + [True] * 4)  # 14 of 24 rows
    order = order_of(kept, processes=2, minibatch=4)
    assert len(order) == 16 and len(set(order.tolist())) == 16
    number = dealt(16, processes=2, minibatch=4)
    rows = torch.nonzero(kept).flatten().tolist()
    for update in range(4):
        own = order[number == update]
        assert sorted(own[kept[own]].tolist()) == rows[4 * update : 4 * update + 4]
    assert order_of(torch.zeros(8, dtype=torch.bool), processes=2, minibatch=4).tolist() == []


def test_token_weights_read_verls_records_and_refuse_several_outputs():
    sessions = sessions_of(["a_0_0", "a_1_0"], [False, False])
    records = {
        "responses": torch.tensor([[5, 6, 7], [8, 9, 0]]),
        "mask": torch.tensor([[True, True, True], [True, True, False]]),
        "log_probs": torch.tensor([[-0.1, -2.0, -0.3], [-1.0, -0.5, 0.0]]),
        "entropy": None,
        "temperature": 1.0,
        "version": 3,
    }
    batch = session_batch(
        sessions, scores=torch.tensor([1.0, 0.0]), lengths=torch.tensor([3, 2]), uids=["a", "a"], infos=[{}, {}], parts=[], kinds=None,
        surprisal=None, low=0.0, high=1.0, rollouts=recorded(sessions, **records),
    )  # fmt: skip
    table = {
        "rule": "reinforce",
        "token_weights": "probability",
        "token_weight_settings": {"normalise": False, "a": 1.0},
    }
    credit, _ = verl_settings(table).compose(steps=2, length=3).step(batch)
    assert credit.advantages.shape == (2, 3) and credit.advantages[1, 2] == 0
    ratio = credit.advantages[0, 1] / credit.advantages[0, 0]
    assert 0 < float(ratio) < 1  # the rarer token of a right response weighs less
    with pytest.raises(UsageError, match="several outputs for a session"):
        recorded(sessions_of(["a_0_0", "a_0_1"], [False, False]), **records)
