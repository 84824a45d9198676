"""`counterpoise launch`: a dry run shows the command and writes nothing, a launch writes, runs it and hands its exit code on."""

import json
import sys

import pytest

from counterpoise.cli.commands import launch
from counterpoise.engines.verl.rewards import judged
from counterpoise.errors import ConfigError, DataError, UsageError
from counterpoise.launch.plan import LaunchPlan


@pytest.fixture
def sums(tmp_path):
    lines = [json.dumps({"question": f"{i},1={i + 1}", "answer": str(i + 1)}) for i in range(12)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines[:8]))
    (tmp_path / "test.jsonl").write_text("\n".join(lines[8:]))
    path = tmp_path / "sums.toml"
    path.write_text(
        '[run]\ndirectory = "runs"\n[model]\nname = "lab"\n[tasks]\nname = "jsonl"\ntrain = "train.jsonl"\ntest = "test.jsonl"\n'
        '[tasks.settings]\nverifier = "math"\n[prompt]\ntemplate = "plain"\nresponse_prefix = "("\n'
        "[rollout]\nprompts_per_step = 4\ngroup_size = 4\nmax_tokens = 16\n[evaluation]\nproblems = 2\n[learner]\nsteps = 2\n"
    )
    return path


@pytest.mark.parametrize("engine", ["verl", "trl"])
def test_a_dry_run_prints_the_command_and_writes_nothing(command, sums, engine):
    before = sorted(sums.parent.iterdir())
    done = command("launch", engine, str(sums), "credit.rule=nsr", "--cpu", "--gpus", "2", "--dry-run")
    assert done.exit_code == 0, done.stderr
    out, lines = done.stdout, done.stdout.splitlines()
    folder = sums.parent / "runs" / "sums"
    assert f"would write {folder / 'launch.toml'}" in out and "missing here: training with" in out
    if engine == "verl":
        assert lines[-1].startswith(
            f"{sys.executable} -m counterpoise.engines.verl data.train_files={folder}/train.parquet "
        )
        assert "+algorithm.counterpoise.rule=nsr" in lines[-1] and "trainer.n_gpus_per_node=2" in lines[-1]
        assert (
            f"would write {folder}/test.parquet: 2 problems" in out
            and "+ray_kwargs.ray_init.address=local" in lines[-1]
        )
    else:
        assert " -m torch.distributed.run --nproc-per-node=2 --standalone -m counterpoise.engines.trl " in lines[-1]
    assert done.stderr.splitlines()[-1] == "dry run: nothing was written"
    assert sorted(sums.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["verl", "credit.rule=nrs"], "did you mean 'nsr'"),
        (["verl", "--engine", "x"], "--engine x: give NAME=VALUE"),
        (["verl"], "needs the package 'verl'"),
        (["trl"], "needs the package 'trl'"),
        (["trl", "credit.rule=ppo", "--dry-run"], "it needs a critic, and TRL's GRPOTrainer trains none"),
        (
            ["verl", "model.attn_implementation=flash_attention_2", "--cpu", "--dry-run"],
            "flash attention needs a GPU; set sdpa or eager",
        ),
        (["verl", "--nodes", "2", "--dry-run"], "on a Ray cluster that is there; start Ray on each"),
        (["verl", "--ray", "h:6379", "--dry-run"], "say how many GPUs each of its machines has with --gpus N"),
        (["trl", "--nodes", "2", "--dry-run"], "give --head HOST:PORT where they meet"),
        (["trl", "--nodes", "2", "--head", "node1", "--dry-run"], "--head node1: give HOST:PORT"),
        (["trl", "model.name=./nowhere", "--dry-run"], "no model directory"),
        (["verl", "tasks.train=none.jsonl"], "none.jsonl"),
        (["verl", "rollout.max_tokens=600", "--gpus", "1", "--dry-run"], "do not fit into the model's 512 positions"),
        (["trl", "rollout.max_tokens=600", "--cpu", "--dry-run"], "positions; set rollout.max_tokens=505 or less"),
        (
            ["verl", "prompt.max_tokens=512", "--gpus", "1", "--dry-run"],
            "512 positions; leave long ones out with prompt.max_tokens=256 prompt.too_long=drop, and lower rollout.max_",
        ),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(command, sums, words, says):
    done = command("launch", words[0], str(sums), *words[1:])
    assert done.exit_code == 2 and says in done.stderr.splitlines()[-1], done.stderr
    assert not (sums.parent / "runs").exists()


