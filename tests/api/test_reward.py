"""A reward that is a function, from its definition to a run that is continued and measured by the command line."""

import importlib
import linecache
import os
import subprocess
import sys
from pathlib import Path

import pytest

import counterpoise
from counterpoise.api.data import reference_of
from counterpoise.errors import ConfigError, StoreError, UsageError

PROGRAM = """
import sys
from pathlib import Path
import json
import re
import xml.etree.ElementTree
from dataclasses import dataclass
from functools import lru_cache, partial, wraps
from math import floor as down
from typing import Any, NamedTuple

import neighbour
import rewards
from neighbour import tidy
from counterpoise.api.data import reference_of

NUMBER = re.compile(r"[0-9]+", re.ASCII)
NEVER = float("nan")
ENDS = {"yes", "ja"}
LIMIT = 0.5
stream = open(__file__)
Text = str | None


def named(function):
    @wraps(function)
    def inner(*given, **more):
        return function(*given, **more)
    return inner


def unnamed(function):
    def inner(*given):
        return function(*given)
    return inner


class Pair(NamedTuple):
    first: int
    second: str = "x"


@dataclass(frozen=True)
class Half:
    extra: int = 0

    def of(self, x):
        return down(x) * LIMIT + self.extra

    @staticmethod
    def never():
        return NEVER


@lru_cache
def numbers(text):
    return NUMBER.findall(text)


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n > 0 and even(n - 1)


short = lambda text: text[:3]
again = even


seen = 0


def counting(response, gold):
    global seen
    seen += 1
    return seen == 1


def undefined(response, gold):
    return nowhere(response)


@named
def check(response: Text, gold: Any, *, question: str, meta: dict[str, Any], limit=LIMIT) -> bool:
    def inner(stream: Text) -> Text:  # a parameter, and not the open file
        return short(stream)
    assert Half().of(2.5) == 1.0 and Half.never() != Half.never() and Pair(1).second == "x" and limit == 0.5
    assert again(4) and xml.etree.ElementTree is not None and "yes" in ENDS and inner("1234") == "123"
    return gold in numbers(response)


def reads(response, gold):
    return stream.read()


def beside(response, gold):
    return tidy(response) == gold


def through(response, gold):
    return neighbour.tidy(response) == gold


@unnamed
def lost(response, gold):
    return True


def outer():
    kept = 1
    def closed(response, gold):
        return kept
    return closed


class Caller:
    def __call__(self, response, gold):
        return True


class Verifier:
    def extract(self, response):
        return None

    def judge(self, gold, answer):
        return True


pair = [lambda response, gold: gold in response, lambda response, gold: gold not in response]
every = [check, pair[0], pair[1], Verifier, rewards.check, len, reads, beside, through, lost, outer(), Caller(), Caller().__call__,
         partial(check, limit=1), 3, rewards.imports, counting, undefined]
for function in every:
    try:
        print(reference_of(function, Path("kept")))
    except Exception as error:
        print(type(error).__name__, error)
"""
NEIGHBOUR = "def tidy(text):\n    return text.strip()\n"
REWARDS = "def check(response, gold, *, question, meta):\n    return gold in response\n\n\nimports = check\n"
IMPORTING = "from neighbour import tidy\n\n\ndef check(response, gold):\n    return tidy(response) == gold\n"


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What `reference_of` says of each function of a program; twice, because the order of a set changes from process to process."""
    home = tmp_path_factory.mktemp("program")
    for name, text in (("program", PROGRAM), ("neighbour", NEIGHBOUR), ("rewards", REWARDS), ("importing", IMPORTING)):
        (home / f"{name}.py").write_text(text)
    first, second = (
        subprocess.run(
            [sys.executable, "program.py"],
            cwd=home,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        for seed in ("1", "2")
    )
    assert first.stdout.splitlines()[:6] == second.stdout.splitlines()[:6]
    return home, first.stdout.splitlines()


def _loaded(reference):
    path, _, name = reference.rpartition(":")
    space = {"__name__": "kept_reward", "__file__": path}
    sys.modules["kept_reward"] = type(sys)("kept_reward")  # where dataclasses look
    exec(compile(Path(path).read_text(), path, "exec"), space)
    return space[name]


def test_a_function_is_written_down_with_what_it_uses(answers):
    home, lines = answers
    assert lines[0].startswith(f"{home}/kept/check-") and lines[0].endswith(".py:check")
    check = _loaded(lines[0])
    assert check("1 22", "22", question="", meta={}) is True
    assert check("1 22", "2", question="", meta={}) is False
    text = Path(lines[0].rpartition(":")[0]).read_text()
    assert "open(" not in text and "Caller" not in text and "unnamed" not in text


def test_lambdas_of_one_line_are_told_apart(answers):
    _, lines = answers
    assert [_loaded(line)("12", "1") for line in lines[1:3]] == [True, False]


def test_what_is_only_counted_up_begins_where_it_stood(answers):
    counting = _loaded(answers[1][16])
    assert [counting("1", "1"), counting("1", "1")] == [True, False]


def test_a_class_and_functions_of_files_are_found(answers):
    home, lines = answers
    assert _loaded(lines[3])().judge("1", "1") is True
    assert lines[4:6] == [f"{home}/rewards.py:check", "builtins:len"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (6, "the reward uses stream, which holds a TextIOWrapper that cannot be written down for the workers"),
        (
            7,
            "the reward uses tidy of {home}/neighbour.py, which lies beside the program, where later commands do not look",
        ),
        (8, "the reward uses neighbour of {home}/neighbour.py, which lies beside the program"),
        (9, "reward is defined within unnamed; define it with def at the top level"),
        (10, "reward is defined within outer; define it with def at the top level"),
        (11, "reward is a Caller ("),
        (12, "reward is a method ("),
        (13, "reward is a partial ("),
        (14, "reward is an int ('3'); give a function"),
        (17, "the reward uses nowhere, which is not defined; define or import it first"),
    ],
)
def test_what_workers_cannot_find_is_one_line(answers, line, words):
    home, lines = answers
    assert lines[line].startswith(f"ConfigError {words.format(home=home)}")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """`module(name, text)`: a file in a folder that is not on the path of other programs, imported."""

    def load(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, name, raising=False)
        loaded = importlib.import_module(name)
        monkeypatch.setitem(sys.modules, name, loaded)
        return loaded

    return load


def test_a_file_that_imports_its_neighbour_is_refused_before_anything_is_trained(module, tmp_path):
    module("neighbour", NEIGHBOUR)
    with pytest.raises(ConfigError, match=r"importing.py \(line 1\) imports neighbour, which lies beside the program"):
        reference_of(module("importing", IMPORTING).check, tmp_path)
    inside = module("relative", "def check(response, gold):\n    from . import other\n    return True\n")
    with pytest.raises(ConfigError, match=r"relative.py \(line 2\) imports from \., which workers"):
        reference_of(inside.check, tmp_path)


def test_a_file_that_changed_since_it_was_imported_is_refused(module, tmp_path):
    rewards = module("rewards_of_today", REWARDS)
    assert reference_of(rewards.check, tmp_path) == f"{tmp_path}/rewards_of_today.py:check"
    Path(rewards.__file__).write_text(REWARDS.replace("in", "not in", 1))
    with pytest.raises(ConfigError, match="has changed since rewards_of_today was imported"):
        reference_of(rewards.check, tmp_path)
    Path(rewards.__file__).unlink()
    with pytest.raises(ConfigError, match=r"cannot read .*rewards_of_today.py: No such file"):
        reference_of(rewards.check, tmp_path)


@pytest.fixture
def cell():
    """`cell(source)`: what a notebook's cell defines; each cell is a file of its own to `linecache`."""
    space, made = {"__name__": "__main__"}, []

    def run(source):
        name = f"<cell-{len(made)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        made.append(name)
        exec(compile(source, name, "exec"), space)
        return space

    yield run
    for name in made:
        del linecache.cache[name]


