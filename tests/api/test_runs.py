import subprocess
import sys
from types import SimpleNamespace

import pytest

import counterpoise
from counterpoise.api import progress
from counterpoise.errors import ConfigError, DataError, MissingExtraError, UsageError

ROWS = [{"question": "1+1", "answer": 2}, {"question": "2+3", "answer": "5"}]


def test_a_run_shows_itself_and_a_second_call_gives_it_back(call, capsys, monkeypatch):
    first = counterpoise.train(**call)
    assert first.path == call["directory"] / "tiny-countdown-nsr"
    assert (first.weights / "model.safetensors").is_file()
    assert str(first).startswith("pass@k %, differences in points, 95% intervals, 4 problems\nk ")
    assert "<th>after - before</th>" in first._repr_html_()
    assert [row["k"] for row in first.table.rows] == [1, 2, 4]
    monkeypatch.setattr("counterpoise.engines.local.train", None)  # nothing is trained
    capsys.readouterr()
    again = counterpoise.train(**call)
    assert (again.path, again.final.pass_at_k) == (first.path, first.final.pass_at_k)
    assert capsys.readouterr().err == f"{first.path} is finished; this is what it found\n"


def test_other_settings_are_another_run_and_the_line_says_which(call, capsys):
    first = counterpoise.train(**call)
    capsys.readouterr()
    second = counterpoise.train(**{**call, "steps": 2})
    assert second.path.name == f"{first.path.name}-2"
    says = f"{first.path} has other settings (learner.steps 1 -> 2), so this one is {second.path}"
    assert f"{says}; to go on with that one, set learner.steps=1\n" in capsys.readouterr().err
    assert counterpoise.train(**{**call, "steps": 2}).path == second.path
    compared = counterpoise.compare(first, second, k=[1, 4])
    assert [row["k"] for row in compared.table.rows] == [1, 4]
    assert "tiny-countdown-nsr-2 - tiny-countdown-nsr" in compared.table.columns
    assert compared.pass_at_tokens == {}
    budgeted = counterpoise.compare(first, second, k=[1], tokens=[6, 12])
    assert [list(budgets) for budgets in budgeted.pass_at_tokens.values()] == [[6, 12], [6, 12]]
    assert "within 6 tokens: tiny-countdown-nsr 0.0" in str(budgeted) and "tiny-countdown-nsr-2 - tiny" in str(budgeted)
    with pytest.raises(UsageError, match="whole numbers of tokens from 1"):
        counterpoise.compare(first, second, tokens=[0])


def test_a_run_that_was_interrupted_goes_on(call, interrupted):
    call = {**call, "steps": 2, "checkpoint": {"every_steps": 1}}
    with pytest.raises(KeyboardInterrupt):
        counterpoise.train(**call, progress=False)
    assert counterpoise.train(**call, progress=False).weights.parent.name == "step-000002"
    assert interrupted == [0, "stopped", 1]


def test_an_evaluation_draws_what_is_missing_and_keeps_others_apart(call, tiny, capsys):
    own = {"task": "countdown", "tasks": call["tasks"], "rollout": {"max_tokens": 6}, "problems": 4}
    own["directory"] = call["directory"]
    first = counterpoise.evaluate(tiny, n=2, **own)
    assert first.path.name == "eval-tiny-countdown"
    more = counterpoise.evaluate(tiny, n=4, **own)
    assert more.path == first.path
    assert list(more.pass_at_k) == [1, 2, 4]
    other = counterpoise.evaluate(tiny, n=2, evaluation={"temperature": 1.0}, **own)
    assert other.path.name == "eval-tiny-countdown-2"
    assert "holds an evaluation at other settings" in capsys.readouterr().err


def test_rows_are_problems(call, tiny):
    result = counterpoise.evaluate(
        tiny, rows=ROWS, n=2, prompt={"template": "bare"}, rollout={"max_tokens": 4}, directory=call["directory"]
    )
    assert len(result.result.counts) == 2
    assert result.table.rows[0]["problems"] == 2


