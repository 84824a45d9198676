"""Environments of the library verifiers, as problems with their rewards as verifier; a toy taskset that exports what theirs do."""

import json
import sys

import pytest

from counterpoise.errors import ConfigError, DataError, MissingExtraError
from counterpoise.tasks.registry import make_task
from counterpoise.types import MESSAGES
from counterpoise.verifiers.isolate.pool import VerifierPool
from counterpoise.verifiers.judge import verify_batch
from counterpoise.verifiers.registry import make_verifier

TOY = """
    import os, time
    import verifiers.v1 as vf

    __all__ = ["ToyTaskset"]

    class ToyData(vf.TaskData):
        answer: str

    class ToyTask(vf.Task[ToyData]):
        {body}

        @vf.reward(weight=1.0)
        async def right(self, trace) -> float:
            reply = trace.last_reply
            if reply == "raise":
                raise ValueError("two\\nlines")
            if reply == "hang":
                time.sleep(1000)
            if reply == "die":
                os._exit(0)
            if reply == "nan":
                return float("nan")
            return float(reply == self.data.answer)

        @vf.reward(weight=0.5)
        async def short(self, task, trace) -> float:
            return float(len(trace.last_reply) < 3)

    class ToyConfig(vf.TasksetConfig):
        count: int = 40
        split: str = "train"

    class ToyTaskset(vf.Taskset[ToyTask, ToyConfig]):
        {taskset}

        def load(self):
            first = 100 if self.config.split == "test" else 0
            for n in range(first, first + self.config.count):
                yield ToyTask(ToyData(prompt=f"{{n}}+1=", answer=str(n + 1){data}), self.config.task)
"""


@pytest.fixture
def toy(code):
    """Write the toy with changes to its task, its taskset, or the data of a task."""
    pytest.importorskip("verifiers.v1")

    def write(body="pass", taskset="pass", data="", name="toy_env"):
        return code(f"{name}.py", TOY.format(body=body, taskset=taskset, data=data))

    return write


def test_without_the_library_its_extra_is_named(code, monkeypatch):
    code("toy_env.py", "import verifiers")
    monkeypatch.setitem(sys.modules, "verifiers", None)
    with pytest.raises(
        MissingExtraError,
        match=r"the environment 'verifiers:toy_env' needs the package 'verifiers', which is not installed",
    ):
        make_task("verifiers:toy-env")


@pytest.mark.parametrize("name", ["verifiers:", "verifiers:a b", "verifiers:a:b"])
def test_what_names_no_environment_is_said(name):
    with pytest.raises(ConfigError, match=r"names no environment; write e\.g\. verifiers:gsm8k-v1"):
        make_task(name)


@pytest.mark.parametrize("name", ["verifiers:toy_env", "verifiers:toy-env", "verifiers:me/Toy-Env@0.2"])
def test_tasks_are_problems_with_prompts_golds_and_data(toy, name):
    toy()
    problems = make_task(name).problems("train")
    test = make_task(name).problems("test")
    first = next(one for one in (*problems, *test) if one.question == "3+1=")
    assert (first.gold, first.task_type, first.verifier) == ("4", "verifiers", "verifiers:toy_env")
    assert first.record["data"]["answer"] == "4" and "idx" not in first.record["data"]
    assert len(problems) + len(test) == 40 and not {one.problem_id for one in problems} & {
        one.problem_id for one in test
    }


def test_settings_of_the_taskset_and_of_its_test_side(toy):
    toy()
    task = make_task("verifiers:toy_env", taskset={"count": 3}, test_taskset={"split": "test", "count": 2})
    assert [one.question for one in task.problems("train")] == ["0+1=", "1+1=", "2+1="]
    assert [one.question for one in task.problems("test")] == ["100+1=", "101+1="]
    with pytest.raises(ConfigError, match=r"^verifiers:toy_env: .*cuont"):
        make_task("verifiers:toy_env", taskset={"cuont": 3}).problems("train")
    with pytest.raises(DataError, match="has no test problems of 3"):
        make_task("verifiers:toy_env", taskset={"count": 3}, test_fraction=1e-9).problems("test")


def test_a_system_prompt_and_a_conversation(toy):
    toy(data=", system_prompt='Be brief.'")
    problem = make_task("verifiers:toy_env", taskset={"count": 1}, test_taskset={}).problems("train")[0]
    assert problem.question == "0+1=" and problem.meta[MESSAGES] == (("system", "Be brief."),)


def test_rewards_are_the_verifier(toy):
    toy()
    problem = make_task("verifiers:toy_env", taskset={"count": 1}, test_taskset={}).problems("train")[0]

    def judged(*responses, **settings):
        verifier = make_verifier("verifiers:toy_env", **settings)
        found = [verifier.judge(verifier.stated(problem), verifier.extract(one).answer) for one in responses]
        return [(one.value.value, one.reason, one.parts.get("score")) for one in found]

    # right 1.0 + short 0.5: full marks are 1.5.
    assert judged("1", "2", "long") == [("correct", None, 1.0), ("wrong", None, 1 / 3), ("wrong", None, 0.0)]
    assert judged("2", high=1.5, right=0.5)[0][0] == "correct"
    raised, nan = judged("raise", "nan")
    assert raised[0] == "unscored" and raised[1].startswith("crash: ValueError: two lines")
    assert nan[0] == "unscored" and nan[1].startswith("nonsense")


def test_a_hang_and_a_death_leave_their_own_response_unscored(toy):
    toy()
    problem = make_task("verifiers:toy_env", taskset={"count": 1}, test_taskset={}).problems("train")[0]
    verifiers = {problem.verifier: make_verifier("verifiers:toy_env")}
    with VerifierPool(workers=1, timeout=3.0) as pool:
        responses = ["1", "hang", "die", "2"]
        found = verify_batch([(problem, one) for one in responses], verifiers=verifiers, pool=pool)
    assert [one.value.value for one in found] == ["correct", "unscored", "unscored", "wrong"]
    assert json.loads(json.dumps(found[0].parts)) == {"score": 1.0}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"taskset": "INFINITE = True"}, "verifiers:toy_env never ends"),
        ({"body": "NEEDS_CONTAINER = True"}, "verifiers:toy_env takes tools or a container"),
        ({"body": "async def setup(self, trace, runtime): pass"}, "takes tools or a container"),
        ({"body": "toolsets = classmethod(lambda cls, config: [1])"}, "takes tools or a container"),
        ({"data": ", image='python:3.12'"}, "takes a container"),
        ({"body": "ran = vf.reward(lambda self, runtime: 1.0)"}, "scores what ran in a container"),
        ({"body": "done = vf.stop(lambda self, trace: True)"}, "goes on for several turns"),
    ],
)
def test_what_is_no_single_turn_is_refused_in_one_line(toy, change, says):
    toy(**change)
    with pytest.raises(ConfigError) as caught:
        make_task("verifiers:toy_env").problems("train")
    assert says in str(caught.value) and str(caught.value).endswith("so train this one with prime-rl")
    assert "\n" not in str(caught.value)


def test_a_module_that_exports_no_taskset_is_of_another_version(toy, code):
    toy()
    code("old_env.py", "__all__ = ['load_environment']\n\ndef load_environment():\n    pass\n")
    with pytest.raises(
        ConfigError, match=r"verifiers:old_env: .*old_env\.py exports 0 tasksets in __all__; expected one"
    ):
        make_task("verifiers:old_env").problems("train")