@pytest.fixture
def own(call):
    """The call with problems of its own."""
    given = {name: value for name, value in call.items() if name not in ("task", "tasks")}
    rows = [{"question": f"1+{i}", "answer": i + 1} for i in range(12)]
    return {**given, "rows": rows, "prompt": {"template": "bare"}}


CELL = "def check(response, gold, *, question, meta):\n    return KEPT.of(response) % 2 == 0\n"


def test_a_cell_trains_goes_on_is_measured_and_a_changed_one_begins_anew(own, cell, command, tiny, interrupted, capsys):
    cell("class Length:\n    def of(self, text):\n        return len(text)\n")
    cell("class Kept:\n    def of(self, text):\n        return Length().of(text)\n\nKEPT = Kept\n")
    own = {**own, "steps": 2, "checkpoint": {"every_steps": 1}}
    reward = cell(CELL.replace("KEPT", "KEPT()"))["check"]
    with pytest.raises(KeyboardInterrupt):
        counterpoise.train(reward=reward, **own)
    again = cell(CELL.replace("KEPT", "KEPT()"))["check"]  # the same cell, run again
    first = counterpoise.train(reward=again, **own)
    assert interrupted == [0, "stopped", 1]
    assert first.path.name == "tiny-jsonl-nsr"
    assert sum(row["pass_at_k"] for row in first.final.table.rows) > 0  # half of all texts are of even length
    capsys.readouterr()
    assert counterpoise.train(reward=again, **own).path == first.path
    changed = cell(CELL.replace("KEPT", "KEPT()").replace("== 0", "== 1"))["check"]
    second = counterpoise.train(reward=changed, **own)
    assert second.path.name == "tiny-jsonl-nsr-2"
    said = capsys.readouterr().err
    assert "has other settings (tasks.settings.verifier check-" in said and f"so this one is {second.path}" in said
    shown = counterpoise.evaluate(
        tiny, n=2, directory=own["directory"], rows=own["rows"], reward=lambda r, g: len(r) >= 0
    )
    assert shown.pass_at_k[1] == 1.0
    for words in (("eval", first.path, "--n", "4"), ("grade", first.path), ("report", first.path)):
        assert command(*words).exit_code == 0
    kept = next((own["directory"] / ".python").glob("check-*.py"))
    kept.write_text(kept.read_text() + "# other\n")
    run = next(one.path for one in (first, second) if kept.name in (one.path / "config.toml").read_text())
    for words in (("train", run, "learner.steps=3"), ("eval", run)):
        result = command(*words)
        assert f"{kept} is not the code that this run was begun with" in result.stderr
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_an_edited_file_is_refused_for_the_run_it_began(own, module):
    rewards = module("rewards_of_a_day", REWARDS)
    begun = counterpoise.train(reward=rewards.check, **own)
    assert "rewards_of_a_day.py:check" in (begun.path / "config.toml").read_text()
    # of another length: bytecode is taken for fresh by the second and the size of its source
    Path(rewards.__file__).write_text(REWARDS.replace("gold in response", "response == gold.strip()"))
    importlib.reload(rewards)
    with pytest.raises(ConfigError, match="is not the code that this run was begun with") as refused:
        counterpoise.train(reward=rewards.check, **own)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def check(response):\n    return True\n", r"check\(response\) cannot be called with \(response, gold"),
        ("async def check(response, gold):\n    return True\n", "is async, so a call gives no value"),
        ("def check(response, gold):\n    yield True\n", "is a generator, so a call gives no value"),
    ],
)
def test_a_function_that_is_no_reward_is_refused_before_a_run_is_begun(own, module, text, words):
    with pytest.raises(ConfigError, match=words):
        counterpoise.train(reward=module("no_reward", text).check, **own)
    assert not list(own["directory"].glob("*/config.toml"))


def test_what_a_reward_cannot_say_is_unscored_and_too_much_of_it_stops_the_run(own, module):
    rewards = module("nonsense", 'def check(response, gold):\n    return "right"\n')
    with pytest.raises(StoreError, match="are unscored, so there is no pass@k: nonsense: the function returned a str"):
        counterpoise.train(reward=rewards.check, **own)


def test_a_task_that_judges_itself_takes_no_reward(call):
    with pytest.raises(
        UsageError, match="task 'countdown' has a verifier of its own, so reward is for problems of yours"
    ):
        counterpoise.train(reward=lambda response, gold: True, **call)
