"""A slip of the pen costs half a second: what a command line names is looked up before torch is imported."""

import json
import os
import subprocess
import sys

import pytest
from accelerate.utils import LoggerType

from counterpoise.build.checks import TRACKERS

SCRIPT = """
import json, sys
from typer.testing import CliRunner
from counterpoise.cli.app import app
out = []
for arguments in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, arguments)
    heavy = [name for name in json.loads(sys.argv[2]) if name in sys.modules]
    out.append([result.exit_code, result.output, heavy])
print(json.dumps(out))
"""

HEAVY = ("torch", "transformers", "accelerate", "sympy")
NAMES = [
    ("credit.rule=nrs", "unknown credit.rule 'nrs'; did you mean 'nsr'?"),
    ("credit.settings.lamda=1", "unknown setting 'lamda'; did you mean 'lambda'?"),
    ("credit.settings.lambda=-1", "credit.rule weighted_reinforce: lambda = -1; expected a number in [0, inf)"),
    ("credit.rule=ppo credit.settings.lamb=1", "credit.rule ppo: unknown setting 'lamb'; did you mean 'lam'?"),
    ("run.threads=0", "run.threads: expected an integer of at least 1, or auto (given: 0)"),
    ("run.threads=many", "run.threads: expected an integer of at least 1, or auto (given: 'many')"),
    ("credit.rule=gdpo", "credit.rule gdpo: the setting 'dimensions' is missing"),
    ("credit.reward=binry", "unknown reward 'binry'; did you mean 'binary'?"),
    ("credit.emphasis=fokal", "unknown credit.emphasis 'fokal'; did you mean 'focal'?"),
    ("credit.token_weights=x", "unknown credit.token_weights 'x'"),
    ("credit.controller=liner", "unknown credit.controller 'liner'; did you mean 'linear'?"),
    ("credit.filter=non", "unknown credit.filter 'non'; did you mean 'none'?"),
    ("loss.name=ppo_clp", "unknown loss 'ppo_clp'; did you mean 'ppo_clip'?"),
    ("loss.settings.clip_lo=1", "loss ppo_clip: unknown setting 'clip_lo'; did you mean 'clip_low'?"),
    ("loss.denominator=token_all", "unknown loss.denominator 'token_all'; did you mean 'tokens_all'?"),
    ("tasks.name=cuntdown", "unknown task 'cuntdown'; did you mean 'countdown'?"),
    ("tasks.settings.cuont=3", "task countdown: unknown setting 'cuont'; did you mean 'count'?"),
    ("tasks.name=jsonl tasks.settings={} tasks.train=no.jsonl", "train=no.jsonl does not exist"),
    ("prompt.template=chatt", "unknown prompt.template 'chatt'; did you mean 'chat'?"),
    ("verification.settings.maht.literal=true", "unknown verifier 'maht'; did you mean 'math'?"),
    ('guards.names=["entropi"]', "unknown guards.names 'entropi'; did you mean 'entropy'?"),
    ("tracking.trackers=wandbb", "unknown tracking.trackers 'wandbb'; did you mean 'wandb'?"),
    ("model.name=labb", "unknown model 'labb'; did you mean 'lab'?"),
    ("model.name=/no/model", "no model directory /no/model"),
    ("model.name=nobody/nothing", "the Hugging Face hub could not provide it"),
    ("learner.compiled=true", "learner.compiled=true needs a C++ compiler, and there is no "),
    ("learner.compiled=maybe", "learner.compiled: expected true, false or auto (given: 'maybe')"),
    ("rollout.compiled_decode=true", "rollout.compiled_decode=true needs a C++ compiler, and there is no "),
    ("rollout.compiled_decode=maybe", "rollout.compiled_decode: expected true, false or auto (given: 'maybe')"),
    ("rollout.compiled_decode=true rollout.flat_decode=false", "rollout.compiled_decode is a way of the flat pass"),
    ("model.dtype=bfloat16", "would round most updates away"),
]