def test_a_directory_that_cannot_be_written_is_one_line(command, sums, monkeypatch):
    from counterpoise.engines.trl import plan

    monkeypatch.setattr(plan, "check_package", lambda *_, **__: None)
    (sums.parent / "file").write_text("")
    for directory in ("file/runs", "/proc/runs"):
        done = command("launch", "trl", str(sums), f"run.directory={directory}", "--cpu")
        assert done.exit_code == 1, done.stderr
        said = done.stderr.splitlines()[-1]
        assert said.startswith("error: cannot write ") and said.endswith("; give another run.directory"), said


@pytest.fixture
def begun(sums, monkeypatch):
    """A run that was begun for verl, with verl's environment taken for granted."""
    pytest.importorskip("pyarrow")
    from counterpoise.build.problems import problems_of
    from counterpoise.cli.commands.launch import _anywhere
    from counterpoise.engines.verl import plan
    from counterpoise.launch.plan import LaunchRequest

    for name in ("check_environment", "check_entry_point"):
        monkeypatch.setattr(plan, name, lambda: None)

    def make(*settings, **more):
        config = _anywhere(sums, settings)
        request = LaunchRequest(config=config, problems=problems_of(config), cpu=True, **more)
        return config, plan.verl_plan(request)

    config, made = make("credit.rule=nsr")
    made.write()
    return make, config


def test_verls_rows_hold_the_whole_prompt_and_are_judged_as_here(begun):
    import pyarrow.parquet

    _, config = begun
    said = (config.path / "command.sh").read_text()
    assert "judged_by_node" in said and "hf_model" in said  # whole models, which eval, explain and export read
    rows = pyarrow.parquet.read_table(config.path / "train.parquet").to_pylist()
    assert len(rows) == 8 and pyarrow.parquet.read_table(config.path / "test.parquet").num_rows == 2
    row = rows[0]
    question = json.loads(row["extra_info"]["problem"])["question"]
    assert row["prompt"] == [{"role": "user", "content": f"{question}\n("}]
    assert row["data_source"] == json.loads(row["extra_info"]["problem"])["task_type"]
    gold = row["reward_model"]["ground_truth"]
    said = {"run": str(config.path / "launch.toml"), "wrong": -1.0}
    right = judged(row["data_source"], f"it is \\boxed{{{gold}}}", gold, row["extra_info"], **said)
    assert (right["score"], right["scored"], right["acc"]) == (1.0, True, 1.0)
    assert judged(row["data_source"], "\\boxed{99}", gold, row["extra_info"], **said)["score"] == -1.0
    with pytest.raises(DataError, match="not of the data that launch wrote"):
        judged("x", "1", "1", {"index": 1}, **said)


def verls_checkpoint(run, step):
    """What verl leaves: all of it, and then the file that names it."""
    (run / f"global_step_{step}" / "actor").mkdir(parents=True)
    (run / f"global_step_{step}" / "actor" / "model.pt").write_text("weights")
    (run / f"global_step_{step}" / "data.pt").write_text("order")
    (run / "latest_checkpointed_iteration.txt").write_text(str(step))


def test_the_same_command_goes_on_and_another_run_is_refused(begun, command):
    make, config = begun
    verls_checkpoint(config.path, 7)
    _, again = make("credit.rule=nsr", "learner.steps=9")  # further is the same run
    assert f"{config.path}: goes on after step 7" in again.files
    (config.path / "metrics.jsonl").write_text("{}\n")
    again.write()
    assert (config.path / "metrics-until-7.jsonl").is_file() and not (config.path / "metrics.jsonl").exists()
    (config.path / "metrics.jsonl").write_text("[]\n")
    again.write()  # from the same step once more
    assert (config.path / "metrics-until-7.jsonl").read_text() == "{}\n"
    assert (config.path / "metrics-until-7-2.jsonl").read_text() == "[]\n"
    with pytest.raises(ConfigError, match=r"credit.rule is psr and was nsr"):
        make("credit.rule=psr")
    done = command("launch", "trl", config.path.parent.parent / "sums.toml", "credit.rule=nsr", "--cpu", "--dry-run")
    assert (
        done.exit_code == 2 and "is a run of verl, and trl cannot go on with it; give another run.name" in done.stderr
    )
    (config.path.parent / "other").mkdir()
    (config.path.parent / "other" / "x").write_text("")
    with pytest.raises(UsageError, match=r"holds something else .* run.name=other-verl"):
        make("run.name=other")
    (config.path / "identity.json").write_text("{")
    with pytest.raises(UsageError, match="missing or damaged"):
        make("credit.rule=nsr")
    for damaged in ("{", "[]"):
        (config.path / "engine.json").write_text(damaged)
        with pytest.raises(UsageError, match="is a run of an unknown engine"):
            make("credit.rule=nsr")


