"""Every kind of part from a file, from a module and from a package that adds a name; what is not such a part is one line."""

import pytest

from counterpoise.credit import RULES
from counterpoise.credit.controllers.registry import CONTROLLERS, make_controller
from counterpoise.credit.emphasis import EMPHASES, make_emphasis
from counterpoise.credit.registry import make_rule, needs_of
from counterpoise.credit.rules.needs import Needs
from counterpoise.credit.token_weights.registry import TOKEN_WEIGHTS, make_token_weights
from counterpoise.diagnostics.guards.registry import GUARDS, make_guards
from counterpoise.errors import ConfigError, DataError, TrainingError, UnknownNameError
from counterpoise.losses.registry import LOSSES, make_loss
from counterpoise.plugins import is_plugin, source_of
from counterpoise.prompts.templates import TEMPLATES, find_template
from counterpoise.rewards.registry import REWARDS, make_reward
from counterpoise.tasks.registry import TASKS, make_task
from counterpoise.types import Verdict, VerdictValue
from counterpoise.verifiers.registry import VERIFIERS, make_verifier

PARTS = """
    from dataclasses import dataclass

    class Rule:
        def __call__(self, rewards, statistics):
            return "rule"

    def rule(rewards, statistics):
        return "rule"

    def reward(verdict):
        return 1.0 if verdict.correct else -0.5

    class Reward:
        range = (-0.5, 1.0)

        def __call__(self, verdict):
            return reward(verdict)

    @dataclass
    class Controller:
        plus: float = 1.0

        def update(self, statistics):
            return "controller"

        def report(self):
            return {}

        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            pass

    def emphasis(statistics):
        return "emphasis"

    def token_weights(context):
        return "token_weights"

    def loss(tokens):
        return "loss"

    TEMPLATE = "Q: {question} A:"

    def template(question):
        return f"Q: {question} A:"

    class Template:
        def render(self, question, tokenizer):
            return f"Q: {question} A:"

    def task(split):
        return [{"question": f"{split} 1", "answer": 1}, {"question": f"{split} 2", "answer": ["2", "two"]}]

    class Guard:
        calm = True

        def look(self, record):
            return "guard"

        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            pass

    def verifier(response, gold):
        return response == gold
"""

VERDICT = Verdict(value=VerdictValue.CORRECT, answer="1", basis="r", seconds=0.0, verifier="v", version="1")

MADE = [
    ("rule", RULES, "rule", lambda name: make_rule(name)(None, None), "rule"),
    ("rule", RULES, "Rule", lambda name: make_rule(name)(None, None), "rule"),
    ("reward", REWARDS, "reward", lambda name: make_reward(name)(VERDICT).value, 1.0),
    ("reward", REWARDS, "Reward", lambda name: make_reward(name)(VERDICT), 1.0),
    ("controller", CONTROLLERS, "Controller", lambda name: make_controller(name).update({}), "controller"),
    ("emphasis", EMPHASES, "emphasis", lambda name: make_emphasis(name)(None), "emphasis"),
    ("token_weights", TOKEN_WEIGHTS, "token_weights", lambda name: make_token_weights(name)(None), "token_weights"),
    ("loss", LOSSES, "loss", lambda name: make_loss(name).surrogate(None), "loss"),
    ("template", TEMPLATES, "TEMPLATE", lambda name: find_template(name).render("1+1", None), "Q: 1+1 A:"),
    ("template", TEMPLATES, "template", lambda name: find_template(name).render("1+1", None), "Q: 1+1 A:"),
    ("template", TEMPLATES, "Template", lambda name: find_template(name).render("1+1", None), "Q: 1+1 A:"),
    ("task", TASKS, "task", lambda name: [one.gold for one in make_task(name).problems("test")], ["1", '["2", "two"]']),
    ("guard", GUARDS, "Guard", lambda name: make_guards([name], {})[name].look({}), "guard"),
    ("verifier", VERIFIERS, "verifier", lambda name: make_verifier(name).judge("7", "7").value.value, "correct"),
]


