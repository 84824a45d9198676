"""`counterpoise advise` on a tiny random policy and on a run file: what it prints, writes and refuses."""

import tomllib
from types import SimpleNamespace

import pytest

from counterpoise.build.checks import check_names
from counterpoise.cli.views.advise import followed
from counterpoise.diagnostics.advice.leash import LEASH
from counterpoise.diagnostics.advice.result import Choice
from counterpoise.runfile import load_config

SMALL = (
    "--task",
    "countdown",
    "--problems",
    "6",
    "--group-size",
    "4",
    "tasks.settings.count=2",
    "tasks.settings.largest=6",
    "rollout.max_tokens=6",
)


def test_json_holds_measurements_rules_and_advice(answer, tiny_policy):
    found = answer("advise", tiny_policy, *SMALL, "--seed", "3")
    profile, advice = found["profile"], found["advice"]
    assert (profile["problems"], profile["group_size"], profile["rollouts"]) == (6, 4, 24)
    assert found["settings"]["seed"] == 3
    # A random policy of 54 tokens gets nothing right, and 1 - 0.025^(1/6) is what six problems can rule out.
    assert profile["coverage"]["value"] == 0.0
    assert profile["coverage"]["high"] == pytest.approx(1 - 0.025 ** (1 / 6))
    assert (profile["surprisal_right"], profile["pass_at"][-1]["share"]["value"]) == (None, None)
    assert advice["rule"] is None
    assert [rule["rule"] for rule in advice["rules"]] == [
        "share", "nsr", "weighted_reinforce(0.1)", "reinforce", "grpo", "maxrl", "area", "psr",
    ]  # fmt: skip
    assert found["plan"]["rule"] is None


def test_the_same_command_says_the_same_and_another_seed_draws_others(command, tiny_policy):
    first, again = (command("advise", tiny_policy, *SMALL, "--json").stdout for _ in range(2))
    assert first == again
    assert command("advise", tiny_policy, *SMALL, "--json", "--seed", "4").stdout != first


def test_the_terminal_shows_measurements_rules_advice_and_lines_to_copy(command, tiny_policy):
    result = command("advise", tiny_policy, *SMALL)
    assert result.exit_code == 0
    for words in (
        "on countdown: 6 training problems x 4, temperature 1, at most 6 tokens",
        "prompts with a success in 4",
        "groups all wrong",
        "no answer",
        "throws away %",
        "advice  ",
        "warning: Only 6 problems were measured: the coverage is 0% [0%, 46%]",
        "or on the command line: counterpoise train RUN.toml learner.learning_rate=3e-05",
    ):
        assert words in result.stdout
    assert "measuring" in result.stderr
    assert "24/24" in result.stderr


def test_a_run_file_is_advised_on_with_its_own_rule_and_settings(answer, run_file):
    file = run_file(credit={"rule": "weighted_reinforce", "settings": {"lambda": 2.0}})
    found = answer("advise", file, "--problems", "4")
    assert found["plan"]["rule"] == "weighted_reinforce(2)"
    assert found["advice"]["rules"][-1]["rule"] == "weighted_reinforce(2)"
    assert (found["plan"]["prompts_per_step"], found["profile"]["group_size"]) == (4, 4)
    assert answer("advise", file, "credit.rule=nsr", "credit.settings={}", "--problems", "2")["plan"]["rule"] == "nsr"


def test_a_written_run_file_trains(command, run_file, tmp_path):
    out = tmp_path / "advised.toml"
    file = run_file(credit={"rule": "weighted_reinforce", "settings": {"lambda": 2.0}}, learner={"minibatch": "none"})
    result = command("advise", file, "--problems", "2", "-o", out)
    assert result.exit_code == 0
    assert f"run file: {out}; train it with: counterpoise train {out}" in result.stderr
    text = out.read_text()
    assert text.startswith("# counterpoise advise, ")
    written = tomllib.loads(text)
    assert "name" not in written["run"]
    assert written["learner"]["minibatch"] == "none"
    assert written["learner"]["learning_rate"] == 3e-5  # the file's was 1e-3
    assert load_config(out).tasks == load_config(file).tasks
    assert command("train", out, "learner.steps=1").exit_code == 0
    assert (tmp_path / "runs" / "advised" / "config.toml").exists()


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"credit": {"rule": "ppo"}, "critic": {"trunk": "policy"}}, ("critic",)),
        ({"credit": {"rule": "ppo"}, "checkpoint": {"best_by": "value_loss"}}, ("checkpoint.best_by",)),
        ({"credit": {"rule": "nsr", "emphasis": "inverse"}}, ("credit.emphasis",)),
        (
            {"credit": {"rule": "grpo", "controller_settings": {"lambda_plus": 0.1}}, "loss": {"kl_clamp": 10.0}},
            ("credit.controller_settings", "loss.kl_clamp"),
        ),
    ],
)
def test_what_belongs_to_another_rule_is_not_written(changes, gone, run_file):
    """The run file must pass all that `train` looks at before it begins."""
    config = load_config(run_file(**changes), [])
    keys = {"credit.rule": "area", **{key: value for key, (value, _) in LEASH.items()}}
    choices = tuple(Choice(key=key, value=value, why="") for key, value in keys.items())
    written = followed(config, SimpleNamespace(advice=SimpleNamespace(choices=choices)))
    check_names(written)
    kept = written.model_dump(exclude_unset=True)
    for key in gone:
        *sections, name = key.split(".")
        assert name not in (kept.get(sections[0], {}) if sections else kept)
    assert (written.credit.rule, written.loss.kl) == ("area", 0.1)


