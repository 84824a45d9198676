"""From a run file to another engine's command: both tables, what is refused, the machine, the directory, the data, the command line.

What verl and TRL themselves say of the options is in tests/engines/verl and tests/engines/trl, in environments of their own.
"""

import importlib.util
import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from counterpoise.engines.trl import launch as trl
from counterpoise.engines.verl import launch as verl
from counterpoise.engines.verl.hydra import hydra_value, with_own
from counterpoise.errors import ConfigError, DataError, MissingExtraError, UsageError
from counterpoise.launch.machine import (
    check_gpus,
    check_memory,
    check_package,
    check_port,
    check_python,
    check_reachable,
    gpus_here,
)
from counterpoise.launch.prompts import engine_texts
from counterpoise.launch.sizes import GIB, parameters_named, shape_of, trainer_bytes
from counterpoise.launch.translation import Surroundings, run_keys, translate
from counterpoise.runfile import load_config
from counterpoise.types import Problem, Prompt

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("scaling_tables", ROOT / "scripts" / "scaling_tables.py")
scaling = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(scaling)
LAB = ROOT / "recipes" / "lab.toml"
PAPER = ROOT / "recipes" / "paper"
TABLES = {"verl": verl.TABLE, "trl": trl.TABLE}
FACTS = Surroundings(gpus=8, model="m", problems=7500, tests=5000, prompt_tokens=1024, directory=Path("/runs/x"))
ONE = ["learner.minibatch=none"]
ROWS = ["learner.minibatch_unit=rows"]


def options(engine, *settings, facts=FACTS, file=LAB):
    return translate(TABLES[engine], load_config(file, list(settings)), facts)


@pytest.mark.parametrize("engine", TABLES)
def test_every_key_of_the_run_file_has_a_row(engine):
    assert set(TABLES[engine]) == set(run_keys())
    for key, row in TABLES[engine].items():
        assert row.options is not None or row.why, key


def test_the_papers_numbers_reach_verl():
    found = options("verl", str(PAPER / "rules" / "grpo.toml"), file=PAPER / "qwen3-4b.toml").options
    actor = "actor_rollout_ref.actor"
    wanted = {
        "data.train_batch_size": 1024, "actor_rollout_ref.rollout.n": 8, f"{actor}.ppo_mini_batch_size": 256, f"{actor}.ppo_epochs": 1,
        "data.max_response_length": 31744, f"{actor}.ppo_max_token_len_per_gpu": 32768, f"{actor}.kl_loss_coef": 1e-3,
        f"{actor}.kl_loss_type": "low_var_kl", f"{actor}.entropy_coeff": 1e-4, f"{actor}.loss_agg_mode": "token-mean",
        "+algorithm.counterpoise.denominator": "tokens_all", f"{actor}.clip_ratio_c": 1e9, "trainer.total_training_steps": 50,
        "trainer.total_epochs": 8, "actor_rollout_ref.rollout.val_kwargs.n": 64,
    }  # fmt: skip
    assert {name: found[name] for name in wanted} == wanted  # 50 steps of 1,024 of 7,500: 7 a pass
    assert "+algorithm.counterpoise.remove_rows" not in found


