"""What tests of several engines share."""

import json

import pytest


@pytest.fixture
def read_by_other_commands():
    """`read(checkpoint, weights, out)`: `explain` and `model export` read another engine's checkpoint, whose model is in `weights`.

    In this process, which has imported what they need.
    """

    def read(checkpoint, weights, out):
        import torch
        from safetensors.torch import load_file
        from typer.testing import CliRunner

        from counterpoise.cli.app import app

        words = ["--task", "countdown", "--problems", "1", "--rollouts", "2", "--rule", "nsr", "--json"]
        looked = CliRunner().invoke(app, ["explain", str(checkpoint), *words, "rollout.max_tokens=8"])
        assert looked.exit_code == 0, looked.output
        assert [one["rule"] for one in json.loads(looked.stdout)["rules"]] == ["nsr"]
        done = CliRunner().invoke(app, ["model", "export", str(checkpoint), "-o", str(out)])
        assert done.exit_code == 0, done.output
        trained, exported = (load_file(one / "model.safetensors") for one in (weights, out))
        assert set(trained) == set(exported) and all(torch.equal(trained[name], exported[name]) for name in trained)

    return read