@pytest.fixture
def ask(tmp_path):
    def call(*commands, unwanted=HEAVY):
        arguments = json.dumps([[str(word) for word in command] for command in commands])
        script = [sys.executable, "-c", SCRIPT, arguments, json.dumps(unwanted)]
        done = subprocess.run(
            script, capture_output=True, text=True, check=True, cwd=tmp_path, env={**os.environ, "CXX": "/nowhere/c++"}
        )
        return json.loads(done.stdout)

    return call


def test_every_name_of_a_run_file(ask, run_file, tmp_path):
    file = run_file(model={"name": "lab"}, credit={"rule": "weighted_reinforce"})
    answers = ask(*(["train", file, *words.split()] for words, _ in NAMES))
    for (words, says), (code, output, heavy) in zip(NAMES, answers, strict=True):
        assert says in output, words
        assert (code, heavy) == (2, []), words
    assert not (tmp_path / "runs").exists()


def test_every_command_that_would_read_a_model(ask, run_file, jsonl, tmp_path):
    file, data = run_file(model={"name": "lab"}), jsonl("data.jsonl", {"question": "1+1", "answer": "2"})
    study = tmp_path / "rules.toml"
    study.write_text(f'run = "{file}"\n[arms.good]\ncredit = {{rule = "nsr"}}\n[arms.bad]\ncredit = {{rule = "nrs"}}\n')
    commands = {
        ("demo", "--rule", "nrs"): "unknown credit.rule 'nrs'",
        ("study", study): "arm bad: unknown credit.rule 'nrs'; did you mean 'nsr'?",
        ("eval", "lab", "--task", "cuntdown"): "unknown task 'cuntdown'",
        ("eval", "labb", "--task", "countdown"): "unknown model 'labb'",
        (
            "eval",
            "lab",
            "--task",
            "jsonl",
            f"tasks.test={data}",
            "tasks.settings.verifier=maht",
        ): "unknown verifier 'maht'",
        ("eval", "lab", "--task", "jsonl", "tasks.test=no.jsonl"): "test=no.jsonl does not exist",
        ("import", data, "--verifier", "maht", "-o", "new"): "unknown verifier 'maht'; did you mean 'math'?",
        ("advise", "lab", "credit.rule=nrs"): "unknown credit.rule 'nrs'",
        ("advise", file, "loss.name=x"): "unknown loss 'x'",
        ("advise", "lab", "--task", "jsonl", "tasks.path=x"): "did you mean 'tasks.settings.path'?",
        ("explain", "lab", "--rule", "nrs"): "unknown credit.rule 'nrs'",
        ("explain", "lab", "--rule", "nsr+unlikely"): "unknown credit.token_weights 'unlikely'",
        ("explain", "lab", "--pick", "x"): "--pick is 'x'",
    }
    for (words, says), (code, output, heavy) in zip(commands.items(), ask(*commands), strict=True):
        assert says in output, words
        assert (code, heavy) == (2, []), words


OF_A_RUN_FILE = [
    ["--help"],
    ["train", "--help"],
    ["trian"],
    ["train", "FILE", "--steps", "3"],
    ["train", "no.toml"],
    ["train", "FILE", "creditt.rule=nsr"],
    ["train", "FILE", "learner.steps=many"],
    ["train", "FILE", "credit.rule=nrs"],
    ["train", "FILE", "credit.settings.lamda=1"],
    ["train", "FILE", "credit.rule=nothing.at_all:Rule"],
    ["train", "FILE", "loss.name=ppo_clp"],
    ["train", "FILE", "tasks.name=cuntdown"],
    ["train", "FILE", "prompt.template=chatt"],
    ["train", "FILE", "model.name=labb"],
    ["demo", "--rule", "nrs"],
    ["eval", "lab", "--task", "cuntdown"],
    ["eval", "labb", "--task", "countdown"],
    ["explain", "lab", "--rule", "nrs"],
    ["launch", "trl", "no.toml"],
    ["study", "no.toml"],
]
OTHERS = [
    ["grade", "no", "--verifier", "maht"],
    ["compare", "no", "nowhere"],
    ["report", "no"],
    ["passk", "no.jsonl"],
    ["verify", "no.jsonl", "--verifier", "maht"],
]
OF_VERIFIERS = [
    ["train", "FILE", "verification.settings.maht.literal=true"],
    ["verify", "no.jsonl", "--verifier", "maht"],
    ["launch", "trl", "no.toml"],
    ["launch", "verl", "FILE", "tasks.name=cuntdown", "--dry-run"],
    ["config", "creditt"],
]
FOR_NONE = (
    *HEAVY,
    *("scipy", "asyncio", "pebble", "datasets", "huggingface_hub", "plotly", "pandas", "sklearn"),
    *("ssl", "http.client", "jsonschema"),
)


