import json

import pytest

from counterpoise.runfile import dump_config


@pytest.mark.slow
def test_bf16_trains_and_samples_in_the_same_precision(configure, tmp_path, python):
    config = configure("learner.mixed_precision=bf16", "learner.steps=2", "learner.minibatch=none", "credit.rule=nsr")
    run_file = tmp_path / "run.toml"
    run_file.write_text(dump_config(config))
    # In a process of its own: accelerate keeps one precision for the life of a process.
    result = python("counterpoise", "train", run_file, module="counterpoise").wait()
    assert result.returncode == 0, result.stderr
    records = [json.loads(line) for line in (config.path / "metrics.jsonl").read_text().splitlines()]
    assert [record["optimiser_steps"] for record in records] == [1, 1]
    for record in records:
        # bfloat16 keeps 8 bits: not the 1e-6 of float32, and far from what two different policies would show
        assert 0 < record["sampler_gap_max"] < 0.05
        assert record["gradient_norm"] > 0
