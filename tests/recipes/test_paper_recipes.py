"""The presets of the source paper: every number of its tables, for every model and rule, and each rule trains in small."""

import math
import types
from pathlib import Path

import pytest
import torch

from counterpoise.credit import make_rule
from counterpoise.credit.gae import gae, moments, token_rewards, whiten
from counterpoise.engines.local.assemble import assemble
from counterpoise.engines.local.loop import train
from counterpoise.engines.local.room import fit_problems
from counterpoise.losses.value import ValueLoss
from counterpoise.prompts import Wording
from counterpoise.runfile import load_config
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics
from counterpoise.types import Problem

RECIPES = Path(__file__).parents[2] / "recipes"
PAPER = RECIPES / "paper"

# arXiv 2506.01347: name, template, response tokens, steps, evaluation (n, temperature, top-p, top-k, tokens)
MODELS = {
    # 4,096 tokens in the paper, and the model has as many positions for prompt and response together: 4,095 are cut where the paper's are
    "qwen2.5-math-7b": ("Qwen/Qwen2.5-Math-7B", "paper_qwen2.5_math", 3072, 110, (256, 0.6, 0.95, 0, 4095)),
    "qwen3-4b": ("Qwen/Qwen3-4B", "paper_qwen3", 31744, 50, (64, 0.7, 0.8, 20, 31744)),
    # a context of 4,096 with prompts up to 1,024; the paper has no other number for it
    "llama-3.1-8b-instruct": (
        "meta-llama/Llama-3.1-8B-Instruct",
        "paper_llama3.1",
        3072,
        110,
        (256, 0.6, 0.95, 0, 3072),
    ),
}
# max_position_embeddings of the models' configurations
POSITIONS = {"qwen2.5-math-7b": 4096, "qwen3-4b": 40960, "llama-3.1-8b-instruct": 131072}
# settings, KL in the loss, its clamp, KL in the reward (twice the paper's 1e-3: rewards are twice as far apart), filter, denominator
RULES = {
    "psr": ({}, 0.0, None, None, "zero_credit", "tokens_signed"),
    "nsr": ({}, 0.0, None, None, "zero_credit", "tokens_signed"),
    "weighted_reinforce": ({"lambda": 0.1}, 0.0, None, None, "zero_credit", "tokens_signed"),
    "reinforce": ({}, 0.0, None, None, "zero_credit", "tokens_signed"),
    "grpo": ({"ddof": 1, "eps": 1e-6}, 1e-3, 10.0, None, "none", "tokens_all"),
    "ppo": (
        {"gamma": 1.0, "lam": 1.0, "whiten": True, "ddof": 1, "kl": 2e-3, "bootstrap": False},
        0.0,
        None,
        2e-3,
        "none",
        "tokens_all",
    ),
}


def preset(model, rule, *overrides):
    return load_config(PAPER / f"{model}.toml", [str(PAPER / "rules" / f"{rule}.toml"), *overrides])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("model", MODELS)
def test_every_number_is_the_papers(model, rule):
    config = preset(model, rule)
    name, template, tokens, steps, evaluation = MODELS[model]
    settings, kl, clamp, reward_kl, kept, denominator = RULES[rule]

    assert (config.model.name, config.model.lora.rank) == (name, 0)
    assert (config.tasks.name, config.tasks.max_train, config.tasks.settings) == ("math", None, {})
    prompt = config.prompt
    assert (prompt.template, prompt.max_tokens, prompt.too_long) == (template, 1024, "drop")
    rollout = config.rollout
    assert (rollout.prompts_per_step, rollout.group_size, rollout.max_tokens) == (1024, 8, tokens)
    assert (rollout.temperature, rollout.top_p, rollout.top_k) == (1.0, 1.0, 0)

    credit = config.credit
    assert (credit.rule, credit.settings, credit.filter) == (rule, settings, kept)
    assert (credit.reward, credit.emphasis, credit.token_weights, credit.controller) == (
        *("binary", "none", "none"),
        "constant",
    )
    assert credit.settings.get("kl") == reward_kl

    loss = config.loss
    assert (loss.name, loss.settings) == ("ppo_clip", {"clip_low": 0.2, "clip_high": 0.2})
    assert (loss.kl, loss.kl_estimator, loss.kl_clamp, loss.entropy) == (kl, "k3", clamp, 1e-4)
    assert (loss.denominator, loss.constant) == (denominator, None)

    learner = config.learner
    assert (learner.steps, learner.minibatch, learner.minibatch_unit, learner.epochs) == (steps, 256, "rows", 1)
    assert (learner.learning_rate, learner.schedule, learner.warmup_steps) == (1e-6, "constant", 0)
    assert (learner.weight_decay, learner.betas, learner.epsilon) == (0.01, (0.9, 0.999), 1e-8)
    assert learner.gradient_clip == 1.0

    critic = config.critic
    assert (critic.learning_rate, critic.gradient_clip, critic.epochs, critic.warmup_steps) == (1e-5, 1.0, 1, 0)
    if rule == "ppo":
        # 0.5 there, for returns from 0 to 1
        assert (critic.value_clip, critic.trunk, critic.weight_decay) == (1.0, "separate", 0.01)

    found = config.evaluation
    assert (found.n, found.temperature, found.top_p, found.top_k, found.max_tokens) == evaluation
    assert found.problems is None


