"""A class and a line in its registry are all that a new rule, loss, controller, verifier and task need: a run is made of new ones."""

import math
from typing import ClassVar

import pytest

from counterpoise.config.schema import run_file_schema
from counterpoise.credit import RULES, Needs
from counterpoise.credit.controllers.base import Lambdas
from counterpoise.credit.controllers.registry import CONTROLLERS
from counterpoise.engines.local.loop import train
from counterpoise.losses import LOSSES
from counterpoise.losses.tokens import Objective
from counterpoise.ranges import NonNegative
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics
from counterpoise.settings import settings
from counterpoise.tasks.registry import TASKS
from counterpoise.tasks.selfcheck import selfcheck
from counterpoise.tasks.shared.identity import split_of
from counterpoise.tasks.shared.splits import content_id
from counterpoise.types import Extraction, Judgement, Problem, VerdictValue
from counterpoise.verifiers.judge import Judge
from counterpoise.verifiers.registry import VERIFIERS


@settings("credit.rule new")
class Rule:
    """`A = scale` if correct, `-1` if wrong."""

    scale: NonNegative = 1.0
    """Weight."""
    needs: ClassVar[Needs] = Needs.NOTHING

    def __call__(self, rewards, statistics):
        return statistics.correct.double() * self.scale - (~statistics.correct).double()


@settings("loss new")
class Loss:
    """The ratio without a clip."""

    def __call__(self, tokens):
        ratio = tokens.log_ratio.exp()
        return Objective(plus=ratio, minus=ratio, ratio=ratio.detach())


@settings("credit.controller new", frozen=False)
class Controller:
    """Half the negative weight at every further step."""

    reads_entropy = False

    def __post_init__(self):
        self.step = 0

    def update(self, statistics):
        self.step += 1
        return dict.fromkeys(statistics, Lambdas(plus=1.0, minus=0.5 ** (self.step - 1)))

    def report(self):
        return {}

    def state_dict(self):
        return {"step": self.step}

    def load_state_dict(self, state):
        self.step = state["step"]


@settings("verifier new")
class Verifier:
    """A digit that is the gold."""

    name: ClassVar[str] = "new"
    version: ClassVar[str] = "1"
    isolated: ClassVar[bool] = False

    def extract(self, response):
        text = response.strip()
        return Extraction(answer=text if text.isdigit() else None, basis="digits")

    def judge(self, gold, answer):
        return Judgement(value=VerdictValue.CORRECT if gold == answer else VerdictValue.WRONG, basis="digits")


@settings("task new")
class Task:
    """Count on."""

    name: ClassVar[str] = "new"
    template: ClassVar[str] = "plain"

    def problems(self, split):
        made = [
            Problem(
                problem_id=content_id("new", str(n)), task_type="new", question=f"{n}+1=", gold=str(n + 1),
                verifier="new", demonstration=str(n + 1),
            )
            for n in range(60)
        ]  # fmt: skip
        return [problem for problem in made if split_of(problem.problem_id, test_fraction=0.3) == split]


@pytest.fixture
def registered(monkeypatch):
    for registry, part in (
        (RULES, Rule),
        (LOSSES, Loss),
        (CONTROLLERS, Controller),
        (VERIFIERS, Verifier),
        (TASKS, Task),
    ):
        monkeypatch.setitem(registry, "new", part)


def test_a_run_of_new_parts_trains_and_is_in_the_schema(registered, configure):
    names = ("credit.rule=new", "credit.settings.scale=2", "loss.name=new", "credit.controller=new", "tasks.name=new")
    # an empty table takes the old task's settings away
    config = configure(*names, "tasks.settings={}", "learner.steps=2", "checkpoint.every_steps=1")
    run = RunDirectory.create(config)
    train(run)
    steps = read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))
    assert [(step["lambda_plus"], step["lambda_minus"]) for step in steps] == [(1.0, 1.0), (1.0, 0.5)]
    assert all(math.isfinite(step["loss"]) and step["unscored"] == 0 for step in steps)
    schema = run_file_schema()
    assert "new" in schema["$defs"]["CreditConfig"]["properties"]["rule"]["anyOf"][0]["enum"]
    assert schema["$defs"]["credit.rule new"]["properties"]["scale"] == {
        "default": 1.0, "description": "Weight.", "minimum": 0.0, "title": "Scale", "type": "number",
    }  # fmt: skip


def test_a_new_task_and_its_verifier_pass_the_self_check(registered):
    with Judge() as judge:
        report = selfcheck(
            Task().problems("test"),
            lambda items: judge.verify([problem for problem, _ in items], [response for _, response in items]),
            task="new",
        )
    assert report.ok, [(probe.name, probe.remedy, probe.offences) for probe in report.probes if not probe.ok]
