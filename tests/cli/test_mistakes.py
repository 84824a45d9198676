"""What a user can get wrong before anything is computed: one sentence, exit code 2, and nothing left behind.

What can go wrong later is in test_mishaps.py.
"""

import os
import shutil

import pytest

GOOD = {"question": "1,2=3", "answer": "3"}


# Files of problems, responses and counts.


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"question": "1,2=3", "answer"', ":2: expected one JSON object, found '{\"question\": \"1,2=3\", \"answer\"' ("),
        ("[1]", ":2: expected one JSON object, found an array; write one {…} per line"),
        ({"question": "1,2=3", "anser": "3"}, ":2: no field 'answer'; did you mean 'anser'? The fields are: question, anser"),
        ({"question": "1,2=3", "answer": ""}, ":2: field 'answer' is empty; fill it or remove the record"),
        ({"question": "1,2=3", "answer": {"a": 3}}, ":2: field 'answer': expected text, a number or a list of them, found an object"),
        ("9" * 5000, ":2: expected one JSON object, found '999"),
    ],
)  # fmt: skip
def test_a_bad_line_of_a_task_is_named_and_the_run_s_name_stays_free(refused, run_file, jsonl, tmp_path, line, says):
    train, test = jsonl("train.jsonl", {**GOOD, "question": "1,4=5"}, line), jsonl("test.jsonl", GOOD)
    tasks = {"name": "jsonl", "train": str(train), "test": str(test), "settings": {"verifier": "numeric"}}
    refused("train", run_file(tasks=tasks), says=f"{train}{says}")
    assert not (tmp_path / "runs" / "run").exists()
    refused("tasks", "show", "jsonl", f"train={train}", f"test={test}", "--split", "train", says=f"{train}{says}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", ":2: not JSON: Expecting property name"),
        ("7 7", ':2: not JSON: Extra data: line 1 column 3 (char 2); expected an object such as {"gold": "72", "response": "…"}'),
        ("[]", ":2: a JSON list, not an object; expected an object such as"),
        ({"gold": "3"}, ":2: no field 'response'; the line has: gold (name it with --response-field)"),
        ({"gold": " ", "response": "3"}, ":2: the field 'gold' is empty; nothing can be compared with it"),
    ],
)  # fmt: skip
def test_a_bad_line_of_responses_is_named(refused, jsonl, line, says):
    file = jsonl("r.jsonl", {"gold": "3", "response": "3"}, line)
    refused("verify", file, "--verifier", "numeric", says=f"{file}{says}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", ":2: not JSON: Expecting property name"),
        ({"id": "b", "n": 4}, ':2: no \'c\' (found: id, n); expected {"id": …, "n": rollouts, "c": correct ones}'),
        ({"id": "b", "n": 4, "c": 5}, ":2: c=5 correct of n=4 rollouts; c cannot exceed n"),
        ({"id": "b", "n": "4", "c": 1}, ":2: n is '4'; expected a whole number from 0 to "),
        ({"id": "a", "n": 4, "c": 1}, ":2: id 'a' stands at line 1 already; one line for each problem"),
    ],
)
def test_a_bad_line_of_counts_is_named(refused, jsonl, line, says):
    file = jsonl("c.jsonl", {"id": "a", "n": 4, "c": 1}, line)
    refused("passk", file, says=f"{file}{says}")


def test_files_that_are_missing_or_empty(refused, jsonl, run_file, tmp_path):
    empty, absent = jsonl("empty.jsonl"), tmp_path / "absent.jsonl"
    refused("passk", empty, says=f"{empty} is empty; expected lines such as")
    refused("passk", absent, says=f"cannot read {absent}: No such file or directory")
    refused("verify", empty, says="the file has no line to score")
    refused("verify", absent, says=f"cannot read {absent}: No such file or directory")
    tasks = {"name": "jsonl", "train": str(empty)}
    refused(
        "train",
        run_file(tasks=tasks),
        says=f"task 'jsonl' has no train problems: {empty} is empty; give a file with some",
    )
    refused(
        "train",
        run_file(tasks={"name": "jsonl", "settings": {"path": str(empty)}}),
        says=f"task 'jsonl' has no train problems: {empty} is empty; give a file with some",
    )
    refused("train", run_file(tasks={**tasks, "train": str(absent)}), says=f"train={absent} does not exist (looked in ")
    folder = tmp_path / "folder"
    folder.mkdir()
    refused(
        "train",
        run_file(tasks={**tasks, "train": str(folder)}),
        says=f"{folder} holds no .parquet or .jsonl file, only: nothing; give the folder that holds them",
    )


