"""What guard `narrowing` reads, in whole runs: drawn when due, on its own stream, the same again after a return to a checkpoint."""

import pytest
import torch
from safetensors.torch import load_file

from counterpoise.build.evaluation import first_problems
from counterpoise.build.problems import problems_of
from counterpoise.engines.local.guarding import make_supervisor
from counterpoise.engines.local.held_out import HeldOut, held_out_problems
from counterpoise.engines.local.loop import train
from counterpoise.errors import DataError
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics

GUARD = ('guards.names=["narrowing"]', "guards.settings.narrowing={every = 2, problems = 3, n = 4, k = 2}")


def _metrics(run):
    return read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))


def _policy(result):
    return load_file(result.checkpoint.policy / "model.safetensors")


def test_it_is_drawn_when_due_changes_nothing_and_comes_again_on_resuming(configure, monkeypatch):
    from counterpoise.engines.local import held_out

    seen = []
    kept = held_out.pass_at_k
    monkeypatch.setattr(held_out, "pass_at_k", lambda n, c, k: seen.append((n, c, k)) or kept(n, c, k))
    whole = RunDirectory.create(configure(*GUARD, name="whole"))
    one = _policy(train(whole))
    plain = _policy(train(RunDirectory.create(configure("guards.names=[]", name="plain"))))
    parts = RunDirectory.create(configure(*GUARD, "learner.steps=2", name="parts"))
    train(parts)
    other = _policy(train(RunDirectory.open(parts.path, ["learner.steps=4"])))
    assert all(torch.equal(one[name], plain[name]) and torch.equal(one[name], other[name]) for name in one)
    measured = [("held_out_pass_k" in record, "held_out_pass_1" in record) for record in _metrics(whole)]
    assert measured == [(True, True), (False, False)] * 2
    # two of the whole run and the same two of its parts: three problems, four responses each, k = 1 and 2
    assert seen[:2] == seen[2:] and [len(n) for n, _, _ in seen] == [3] * 4
    assert all(max(n) <= 4 and k == [1, 2] for n, _, k in seen)


def test_the_problems_are_neither_trained_on_nor_evaluated_while_there_are_others(configure):
    assert problems_of(configure()).test == []  # nothing asks for them
    problems = problems_of(configure(*GUARD))
    evaluated = {problem.problem_id for problem in first_problems(problems.test, 4)}
    found = held_out_problems(problems.test, evaluated=4, wanted=3)
    ids = [problem.problem_id for problem in found]
    assert len(set(ids)) == 3 and not set(ids) & evaluated
    assert not set(ids) & {problem.problem_id for problem in problems.train}
    # where all are evaluated, those
    assert held_out_problems(problems.test, evaluated=None, wanted=3) == first_problems(problems.test, 3)


def test_without_held_out_problems_the_guard_is_refused(configure):
    config = configure(*GUARD)
    guards = make_supervisor(config.guards)
    with pytest.raises(
        DataError, match=r"narrowing, which draws held-out problems, and task 'countdown' has no test problems"
    ):
        HeldOut(guards, config, None, [], lambda problems: [])