@pytest.mark.parametrize(
    ("commands", "unwanted"),
    [
        (OF_A_RUN_FILE, (*FOR_NONE, "numpy", "counterpoise.verifiers.registry")),
        (
            [
                ["train", "FILE", "verification.settings.math.litteral=true"],
                ["train", "FILE", "tasks.settings.cuont=3"],
            ],
            (*FOR_NONE, "counterpoise.tasks.sources.files", "counterpoise.tasks.generators.facts"),
        ),
        ([["--help"]], (*FOR_NONE, "numpy", "pydantic", "counterpoise.config", "counterpoise.credit")),
        (OTHERS, FOR_NONE),
        (OF_VERIFIERS, (*HEAVY, "counterpoise.verifiers.compare.math", "counterpoise.verifiers.guests.code")),
        ([["passk", "no.jsonl"]], ("counterpoise.cli.commands.eval", "counterpoise.cli.commands.doctor")),
    ],
)
def test_messages_import_no_more_than_they_need(ask, run_file, commands, unwanted):
    # Each of these takes a tenth of the time of a message, or more.
    file = run_file(model={"name": "lab"})
    answers = ask(*([file if word == "FILE" else word for word in words] for words in commands), unwanted=unwanted)
    for words, (code, output, found) in zip(commands, answers, strict=True):
        assert code == (0 if "--help" in words else 2), output
        assert found == [], words


def test_a_name_that_is_taken(ask, run_file, tmp_path):
    file = run_file(model={"name": "lab"})
    (tmp_path / "runs" / "run").mkdir(parents=True)
    (tmp_path / "runs" / "run" / "config.toml").write_text("")
    ((code, output, heavy),) = ask(["train", file])
    assert (code, heavy) == (2, [])
    assert "already holds a run; continue it with" in output


def test_a_directory_that_cannot_be_made(ask, run_file, tmp_path):
    (tmp_path / "file").write_text("")
    file = run_file(model={"name": "lab"}, run={"directory": str(tmp_path / "file")})
    ((code, output, heavy),) = ask(["train", file])
    assert (code, heavy) == (1, [])
    assert "cannot write" in output and "Not a directory" in output


def test_the_trackers_are_those_that_accelerate_knows():
    assert set(TRACKERS) == {str(kind) for kind in LoggerType if kind is not LoggerType.ALL}


def test_python_m_counterpoise_is_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "counterpoise", "train", "no.toml"], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (2, "error: cannot read the run file no.toml: No such file or directory\n")


def test_a_launcher_refuses_without_torch(ask, tmp_path):
    from counterpoise.models.registry import resolve_model

    (tmp_path / "run.toml").write_text(f'[model]\nname = "{resolve_model("lab")}"\n')
    commands = {
        ("verl", "credit.rule=nrs"): "did you mean 'nsr'",
        ("trl", "tasks.name=jsonl", "tasks.train=no.jsonl"): "no.jsonl does not exist",
        ("trl", "model.name=/no/model", "--cpu", "--dry-run"): "no model directory /no/model",
        ("trl", "credit.rule=ppo", "--cpu", "--dry-run"): "it needs a critic",
        ("verl", "guards.act=true", "--cpu", "--dry-run"): "guards cannot act on verl's trainer",
    }
    found = ask(*(["launch", engine, tmp_path / "run.toml", *words] for engine, *words in commands))
    for (code, output, heavy), says in zip(found, commands.values(), strict=True):
        assert code == 2 and says in output and heavy == [], output