def test_ppo_is_verls_own_and_a_row_without_credit_goes_before_the_update_elsewhere():
    ppo = options("verl", str(PAPER / "rules" / "ppo.toml"), file=PAPER / "qwen2.5-math-7b.toml").options
    wanted = {
        "algorithm.adv_estimator": "gae", "trainer.v1.trainer_mode": "sync", "algorithm.kl_ctrl.kl_coef": 2e-3,
        "critic.cliprange_value": 1.0, "critic.optim.lr": 1e-5, "trainer.critic_warmup": 0, "critic.model.path": "m",
    }  # fmt: skip
    assert {name: ppo[name] for name in wanted} == wanted
    assert not any("counterpoise" in name for name in ppo)
    late = options(
        "verl", str(PAPER / "rules" / "ppo.toml"), "critic.warmup_steps=3", file=PAPER / "qwen2.5-math-7b.toml"
    )
    assert (
        late.options["trainer.critic_warmup"] == 4
    )  # verl's first step is 1, and the policy moves from that number on
    # on a CPU, where there is no flash attention, policy and critic are asked for another kernel, whose rows may not be packed
    cpu = options(
        "verl", str(PAPER / "rules" / "ppo.toml"), file=PAPER / "qwen2.5-math-7b.toml", facts=replace(FACTS, cpu=True)
    ).options
    for model in ("actor_rollout_ref.model", "critic.model"):
        asked = {f"+{model}.override_config.attn_implementation": "sdpa", f"{model}.use_remove_padding": False}
        assert asked.items() <= cpu.items() and not asked.keys() & ppo.keys()
    nsr = options("verl", str(PAPER / "rules" / "nsr.toml"), file=PAPER / "qwen2.5-math-7b.toml").options
    assert nsr["+algorithm.counterpoise.remove_rows"] is True and nsr["algorithm.adv_estimator"] == "counterpoise"
    # of one update a step nothing is dealt anew, or it would be filled up with what was removed
    once = options("verl", "credit.rule=nsr", *ONE).options
    assert not {"+algorithm.counterpoise.remove_rows", "+algorithm.counterpoise.filter"} & set(once)


