"""`python -m counterpoise.engines.verl`: what is wrong is one line, before Ray starts."""

import subprocess
import sys
from functools import partial

import pytest
from command import command, environment

from counterpoise.engines.verl.__main__ import run_checked
from counterpoise.engines.verl.hydra import compose_config
from counterpoise.errors import CounterpoiseError, UsageError

MODULE = "counterpoise.engines.verl"


def run(*arguments, **changed):
    return subprocess.run(
        [sys.executable, "-m", MODULE, *arguments],
        env=environment() | changed,
        capture_output=True,
        text=True,
        timeout=280,
    )


def test_it_says_that_the_plugin_is_loaded():
    done = run()
    assert done.returncode == 0, done.stderr[-2000:]
    assert "verl 0.9.1 has loaded the plugin of counterpoise" in done.stdout


def test_an_importable_trl_is_named_before_verl_is_imported(tmp_path):
    (tmp_path / "trl").mkdir()
    done = run(PYTHONPATH=f"{environment()['PYTHONPATH']}:{tmp_path}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"error: trl can be imported (from {tmp_path}/trl), and verl 0.9.1")


def test_a_plugin_that_is_switched_off():
    done = run(VERL_USE_EXTERNAL_PLUGINS="none")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: verl did not load the plugin counterpoise; unset VERL_USE_EXTERNAL_PLUGINS, or add counterpoise to the names in it"
    )


def test_credit_that_cannot_be_is_one_line_before_ray_starts(tmp_path):
    done = run(*command(tmp_path)[3:], "+algorithm.counterpoise.rule=ppo")
    assert done.returncode == 2
    assert "needs a critic, and verl's trainer trains none" in done.stderr.splitlines()[-1]
    assert "ray init" not in done.stdout


@pytest.fixture
def checked(monkeypatch, tmp_path):
    """`check_overrides` on the settings of the tests and more of them, in this process."""
    for name, value in environment().items():
        if name.startswith(("VERL_", "RAY_")):
            monkeypatch.setenv(name, value)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    from counterpoise.engines.verl.__main__ import check_overrides

    return lambda *more: check_overrides([*command(tmp_path)[3:], *more])


def test_settings_of_the_tests_are_fine(checked):
    checked()
    checked("+algorithm.counterpoise.rule=hinge", "+algorithm.counterpoise.reward=graded", *OURS)
    correction = "algorithm.rollout_correction"  # a threshold that is two numbers is text
    checked(f"{correction}.rollout_is=token", f"{correction}.rollout_is_threshold='0.5_2.0'")
    checked("reward.reward_manager.name=remote")