class Words:
    """A tokenizer with a token for each word."""

    eos_token_id = 0
    chat_template = "{{ messages }}"
    name_or_path = "words"

    def __call__(self, texts, **_):
        return {"input_ids": [text.split() for text in texts]}

    def apply_chat_template(self, messages, **_):
        return " ".join(message["content"] for message in messages)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_room_for_the_papers_responses(model):
    config = preset(model, "nsr")
    text = types.SimpleNamespace(max_position_embeddings=POSITIONS[model])
    whole = types.SimpleNamespace(config=types.SimpleNamespace(get_text_config=lambda decoder: text))
    policy = types.SimpleNamespace(model=whole, tokenizer=Words())
    problems = [
        Problem(problem_id=str(length), task_type="math", question="x " * length, gold="1", verifier="math")
        for length in (5, 900, 1500)
    ]
    for training in (True, False):
        said = []
        left = fit_problems(
            policy,
            problems,
            config,
            template=Wording(template=config.prompt.template),
            training=training,
            say=said.append,
        )
        assert [problem.problem_id for problem in left] == ["5", "900"]
        # the paper's evaluation of this model fills its positions, whatever the prompt
        cut = [line for line in said if "leave a response less" in line]
        assert len(cut) == (model == "qwen2.5-math-7b" and not training)
        # no prompt leaves that much, so leaving out those that do not would leave none
        assert not any("too_long=drop" in line for line in cut)


def test_every_file_is_a_model_or_a_rule_of_the_table():
    assert {path.stem for path in PAPER.glob("*.toml")} == set(MODELS)
    assert {path.stem for path in (PAPER / "rules").glob("*.toml")} == set(RULES)


def test_without_a_rule_a_models_file_is_the_papers_best():
    for model in MODELS:
        alone, best = load_config(PAPER / f"{model}.toml"), preset(model, "weighted_reinforce")
        # the file leaves lambda to its default, which is the paper's
        assert alone.credit.settings == {} and make_rule("weighted_reinforce") == make_rule(
            "weighted_reinforce", lambda_=0.1
        )
        assert alone.model_copy(update={"credit": best.credit}) == best
        assert alone.credit.model_copy(update={"settings": {"lambda": 0.1}}) == best.credit


def test_the_ppo_preset_keeps_its_old_name():
    assert load_config(RECIPES / "paper_ppo.toml") == preset("qwen2.5-math-7b", "ppo")


def in_small(tmp_path, name):
    # the lab's base is right half of the time here, so that groups are mixed
    return [
        "model.name=lab",
        f'run.directory="{tmp_path}"',
        f"run.name={name}",
        "run.threads=1",
        "tasks.name=countdown",
        "tasks.settings={count = 3, largest = 20}",
        "prompt.template=none",
        "rollout.prompts_per_step=8",
        "rollout.max_tokens=20",
        "learner.minibatch=4",
        "learner.steps=2",
        "learner.mixed_precision=no",
        "learner.gradient_checkpointing=false",
        "evaluation.before=false",
        "evaluation.after=false",
    ]