def test_importing_the_names_imports_no_torch():
    code = "import sys, counterpoise as c; c.train; c.evaluate; c.compare; print('torch' in sys.modules, 'train' in dir(c))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"task": None}, UsageError, "give the problems once"),
        ({"rows": ROWS}, UsageError, "give the problems once"),
        ({"model": None}, UsageError, "give a model"),
        ({"learner": {"steps": 3}}, UsageError, "learner.steps is given twice, as 3 and as 1"),
        ({"evaluations": {}}, UsageError, r"unknown argument 'evaluations'; did you mean 'evaluation'\?"),
        ({"evaluation": 3}, UsageError, r"evaluation is a section of a run file"),
        ({"learner": {"stepz": 3}}, ConfigError, "unknown key 'learner.stepz'"),
        ({"task": None, "rows": []}, DataError, "rows is empty"),
        ({"task": None, "rows": ["x"]}, DataError, "row 1 is not a record but str"),
        ({"task": None, "rows": [{"question": object()}]}, DataError, "row 1 cannot be kept as JSON"),
        ({"task": None, "rows": "file.jsonl"}, DataError, "rows must be a list of records"),
        ({"test_rows": ROWS}, UsageError, "test_rows goes with rows"),
    ],
)
def test_what_cannot_be_is_one_line_and_begins_nothing(call, changes, error, words):
    if "rows" in changes and changes.get("task", "") is None:
        call.pop("tasks")
    with pytest.raises(error, match=words):
        counterpoise.train(**{**call, **changes})
    assert not list(call["directory"].glob("*/config.toml"))


def test_a_comparison_needs_two(call):
    with pytest.raises(UsageError, match="needs two results or more"):
        counterpoise.compare("runs/x")


def test_a_run_has_a_task_of_its_own(call):
    done = counterpoise.train(**call)
    with pytest.raises(UsageError, match="has its own task"):
        counterpoise.evaluate(done, task="countdown")
    with pytest.raises(UsageError, match="learner is settled for a run"):
        counterpoise.evaluate(done, learner={"steps": 3})
    assert counterpoise.evaluate(f"{done.path}@0").pass_at_k == done.base.pass_at_k


def test_pandas_is_asked_for_by_name(call, monkeypatch):
    result = counterpoise.train(**call)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        result.to_pandas()
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    assert result.to_pandas()[0]["k"] == 1


def test_a_notebook_gets_one_line_that_moves(call, monkeypatch, capsys):
    shown = []

    class Handle:
        def update(self, what):
            shown.append(what)

    def display(what, *, display_id):
        shown.append(what)
        return Handle()

    class ZMQInteractiveShell:
        pass

    ipython = SimpleNamespace(get_ipython=ZMQInteractiveShell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(HTML=str, display=display))
    assert progress.in_notebook()
    counterpoise.train(**call)
    assert any("step 1 of 1: right" in line for line in shown)
    assert any("evaluating base: 16 of 16" in line for line in shown)
    assert "base: pass@1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("function", "arguments", "settings", "says"),
    [
        (counterpoise.evaluate, ("http://127.0.0.1:1/v1",), {"task": "countdown"}, "is a server, which the command line asks: "),
        (counterpoise.compare, (1, 2), {}, "a comparison takes what train and evaluate gave back, and paths; got int ('1')"),
        (counterpoise.compare, ("x", None), {}, "x does not exist"),
        (counterpoise.train, (), {"model": "lab", "rows": ROWS, "reward": 5}, "reward is int ('5'); give a function (response, gold"),
    ],
)  # fmt: skip
def test_what_is_given_in_the_wrong_place_is_one_line(function, arguments, settings, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UsageError, DataError)) as caught:
        function(*arguments, **settings)
    assert says in str(caught.value) and "\n" not in str(caught.value)
