"""Two processes share a generation batch: each comes to the same credit, of groups that neither of them holds alone."""

import json
import subprocess
import sys
from pathlib import Path

import torch

from counterpoise.engines.outside import compose, rewarded_batch

CREDIT = {"rule": "grpo", "controller": "share", "emphasis": "focal"}


def test_two_processes_have_the_credit_of_the_whole_batch(tmp_path):
    script = Path(__file__).with_name("two_processes.py")
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node=2",
        "--standalone",
        str(script),
        str(tmp_path),
        json.dumps(CREDIT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    one, other = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert one["processes"] == other["processes"] == 2  # accelerate launch --cpu starts one without a word
    assert one["weights"] == other["weights"]
    parts = compose(CREDIT, engine="here", steps=2, length=12)
    for mine, theirs in zip(one["steps"], other["steps"], strict=True):
        rewards = torch.tensor(mine["rewards"], dtype=torch.float64)
        assert len(rewards) == 32 and torch.equal(rewards.isnan(), torch.tensor(theirs["rewards"]).isnan())
        lengths = torch.tensor(mine["lengths"] + theirs["lengths"])
        batch = rewarded_batch(rewards, low=0, high=1, group_ids=torch.arange(32) // 8, lengths=lengths)
        signed, _ = parts.step(batch)
        found = torch.tensor(mine["advantages"] + theirs["advantages"])
        assert mine["divisor"] == theirs["divisor"] == int((lengths * signed.nonzero_rows).sum())
        assert float(found.abs().max()) > 0
        if mine is one["steps"][0]:  # later ones depend on the entropy that was measured
            torch.testing.assert_close(found, signed.advantages, rtol=1e-5, atol=1e-6)


def test_the_example_runs(policy, tmp_path):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = policy.tokenizer
    tiny = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None, tie_word_embeddings=True,
    )  # fmt: skip
    Qwen2ForCausalLM(tiny).save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    (tmp_path / "tiny" / "chat_template.jinja").write_text(
        "{% for message in messages %}{{ message.content }}{% endfor %}"
    )
    example = Path(__file__).parents[3] / "examples" / "trl_nsr.py"
    done = subprocess.run(
        [sys.executable, str(example), str(tmp_path / "tiny")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("credit/minus") == 10
    assert len(example.read_text().split("import sys")[1].splitlines()) < 30
