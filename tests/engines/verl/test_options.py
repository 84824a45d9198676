"""The options of `counterpoise launch verl` in verl's own configuration: every run file of the paper composes, and no key is invented."""

from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from counterpoise.engines.verl import __main__ as main
from counterpoise.engines.verl.__main__ import check_overrides
from counterpoise.engines.verl.hydra import compose_config, hydra_value, overrides, with_own
from counterpoise.engines.verl.launch import TABLE
from counterpoise.engines.verl.settings import check_config, verl_settings
from counterpoise.errors import UsageError
from counterpoise.launch.translation import Surroundings, translate
from counterpoise.runfile import load_config

ROOT = Path(__file__).parents[3]
PAPER = ROOT / "recipes" / "paper"
MODELS = ("qwen2.5-math-7b", "qwen3-4b", "llama-3.1-8b-instruct")
RULES = {
    **{name: [str(PAPER / "rules" / f"{name}.toml")] for name in ("psr", "nsr", "weighted_reinforce", "reinforce", "grpo", "ppo")},
    "dynamic": [str(PAPER / "rules" / "reinforce.toml"), "credit.controller=share"],
}  # fmt: skip
FREE = (
    "algorithm.counterpoise.",
    "reward.custom_reward_function.reward_kwargs.",
    "actor_rollout_ref.model.override_config.",
    "ray_kwargs.",
)
"""Tables of verl's that hold whatever is put there."""


def made(model, rule, *settings):
    config = load_config(PAPER / f"{model}.toml", [*RULES[rule], *settings])
    surroundings = Surroundings(
        gpus=8, model="org/model", problems=7500, tests=5000, prompt_tokens=1024, directory=Path("/runs/x")
    )
    return with_own(translate(TABLE, config, surroundings).options, {})


@pytest.fixture(scope="module")
def base():
    """verl's configuration as it is without us; keys cannot be added to it."""
    config = compose_config([])
    OmegaConf.set_struct(config, True)
    return config


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("model", MODELS)
def test_every_option_is_a_key_of_verls_and_a_plus_stands_where_there_is_none(base, model, rule):
    for name in made(model, rule):
        bare = name.lstrip("+")
        present = OmegaConf.select(base, bare, throw_on_missing=False) is not None or _has(base, bare)
        assert present != name.startswith("+"), name
        if name.startswith("+") and not bare.startswith(FREE):
            # Not in the files, and a field of the class that they name.
            parent, _, key = bare.rpartition(".")
            target = OmegaConf.select(base, parent)["_target_"]
            assert key in {one.name for one in fields(_class(target))}, name


def _has(config, name):
    parent, _, key = name.rpartition(".")
    table = OmegaConf.select(config, parent) if parent else config
    return table is not None and key in table


def _class(path):
    import importlib

    module, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    assert is_dataclass(found)
    return found


@pytest.mark.parametrize(
    ("model", "rule"), [(MODELS[0], name) for name in RULES] + [(MODELS[1], "grpo"), (MODELS[2], "nsr")]
)
def test_the_papers_run_files_compose_and_their_numbers_are_there(model, rule, monkeypatch):
    monkeypatch.setattr(main, "_devices", lambda: 8)  # as many as the paper's machine has
    config = compose_config([*overrides(made(model, rule)), "actor_rollout_ref.rollout.name=vllm"])
    actor, rollout, length = (
        config.actor_rollout_ref.actor,
        config.actor_rollout_ref.rollout,
        {"qwen3-4b": 31744}.get(model, 3072),
    )
    assert (config.data.train_batch_size, actor.ppo_mini_batch_size, actor.ppo_epochs, rollout.n) == (1024, 256, 1, 8)
    assert (config.data.max_prompt_length, config.data.max_response_length, rollout.response_length) == (
        1024,
        length,
        length,
    )
    assert (rollout.temperature, rollout.top_p, rollout.top_k) == (1.0, 1.0, -1)
    assert (actor.clip_ratio_low, actor.clip_ratio_high, actor.clip_ratio_c) == (0.2, 0.2, 1e9)
    assert (actor.optim.lr, actor.optim.weight_decay, actor.grad_clip, actor.entropy_coeff) == (1e-6, 0.01, 1.0, 1e-4)
    assert (actor.loss_agg_mode, actor.use_kl_loss) == ("token-mean", rule == "grpo")
    assert config.trainer.total_training_steps == (50 if model == "qwen3-4b" else 110)
    assert rollout.val_kwargs.n == (64 if model == "qwen3-4b" else 256)
    if rule == "ppo":
        assert (config.algorithm.adv_estimator, config.trainer.v1.trainer_mode) == ("gae", "sync")
        assert (config.algorithm.use_kl_in_reward, config.algorithm.kl_ctrl.kl_coef) == (True, 2e-3)
        assert (config.critic.optim.lr, config.critic.cliprange_value, config.critic.ppo_epochs) == (1e-5, 1.0, 1)
        assert config.critic.ppo_max_token_len_per_gpu == actor.ppo_max_token_len_per_gpu
        check_overrides(overrides(made(model, rule)))  # verl's own credit is not held to ours
        return
    check_config(config)
    assert (config.algorithm.adv_estimator, config.trainer.v1.trainer_mode) == ("counterpoise", "counterpoise")
    asked = verl_settings(OmegaConf.to_container(config.algorithm.counterpoise))
    credit = asked.compose(steps=2, length=length).config.credit
    assert credit.rule == {"dynamic": "reinforce"}.get(rule, rule)
    assert credit.controller == ("share" if rule == "dynamic" else "constant")
    assert (asked.remove_rows, asked.denominator) == (
        (False, "tokens_all") if rule == "grpo" else (True, "tokens_signed")
    )
    if rule == "grpo":
        assert (actor.kl_loss_coef, actor.kl_loss_type) == (1e-3, "low_var_kl")
        assert credit.settings == {"ddof": 1, "eps": 1e-6}


def test_text_arrives_as_it_is_and_an_unknown_option_is_refused():
    texts = [
        "it's",
        "a\\'b",
        "x\\",
        "${a}",
        "a b,c=[d]",
        "null",
        "über/x.y",
        "1e5",
        "{% for m in ms %}{{ m.c }}{% endfor %}",
    ]
    config = compose_config([f"+algorithm.counterpoise.texts={hydra_value(texts)}"])
    assert list(config.algorithm.counterpoise.texts) == texts
    with pytest.raises(UsageError, match=r"verl does not take these options: .*nope"):
        compose_config(["nope.x=1"])
