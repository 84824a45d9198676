import dataclasses
import math
import pickle
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Literal

import pytest

from counterpoise.credit import EMPHASES, RULES
from counterpoise.credit.controllers.registry import CONTROLLERS
from counterpoise.credit.token_weights import TOKEN_WEIGHTS
from counterpoise.diagnostics.guards.registry import GUARDS
from counterpoise.errors import ConfigError, UsageError
from counterpoise.losses import LOSSES
from counterpoise.losses.denominators import DENOMINATORS
from counterpoise.ranges import AboveZero, File, NonNegative, Positive, Share
from counterpoise.rewards.registry import REWARDS
from counterpoise.settings import described, names_of, settings
from counterpoise.tasks.registry import TASKS, make_task
from counterpoise.verifiers.registry import VERIFIERS


@pytest.mark.parametrize("value", ["tagged", ["tagged"], ("tagged",)])
def test_a_word_is_a_list_of_one(value):
    from counterpoise.verifiers.registry import make_verifier

    verifier = make_verifier("math", rules=value)
    assert verifier.rules == ("tagged",)
    assert verifier.extract("<answer>5</answer>").answer == "5"


@pytest.mark.parametrize("value", [3, [3], True, None, {"tagged": 1}])
def test_a_list_of_texts_is_checked(value):
    from counterpoise.verifiers.registry import make_verifier

    with pytest.raises(ConfigError, match=r"verifier math: rules = .*; expected a list of texts"):
        make_verifier("math", rules=value)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    first: Share
    """Inherited, and checked like the others."""


@settings("part example")
class Example(Base):
    count: Positive = 1
    """An integer."""
    lambda_: NonNegative | None = None
    """Called `lambda`."""
    weights: Mapping[str, AboveZero] = dataclasses.field(default_factory=dict)
    """By name."""
    where: File | None = None
    """A path."""
    sign: Literal["plus", "minus"] = "plus"
    """One of two."""

    def __post_init__(self) -> None:
        if self.first == 0.5:
            raise UsageError("half is refused")


@settings("part moving", frozen=False)
class Moving:
    start: float = 1.0
    """Where it begins."""

    def __post_init__(self) -> None:
        self.now = self.start


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "part example: the setting 'first' is missing"),
        (
            {"first": 0.1, "cuont": 1},
            "unknown setting 'cuont'; did you mean 'count'? It takes: first, count, lambda, weights",
        ),
        ({"first": 2}, "first = 2; expected a number in [0, 1]"),
        ({"first": True}, "first = True; expected a number in [0, 1]"),
        ({"first": "0.1"}, "first = '0.1'; expected a number in [0, 1]"),
        ({"first": math.nan}, "first = nan; expected a number in [0, 1]"),
        ({"first": 10**400}, "expected a number in [0, 1]"),
        ({"first": 0.1, "count": 1.0}, "count = 1.0; expected an integer in [1, inf)"),
        ({"first": 0.1, "count": True}, "count = True; expected an integer in [1, inf)"),
        ({"first": 0.1, "lambda": -1}, "lambda = -1; expected a number in [0, inf)"),
        ({"first": 0.1, "lambda_": math.inf}, "lambda = inf; expected a number in [0, inf)"),
        ({"first": 0.1, "weights": {"a": 1, "b": 0}}, "weights.b = 0; expected a number in (0, inf)"),
        ({"first": 0.1, "weights": [1]}, "weights = [1]; expected a table"),
        ({"first": 0.1, "weights": {1: 2}}, "weights = {1: 2}; expected a table"),
        ({"first": 0.1, "where": 3}, "where = 3; expected a path"),
        ({"first": 0.1, "sign": "both"}, "sign = 'both'; expected one of: plus, minus"),
        ({"first": 0.5}, "half is refused"),
    ],
)
def test_a_mistake_is_one_sentence_from_python_too(given, says):
    with pytest.raises(UsageError, match=re.escape(says)):
        Example(**given)


def test_what_is_built_is_a_plain_dataclass():
    example = Example(first=0, count=2, weights={"a": 1}, **{"lambda": 1})
    assert (example.first, example.lambda_, example.weights) == (0.0, 1.0, {"a": 1.0})
    assert pickle.loads(pickle.dumps(example)) == example
    assert dataclasses.replace(example, count=3) == Example(first=0, count=3, weights={"a": 1}, lambda_=1)
    with pytest.raises(ConfigError, match="count = 0"):
        dataclasses.replace(example, count=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        example.count = 4
    moving = Moving(start=2)
    moving.now += 1
    assert (moving.now, Moving().now) == (3.0, 1.0)


@pytest.mark.parametrize(
    ("make", "given", "says"),
    [
        ("jsonl", {"path": 3}, "task jsonl: path = 3; expected a path"),
        ("reasoning_gym", {"generators": 3}, "task reasoning_gym: generators = 3; expected text or a list of texts"),
        ("science", {"families": 3}, "task science: families = 3; expected a list out of: mechanics"),
        ("mixture", {"sources": "facts"}, "task mixture: sources = 'facts'; expected a list of tables such as"),
    ],
)
def test_unions_and_lists_are_checked(make, given, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        make_task(make, **given)


PARTS = {
    "task": TASKS, "verifier": VERIFIERS, "reward": REWARDS, "loss": LOSSES, "loss.denominator": DENOMINATORS,
    "credit.rule": RULES, "credit.emphasis": EMPHASES, "credit.token_weights": TOKEN_WEIGHTS,
    "credit.controller": CONTROLLERS, "guards": GUARDS,
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, parts in PARTS.items() for name in parts])
def test_every_part_says_what_it_is(kind, name):
    with pytest.raises(ConfigError, match=re.escape(f"{kind} {name}: unknown setting 'nothing_like_it'")):
        PARTS[kind][name](nothing_like_it=1)


def test_naming_the_parts_imports_no_pydantic():
    code = (
        "import sys, counterpoise.credit, counterpoise.losses, counterpoise.tasks.registry, counterpoise.verifiers.registry\n"
        "print('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_settings_are_named_and_described_as_a_user_gives_them():
    assert names_of(Example) == ["first", "count", "lambda", "weights", "where", "sign"]
    assert described(Example) == ["first (required)", "count=1", "lambda", "weights", "where", "sign=plus"]
