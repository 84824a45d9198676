"""What guard `narrowing` reads, in whole runs: drawn when due, on its own stream, the same again after a return to a checkpoint."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from counterpoise.build.evaluation import first_problems
from counterpoise.build.problems import problems_of
from counterpoise.diagnostics.guards.narrowing import Narrowing
from counterpoise.engines.local.dry_run import dry_run
from counterpoise.engines.local.guarding import make_supervisor
from counterpoise.engines.local.held_out import HeldOut, held_out_problems
from counterpoise.engines.local.interrupt import RunInterruptedError
from counterpoise.engines.local.loop import train
from counterpoise.engines.local.observer import Silent
from counterpoise.errors import DataError
from counterpoise.jobs.study import StudyRun
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics
from counterpoise.types import Problem


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def said(self, line):
        self.lines.append(line)


GUARD = ('guards.names=["narrowing"]', "guards.settings.narrowing={every = 2, problems = 3, n = 4, k = 2}")


def _metrics(run):
    return read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))


def _events(run):
    return [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]


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


def test_the_header_says_where_it_watches_what_is_evaluated(configure):
    for evaluated, said in (
        (4, "x 4 = 24 rollouts"),
        (10**6, "x 4 = 24 rollouts, 3 of them evaluated as well, for the task has no"),
    ):
        run = RunDirectory.planned(configure(*GUARD, f"evaluation.problems={evaluated}", name=f"of-{evaluated}"))
        (line,) = [line for line in dry_run(run) if line.startswith("to come: ")]
        found = line.partition("guard narrowing 2 times 3 held-out problems ")[2]
        assert found.startswith(said) and ("evaluated" in found) is (evaluated > 4)


@pytest.mark.parametrize("every", [1, 2, 7])
def test_looks_to_come_are_counted_and_not_gone_through(every):
    guard = Narrowing(every=every)
    for first in range(15):
        for end in range(30):
            assert guard.due_between(first, end) == sum(guard.due(index) for index in range(first, end))
    assert guard.due_between(0, 2 * 10**9) == -(-2 * 10**9 // every)


def test_a_task_type_whose_problems_are_all_evaluated_is_watched_beside_one_that_has_others():
    test = [
        Problem(problem_id=f"{kind}{i}", task_type=kind, question="", gold="", verifier="toy")
        for kind, many in (("few", 2), ("many", 6))
        for i in range(many)
    ]
    found = held_out_problems(test, evaluated=3, wanted=2)
    assert [problem.task_type for problem in found].count("few") == 2  # both of its problems, evaluated as they are
    own = [problem for problem in test if problem.task_type == "many"]
    many = {problem.problem_id for problem in found if problem.task_type == "many"}
    assert len(many) == 2 and not many & {problem.problem_id for problem in first_problems(own, 3)}


def test_without_held_out_problems_the_guard_is_refused(configure):
    config = configure(*GUARD)
    guards = make_supervisor(config.guards)
    with pytest.raises(
        DataError, match=r"narrowing, which draws held-out problems, and task 'countdown' has no test problems"
    ):
        HeldOut(guards, config, None, [], lambda problems: [])


FINISHING = (
    'guards.names=["narrowing"]',
    "guards.settings.narrowing={every = 2, problems = 3, n = 4, k = 2, drop = 0.1, finish = true}",
    "guards.act=true",
    "learner.steps=12",
    "evaluation.after=true",
    "evaluation.every=3",
)


@pytest.fixture
def loses_pass_at_k(monkeypatch):
    """Measured after steps 1, 3, 5, …: within the budget up to step 5, then not."""
    from counterpoise.engines.local import held_out

    curve = {0: 0.8, 2: 0.85, 4: 0.78, 6: 0.5, 8: 0.5}
    measure = held_out.HeldOut.measure

    def measured(self, index, *, policy_version):
        at = iter([np.array([[0.4, curve.get(index, 0.5)]])])
        monkeypatch.setattr(held_out, "pass_at_k", lambda n, c, k: next(at))
        return measure(self, index, policy_version=policy_version)

    monkeypatch.setattr(held_out.HeldOut, "measure", measured)


def test_a_run_that_loses_its_budget_of_pass_at_k_ends_with_the_weights_it_had_within_it(configure, loses_pass_at_k):
    config = configure(*FINISHING, name="ended")
    result = train(RunDirectory.create(config))
    run = result.run
    assert result.checkpoint.step == 9 and [record["step"] for record in _metrics(run)] == list(range(1, 10))
    ended = json.loads((run.path / "ended.json").read_text())
    assert (ended["step"], ended["weights_of"]) == (9, 5) and ended["why"].startswith(
        "narrowing: held_out_pass_k is 50.0%"
    )
    kept = load_file(run.checkpoints / "step-000005" / "policy" / "model.safetensors")
    final = _policy(result)
    assert all(torch.equal(kept[name], final[name]) for name in kept)
    assert result.final is not None and (run.evaluation(9) / "passk.json").is_file()

    # the run of a study is at its end, and stays what it is at every later step
    cell = StudyRun(arm="area", seed=0, config=config, base=config.path)
    assert cell.trained and (cell.last_step, cell.kept_step) == (9, 5) and cell.evaluated == [3, 6, 9]
    assert cell.result().counts == cell.result(12).counts == cell.result(10).counts == result.final.counts
    assert cell.result(6).counts != [] and cell.result(7) is None

    nothing = "to come: no step: the guards of the run have ended it"
    assert nothing in dry_run(RunDirectory.open(run.path))
    assert nothing not in dry_run(RunDirectory.planned(configure(*FINISHING, name="other")))

    # killed in its last evaluation: that is still to come, and is named
    finished = run.evaluation(9) / "passk.json"
    kept_aside = finished.rename(run.path / "passk.json")
    problems, n = len(result.final.counts), config.evaluation.n
    assert f"{nothing}; its last evaluation of {problems} problems x {n} = {problems * n} rollouts" in dry_run(
        RunDirectory.open(run.path)
    )
    kept_aside.rename(finished)
    # as it is where more rollouts are asked for
    more = f"{nothing}; its last evaluation of {problems} problems x {2 * n} = {2 * problems * n} rollouts"
    assert more in dry_run(RunDirectory.read(run.path, [f"evaluation.n={2 * n}"]))

    # resumed, also where it was killed before it had written where it ended: not a step more, the same weights
    (run.path / "ended.json").unlink()
    for settings in ([], ["learner.steps=20"]):
        heard = Heard()
        planned = dry_run(RunDirectory.open(run.path, settings))
        assert nothing in planned
        again = train(RunDirectory.open(run.path, settings), observer=heard)
        assert nothing in heard.lines
        assert again.checkpoint.step == 9 and len(list(_metrics(run))) == 9
        assert json.loads((run.path / "ended.json").read_text()) == ended


def test_a_run_that_is_ended_at_its_last_step_is_ended_all_the_same(configure, loses_pass_at_k):
    config = configure(*FINISHING, "learner.steps=9", name="last")
    run = train(RunDirectory.create(config)).run
    cell = StudyRun(arm="area", seed=0, config=config, base=config.path)
    assert (cell.last_step, cell.kept_step) == (9, 5)
    assert "to come: no step: the guards of the run have ended it" in dry_run(RunDirectory.open(run.path))


def test_a_run_that_ends_early_ends_alike_when_it_was_interrupted_on_the_way(configure, loses_pass_at_k, stop_after):
    whole = train(RunDirectory.create(configure(*FINISHING, name="whole")))
    parts = RunDirectory.create(configure(*FINISHING, name="parts"))
    for step in (6, 8):
        with pytest.raises(RunInterruptedError):
            train(RunDirectory.open(parts.path), observer=stop_after(step))
    last = train(RunDirectory.open(parts.path))
    one, other = _policy(whole), _policy(last)
    assert last.checkpoint.step == 9 and all(torch.equal(one[name], other[name]) for name in one)


def test_guards_that_only_watch_end_no_run(configure, loses_pass_at_k):
    run = RunDirectory.create(configure(*FINISHING[:2], "learner.steps=11", name="watched"))
    assert train(run).checkpoint.step == 11 and not (run.path / "ended.json").exists()
    said = [line["message"] for line in _events(run)]
    assert any(line.endswith("nothing is done about it (guards.act=true would: the run ends)") for line in said)
