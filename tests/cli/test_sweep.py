"""`eval --sweep`: several settings of the sampling of one policy, each in a store of its own, in one table."""

import json

import pytest

from counterpoise.errors import UnknownNameError, UsageError
from counterpoise.evaluation.sweep import settings_of_sweep
from counterpoise.jobs import evaluate


def test_settings_are_all_combinations_in_order():
    assert settings_of_sweep(["temperature=0.2,1.0", "evaluation.top_k=0, 5"]) == [
        {"temperature": "0.2", "top_k": "0"},
        {"temperature": "0.2", "top_k": "5"},
        {"temperature": "1.0", "top_k": "0"},
        {"temperature": "1.0", "top_k": "5"},
    ]
    assert settings_of_sweep(["temperature=0.6,0.60,0.2,0.6"]) == [{"temperature": "0.6"}, {"temperature": "0.2"}]


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (["temprature=0.2"], UnknownNameError, "unknown setting of --sweep 'temprature'; did you mean 'temperature'?"),
        (["n=1,2"], UnknownNameError, "unknown setting of --sweep 'n'"),
        (["temperature"], UsageError, "--sweep temperature: write a setting with its values, e.g. --sweep temp"),
        (["temperature="], UsageError, "write a setting with its values"),
        (["temperature=0.2,,0.6"], UsageError, "write a setting with its values"),
        (["=0.2"], UnknownNameError, "unknown setting of --sweep ''"),
        (["temperature=0.2;0.6"], UsageError, "'0.2;0.6' is not a number; write e.g. --sweep temperature=0.2,0.6,1.0"),
        (["temperature=hot"], UsageError, "'hot' is not a number"),
        (["temperature=nan"], UsageError, "'nan' is not a number"),
        (["top_k=1_0"], UsageError, "'1_0' is not a number; write e.g. --sweep top_k=0,20,50"),
        (["top_p=0.9", "top_p=1.0"], UsageError, "--sweep top_p is given twice; write all values after one"),
    ],
)
def test_a_sweep_that_cannot_be_read_is_one_line(options, error, says):
    with pytest.raises(error) as refused:
        settings_of_sweep(options)
    assert says in str(refused.value) and "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_policy):
    """A run of one step, as it was when it ended."""
    from counterpoise.engines.local import train
    from counterpoise.runfile import parse_config
    from counterpoise.runs.directory import RunDirectory

    home = tmp_path_factory.mktemp("swept")
    config = parse_config(
        {
            "run": {"directory": str(home), "name": "run"},
            "model": {"name": str(tiny_policy)},
            "tasks": {"name": "countdown", "settings": {"count": 2, "largest": 6}},
            "rollout": {"prompts_per_step": 2, "group_size": 2, "max_tokens": 6},
            "learner": {"steps": 1},
            "evaluation": {"problems": 4, "n": 4, "temperature": 1.0, "top_p": 1.0, "after": False},
        }
    )
    train(RunDirectory.create(config))
    return home / "run"


@pytest.fixture
def models_read(monkeypatch):
    """The weights that were read, in order."""
    read, load = [], evaluate.load_policy
    monkeypatch.setattr(evaluate, "load_policy", lambda config, saved: (read.append(saved), load(config, saved))[1])
    return read


def test_a_step_of_a_run_is_read_once_and_each_setting_has_a_store_of_its_own(command, trained, models_read):
    call = ("eval", f"{trained}@1", "--sweep", "temperature=0.5,1.0,0", "--sweep", "top_k=0,3", "--n", 1)
    result = command(*call)
    assert result.exit_code == 0, result.stderr
    assert len(models_read) == 1 and models_read[0].parent.name == "step-000001"
    lines = [line.split("│")[1].strip() for line in result.stdout.splitlines() if line.startswith("│")]
    assert lines == [f"temperature={t} top_k={k}" for t in ("0.5", "1.0", "0") for k in (0, 3)]
    stores = sorted(str(path.relative_to(trained)) for path in trained.glob("evaluation*/step-000001/passk.json"))
    folders = ("", "-t0.5-p1", "-t0.5-p1-k3", "-t1-p1-k3", "-p1", "-p1-k3")
    assert stores == sorted(f"evaluation{name}/step-000001/passk.json" for name in folders)
    again = command(*call, "--json")
    assert len(models_read) == 1  # nothing is left to draw
    assert again.stderr.count("finished before and not drawn again: temperature=0.5 top_k=0, ") == 1
    found = json.loads(again.stdout)
    assert [one["sampling"]["temperature"] for one in found["settings"]] == [0.5, 0.5, 1.0, 1.0, 0.0, 0.0]
    assert all(one["reused"] and one["problems"] == 4 for one in found["settings"])
    assert [row["against"] for row in found["differences"]] == ["temperature=0.5 top_k=0"] * 5