OURS = (
    "reward.custom_reward_function.path=pkg://counterpoise.engines.verl.rewards",
    "reward.custom_reward_function.name=compute_score",
)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["+algorithm.counterpoise.rule=nrs"], "did you mean 'nsr'"),
        (["actor_rollout_ref.actor.shuffle=True"], "actor_rollout_ref.actor.shuffle=True: the denominator"),
        (["actor_rollout_ref.actor.policy_loss.loss_mode=sapo"], "policy_loss.loss_mode=sapo: our denominator is in the advantages"),
        (["+algorithm.counterpoise.rule=grpo", "actor_rollout_ref.rollout.n=1"], "actor_rollout_ref.rollout.n=1 has nothing to compare"),
        (["reward.reward_manager.name=dapo", "+reward.reward_kwargs.overlong_buffer_cfg.enable=True"],
         "overlong_buffer_cfg.enable=True: it takes"),
        (["actor_rollout_ref.actor.clip_ratio_c=0.5"], "clip_ratio_c=0.5: it bounds"),
        (["+trainer.counterpoise.rule=nsr"], "trainer.counterpoise: nobody reads that"),
        (["reward_model.reward_manager=dapo"], "reward_model.reward_manager=dapo: verl's trainer reads this older key no more"),
        (["critic.enable=True"], "critic.enable=True: no rule here reads values"),
        (["trainer.v1.trainer_mode=sync"], "trainer.v1.trainer_mode=sync: that trainer shows an estimator no verdicts"),
        (["algorithm.adv_estimator=grpo"], "no rule of ours would be called"),
        (["+algorithm.counterpoise.token_weights=entropy_safe"], "token_weights=entropy_safe reads more than"),
        (["+algorithm.counterpoise.reward=random"], "algorithm.counterpoise.reward=random draws a placebo"),
        (["+algorithm.counterpoise.reward=graded"], "reward=graded is what a verdict of ours is worth, and compute_score gives none"),
        (["+algorithm.counterpoise.rle=nsr"], "algorithm.counterpoise.rle: there is no such key; did you mean 'rule'?"),
        (["+algorithm.counterpose.rule=nsr"], "did you mean algorithm.counterpoise?"),
        (["+algorithm.counterpoise.denominator=${nope}"], "Interpolation key 'nope' not found"),
        (["algorithm.rollout_correction.rollout_rs=token_k1"], "rollout_rs=token_k1: it takes tokens out"),
        (["+reward.custom_reward_function.reward_kwargs.verifier=math", "reward.custom_reward_function.path=pkg://counterpoise.engines.verl.judging",
          "reward.custom_reward_function.name=judged_by_node"], "(missing a required argument: 'run')"),
        ([*OURS, "+reward.custom_reward_function.reward_kwargs.extra_info=3"], "takes the place of what verl hands over"),
        (["reward.reward_manager.name=remote", "reward.custom_reward_function.path=pkg://counterpoise.engines.verl.judging",
          "reward.custom_reward_function.name=compute_score_by_node"], "takes no async function"),
        (["actor_rollout_ref.actor.optim.lr=fast"], "actor_rollout_ref.actor.optim.lr=fast: give a number; without it it is 1e-06"),
        (["actor_rollout_ref.actor.optim.lr=-1"], "optim.lr=-1: give a number of at least 0"),
        (["actor_rollout_ref.actor.optim.lr=null"], "optim.lr=None: give a number of at least 0"),
        (["actor_rollout_ref.actor.optim.betas=[a,b]"], "optim.betas=a: give a number"),
        (["actor_rollout_ref.rollout.temperature=hot"], "rollout.temperature=hot: give a number"),
        (["actor_rollout_ref.rollout.temperature=0"], "rollout.temperature=0: give a number above 0"),
        (["actor_rollout_ref.actor.clip_ratio=nan"], "clip_ratio=nan: give a number"),
        (["trainer.save_freq=often"], "trainer.save_freq=often: give a number"),
        (["trainer.total_training_steps=x"], "trainer.total_training_steps=x: give a whole number of at least 1, or null"),
        (["trainer.val_before_train=no"], "trainer.val_before_train=no: give true or false"),
        (["trainer.default_local_dir=null"], "trainer.default_local_dir=null: give the directory of the run's checkpoints"),
        (["data.train_files=3"], "data.train_files=3: give the Parquet files of prompts"),
        (["+ray_kwargs.ray_init.dashboard_port=x"], "ray_kwargs.ray_init.dashboard_port=x: give the number of a port"),
        (["algorithm.filter_groups.enable=True"], "drops the groups that nsr learns from"),
        (["actor_rollout_ref.actor.shufle=True"], "verl does not take these options: Could not override 'actor_rollout_ref.actor.shufle'."),
        (["=3"], "verl does not take these options: "),
        (["data.train_batch_size=abc"], "data.train_batch_size=abc: give a whole number"),
        (["data.max_response_length=8.5"], "data.max_response_length=8.5: give a whole number"),
        (["trainer.n_gpus_per_node=0"], "trainer.n_gpus_per_node=0: give a whole number of at least 1"),
        (["+algorithm.counterpoise=3"], "algorithm.counterpoise=3: give a table"),
        (["+algorithm.counterpoise.rule=3"], "rule"),
        (["reward.custom_reward_function.path=gone.py"], "compute_score of gone.py cannot be loaded"),
        (["reward.custom_reward_function.name=score"], "cannot be loaded (AttributeError"),
        ([*OURS, "+reward.custom_reward_function.reward_kwargs.verifier=mth"], "did you mean 'math'"),
        (["ray_kwargs.ray_init.num_cpus=null", "ray_kwargs.ray_init.num_gpus=null", "ray_kwargs.ray_init.address=127.0.0.1:9"],
         "no Ray cluster answers at 127.0.0.1:9"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_ray_starts(checked, overrides, says):
    with pytest.raises(CounterpoiseError) as refused:
        checked(*overrides)
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_data_that_is_not_there_is_one_line_before_ray_starts(checked, tmp_path, capsys):
    assert run_checked(command(tmp_path)[3:]) == 2
    _out, err = capsys.readouterr()
    assert (
        err
        == f"error: data.train_files={tmp_path / 'train.parquet'} is no file; give the Parquet files of prompts "
        + ("(counterpoise launch verl writes them)\n")
    )


def test_verls_own_command_refuses_a_configuration_in_which_our_credit_would_not_be_called(tmp_path):
    from verl.trainer import main_ppo

    def held(*more):
        config = compose_config([*command(tmp_path)[3:], *more])
        main_ppo.validate_config(config=config, use_reference_policy=False, use_critic=False)

    held()
    held("algorithm.adv_estimator=grpo", "trainer.v1.trainer_mode=sync")  # nothing of ours is asked for
    with pytest.raises(UsageError, match="did you mean 'nsr'"):
        held("+algorithm.counterpoise.rule=nrs")
    with pytest.raises(UsageError, match=r"algorithm\.adv_estimator=grpo: no rule of ours would be called"):
        held("algorithm.adv_estimator=grpo", "trainer.v1.trainer_mode=sync", "+algorithm.counterpoise.rule=nsr")


@pytest.mark.parametrize("full", ["0", "1"])
def test_verls_own_command_says_it_in_our_line_alone(tmp_path, full):
    words = command(tmp_path)[3:]
    done = subprocess.run(
        [sys.executable, "-m", "verl.trainer.main_ppo", *words, "+algorithm.counterpoise.rule=nrs", f"hydra.run.dir={tmp_path}"],
        env=environment() | {"HYDRA_FULL_ERROR": full}, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr[-2000:]
    assert "Traceback" not in done.stderr and "HYDRA_FULL_ERROR" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        "error: unknown algorithm.counterpoise.rule 'nrs'; did you mean 'nsr'?"
    )


def test_a_reward_function_of_ones_own_has_a_limit_where_the_credit_is_ours(checked, tmp_path):
    import verl  # noqa: F401
    from verl.trainer.ppo.reward import get_custom_reward_fn

    def loaded(**settings):
        return get_custom_reward_fn(compose_config(command(tmp_path, **settings)[3:]))

    row = {"data_source": "a", "ground_truth": "1", "extra_info": {}}
    hanging = {
        "+reward.custom_reward_function.reward_kwargs.hangs": True,
        "+algorithm.counterpoise.reward_timeout": 0.5,
    }
    held = loaded(**hanging)
    late, fine = (held(solution_str=one, **row) for one in ("\r", "abc"))  # 13 hangs
    assert late["scored"] is False and late["reason"].startswith("timeout: compute_score of ")
    assert fine == {"score": 1.0, "scored": True, "lower": 1.0}
    # for verl's own algorithms it is verl's own
    assert isinstance(loaded(**{"algorithm.adv_estimator": "grpo"}), partial)
    assert not isinstance(held, partial)
