"""A call that trains a tiny policy in a second."""

import pytest

from counterpoise.engines.local import loop
from counterpoise.models.lab import build_lab_model, save_lab_model
from counterpoise.models.lab_tokenizer import build_lab_tokenizer


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("policy") / "tiny"
    save_lab_model(build_lab_model(seed=0, hidden_size=32, layers=1), build_lab_tokenizer(), path)
    return path


@pytest.fixture
def call(tiny, tmp_path):
    return {
        "model": tiny,
        "task": "countdown",
        "tasks": {"settings": {"count": 2, "largest": 6}},
        "rule": "nsr",
        "steps": 1,
        "directory": tmp_path / "runs",
        "rollout": {"prompts_per_step": 2, "group_size": 2, "max_tokens": 6},
        "evaluation": {"problems": 4, "n": 4, "temperature": 1.0, "top_p": 1.0},
    }


@pytest.fixture
def interrupted(monkeypatch):
    """Ctrl-C before the second step of a run; what was done, in order."""
    real, done = loop._Run._one_step, []

    def step(self):
        if done == [0]:
            done.append("stopped")
            raise KeyboardInterrupt
        done.append(self.step)
        return real(self)

    monkeypatch.setattr(loop._Run, "_one_step", step)
    return done