@pytest.mark.parametrize("rule", ["nsr", "grpo", "ppo"])
def test_the_presets_train_in_small(tmp_path, rule):
    run = RunDirectory.create(preset("qwen2.5-math-7b", rule, *in_small(tmp_path, rule)))
    train(run)
    first, second = read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))
    assert 0.1 < first["success_rate"] < 0.9
    # mini-batches of 4 x 8 rows: of the 64 rows of a step NSR keeps the wrong ones
    kept = [round(64 * (1 - record["success_rate"])) if rule == "nsr" else 64 for record in (first, second)]
    assert [record["optimiser_steps"] for record in (first, second)] == [math.ceil(rows / 32) for rows in kept]
    assert first["entropy_bonus"] > 0
    # NSR alone removes rows; the other two see every token
    removes = first["tokens_trained"] < first["tokens_sampled"]
    assert removes == (rule == "nsr")
    if rule == "grpo":
        # the policy starts as the reference, and at a rate of 1e-6 it is still near after one step
        assert 0 <= first["kl_reference"] < 1e-4 and 0 <= second["kl_reference"] < 1e-4
    if rule == "ppo":
        assert first["kl_reward"] == pytest.approx(0, abs=1e-5)
        assert first["value_loss"] > 0 and second["value_loss"] > 0


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_assembles(tmp_path, rule):
    assembly = assemble(preset("qwen3-4b", rule, *in_small(tmp_path, rule)))
    assert len(assembly.train) > 8


class TestPpoInUnitsOfTheReward:
    """Rewards of +1 and -1 with KL 2e-3 and value clip 1 are those of 1 and 0 with the paper's 1e-3 and 0.5, doubled and moved by 1."""

    def batch(self, drift):
        generator = torch.Generator().manual_seed(0)
        mask = torch.ones(64, 20, dtype=torch.bool)
        right = torch.rand(64, generator=generator) < 0.6
        log_ratio = drift * torch.randn(64, 20, generator=generator, dtype=torch.float64)
        return mask, right.double(), log_ratio

    def advantages(self, reward, kl, drift, values):
        mask, _, log_ratio = self.batch(drift)
        rewards = token_rewards(reward, mask, kl=kl, log_ratio=log_ratio)
        raw = gae(rewards, values, mask, gamma=1.0, lam=1.0)
        return whiten(raw, mask, measured=moments(raw, mask), ddof=1, eps=1e-8)

    @pytest.mark.parametrize("drift", [0.5, 25.0])
    def test_whitened_advantages_agree_at_twice_the_kl_and_only_there(self, drift):
        _, right, _ = self.batch(drift)
        values = torch.rand(64, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        paper = self.advantages(right, 1e-3, drift, values)
        # A value of the same state is 2 v - 1 here; GAE then gives 2 A, and whitening divides by twice the deviation. What is left is
        # eps, which is added to the variance and so weighs a quarter as much: (1/2) 1e-8 / var relative, 2e-8 at var = 0.24.
        ours = self.advantages(2 * right - 1, 2e-3, drift, 2 * values - 1)
        assert float((paper - ours).abs().max()) < 5e-8
        halved = self.advantages(2 * right - 1, 1e-3, drift, 2 * values - 1)
        assert float((paper - halved).abs().max()) > (1e-3 if drift < 1 else 0.1)

    def test_the_value_loss_is_four_times_the_papers_at_twice_the_clip(self):
        generator = torch.Generator().manual_seed(2)
        mask = torch.ones(8, 5, dtype=torch.bool)
        new, old, returns = (torch.randn(8, 5, generator=generator, dtype=torch.float64) for _ in range(3))
        paper = ValueLoss(clip=0.5)(values=new, old_values=old, returns=returns, mask=mask)
        ours = ValueLoss(clip=1.0)(values=2 * new - 1, old_values=2 * old - 1, returns=2 * returns - 1, mask=mask)
        # (2x - 1 - (2y - 1))^2 = 4 (x - y)^2, and the same tokens are clipped
        torch.testing.assert_close(ours.row_sums, 4 * paper.row_sums)
        assert ours.metrics["value_clipped"] == paper.metrics["value_clipped"]