REFUSED = [
    ("verl", [], "credit.filter=zero_credit: verl cuts mini-batches of rows"),
    ("verl", [*ONE, "loss.entropy=0.1"], "on which loss.kl and loss.entropy would act"),
    ("verl", [*ROWS, "loss.kl=0.1"], "loss.kl_clamp=none: verl bounds a token's k3 at 10 nats; set loss.kl_clamp=10"),
    ("verl", [*ROWS, "loss.kl=0.1", "loss.kl_clamp=10", "loss.kl_focus=1"], "loss.kl_focus=1.0: verl weighs the KL of all rows alike"),
    ("verl", [*ROWS, "loss.kl=0.1", "loss.kl_clamp=10", "loss.kl_evidence=8"], "loss.kl_evidence=8: verl weighs the KL of all rows alike"),
    ("verl", [*ROWS, "loss.entropy=0.1", "loss.denominator=sequences"], "set loss.denominator=tokens_signed"),
    ("verl", [*ROWS, "loss.denominator=tokens_all"], "it counts rows without credit, which are removed"),
    ("verl", ["credit.filter=none", "loss.entropy=0.1"], "set loss.denominator=tokens_all"),
    ("verl", [*ROWS, "learner.minibatch=24"], "equal mini-batches; set a divisor"),
    ("verl", [*ROWS, "rollout.group_size=3", "learner.minibatch=4"], "dealt to 8 GPUs, which does not come out even"),
    ("verl", [*ROWS, "guards.act=true"], "guards.act=true: guards cannot act on verl's trainer"),
    ("verl", [*ROWS, "verification.truncated=unscored"], "not told which responses were cut off"),
    ("verl", [*ROWS, "credit.filter=zero_variance"], "set credit.filter=zero_credit or none"),
    ("verl", [*ROWS, "loss.name=topr"], "loss.name=topr: verl has no such loss; it has ppo_clip"),
    ("verl", [*ROWS, "loss.settings.probability_floor=0.1"], "has no probability_floor"),
    ("verl", [*ROWS, "learner.schedule=linear"], "verl has constant and cosine"),
    ("verl", [*ROWS, "learner.warmup_steps=5"], "a step makes several updates here"),
    ("verl", [*ROWS, "learner.old_log_probs=sampler"], "with the learner's weights"),
    ("verl", [*ROWS, 'rollout.stop=["x"]'], "rollout.stop=['x']: verl gives its sampler no stop strings"),
    ("verl", [*ROWS, "tracking.trackers=aim"], "verl's trackers are clearml"),
    ("verl", [*ROWS, "model.dtype=auto", "model.lora.rank=4"], "set model.dtype=float32 or bfloat16"),
    ("verl", [*ROWS, "learner.mixed_precision=auto"], "learner.mixed_precision=auto: the local engine alone measures a precision"),
    ("trl", ["learner.mixed_precision=auto"], "learner.mixed_precision=auto: the local engine alone measures a precision"),
    ("verl", [*ROWS, "credit.reward=random"], "credit.reward=random: only the local engine throws coins"),
    ("verl", [*ROWS, "rollout.prompts_per_step=8192"], "there are 7,500; lower it"),
    ("verl", ["credit.rule=ppo"], "verl's PPO divides by tokens_all"),
    ("verl", ["credit.rule=ppo", "loss.denominator=tokens_all", "credit.emphasis=focal"], "credit.emphasis is not to be had"),
    ("verl", ["credit.rule=ppo", "loss.denominator=tokens_all", "credit.settings.ddof=0"], "verl's PPO has ddof=1 built in"),
    ("verl", ["credit.rule=ppo", "loss.denominator=tokens_all", "critic.trunk=policy"], "verl's critic is a model of its own"),
    ("trl", ["credit.rule=ppo"], "credit.rule=ppo: it needs a critic, and TRL's GRPOTrainer trains none"),
    ("trl", [*ONE, "credit.rule=gdpo", "credit.settings={dimensions={verdict=1.0,closeness=0.5}}"],
     "it reads parts of verdicts (closeness), and TRL's reward is one number"),
    ("trl", [], "so that there would be more updates; set credit.filter=none learner.minibatch_unit=prompts"),
    ("trl", [*ONE, "credit.token_weights=probability"], "TRL hands over no log-probabilities of the sampler"),
    ("trl", [*ONE, "loss.entropy=0.1"], "set credit.filter=none loss.denominator=tokens_all"),
    ("trl", [*ONE, "credit.filter=none", "loss.kl=0.1"], "divides loss.kl and loss.entropy by all tokens"),
    ("trl", [*ONE, "credit.filter=none", "loss.kl=0.1", "loss.kl_clamp=10", "loss.denominator=tokens_all"], "TRL's KL has no bound"),
    ("trl", [*ONE, "credit.filter=none", "loss.kl=0.1", "loss.kl_estimator=k1", "loss.denominator=tokens_all"], "TRL's KL is k3"),
    ("trl", [*ONE, "credit.filter=none", "loss.kl=0.1", "loss.denominator=tokens_all", "loss.kl_focus=1"], "TRL weighs the KL of all rows"),
    ("trl", [*ONE, "credit.filter=none", "loss.kl=0.1", "loss.denominator=tokens_all", "loss.kl_evidence=8"], "set loss.kl_evidence=0"),
    ("trl", [*ONE, "guards.act=true"], "guards cannot act on TRL's trainer"),
    ("trl", [*ONE, "rollout.group_size=1"], "at least two responses"),
    ("trl", [*ONE, "loss.name=cispo", "loss.settings={clip_low=0.5}"], "TRL's cispo has one upper bound"),
    ("trl", [*ONE, "loss.denominator=constant", "loss.constant=7"], "leave loss.constant out"),
    ("trl", [*ONE, "loss.name=topr"], "whose divisor can be set"),
    ("trl", ["credit.filter=none", "learner.minibatch=24"], "learner.minibatch=24 does not divide it"),
    ("trl", [*ONE, "rollout.prompts_per_step=7", "rollout.group_size=2"], "dealt to 8 processes"),
]  # fmt: skip


@pytest.mark.parametrize(("engine", "settings", "says"), REFUSED)
def test_what_would_train_something_else_is_refused_in_one_line(engine, settings, says):
    with pytest.raises(UsageError) as caught:
        options(engine, *settings)
    (line,) = (line for line in str(caught.value).splitlines() if says in line)
    assert re.match(r"[a-z_.]+=", line)  # the key and its value stand first


def test_what_is_left_out_is_named_where_it_was_set():
    assert options("verl", *ROWS).left == (
        "run.threads=1: Ray gives its workers their threads; set OMP_NUM_THREADS",
        "diagnostics.every=25: nothing watches there; counterpoise watch and report read verl's log",
    )
    assert (
        "learner.chunk_tokens=64: TRL computes a microbatch's logits at once"
        in options("trl", *ONE, "learner.chunk_tokens=64").left
    )