def test_a_named_pipe_is_no_file(refused, run_file, jsonl, tmp_path):
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    counts = jsonl("c.jsonl", {"id": "a", "n": 4, "c": 1})
    for command in (["passk"], ["verify"], ["report"], ["compare", counts]):
        refused(*command, pipe, says=f"cannot read {pipe}: a named pipe, not a regular file; write what it gives to a")
    tasks = {"name": "jsonl", "train": str(pipe)}
    refused(
        "train", run_file(tasks=tasks), says=f"train={pipe} is a named pipe, not a regular file; write what it gives"
    )
    refused("eval", pipe, "--task", "countdown", says=f"model '{pipe}' is a named pipe, not a regular file")


@pytest.mark.usefixtures("no_model")
def test_an_empty_split_is_refused(refused, run_file, jsonl, tiny_policy):
    file = jsonl("all.jsonl", GOOD)
    tasks = {"name": "jsonl", "settings": {"path": str(file), "test_fraction": 1.0}}
    refused(
        "train",
        run_file(tasks=tasks),
        says=f"task 'jsonl' has no train problems: {file} holds 1, and test_fraction=1.0 puts all",
    )
    refused(
        "eval", tiny_policy, "--task", "jsonl", f"tasks.settings.path={file}", "tasks.settings.test_fraction=0.0",
        says=f"task 'jsonl' has no test problems: {file} holds 1, and test_fraction=0.0 puts all of them on the other side",
    )  # fmt: skip


