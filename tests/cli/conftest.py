"""The whole command line in this process, on a tiny random policy: a training run of a few steps takes a second."""

import json

import pytest
import tomli_w

from counterpoise.engines.local import policy


@pytest.fixture
def answer(command):
    """`answer("advise", …)`: what `counterpoise advise … --json` printed, parsed."""

    def call(*arguments):
        result = command(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return call


@pytest.fixture
def refused(command):
    """Call, expect one error with every sentence given and the exit code of a user's mistake (or `code`)."""

    def call(*arguments, says, code=2):
        result = command(*arguments)
        for sentence in (says,) if isinstance(says, str) else says:
            assert str(sentence) in result.stderr
        assert result.exit_code == code
        assert result.stderr.count("error: ") == 1
        return result

    return call


@pytest.fixture
def run_file(tiny_policy, tmp_path):
    """Write a run file of a few small steps; `changes` go over it section by section."""

    def make(name="run", **changes):
        sections = {
            "run": {"directory": str(tmp_path / "runs")},
            "model": {"name": str(tiny_policy)},
            "tasks": {"name": "countdown", "settings": {"count": 2, "largest": 6}},
            "rollout": {"prompts_per_step": 4, "group_size": 4, "max_tokens": 6},
            "learner": {"steps": 4, "learning_rate": 1e-3},
            "checkpoint": {"every_steps": 2},
            "evaluation": {"problems": 4, "n": 4, "temperature": 1.0, "top_p": 1.0, "before": False, "after": False},
        }
        for section, values in changes.items():
            sections[section] = values if section == "tasks" else {**sections.get(section, {}), **values}
        path = tmp_path / f"{name}.toml"
        path.write_text(tomli_w.dumps(sections))
        return path

    return make


@pytest.fixture
def jsonl(tmp_path):
    """Write lines, objects as JSON and texts as they are; the path."""

    def make(name, *lines):
        path = tmp_path / name
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return path

    return make


@pytest.fixture
def no_model(monkeypatch):
    """Reading a model fails the test: the mistake had to be found before."""

    def load_model(*arguments, **settings):
        pytest.fail("the model was read before the mistake was found")

    monkeypatch.setattr(policy, "load_model", load_model)