def test_shares_of_memory_and_judges_are_the_engines_own_until_they_are_set():
    plain, judges = options("verl", *ROWS).options, "+reward.custom_reward_function.reward_kwargs.workers_per_node"
    assert not {judges, "reward.num_workers", "actor_rollout_ref.rollout.gpu_memory_utilization"} & set(plain)
    found = options("verl", *ROWS, "rollout.gpu_share=0.6", "verification.workers=16").options
    assert (found["actor_rollout_ref.rollout.gpu_memory_utilization"], found[judges]) == (0.6, 16)
    assert options("trl", *ONE, "rollout.gpu_share=0.6").options["vllm_gpu_memory_utilization"] == 0.6


def test_rows_of_an_update_become_trls_batches():
    config = [
        *ONE,
        "rollout.prompts_per_step=32",
        "credit.filter=none",
        "learner.minibatch=8",
        "learner.epochs=2",
        "learner.steps=5",
    ]
    facts = Surroundings(gpus=2, model="m", problems=100, prompt_tokens=12)
    found = options("trl", *config, "learner.tokens_per_microbatch=300", facts=facts).options
    # 8 prompts of 8 responses on 2 processes: 32 rows each, of which 300 // (12 + 20) = 9 fit, and 8 divides 32
    assert (found["per_device_train_batch_size"], found["gradient_accumulation_steps"]) == (8, 4)
    assert found["steps_per_generation"] == 16 and found["num_iterations"] == 2 and found["max_steps"] == 5 * 4 * 2
    assert found["save_steps"] == 25 * 4 * 2


@pytest.mark.parametrize(
    ("loss", "wanted"),
    [
        (
            "ppo_clip",
            {
                "loss_type": "dapo",
                "importance_sampling_level": "token",
                "epsilon": 0.2,
                "epsilon_high": 0.2,
                "delta": None,
            },
        ),
        ("gspo", {"loss_type": "dapo", "importance_sampling_level": "sequence", "epsilon": 3e-4, "epsilon_high": 4e-4}),
        ("cispo", {"loss_type": "cispo", "epsilon_high": 5.0}),
        ("reinforce", {"loss_type": "dapo"}),
    ],
)
def test_losses_have_trls_names(loss, wanted):
    found = options("trl", *ONE, f"loss.name={loss}").options
    assert {name: found[name] for name in wanted} == wanted


def test_options_as_hydra_reads_them():
    assert hydra_value({"a": [1, None, True, "it's"], "b": 1e-8}) == "{a:[1,null,true,'it\\'s'],b:1e-08}"
    assert hydra_value("${oc.env:HOME}") == "'\\${oc.env:HOME}'" and hydra_value("null") == "'null'"
    with pytest.raises(ConfigError, match="takes no such name"):
        hydra_value({"a b": 1})
    assert with_own({"+a.b": 1, "c": 2}, {"a.b": "3", "++c": "4"}) == {"a.b": "3", "++c": "4"}


def test_memory_of_a_model_by_its_shape(tmp_path):
    shape = scaling.SHAPES["Qwen2.5-Math-7B"]
    assert shape.parameters == pytest.approx(7.62e9, rel=2e-3)  # the hub says 7.62 billion
    assert scaling.SHAPES["Llama-3.1-8B"].parameters == pytest.approx(8.03e9, rel=1e-3)
    assert scaling.SHAPES["Qwen3-4B"].parameters == pytest.approx(4.02e9, rel=1e-3)
    assert shape.cache_bytes == 2 * 28 * 4 * 128 * 2
    one, eight = (trainer_bytes(shape, scaling.load(), ranks=ranks) for ranks in (1, 8))
    gathered = 4 * 3584 * 152064
    assert one - eight == pytest.approx(16 * shape.parameters * 7 / 8 - gathered, rel=1e-9)
    (tmp_path / "config.json").write_text('{"hidden_size": 8, "num_attention_heads": 2}')
    assert shape_of(str(tmp_path)) is None and shape_of("org/none") is None
    (tmp_path / "config.json").write_text("[")
    assert shape_of(str(tmp_path)) is None
    assert [parameters_named(name) for name in ("Qwen3-4B", "Llama-3.1-8B-Instruct", "x-0.5b", "lab")] == [
        4e9,
        8e9,
        5e8,
        None,
    ]