def test_options_of_the_engine_are_part_of_what_a_run_is(begun, sums, monkeypatch):
    make, config = begun
    clip = {"actor_rollout_ref.actor.clip_ratio": "0.3"}
    with pytest.raises(
        UsageError,
        match=r"other options of its engine's: actor_rollout_ref.actor.clip_ratio is 0.3 and was not given; give the same with",
    ):
        make("credit.rule=nsr", own=clip)
    # how far it goes, what it says and where it runs may change
    make(
        "credit.rule=nsr",
        own={"trainer.save_freq": "5", "+ray_kwargs.ray_init.address": "auto", "trainer.logger": "[console]"},
    )
    _, other = make("credit.rule=nsr", "run.name=other", own=clip)
    other.write()
    make("credit.rule=nsr", "run.name=other", own={f"++{name}": value for name, value in clip.items()})
    for own, said in (
        ({}, "is not given and was 0.3"),
        ({"actor_rollout_ref.actor.clip_ratio": "0.2"}, "is 0.2 and was 0.3"),
    ):
        with pytest.raises(UsageError, match=rf"clip_ratio {said}"):
            make("credit.rule=nsr", "run.name=other", own=own)
    (config.path.parent / "other" / "engine.json").write_text('{"engine": "verl"}')  # begun by an earlier version
    make("credit.rule=nsr", "run.name=other")


def test_options_of_trl_are_part_of_what_a_run_is(sums, monkeypatch):
    from counterpoise.build.problems import problems_of
    from counterpoise.cli.commands.launch import _anywhere
    from counterpoise.engines.trl import plan
    from counterpoise.launch.plan import LaunchRequest

    monkeypatch.setattr(plan, "check_package", lambda *_, **__: None)
    config = _anywhere(sums, ["credit.rule=nsr"])

    def made(**own):
        return plan.trl_plan(LaunchRequest(config=config, problems=problems_of(config), cpu=True, own=own))

    made(top_p="0.9").write()
    made(top_p="0.9", max_steps="9", save_steps="3")
    with pytest.raises(UsageError, match=r"top_p is not given and was 0\.9"):
        made()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("loss_type=grpo", "denominator=tokens_signed with loss_type=grpo"),
        ("num_generations=1", "--engine num_generations=1: rollout.group_size=1: TRL wants at least two responses"),
        ("beta=0.1", "set loss.denominator=tokens_all"),
        ("entropy_coef=0.1", "set loss.denominator=tokens_all"),
        ("beta=abc", "--engine beta=abc: give a number"),
        ("use_liger_kernel=true", "use_liger_kernel=True"),
        ("use_vllm=yes", "use_vllm='yes': TRL's is False"),
    ],
)
def test_options_of_trl_are_held_to_what_the_trainer_takes_before_anything_is_written(command, sums, given, says):
    done = command("launch", "trl", sums, "credit.rule=nsr", "--cpu", "--dry-run", "--engine", given)
    assert done.exit_code == 2 and says in done.stderr and "Traceback" not in done.stderr
    fine = ("loss.denominator=tokens_all", "credit.filter=none", "loss.kl_clamp=none", "--engine", "beta=0.1")
    assert command("launch", "trl", sums, "credit.rule=nsr", "--cpu", "--dry-run", *fine).exit_code == 0


@pytest.mark.parametrize(
    ("code", "exit_code"), [("import sys; sys.exit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 1), ("", 0)]
)
def test_what_was_planned_is_written_and_run_and_its_exit_code_handed_on(command, sums, monkeypatch, code, exit_code):
    asked, found = [], sums.parent / "found"
    code = f"import os; open({str(found)!r}, 'w').write(os.environ['PLANNED'] + os.environ['KEPT'])\n{code}"

    def plan(request):
        asked.append(request)
        plan = LaunchPlan(command=[sys.executable, "-c", code], environment={"PLANNED": "4"}, remarks=["known"])
        plan.write = lambda: (sums.parent / "written").write_text("")
        return plan

    monkeypatch.setattr(launch, "_trl_plan", plan)
    monkeypatch.setenv("KEPT", "2")
    words = ("--gpus", 3, "--nodes", 2, "--head", "h:1", "--cpu", "--engine", "bf16=true", "--no-memory-check")
    done = command("launch", "trl", sums, "credit.rule=nsr", *words)
    assert (done.exit_code, found.read_text(), (sums.parent / "written").exists()) == (exit_code, "42", True)
    assert "known" in done.stderr and f"run: {sums.parent / 'runs' / 'sums'}" in done.stderr
    (request,) = asked
    assert (request.gpus, request.nodes, request.head, request.ray, request.cpu) == (3, 2, "h:1", None, True)
    assert (dict(request.own), request.memory_check, request.dry_run) == ({"bf16": "true"}, False, False)
    assert (request.config.credit.rule, len(request.problems.train)) == ("nsr", 8)