@pytest.mark.parametrize("how", ["file", "module", "package"])
@pytest.mark.parametrize(("kind", "registry", "attribute", "use", "gives"), MADE)
def test_every_kind_of_part_by_file_module_and_package(code, package, how, kind, registry, attribute, use, gives):
    path = code("own/parts.py", PARTS)
    code("own/__init__.py", "")
    name = {"file": "./own/parts.py:{}", "module": "own.parts:{}", "package": "hopeful"}[how].format(attribute)
    if how == "package":
        package(f"{kind}.hopeful = own.parts:{attribute}")
        assert "hopeful" in list(registry.known())
    assert use(name) == gives
    assert is_plugin(kind, name) and source_of(kind, name).path == path
    assert name in registry and name not in list(registry)


def test_our_own_names_stay_ours_whatever_a_package_adds(code, package):
    code("own_pkg.py", PARTS)
    package("rule.nsr = own_pkg:rule", "rule. = own_pkg:rule", "nothing = own_pkg:rule", "rule.whole = own_pkg")
    assert make_rule("nsr").__class__.__name__ == "Nsr" and not is_plugin("rule", "nsr")
    with pytest.raises(
        ConfigError, match=r"the package that adds rule 'whole' names no object \(entry point rule\.whole"
    ):
        make_rule("whole")
    with pytest.raises(UnknownNameError, match=r"unknown credit\.rule 'whol'; did you mean 'whole'\? Known: "):
        make_rule("whol")


def test_a_rule_that_does_not_say_needs_nothing(code):
    code("parts.py", PARTS)
    assert needs_of("parts.py:rule") == Needs.NOTHING


@pytest.mark.parametrize(
    ("use", "text", "says"),
    [
        (make_rule, "x = 3", "rule p.py:x is an int ('3'); expected a function of (rewards, statistics), or a class with __call__"),
        (make_rule, "def x(rewards): pass", "credit.rule p.py:x: x(rewards) cannot be called with (rewards, statistics)"),
        (make_rule, "class x: pass", "the class x has no __call__(rewards, statistics)"),
        (make_rule, "class x:\n def __call__(self): pass", "x.__call__(self) cannot be called with (self, rewards, statistics)"),
        (make_rule, "class x:\n def __init__(self, a): pass\n def __call__(self, r, s): pass", "x takes a and is not a dataclass"),
        (make_controller, "def x(statistics): pass", "credit.controller p.py:x is a function; expected a class with update(statistics), "),
        (make_controller, "class x:\n def update(self, s): pass", "the class x has no report()"),
        (make_emphasis, "def x(): pass", "credit.emphasis p.py:x: x() cannot be called with (statistics)"),
        (make_token_weights, "def x(a, b): pass", "credit.token_weights p.py:x: x(a, b) cannot be called with (context)"),
        (make_loss, "def x(*, tokens): pass", "loss p.py:x: x(*, tokens) cannot be called with (tokens)"),
        (make_reward, "def x(): pass", "credit.reward p.py:x: x() cannot be called with (verdict)"),
        (make_reward, "def x(response, gold): pass", "is a function of a response, which is a verifier here"),
        (make_reward, "class x:\n def __call__(self, v): pass", "the class x has no range"),
        (find_template, "x = 3", "prompt.template p.py:x is an int ('3'); expected a text with {question}"),
        (find_template, "x = 'Q: {queston}'", "prompt.template p.py:x"),
        (find_template, "def x(): pass", "prompt.template p.py:x: x() cannot be called with (question)"),
        (find_template, "class x: pass", "the class x has no render(question, tokenizer)"),
        (make_task, "x = []", "task p.py:x is a list ('[]'); expected a function of (split), or a class with problems(split)"),
        (make_task, "def x(): pass", "task p.py:x: x() cannot be called with (split)"),
        (make_task, "class x: pass", "the class x has no problems(split)"),
        (make_verifier, "x = 'a'", "is a str ('a'); expected a function of (response, gold, *, question, meta), or a class"),
        (make_verifier, "def x(response): pass", "x(response) cannot be called with (response, gold, *, question, meta)"),
        (make_verifier, "def x(response, gold, tests): pass", "called with (response, gold, *, question, meta): missing a required"),
        (make_verifier, "class x:\n def extract(self, r): pass", "the class x has no judge(gold, answer)"),
        (lambda name: make_verifier(f"trl:{name}"), "def x(response, gold): pass", "no completions, so it is not a reward function of TRL"),
        (lambda name: make_verifier(f"verl:{name}"), "def x(answer, gold): pass", "cannot be called with"),
        (lambda name: make_verifier(f"trl:{name}"), "class x: pass", "is a class; trl: stands"),
        (lambda name: make_guards([name], {}), "class x:\n def look(self, r): pass", "guards p.py:x: the class x has no state_dict()"),
    ],
)  # fmt: skip
def test_what_is_no_such_part_is_refused_in_one_line(code, use, text, says):
    code("p.py", text)
    with pytest.raises(ConfigError) as caught:
        use("p.py:x")
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"weigth": 1.0}, "unknown setting 'weigth'; did you mean 'weight'? It takes: weight, kind"),
        ({"weight": "much"}, "credit.rule p.py:Rule: weight"),
        ({"weight": -1.0}, "weight is -1.0 and has to be at least 0"),
        ({"kind": "c"}, "credit.rule p.py:Rule: kind = 'c'; expected"),
    ],
)
def test_settings_of_a_class_are_checked_as_ours_are(code, given, says):
    code(
        "p.py",
        """
        from dataclasses import dataclass
        from typing import Literal

        @dataclass(frozen=True)
        class Rule:
            weight: float = 1.0
            kind: Literal["a", "b"] = "a"

            def __post_init__(self):
                if self.weight < 0:
                    raise ValueError(f"weight is {self.weight} and has to be at least 0")

            def __call__(self, rewards, statistics):
                return self.weight
        """,
    )
    assert make_rule("p.py:Rule", weight=2)(None, None) == 2.0
    with pytest.raises(ConfigError) as caught:
        make_rule("p.py:Rule", **given)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_function_has_no_settings(code):
    code("p.py", "def rule(rewards, statistics):\n    return 1\n")
    with pytest.raises(ConfigError, match=r"unknown setting 'weight'"):
        make_rule("p.py:rule", weight=1.0)