# Names.


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("tasks.name=cuntdown", "unknown task 'cuntdown'; did you mean 'countdown'? Known: arithmetic, capitals, choice, countdown"),
        ("credit.rule=weighted_reinforc", "unknown credit.rule 'weighted_reinforc'; did you mean 'weighted_reinforce'?"),
        ("credit.emphasis=fokal", "unknown credit.emphasis 'fokal'; did you mean 'focal'?"),
        ("credit.controller=constnt", "unknown credit.controller 'constnt'; did you mean 'constant'?"),
        ("credit.filter=zero_creditt", "unknown credit.filter 'zero_creditt'; did you mean 'zero_credit'?"),
        ("credit.reward=binar", "unknown reward 'binar'; did you mean 'binary'?"),
        ("loss.name=ppo_clp", "unknown loss 'ppo_clp'; did you mean 'ppo_clip'?"),
        ("loss.denominator=token_signed", "unknown loss.denominator 'token_signed'; did you mean 'tokens_signed'?"),
        ("prompt.template=plan", "unknown prompt.template 'plan'; did you mean 'plain'?"),
        ("model.name=labb", "unknown model 'labb'; did you mean 'lab'?"),
        ("credit.settings.lamda=0.2", "unknown setting 'lamda'; did you mean 'lambda'? It takes: lambda\n"),
        ("credit.settings.lambda=abc", "credit.rule weighted_reinforce: lambda = 'abc'; expected a number"),
        ("tasks.settings.count=two", "task countdown: count = 'two'; expected an integer"),
        ("tasks.settings.seed=true", "task countdown: seed = True; expected an integer"),
        ("tasks.settings.style=3", "task countdown: style = 3; expected one of: compact, words"),
        ("tasks.settings.operators=7", "task countdown: operators = 7; expected distinct characters out of '+-*/'"),
        ("credit.token_weights=probabilty", "unknown credit.token_weights 'probabilty'; did you mean 'probability'?"),
        ("guards.names=[\"entropi\"]", "unknown guards.names 'entropi'; did you mean 'entropy'?"),
        ("guards.settings.entropi.factor=2", "unknown guards.settings 'entropi'; did you mean 'entropy'?"),
        ("tracking.trackers=tensorbord", "unknown tracking.trackers 'tensorbord'; did you mean 'tensorboard'?"),
        ("verification.settings.maht.literal=true", "unknown verifier 'maht'; did you mean 'math'?"),
        ("loss.settings.clip_lo=0.1", "loss ppo_clip: unknown setting 'clip_lo'; did you mean 'clip_low'?"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_refused_with_the_nearest_before_the_model_is_read(
    refused, run_file, tmp_path, override, says
):
    file = run_file()
    refused("train", file, override, says=says)
    # A mistake does not take the name: fixed, the same command would start.
    assert not (tmp_path / "runs" / "run").exists()


@pytest.mark.usefixtures("no_model")
def test_an_unknown_verifier_is_refused_before_the_model_is_read(refused, run_file, jsonl, tiny_policy):
    file, settings = jsonl("t.jsonl", GOOD), {"verifier": "nummeric"}
    says = "unknown verifier 'nummeric'; did you mean 'numeric'?"
    tasks = {"name": "jsonl", "train": str(file), "settings": settings}
    refused("train", run_file(tasks=tasks), says=says)
    refused("eval", tiny_policy, "--task", "jsonl", f"tasks.test={file}", "tasks.settings.verifier=nummeric", says=says)
    refused("verify", jsonl("r.jsonl", {"gold": "1", "response": "1"}), "--verifier", "nummeric", says=says)


def test_an_option_that_is_a_setting_says_how_settings_are_given(command):
    for arguments, says in (
        (["eval", "lab", "--task", "countdown", "--temperature", "0.6"], "rollout.temperature=… or evaluation.temperature=…"),
        (["train", "x.toml", "--max-train", "3"], "settings are given as KEY=VALUE: tasks.max_train=…"),
        (["advise", "lab", "--steps", "3"], "settings are given as KEY=VALUE: learner.steps=…"),
        (["watch", "x", "--steps", "3"], "No such option: --steps"),
    ):  # fmt: skip
        result = command(*arguments)
        assert result.exit_code == 2
        assert says in " ".join(result.stderr.replace("│", " ").split())
        assert ("KEY=VALUE" in result.stderr) is (arguments[0] != "watch")


def test_what_a_file_says_is_the_file_s_and_what_was_typed_the_command_line_s(refused, run_file, command, tmp_path):
    file = run_file(learner={"steps": 1, "stepz": 3})
    result = refused(
        "train", file, "rollout.top_pp=1", says=f"\n{file}: unknown key 'learner.stepz'; did you mean 'steps'?"
    )
    assert result.stderr.startswith("error: command line: unknown key 'rollout.top_pp'; did you mean 'top_p'?")
    # A default that does not go with the file is the file's doing, whatever else was typed.
    refused(
        "train",
        run_file(learner={"minibatch": 8}),
        "run.seed=3",
        says=f"error: {tmp_path / 'run.toml'}: learner.minibatch=8",
    )
    run = tmp_path / "runs" / "run"
    assert command("train", run_file(), "learner.steps=1").exit_code == 0
    refused("eval", run, "evaluation.temprature=0.6", says="error: command line: unknown key 'evaluation.temprature'")


def test_run_at_step_in_eval(refused, command, run_file, tiny_policy, tmp_path):
    run = tmp_path / "runs" / "run"
    assert command("train", run_file(), "learner.steps=2", "checkpoint.every_steps=1").exit_code == 0
    for step in (0, 1, 2):
        result = command("eval", f"{run}@{step}")
        assert result.exit_code == 0
        assert f"runs/run at step {step}" in " ".join(result.stdout.split()).replace(
            "runs/run at ste p", "runs/run at step"
        )
        assert (run / "evaluation" / f"step-{step:06d}" / "passk.json").is_file()
    refused("eval", f"{run}@7", code=1, says="step-000007 cannot be used (absent)")
    refused("eval", f"{run}@1", "--step", 2, says=f"{run}@1 chooses a step, and so does the option")
    refused(
        "eval",
        f"{tiny_policy}@1",
        "--task",
        "countdown",
        says=f"@ chooses a step of a run, and {tiny_policy} is not a run",
    )


def test_a_model_at_another_temperature_is_evaluated_beside_the_first(command, refused, tiny_policy, tmp_path):
    call = ["eval", tiny_policy, "--task", "countdown", "--n", 1, "--problems", 2, "rollout.max_tokens=4"]
    for more in ([], [], ["evaluation.temperature=1.0"], ["evaluation.temperature=1.0"], ["evaluation.max_tokens=3"]):
        assert command(*call, *more).exit_code == 0
    (plain,) = [path.name for path in (tmp_path / "runs").iterdir() if path.name.endswith("countdown")]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        plain,
        f"{plain}-t0.6-p0.95-m3",
        f"{plain}-t1-p0.95",
    ]
    refused(*call, "--seed", 3, code=1, says="Evaluate into another directory (--out DIR)")