def test_differences_are_paired_and_have_the_sign_of_the_later_one(command, trained, models_read):
    command("eval", f"{trained}@0", "--sweep", "temperature=0.3,1.0")
    store = trained / "evaluation-t0.3-p1" / "step-000000"
    rollouts = [json.loads(line) for line in (store / "rollouts.jsonl").read_text().splitlines()]
    assert len(rollouts) == 16
    # An interrupted evaluation is drawn to its end, the other is not touched.
    (store / "passk.json").unlink()
    (store / "rollouts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in rollouts[:5]))
    found = json.loads(command("eval", f"{trained}@0", "--sweep", "temperature=0.3,1.0", "--json").stdout)
    assert [one["reused"] for one in found["settings"]] == [False, True]
    assert len((store / "rollouts.jsonl").read_text().splitlines()) == 16
    first, second = (one["pass_at_k"] for one in found["settings"])
    for before, after, moved in zip(first, second, found["differences"][0]["pass_at_k"], strict=True):
        assert moved["k"] == before["k"] and moved["problems"] == 4
        assert moved["estimate"] == pytest.approx(after["estimate"] - before["estimate"])


def test_a_store_of_something_else_is_named_and_stops_no_other(command, trained):
    store = trained / "evaluation-t0.7-p1" / "step-000000"
    store.mkdir(parents=True)
    (store / "manifest.json").write_text("{}")
    result = command("eval", f"{trained}@0", "--sweep", "temperature=0.7,0.8")
    assert result.exit_code == 1
    assert f"error: temperature=0.7 was skipped: {store / 'manifest.json'} is not a store manifest" in result.stderr
    assert (trained / "evaluation-t0.8-p1" / "step-000000" / "passk.json").is_file()


def test_a_model_keeps_the_plain_folder_for_what_is_no_variation(command, tiny_policy, tmp_path):
    call = ("eval", tiny_policy, "--task", "countdown", "--n", 2, "--problems", 3, "rollout.max_tokens=6")
    assert command(*call, "--sweep", "temperature=1.0,0.6", "--metric", "pass^k").exit_code == 0
    plain, hot = sorted((tmp_path / "runs").iterdir())
    assert hot.name == f"{plain.name}-t1-p0.95"
    assert json.loads((plain / "manifest.json").read_text())["settings"]["temperature"] == 0.6
    single = command(*call, "--json")  # the same store as that of the sweep
    assert json.loads(single.stdout)["directory"] == str(plain.relative_to(tmp_path))
    assert command(*call, "--sweep", "max_tokens=4,6", "--out", tmp_path / "o").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["t0.6-p0.95-m4", "t0.6-p0.95-m6"]


def test_checkpoints_as_json(command, trained):
    found = json.loads(command("eval", trained, "--checkpoints", "base,1", "--json").stdout)
    assert [(one["step"], one["error"], one["n"]) for one in found["steps"]] == [(0, None, 4), (1, None, 4)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--sweep", "temperature=-1"), "evaluation.temperature"),
        (("--sweep", "top_p=0.9,1.5"), "evaluation.top_p"),
        (("--sweep", "top_k=1.5"), "evaluation.top_k"),
        (("--sweep", "temperature=0,0.6"), "temperature=0 is greedy"),
        (("--sweep", "temperature=0.6", "evaluation.temperature=0.2"), "say the same thing twice"),
        (("--sweep", "temperature=0.6", "--checkpoints", "all"), "leave one of them away"),
        (("--sweep", "temprature=0.6"), "did you mean 'temperature'?"),
    ],
)
@pytest.mark.parametrize("target", ["run", "model", "address"])
def test_a_mistake_is_one_line_before_anything_is_read_or_asked(
    refused, trained, tiny_policy, models_read, monkeypatch, target, arguments, says
):
    if target != "run" and "--checkpoints" in arguments:
        pytest.skip("of a run alone")
    from counterpoise.jobs import served

    monkeypatch.setattr(served, "named_servers", None)
    task = () if target == "run" else ("--task", "countdown")
    place = {"run": trained, "model": tiny_policy, "address": "http://127.0.0.1:9/v1"}[target]
    result = refused("eval", place, *task, *arguments, says=says)
    assert result.stderr.count("\n") == 1
    assert not models_read