@pytest.mark.parametrize("table", [scaling.paper_table, scaling.cluster_table, scaling.evaluation_table])
def test_the_page_of_scaling_has_what_the_formulas_give(table):
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert "\n".join(table()) in page


def test_addresses_and_ports(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        check_reachable(f"127.0.0.1:{port}")
        check_reachable(f"ray://127.0.0.1:{port}")
        with pytest.raises(UsageError, match=rf"port {port} is taken on this machine .* with --head"):
            check_port(port, option="--head")
    check_reachable("auto")
    with pytest.raises(
        UsageError, match=rf"nobody answers at 127.0.0.1 port {port} .*; start Ray there with 'ray start --head"
    ):
        check_reachable(f"127.0.0.1:{port}")
    with pytest.raises(UsageError, match=rf"with 'ray start --head --dashboard-port {port}', or leave --ray out"):
        check_reachable(f"http://127.0.0.1:{port}")
    for address in ("head", "head:", "ftp://h:1", "h:99999", ""):
        with pytest.raises(UsageError, match="give HOST:6379"):
            check_reachable(address)


def test_cards_and_their_memory(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf 'NVIDIA H100, with comma, 81559\\nNVIDIA H100, with comma, 81559\\nbroken\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = gpus_here()
    assert [card.name for card in found] == ["NVIDIA H100, with comma"] * 2 and found[0].memory == 81559 * 2**20
    check_gpus(found, gpus=2)
    with pytest.raises(UsageError, match=r"--gpus 3: this machine has 2"):
        check_gpus(found, gpus=3)
    with pytest.raises(UsageError, match=r"takes about 100 GiB a GPU and .* has 80; lower it, or --no-memory-check"):
        check_memory(100 * GIB, found[0], what="training", remedy="lower it")
    assert "takes about 1.0 of 80 GiB" in check_memory(GIB, found[0], what="training", remedy="")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert gpus_here() == []
    with pytest.raises(UsageError, match=r"no GPU was found here .* that has them, or give --cpu to train without"):
        check_gpus([], gpus=1)
    with pytest.raises(UsageError, match=r"that has them, give --ray ADDRESS, or give --cpu"):
        check_gpus([], gpus=1, elsewhere="give --ray ADDRESS")


def test_python_and_packages():
    check_python(below=(9, 0), engine="x")
    with pytest.raises(UsageError, match=r"and verl needs one below 3.5; .* python3.4 -m venv"):
        check_python(below=(3, 5), engine="verl")
    found = check_package("pytest", extra="trl", low="1", high="99", purpose="x")
    assert found.split(".")[0].isdecimal()
    with pytest.raises(UsageError, match=r"pip install 'pytest>=1,<2'"):
        check_package("pytest", extra="trl", low="1", high="2", purpose="x")
    with pytest.raises(MissingExtraError, match="needs the package 'nowhere'"):
        check_package("nowhere", extra="trl", low="1", high="2", purpose="x")


class Letters:
    """A tokenizer of letters that puts `^` in front where it is asked for special tokens."""

    bos_token = "^"

    def __call__(self, texts, *, add_special_tokens, verbose):
        return {"input_ids": [[ord(c) for c in ("^" if add_special_tokens else "") + text] for text in texts]}


@pytest.mark.parametrize(
    ("ids", "text", "special", "wanted"),
    [("^ab", "ab", True, "ab"), ("^ab", "ab", False, "^ab"), ("^ab", "^ab", True, "ab"), ("ab", "ab", False, "ab")],
)
def test_an_engine_gets_the_text_of_which_it_makes_our_ids(ids, text, special, wanted):
    import numpy as np

    problem = Problem(problem_id="p", task_type="t", question="", gold="", verifier="math")
    prompt = Prompt(problem=problem, text=text, token_ids=np.array([ord(c) for c in ids]))
    assert engine_texts([prompt], Letters(), special=special) == [wanted]
    other = Prompt(problem=problem, text=text, token_ids=np.array([1]))
    with pytest.raises(DataError, match="problem p: the engine's tokenization of the prompt is another one"):
        engine_texts([other], Letters(), special=special)