def test_a_study_file_is_no_run(refused, tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text('run = "run.toml"\n[arms.nsr]\ncredit = {rule = "nsr"}\n')
    says = f"{file} says what is to be run; give what was run: a run's directory, or for a study all of its runs, e.g. runs/rules/*"
    refused("report", file, says=says)
    refused("compare", file, file, says=says)


def test_a_warm_up_that_is_longer_than_the_run(refused, run_file):
    refused(
        "train", run_file(learner={"steps": 2, "schedule": "linear", "warmup_steps": 100}),
        says="warmup_steps=100 leaves none of the 2 optimiser updates for the schedule 'linear' to decay over; lower it",
    )  # fmt: skip


def test_an_unknown_command_and_an_unknown_option(command):
    for arguments in (["trian"], ["train", "x.toml", "--ruel", "nsr"], ["eval"]):
        result = command(*arguments)
        assert result.exit_code == 2
        assert "Usage: " in result.stderr


# Models.


def test_a_model_directory_that_is_not_whole(refused, command, run_file, tiny_policy, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(tiny_policy, broken)
    file = run_file(model={"name": str(broken)})
    os.truncate(broken / "model.safetensors", 1000)
    refused(
        "train", file, says=(f"{broken / 'model.safetensors'} is damaged (", "1,000 bytes); copy or download it again")
    )
    refused("eval", broken, "--task", "countdown", says=f"{broken / 'model.safetensors'} is damaged (")
    (broken / "model.safetensors").unlink()
    refused(
        "train", file, says=f"{broken} has no weights: expected model.safetensors (or its index), found config.json"
    )
    refused("eval", broken, "--task", "countdown", says=f"{broken} has no weights")
    shutil.copy(tiny_policy / "model.safetensors", broken)
    (broken / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    (broken / "tokenizer_config.json").unlink()
    refused("train", file, says=f"{broken} has no tokenizer: expected tokenizer.json, found")
    # Mended, the very same command works.
    shutil.copytree(tiny_policy, broken, dirs_exist_ok=True)
    assert command("train", file, "learner.steps=1").exit_code == 0


def test_a_model_that_is_not_there(refused, tmp_path):
    for name in ("models/qwen2", "qwen2-tiny"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
    for name, says in (
        (tmp_path / "no" / "model", f"no model directory {tmp_path / 'no' / 'model'} ({tmp_path} exists, what follows it does not)"),
        ("modles/qwen2", "there is no model directory 'modles/qwen2' here; did you mean 'models/qwen2'? A hub id is org/name"),
        ("qwen2-tinny", "there is no model directory 'qwen2-tinny' here; did you mean 'qwen2-tiny'?"),
        ("lab:strnog", "unknown model 'lab:strnog'; did you mean 'lab:strong'?"),
        ("someone/something", "there is no such directory here, and the Hugging Face hub could not provide it"),
    ):  # fmt: skip
        refused("eval", name, "--task", "countdown", says=says)


def test_a_chat_template_for_a_tokenizer_without_one_is_refused_before_anything_is_written(
    refused, run_file, tmp_path, tiny_policy
):
    file = run_file(evaluation={"before": True})
    says = "has no chat template; set prompt.template=plain"
    refused("train", file, "prompt.template=chat", says=says)
    assert not (tmp_path / "runs" / "run").exists()
    refused("eval", tiny_policy, "--task", "countdown", "prompt.template=chat", "--out", tmp_path / "e", says=says)
    assert not (tmp_path / "e").exists()


# Run files, overrides and flags.


@pytest.mark.usefixtures("no_model")
def test_a_run_file_that_cannot_be_read(refused, run_file, tmp_path):
    refused(
        "train",
        tmp_path / "no.toml",
        says=f"cannot read the run file {tmp_path / 'no.toml'}: No such file or directory",
    )
    refused("train", tmp_path, says=f"{tmp_path} is not a run directory: it has no config.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("[learner\nsteps = 3")
    refused("train", bad, says=f"{bad} is not valid TOML: ")
    yaml = tmp_path / "run.yaml"
    yaml.write_text("learner:\n  steps: 3\n")
    refused("train", yaml, says=(f"{yaml} is not valid TOML: ", "; its name says YAML, and run files are TOML: "))
    bad.write_bytes(b"\xff\xfe")
    refused("train", bad, says=f"{bad} is not valid TOML: ")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("lerner.steps=3", "unknown key 'lerner'; did you mean 'learner'? The top level takes: run, model, tasks"),
        ("learner.stepz=3", "unknown key 'learner.stepz'; did you mean 'steps'? learner takes: steps, learning_rate"),
        ("model.lora.rnk=3", "unknown key 'model.lora.rnk'; did you mean 'rank'? model.lora takes: rank"),
        ("temperature=0.6", "unknown key 'temperature'; did you mean 'rollout.temperature' or 'evaluation.temperature'?"),
        ("evaluation.temprature=0.6", "unknown key 'evaluation.temprature'; did you mean 'temperature'?"),
        ("tasks.count=3", "unknown key 'tasks.count'; did you mean 'tasks.settings.count'?"),
        ("count=3", "unknown key 'count'; did you mean 'tasks.settings.count'?"),
        ("credit.lambda=0.3", "unknown key 'credit.lambda'; did you mean 'credit.settings.lambda'?"),
        ("steps=3", "unknown key 'steps'; did you mean 'learner.steps'?"),
        ("learner.steps", "'learner.steps' is not an override; write section.key=value, e.g. credit.rule=nsr"),
        ("=3", "'=3' is not an override"),
        ("learner.steps.x=3", "'learner.steps.x=3': steps is a value, not a section"),
        ("learner=3", "learner: Input should be a valid dictionary"),
        ("learner.steps=many", "learner.steps: Input should be a valid integer, unable to parse string as an integer (given: 'many')"),
        ("learner.steps=0", "learner.steps: Input should be greater than or equal to 1 (given: 0)"),
        ("learner.steps=" + "9" * 400, "learner.steps: an integer of about 400 digits is more than 64 bits hold (given: 999"),
        ("learner.steps=-" + "9" * 20, "learner.steps: Input should be greater than or equal to 1"),
        ("tasks.settings={x = [" + "9" * 30 + "]}", "tasks.settings: an integer of about 30 digits is more than 64 bits hold"),
        ("learner.steps=" + "9" * 5000, "learner.steps: the value 9999999999999999999999999999999999999999… is a number of more digits"),
        ("tasks.settings=" + "[" * 20000, "tasks.settings: the value [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[… is nested too deep"),
        ("tasks.settings=" + "{x = " * 900 + "1" + "}" * 900, "tasks.settings: the value {x = {x = {x = "),
        ("run.seed=abc", "run.seed: Input should be a valid integer, unable to parse string as an integer (given: 'abc')"),
        ("run.seed=1.5", "run.seed: Input should be a valid integer, got a number with a fractional part (given: 1.5)"),
        ("evaluation.k=[1,8]", "k=8 is larger than n=4: pass@k is undefined for n < k; raise n or drop that k"),
        ("evaluation.temperature=0", "temperature=0 is greedy, so all n=4 responses to a problem would be equal; set n=1"),
        ("learner.minibatch=8", "learner.minibatch=8 is larger than rollout.prompts_per_step=4; lower it"),
        ("loss.constant=8", "loss.constant is set but loss.denominator=tokens_signed; set loss.denominator=constant"),
    ],
)  # fmt: skip
def test_an_override_that_cannot_be(refused, run_file, override, says):
    file = run_file()
    result = refused("train", file, override, says=says)
    if "not an override" not in says and "not a section" not in says:
        # What is wrong by itself was typed; what is wrong with the file's other settings takes both.
        alone = not override.startswith(
            ("evaluation.k=", "evaluation.temperature=0", "learner.minibatch", "loss.constant")
        )
        assert result.stderr.startswith("error: command line: " if alone else f"error: {file} with {override}: ")


@pytest.mark.usefixtures("no_model")
def test_combinations_that_cannot_train(refused, run_file):
    file = run_file()
    refused(
        "train",
        file,
        "credit.rule=grpo",
        "rollout.group_size=1",
        says="every credit would be zero; raise rollout.group_size",
    )
    refused(
        "train",
        file,
        "loss.name=reinforce",
        "learner.epochs=2",
        says="has no importance ratio, so it is wrong for more than",
    )


@pytest.mark.usefixtures("no_model")
def test_flags_that_contradict(refused, command, tiny_policy, jsonl, tmp_path):
    for arguments, says in (
        (["eval", tiny_policy], f"'{tiny_policy}' is a model, so a task is needed: --task countdown"),
        (["eval", tmp_path], f"{tmp_path} is neither a run (no config.toml) nor a model (no config.json)"),
        (["eval", tiny_policy, "--task", "countdown", "--step", 3], "--step chooses a checkpoint of a run, and"),
        (["eval", tiny_policy, "--task", "countdown", "--n", 4, "--k", 8], "k=8 is larger than n=4: pass@k is undefined for n < k"),
        (["eval", tiny_policy, "--task", "countdown", "--n", 4, "evaluation.n=8"], "evaluation.n=8 and --n say the same thing twice"),
        (["eval", tiny_policy, "--task", "countdown", "model.name=lab"], "model.name=lab: the model is the first argument"),
        (["demo", "credit.rule=psr", "--rule", "nsr"], "credit.rule=psr: the demo has a flag for it, --rule"),
        (["verify", tmp_path / "r", "--literal", "--verifier", "exact"], "--literal is a setting of the verifier math, not of exact"),
        (["tasks", "selfcheck", "all", "count=3"], "settings belong to one task; name it instead of 'all'"),
        (["passk", jsonl("c", {"id": 1, "n": 2, "c": 1}), "--k", "0"], "--k takes whole numbers from 1"),
    ):  # fmt: skip
        refused(*arguments, says=says)
    for arguments in (["--seed", "abc"], ["--n", "0"], ["--n", "many"]):
        result = command("eval", tiny_policy, "--task", "countdown", *arguments)
        assert result.exit_code == 2
        assert f"Invalid value for '{arguments[0]}'" in result.stderr


@pytest.mark.parametrize("value", ["inf", "nan"])
@pytest.mark.parametrize(
    ("name", "option"), [("verify", "timeout"), ("verify", "alarm"), ("import", "threshold"), ("import", "temperature")]
)
def test_an_option_that_is_no_finite_number(command, jsonl, name, option, value):
    file = jsonl("r.jsonl", {"gold": "5", "response": "#### 5"})
    result = command(name, file, f"--{option}", value, "--out", "out")
    assert (result.exit_code, f"Invalid value for '--{option}'" in result.stderr) == (2, True)


def test_a_name_that_is_taken_and_what_a_run_has_of_its_own(refused, command, run_file, tmp_path):
    file, run = run_file(), tmp_path / "runs" / "run"
    assert command("train", file, "learner.steps=1").exit_code == 0
    refused(
        "train",
        file,
        says=f"{run} already holds a run; continue it with: counterpoise train {run}  or give this one another name",
    )
    refused("train", run, "credit.rule=nsr", says="credit.rule cannot change when a run is continued; start a new run")
    refused(
        "eval",
        run,
        "--task",
        "countdown",
        says="a run has its own task, seed and directory; leave --task, --seed and --out away",
    )
    refused("eval", run, "--seed", 1, says="a run has its own task, seed and directory")
    refused("eval", run, "--step", 7, code=1, says=("step-000007 cannot be used (absent); steps there: 1",))
    (run / "config.toml").write_text("[run")
    refused("train", run, says=f"{run / 'config.toml'} is not valid TOML")


# Places that cannot be written to.


def test_an_out_that_cannot_be_written(refused, jsonl, tiny_policy, tmp_path):
    responses, blocked = jsonl("r.jsonl", {"gold": "3", "response": "3"}), jsonl("file", "x")
    refused(
        "verify",
        responses,
        "--verifier",
        "numeric",
        "--out",
        blocked / "v",
        code=1,
        says=f"cannot write {blocked / 'v'}: ",
    )
    refused(
        "verify",
        responses,
        "--verifier",
        "numeric",
        "--out",
        tmp_path,
        says=f"--out {tmp_path} is a directory; name a file in it",
    )
    refused(
        "eval", tiny_policy, "--task", "countdown", "--n", 1, "rollout.max_tokens=4", "--out", blocked / "e", code=1,
        says=f"cannot read {blocked / 'e' / 'manifest.json'}: ",
    )  # fmt: skip


def test_a_run_directory_that_cannot_be_made(refused, run_file, jsonl):
    blocked = jsonl("file", "x")
    refused(
        "train",
        run_file(run={"directory": str(blocked)}),
        code=1,
        says=f"cannot write {blocked / 'run' / 'config.toml'}: ",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory(refused, run_file, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    says = f"cannot write {closed / 'run' / 'config.toml'}: permission denied; choose a directory you may write to"
    refused("train", run_file(run={"directory": str(closed)}), code=1, says=says)
