"""The reward function of verl's settings before Ray starts: whether it can be loaded, called as verl calls it, and judge as asked."""

import importlib
import importlib.util
import types

import pytest

from counterpoise.engines.verl import reward_function
from counterpoise.engines.verl.reward_function import check_function, check_reward_worth
from counterpoise.engines.verl.rewards import compute_score, judged
from counterpoise.errors import UsageError


def by_node(
    data_source, solution_str, ground_truth, extra_info=None, *, verifier=None, workers_per_node=0, **settings
): ...


def judged_by_node(data_source, solution_str, ground_truth, extra_info=None, *, run, wrong=0.0, workers_per_node=0): ...


for _one in (by_node, judged_by_node):
    _one.__module__ = "counterpoise.engines.verl.judging"  # which needs Ray


@pytest.fixture
def own(monkeypatch, tmp_path):
    """`own("def f(…): …")`: what `check_function` is given for a file that holds this, loaded as verl loads it."""

    def load(module_path, object_name):
        ours = {"compute_score": compute_score, "judged": judged, "by_node": by_node, "judged_by_node": judged_by_node}
        if module_path == "pkg://ours":
            return ours[object_name]
        if module_path == "pkg://number":
            return 3
        spec = importlib.util.spec_from_file_location("rewards", module_path)
        module = importlib.util.module_from_spec(spec)
        if not (tmp_path / "rewards.py").is_file():
            raise FileNotFoundError(f"Custom module file\n{module_path!r} not found.")
        monkeypatch.setitem(importlib.sys.modules, "rewards", module)
        spec.loader.exec_module(module)
        return getattr(module, object_name)

    made = types.SimpleNamespace(load_extern_object=load)
    theirs = importlib.import_module
    monkeypatch.setattr(
        reward_function.importlib,
        "import_module",
        lambda name: made if name == "verl.utils.import_utils" else theirs(name),
    )

    def write(function, **given):
        (tmp_path / "rewards.py").write_text(function)
        return {"path": str(tmp_path / "rewards.py"), "name": "f", "reward_kwargs": given}

    return write


ROW = "data_source, solution_str, ground_truth, extra_info=None"


def test_a_function_that_can_be_called_is_fine(own):
    assert check_function({"path": None}) is None
    assert check_function(own(f"def f({ROW}): ...")).__name__ == "f"
    check_function(own(f"def f({ROW}, *, strict): ...", strict=True))
    check_function(own("def f(**given): ...", anything=1))
    check_function(own(f"async def f({ROW}): ..."))
    check_function(own(f"def f({ROW}): ..."), manager="remote")
    check_function(own(f"def f({ROW}, **_): ..."), model=True)
    check_function(own("import operator\nf = operator.itemgetter(0)"))  # code outside of Python tells little


@pytest.mark.parametrize(
    ("function", "given", "says"),
    [
        ("def f(completions): ...", {}, r"f of .*rewards.py cannot be called as verl calls it \(.*'?completions'?.*\)"),
        ("def f(data_source, solution_str, ground_truth): ...", {}, r"unexpected keyword argument 'extra_info'"),
        (
            f"def f({ROW}): ...",
            {"strict": 1},
            r"unexpected keyword argument 'strict'\); .* and strict of reward_kwargs",
        ),
        (f"def f({ROW}, *, strict): ...", {}, r"missing a required .*'strict'"),
        (f"def f({ROW}, /): ...", {}, r"cannot be called as verl calls it"),
        (
            f"def f({ROW}): ...",
            {"solution_str": "x"},
            r"reward_kwargs.solution_str takes the place of what verl hands over",
        ),
        ("class f: ...", {}, r"f of .* is no function \(class\)"),
        ("f = 3", {}, r"is no function \(int\); name one that takes data_source"),
        (
            "class A:\n  async def __call__(self, **_): ...\nf = A()",
            {},
            r"whose call is async, which verl does not wait for",
        ),
        ("raise SystemExit(3)", {}, r"cannot be loaded \(SystemExit: 3\)"),
        ("import nowhere", {}, r"cannot be loaded \(ModuleNotFoundError: No module named 'nowhere'\)"),
        ("g = 1", {}, r"cannot be loaded \(AttributeError"),
    ],
)
def test_a_function_that_would_fail_on_every_response_is_one_line(own, function, given, says):
    with pytest.raises(UsageError, match=says) as refused:
        check_function(own(function, **given))
    assert "\n" not in str(refused.value)