def test_advice_that_cannot_be_written_is_shown_all_the_same(refused, run_file, jsonl):
    blocked = jsonl("file", "x") / "advised.toml"
    result = refused("advise", run_file(), "--problems", "2", "-o", blocked, code=1, says=f"cannot write {blocked}: ")
    assert "advice  " in result.stdout


def test_a_run_is_advised_on_at_a_checkpoint(command, answer, refused, run_file, tmp_path):
    assert command("train", run_file(credit={"rule": "nsr"}), "learner.steps=2").exit_code == 0
    found = answer("advise", "runs/run", "--problems", "2")
    assert found["model"] == "runs/run at step 2"
    assert found["plan"]["rule"] == "nsr"
    assert answer("advise", "runs/run@0", "--problems", "2")["model"] == "runs/run before its first step"
    refused("advise", "runs/run", "--task", "arithmetic", says="is a run and has its own task; leave --task away")
    refused(
        "advise", "runs/run", "-o", "x.toml", says="a run goes on with the rule it began with; -o writes a run file"
    )


def test_a_task_without_a_test_split_is_enough(answer, tiny_policy, jsonl):
    file = jsonl("train.jsonl", {"question": "1,2=3", "answer": "3"}, {"question": "1,4=5", "answer": "5"})
    settings = ("tasks.settings.verifier=numeric", "prompt.template=plain", "rollout.max_tokens=4")
    arguments = ("--task", "jsonl", f"tasks.train={file}", *settings)
    found = answer("advise", tiny_policy, *arguments, "--group-size", "2")
    assert found["profile"]["problems"] == 2  # all there are, each once, whatever --problems says


def test_task_types_are_told_apart(command, answer, tiny_policy):
    sources = 'tasks.settings.sources=[{name="countdown", count=2, largest=6}, {name="arithmetic"}]'
    arguments = ("--task", "mixture", sources, "prompt.template=plain", "rollout.max_tokens=4")
    weights = "tasks.weights={countdown=1, arithmetic=1}"
    result = command("advise", tiny_policy, *arguments, weights, "--problems", "6", "--group-size", "2")
    assert result.exit_code == 0, result.output
    assert "task type" in result.stdout
    found = answer("advise", tiny_policy, *arguments, weights, "--problems", "6", "--group-size", "2")
    assert [(kind["name"], kind["problems"]) for kind in found["kinds"]] == [("arithmetic", 3), ("countdown", 3)]


def test_unscored_rollouts_are_counted_and_not_refused(command, tiny_policy, jsonl):
    file = jsonl("train.jsonl", {"question": "1,2=3", "answer": "no number"})
    settings = ("tasks.settings.verifier=countdown", "prompt.template=plain", "rollout.max_tokens=4")
    arguments = ("--task", "jsonl", f"tasks.train={file}", *settings)
    result = command("advise", tiny_policy, *arguments, "--group-size", "2")
    assert result.exit_code == 0, result.output
    assert "could not be scored" in result.stdout


@pytest.mark.usefixtures("no_model")
def test_mistakes_found_before_the_model_is_read(refused, tiny_policy, run_file, jsonl, tmp_path):
    file, taken = run_file(), jsonl("taken.toml", "x")
    for arguments, says in (
        ((tiny_policy,), f"'{tiny_policy}' is a model, so a task is needed: --task countdown"),
        ((tmp_path,), "is neither a run (no config.toml) nor a model (no config.json)"),
        ((tmp_path / "no.toml",), f"cannot read the run file {tmp_path / 'no.toml'}: No such file"),
        ((f"{tmp_path}@3",), "@ chooses a step of a run"),
        ((tiny_policy, "--task", "cuntdown"), "unknown task 'cuntdown'; did you mean 'countdown'?"),
        ((file, "--task", "countdown"), "is a run file and has its own task; leave --task away, or write tasks.name=countdown"),
        ((file, "credit.rule=nrs"), "unknown credit.rule 'nrs'; did you mean 'nsr'?"),
        ((file, "credit.controller=shar"), "unknown credit.controller 'shar'; did you mean 'share'?"),
        ((file, "rollout.group=3"), "unknown key 'rollout.group'; did you mean 'group_size'?"),
        ((file, "--group-size", 2, "rollout.group_size=4"), "rollout.group_size=4 and --group-size say the same thing twice"),
        ((tiny_policy, "--task", "countdown", "model.name=lab"), "model.name=lab: the model is the first argument"),
        ((file, "-o", taken), f"--out {taken} exists already and would be replaced; name another file, or delete it"),
        ((tiny_policy, "--task", "jsonl", f"tasks.test={taken}"), "task 'jsonl' has no train file; give it with train=FILE"),
        ((file, "model.name=labb"), "unknown model 'labb'; did you mean 'lab'?"),
    ):  # fmt: skip
        refused("advise", *arguments, says=says)


