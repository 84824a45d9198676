"""Problems are read once: those that were read before torch was imported are those of the run that is then made."""

import json
from pathlib import Path

import pytest

from counterpoise.build.checks import check_run
from counterpoise.engines.local import assemble as engine
from counterpoise.runs.directory import RunDirectory


@pytest.fixture
def config(configure, tmp_path, monkeypatch):
    """Every path of it is relative to the current directory, as where it was typed."""
    monkeypatch.chdir(tmp_path)
    for side in ("train", "test"):
        lines = [json.dumps({"question": f"{side} {number}", "answer": "7"}) for number in range(3)]
        Path(f"{side}.jsonl").write_text("\n".join(lines))
    return configure(
        "run.directory=runs",
        "tasks.name=jsonl",
        "tasks.settings={verifier = 'numeric', template = 'plain'}",
        "tasks.train=train.jsonl",
        "tasks.test=test.jsonl",
    )


def test_a_new_run_reads_its_task_once(config, monkeypatch):
    problems = check_run(config)
    run = RunDirectory.create(config)
    run.reread()
    assert run.config != config and Path(run.config.tasks.train).is_absolute()
    monkeypatch.setattr(engine, "problems_of", lambda config: pytest.fail("read again"))
    assert engine.assemble(run.config, problems).train is problems.train


def test_problems_of_another_run_are_not_taken(config):
    problems = check_run(config)
    other = config.changed(tasks={"train": Path("test.jsonl")})
    assert [problem.question for problem in engine.assemble(other, problems).train] != [
        problem.question for problem in problems.train
    ]
