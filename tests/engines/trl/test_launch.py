"""`counterpoise launch trl`: its arguments are TRL's, and a run file really trains in it, goes on, and leaves what a report reads."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from trl import GRPOConfig

from counterpoise.engines.trl.launch import TABLE
from counterpoise.engines.trl.launched import credit_table, reward_of_prompts, trl_arguments
from counterpoise.errors import UsageError
from counterpoise.launch.translation import Surroundings, translate
from counterpoise.runfile import load_config
from counterpoise.runs.engine_logs import engine_lines, find_engine_log
from counterpoise.types import Problem, Prompt
from counterpoise.verifiers.judge import Judge

ROOT = Path(__file__).parents[3]
PAPER = ROOT / "recipes" / "paper"
# What of the paper's run files TRL cannot do has to be set otherwise; a test of the launchers says that each is refused.
WHOLE = ["credit.filter=none", "learner.minibatch_unit=prompts", "loss.denominator=tokens_all", "loss.kl_clamp=none"]


@pytest.mark.parametrize("rule", ["psr", "nsr", "weighted_reinforce", "reinforce", "grpo"])
@pytest.mark.parametrize("model", ["qwen2.5-math-7b", "qwen3-4b", "llama-3.1-8b-instruct"])
def test_every_argument_is_trls_and_together_they_are_taken(model, rule, tmp_path):
    config = load_config(PAPER / f"{model}.toml", [str(PAPER / "rules" / f"{rule}.toml"), *WHOLE])
    surroundings = Surroundings(model="m", problems=7500, prompt_tokens=1024, directory=tmp_path)
    found = translate(TABLE, config, surroundings).options
    assert set(found) <= {one.name for one in dataclasses.fields(GRPOConfig)}
    args = GRPOConfig(**{**found, "use_cpu": True, "bf16": False})
    assert (args.generation_batch_size, args.num_generations) == (1024 * 8, 8)
    assert args.gradient_accumulation_steps * args.per_device_train_batch_size == 256 * 8
    assert args.max_steps == config.learner.steps * 4  # updates
    assert (args.loss_type, args.epsilon, args.epsilon_high, args.entropy_coef) == ("dapo", 0.2, 0.2, 1e-4)
    assert args.beta == (1e-3 if rule == "grpo" else 0.0) and args.learning_rate == 1e-6
    assert (credit_table(config)["rule"], credit_table(config)["filter"]) == (rule, "none")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"max_steps": "abc"}, r"max_steps='abc': TRL takes int; check what is given with --engine"),
        ({"beta": [1]}, r"beta=\[1\]: TRL takes float"),
        ({"nonsense": 1}, r"GRPOConfig has no argument nonsense"),
        ({"loss_type": "dapo", "num_generations": 1}, r"TRL does not take these arguments: "),
    ],
)
def test_arguments_that_cannot_be_are_one_line(given, says, tmp_path):
    with pytest.raises(UsageError, match=says) as refused:
        trl_arguments(GRPOConfig, {"output_dir": str(tmp_path), "use_cpu": True, "bf16": False, **given})
    assert "\n" not in str(refused.value)


def test_arguments_of_every_kind_are_taken(tmp_path):
    given = {
        "use_cpu": True,
        "bf16": False,
        "save_strategy": "no",
        "report_to": ["none"],
        "model_init_kwargs": {"dtype": "float32"},
    }
    args = trl_arguments(GRPOConfig, {"output_dir": str(tmp_path), "top_k": 3, "lr_scheduler_type": "linear", **given})
    assert args.max_steps == -1 and args.top_k == 3


def launch(*words, cwd):
    command = [sys.executable, "-m", "counterpoise", "launch", "trl", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280)


def test_a_run_file_trains_goes_on_and_is_read_by_a_report(tmp_path, read_by_other_commands):
    problems = [
        json.dumps({"question": f"{i},{j},{i + j}=", "answer": str(i * j)}) for i in range(2, 6) for j in range(2, 6)
    ]
    (tmp_path / "train.jsonl").write_text("\n".join(problems))
    (tmp_path / "run.toml").write_text(
        '[model]\nname = "lab"\n[tasks]\nname = "jsonl"\ntrain = "train.jsonl"\n[tasks.settings]\nverifier = "numeric"\n'
        '[prompt]\ntemplate = "plain"\n[rollout]\nprompts_per_step = 4\ngroup_size = 4\nmax_tokens = 8\n'
        '[credit]\nrule = "nsr"\n[learner]\nsteps = 2\nlearning_rate = 1e-4\n[checkpoint]\nevery_steps = 2\n'
        "[evaluation]\nbefore = false\nafter = false\n[guards]\nnames = []\n"
    )
    done = launch("run.toml", "--cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    run = tmp_path / "runs" / "run"
    assert (run / "checkpoint-2" / "counterpoise.json").is_file() and (run / "final" / "config.json").is_file()
    lines = dict(engine_lines(find_engine_log(run), on_damage=print))
    assert list(lines) == [1, 2]
    # Products of numbers are not what the lab's policy was taught: all is wrong, and goes down.
    assert all(line["plus"] == 0 and line["minus"] > 0 and line["gradient_norm"] > 0 for line in lines.values())
    (run / "checkpoint-7").mkdir()  # what a save leaves that was killed at once
    again = launch("run.toml", "learner.steps=3", "--cpu", cwd=tmp_path)
    assert again.returncode == 0, again.stderr[-2000:]
    assert "left out: checkpoint-7 (it has no trainer_state.json)" in again.stdout
    assert list(dict(engine_lines(find_engine_log(run), on_damage=print))) == [1, 2, 3]
    assert "from the newest checkpoint" in again.stdout
    read_by_other_commands(run / "checkpoint-3", run / "checkpoint-3", tmp_path / "model")
    other = launch("run.toml", "credit.rule=psr", "--cpu", cwd=tmp_path)
    assert other.returncode == 2 and "credit.rule is psr and was nsr" in other.stderr.splitlines()[-1]


def test_a_response_that_was_cut_off_is_unscored_where_the_run_file_says_so():
    problem = Problem(problem_id="p", task_type="t", question="", gold="7", verifier="math")
    prompts = [Prompt(problem=problem, text="q", token_ids=np.array([1]), prefix="So ")]
    completions, ids = ["\\boxed{7}", "well", "well", "\\boxed{8}"], [[5, 5, 5], [5, 5, 5], [5, 5, 9], [5, 5, 5]]
    for truncated, wanted in (("wrong", [1.0, 0.0, 0.0, 0.0]), ("unscored", [None, None, 0.0, None])):
        with Judge(truncated_is=truncated) as judge:
            reward = reward_of_prompts(prompts, judge, longest=3, ends=frozenset({9}))
            assert reward(completions=completions, completion_ids=ids, problem=[0, 0, 0, 0]) == wanted


def test_a_kl_term_is_divided_by_all_tokens_and_credit_by_its_own_denominator(make_trainer):
    trainer = make_trainer(
        lambda completions, **_: [float(place % 4 == 0) for place in range(len(completions))],
        credit="psr",
        arguments={"beta": 0.1, "max_steps": 1},
    )
    seen = []
    replace = trainer._replace_advantages
    trainer._replace_advantages = lambda out: (replace(out), seen.append(SimpleNamespace(**out)))
    trainer.train()
    (step,) = seen
    lengths = step.completion_mask.sum(dim=1)
    right = torch.arange(32) % 4 == 0
    assert int(step.num_items_in_batch) == int(lengths.sum())
    # each right row counts 1 / tokens of right rows: advantages undo the divisor
    share = step.advantages[right] / float(step.num_items_in_batch)
    torch.testing.assert_close(share, torch.full_like(share, 1 / float(lengths[right].sum())))
    assert float(step.advantages[~right].abs().max()) == 0