def test_numbers_that_cannot_be(command, tiny_policy):
    for option in ("--problems", "--group-size"):
        result = command("advise", tiny_policy, "--task", "countdown", option, "0")
        assert result.exit_code == 2
        assert f"Invalid value for '{option}'" in result.stderr


def test_names_are_completed(command):
    from counterpoise.cli.commands.advise import models
    from counterpoise.cli.commands.tasks import task_names

    assert models("lab:") == ["lab:graded", "lab:paths", "lab:strong", "lab:weak"]
    assert task_names("count") == ["countdown"]


def test_a_run_file_of_so_many_hours_takes_no_longer(command, run_file, tmp_path):
    out = tmp_path / "sized.toml"
    file = run_file(evaluation={"before": True, "after": True, "n": 64, "problems": 64})
    result = command("advise", file, "--problems", "2", "-o", out, "--hours", "0.002")
    assert result.exit_code == 0, result.output
    assert "such a run takes about " in result.stdout
    assert "# learner.steps = " in out.read_text() and "# takes about " in out.read_text()
    config = load_config(out)
    # 7.2 s; a row of the tiny policy takes some milliseconds
    assert config.evaluation.n * config.evaluation.problems < 64 * 64 or config.learner.steps > 4


def test_sizes_and_times_stand_in_the_json_where_they_were_asked_for(answer, tiny_policy):
    found = answer("advise", tiny_policy, *SMALL, "--hours", "0.01")
    assert found["pace"]["draw"] > 0 and found["pace"]["update"] > 0
    assert found["times"]["total"] == pytest.approx(found["times"]["training"] + found["times"]["evaluations"])
    assert found["times"]["total"] <= 36.0 * 1.001
    assert {"learner.steps"} <= {choice["key"] for choice in found["sizes"]}


def test_it_says_how_often_each_problem_will_be_seen(answer, run_file):
    file = run_file()
    found = answer("advise", file, "--problems", "2", "tasks.max_train=5", "learner.steps=100")
    plan = found["plan"]
    assert plan["problems"] == {"countdown": 5}
    seen = 100 * plan["prompts_per_step"] * plan["group_size"] / 5
    assert any(
        one["level"] == "warning" and f"Your 5 training problems will each be seen {seen:,.0f} times" in one["text"]
        for one in found["advice"]["findings"]
    )


def test_with_hours_it_counts_the_steps_of_the_sized_run(answer, run_file):
    found = answer("advise", run_file(), "--problems", "2", "tasks.max_train=5", "learner.steps=1", "--hours", "0.002")
    steps = next(choice["value"] for choice in found["sizes"] if choice["key"] == "learner.steps")
    assert steps > 1
    assert found["plan"]["steps"] == steps
    assert any(f"({steps:,} steps of" in one["text"] for one in found["advice"]["findings"])


def test_the_screen_asks_with_and_without_examples_at_three_temperatures(command, answer, tiny_policy):
    arguments = ("advise", tiny_policy, *SMALL, "--screen", "--shots", "1")
    found = answer(*arguments)
    (screen,) = found["screens"]
    assert (screen["task_type"], screen["problems"], screen["group_size"]) == ("countdown", 6, 4)
    assert [(cell["shots"], cell["temperature"]) for cell in screen["cells"]] == [
        (0, 1.0), (0, 0.6), (0, 0.3), (1, 1.0), (1, 0.6), (1, 0.3),
    ]  # fmt: skip
    assert screen["capability"] == "absent"  # a random policy
    result = command(*arguments)
    assert result.exit_code == 0, result.output
    assert "screen: countdown, 6 training problems x 4" in result.stdout
    assert "screen  absent: supervise first. pass@1 is 0.0%" in result.stdout
    assert "168/168" in result.stderr  # 24 to advise on, and 24 in each of six ways
    assert answer("advise", tiny_policy, *SMALL)["screens"] == []


def test_examples_without_a_screen_are_refused(refused, tiny_policy, no_model):
    refused("advise", tiny_policy, *SMALL, "--shots", "2", says="--shots counts the worked examples of --screen")


def test_too_few_hours_are_refused_after_what_was_measured(refused, tiny_policy, tmp_path):
    out = tmp_path / "sized.toml"
    result = refused(
        "advise", tiny_policy, *SMALL, "--hours", "1e-9", "-o", out, says="1e-09 hours are not enough: the 4 responses"
    )
    assert "groups all wrong" in result.stdout
    assert not out.exists()


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "two"])
def test_hours_are_a_time(command, tiny_policy, no_model, hours):
    result = command("advise", tiny_policy, *SMALL, "--hours", hours)
    assert result.exit_code == 2
    assert "--hours" in result.stderr
