import json
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from counterpoise.engines.local.loop import train
from counterpoise.errors import UsageError
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.processes import anywhere, is_main, on_main
from counterpoise.runfile import dump_config
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics

WORKER = Path(__file__).with_name("process_worker.py")


def test_one_process_is_the_main_one_and_acts_at_once():
    assert is_main()
    assert [anywhere(False), anywhere(True)] == [False, True]
    assert on_main(lambda: 3) == 3

    def refuse():
        raise UsageError("no")

    with pytest.raises(UsageError, match=r"^no$"):
        on_main(refuse)


@pytest.fixture
def launched(configure, tmp_path, python):
    """Two processes on the CPU, each of which says how its four commands ended, and with which weights."""
    looks = ("diagnostics.every=1", "diagnostics.samples_every=1", "diagnostics.rollouts=3")
    config = configure(
        *looks,
        "credit.token_weights=entropy_top",  # whose threshold is taken over both
        "loss.kl=0.01",
        "loss.kl_evidence=2",
        "tasks.max_train=5",  # a block of four prompts for both, and one of one, which leaves the second process without any
        "learner.steps=2",
        "checkpoint.every_steps=0",
        "evaluation.before=true",
        "evaluation.after=true",
    )
    run_file = tmp_path / "run.toml"
    run_file.write_text(dump_config(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = ["torchrun", "--nproc_per_node", "2", "--master_port", str(port), WORKER, run_file, tmp_path]
    result = python(*launch, module="torch.distributed.run", CUDA_VISIBLE_DEVICES="").wait()
    assert result.returncode == 0, result.stdout + result.stderr
    return tmp_path, result


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_two_processes_make_one_run_that_one_process_can_continue(launched):
    directory, output = launched
    said = [json.loads((directory / f"{rank}.json").read_text()) for rank in (0, 1)]
    # trained; the same name again is refused in both; stopped by a signal to the second process alone; too few prompts
    assert said == [{"processes": 2, "codes": [0, 2, 130, 2]}] * 2
    assert "leaves some of the 2 processes without a prompt" in output.stderr
    assert output.stdout.count("weights: ") == 1

    whole = directory / "runs" / "whole"
    records = _lines(whole / "metrics.jsonl")
    assert [record["step"] for record in records] == [1, 2]
    # 4 prompts x 4 rollouts over both processes
    rollouts = [record["tokens_sampled"] / record["response_tokens"] for record in records]
    assert rollouts == pytest.approx([16, 16])
    for record in records:
        parts = ("tokens_trained", "tokens_saved")
        assert sum(record[part] for part in parts) == record["tokens_sampled"]
        assert record["tokens_saved_correct"] + record["tokens_saved_wrong"] == record["tokens_saved"]
        assert record["surprisal_p50"] <= record["surprisal_p99"]
        assert record["log_prob_change_wrong"] is not None
    # before its first update the policy is the base: over the anchors of both processes one is the other with its sign changed
    assert records[0]["anchor_kl"] == pytest.approx(-records[0]["log_prob_change_anchor"], abs=1e-6)
    assert len(_lines(whole / "anchors.jsonl")) == 3
    assert len({record["problem_id"] for record in _lines(whole / "base_evidence.jsonl")}) == 5
    samples = _lines(whole / "samples.jsonl")
    assert {sample["step"] for sample in samples} == {1, 2}
    assert all(1 <= sum(sample["step"] == step for sample in samples) <= 5 for step in (1, 2))
    assert sorted(path.name for path in (whole / "checkpoints").iterdir()) == ["best.json", "step-000002"]

    one, other = (torch.load(directory / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    saved = load_file(whole / "checkpoints" / "step-000002" / "policy" / "model.safetensors")
    assert all(torch.equal(one["parameters"][name], other["parameters"][name]) for name in one["parameters"])
    assert all(torch.equal(one["parameters"][name].to(saved[name].dtype), saved[name]) for name in saved)
    assert one["learner"]["updates"] == other["learner"]["updates"] == sum(r["optimiser_steps"] for r in records)
    for key, state in one["learner"]["optimiser"]["state"].items():
        for name, value in state.items():
            assert torch.equal(value, other["learner"]["optimiser"]["state"][key][name]), (key, name)
    assert one["final"] == other["final"]
    assert len(EvaluationResult.load(whole / "evaluation" / "step-000002").counts) == 4
    assert len(_lines(whole / "evaluation" / "step-000000" / "rollouts.jsonl")) == 4 * 4

    stopped = RunDirectory.open(directory / "runs" / "stopped")
    assert sorted(path.name for path in stopped.checkpoints.iterdir()) == ["best.json", "step-000001"]
    result = train(stopped)
    assert result.checkpoint.step == 2
    assert [r["step"] for r in read_metrics(stopped.metrics, on_damage=lambda damage: None)] == [1, 2]
