"""A tiny policy on disk and small run settings: a run of a few steps takes a second."""

import pytest

from counterpoise.models.lab import build_lab_model, save_lab_model
from counterpoise.models.lab_tokenizer import build_lab_tokenizer
from counterpoise.runfile import parse_config


@pytest.fixture(scope="session")
def tiny_policy(tmp_path_factory):
    path = tmp_path_factory.mktemp("policy")
    save_lab_model(build_lab_model(seed=0, hidden_size=32, layers=1), build_lab_tokenizer(), path)
    return path


@pytest.fixture
def configure(tiny_policy, tmp_path):
    def make(*overrides, name="run"):
        return parse_config(
            {
                "run": {"directory": str(tmp_path / "runs"), "name": name},
                "model": {"name": str(tiny_policy)},
                "tasks": {"name": "countdown", "settings": {"count": 2, "largest": 6}},
                "rollout": {"prompts_per_step": 4, "group_size": 4, "max_tokens": 6},
                "learner": {"steps": 4, "learning_rate": 1e-3, "minibatch": 2},
                "checkpoint": {"every_steps": 2},
                "evaluation": {
                    "problems": 4,
                    "n": 4,
                    "temperature": 1.0,
                    "top_p": 1.0,
                    "before": False,
                    "after": False,
                },
            },
            overrides,
        )

    return make