def test_what_a_part_raises_names_the_part_and_its_line(code):
    code("p.py", "def rule(rewards, statistics):\n    return 1 / 0\n")
    with pytest.raises(
        TrainingError, match=r"^credit\.rule p\.py:rule raised ZeroDivisionError: division by zero \(line 2\)$"
    ):
        make_rule("p.py:rule")(None, None)


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')", "'1'", "None", "2.0", "-1.5", "[1.0]", "10 ** 400"])
def test_a_reward_that_is_nonsense_stops_with_the_verdict_that_it_was_given_for(code, value):
    code("p.py", f"def reward(verdict):\n    return {value}\n")
    with pytest.raises(
        DataError,
        match=r"credit\.reward p\.py:reward returned an? \w+ .* for a verdict that is correct; expected a number in",
    ):
        make_reward("p.py:reward")(VERDICT)


def test_a_reward_has_bounds_and_is_not_asked_of_what_is_unscored(code):
    code("p.py", "def reward(verdict):\n    return 5.0\n")
    reward = make_reward("p.py:reward", low=0, high=10)
    assert (reward(VERDICT).value, reward.range) == (5.0, (0.0, 10.0))
    unscored = Verdict(value=VerdictValue.UNSCORED, answer=None, basis="none", seconds=0.0, verifier="v", version="1")
    assert reward(unscored).value != reward(unscored).value
    with pytest.raises(ConfigError, match="low = 1 and high = 1; expected low below high"):
        make_reward("p.py:reward", low=1)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return 3", "TypeError"),
        ("return []", "task p.py:task gave no test problems"),
        ("return ['a']", "task p.py:task: test record 1 is a str ('a'); expected a dict with question and answer"),
        ("return [{'question': 'a'}]", "test record 1"),
        ("return [{'question': 'a', 'answer': object()}]", "test record 1"),
        ("return [{'question': 'a', 'answer': float('nan')}]", "test record 1"),
        ("raise KeyError('rows')", "task p.py:task raised KeyError for the test side: 'rows'"),
    ],
)
def test_a_task_of_nonsense_names_side_and_record(code, body, says):
    code("p.py", f"def task(split):\n    {body}\n")
    with pytest.raises(DataError) as caught:
        make_task("p.py:task").problems("test")
    assert says in str(caught.value) and "\n" not in str(caught.value)