def test_what_is_no_function_s_name_or_no_table(own):
    with pytest.raises(UsageError, match=r"f of gone.py cannot be loaded \(FileNotFoundError: .* 'gone.py' not found"):
        check_function({"path": "gone.py", "name": "f"})
    with pytest.raises(UsageError, match=r"f of pkg://number is no function \(int\)"):
        check_function({"path": "pkg://number", "name": "f"})
    with pytest.raises(UsageError, match=r"custom_reward_function.path=3: give text"):
        check_function({"path": 3, "name": "f"})
    with pytest.raises(UsageError, match=r"custom_reward_function.name=None: give text"):
        check_function({"path": "x.py", "name": None})
    with pytest.raises(UsageError, match=r"reward_kwargs=3: give a table"):
        check_function(own("def f(**_): ...") | {"reward_kwargs": 3})


def test_verls_remote_manager_takes_no_async_function(own):
    with pytest.raises(UsageError, match=r"reward_manager.name=remote: .* takes no async function, and f of .* is one"):
        check_function(own(f"async def f({ROW}): ..."), manager="remote")


def test_a_served_reward_model_is_handed_over_too(own):
    with pytest.raises(UsageError, match=r"'reward_router_address'"):
        check_function(own(f"def f({ROW}): ..."), model=True)


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("compute_score", {"verifier": "mth"}, r"reward_kwargs: .*did you mean 'math'"),
        ("compute_score", {"verifier": "numeric", "tolerence": 1}, r"reward_kwargs: .*tolerence"),
        ("compute_score", {"verifier": "math", "workers_per_node": 4}, r"reward_kwargs: .*'workers_per_node'"),
        ("compute_score", {"verifier": "math", "rules": [1]}, r"reward_kwargs: .*rules = \[1\]"),
        ("compute_score", {"verifier": 3}, r"reward_kwargs: verifier=3 is no verifier's name"),
        (
            "by_node",
            {"verifier": "math", "workers_per_node": "4"},
            r"workers_per_node='4': give the number of processes",
        ),
        ("by_node", {"verifier": "math", "workers_per_node": -1}, r"workers_per_node=-1"),
        ("judged_by_node", {"workers_per_node": 4}, r"missing a required .*'run'"),
        ("judged_by_node", {"run": "/nowhere/launch.toml"}, r"run=/nowhere/launch.toml: there is no such file"),
        ("judged", {"run": __file__, "wrong": "low"}, r"wrong='low': give a number"),
        ("judged", {"run": __file__, "verifier": "math"}, r"unexpected keyword argument 'verifier'"),
    ],
)
def test_what_ours_are_given_is_looked_up(own, name, given, says):
    with pytest.raises(UsageError, match=says):
        check_function({"path": "pkg://ours", "name": name, "reward_kwargs": given})


def test_ours_with_what_they_take(own):
    for name, given in (
        ("compute_score", None),
        ("compute_score", {"verifier": "math"}),
        ("by_node", {"verifier": "math", "workers_per_node": 4}),
        ("judged_by_node", {"run": __file__}),
    ):
        check_function({"path": "pkg://ours", "name": name, "reward_kwargs": given})


def test_a_reward_of_verdicts_is_refused_where_the_function_gives_none(own):
    plain = check_function(own(f"def f({ROW}): return 1.0"))
    check_reward_worth(plain, "binary")
    with pytest.raises(
        UsageError, match=r"reward=graded is what a verdict of ours is worth, and f gives none; .*verifier="
    ):
        check_reward_worth(plain, "graded")
    ours = f"from counterpoise.engines.verl import compute_score\ndef f({ROW}): return compute_score('math', solution_str, ground_truth)"
    check_reward_worth(check_function(own(ours)), "graded")  # it may hand on what ours returns
    check_reward_worth(compute_score, "graded")
    check_reward_worth(None, "graded")
