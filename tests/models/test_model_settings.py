"""`[model]` revision, attn_implementation and trust_remote_code: what is refused before torch, and what reaches the loader."""

import json

import pytest
import torch

from counterpoise.build.checks import check_policy
from counterpoise.config import ModelConfig, RunConfig
from counterpoise.engines.local.policy import load_base, load_policy
from counterpoise.errors import ConfigError, ModelError
from counterpoise.models.lab import build_lab_model
from counterpoise.models.lab_tokenizer import build_lab_tokenizer
from counterpoise.runfile import COMMAND_LINE, dump_config, load_config, load_stored, parse_config, settled
from counterpoise.runs.directory import RunDirectory

TRUST = "model.trust_remote_code=true"

FOREIGN = """
from transformers import LlamaConfig, LlamaForCausalLM
from pathlib import Path

class OwnConfig(LlamaConfig):
    model_type = "own_of_a_test"

class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny")
    build_lab_model(3, hidden_size=16, layers=1, heads=2, mlp_size=16).save_pretrained(path)
    build_lab_tokenizer().save_pretrained(path)
    return path


def test_a_revision_of_a_directory_or_a_packaged_model_is_refused(saved):
    for name in (str(saved), "lab"):
        with pytest.raises(
            ModelError, match=r"model\.revision=v1 chooses a commit of a model of the hub, and the model is here"
        ):
            check_policy(ModelConfig(name=name, revision="v1"))


def test_attention_is_computed_as_asked(saved):
    models = {
        name: load_base(ModelConfig(name=str(saved), attn_implementation=name)).model for name in ("eager", "sdpa")
    }
    assert {name: model.config._attn_implementation for name, model in models.items()} == {
        "eager": "eager",
        "sdpa": "sdpa",
    }
    ids = torch.tensor([[5, 9, 20, 31]])
    with torch.no_grad():
        torch.testing.assert_close(models["eager"](ids).logits, models["sdpa"](ids).logits, rtol=0, atol=1e-5)


def test_a_kernel_that_is_not_installed_is_refused_before_torch(saved):
    with pytest.raises(
        ModelError, match="flash_attention_2 needs the package 'flash_attn', which is not installed; use sdpa"
    ):
        check_policy(ModelConfig(name=str(saved), attn_implementation="flash_attention_2"))


def test_an_unknown_kernel_names_those_there_are():
    with pytest.raises(ConfigError, match=r"model\.attn_implementation: .*'eager', 'sdpa', 'flash_attention_2'"):
        parse_config({}, ["model.attn_implementation=fast"])


def test_no_file_switches_foreign_code_on(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('[model]\nname = "lab"\ntrust_remote_code = true\n')
    with pytest.raises(
        ConfigError, match=r"run\.toml: model\.trust_remote_code runs Python code .* no file can switch it on"
    ):
        load_config(path)
    with pytest.raises(ConfigError, match="no file can switch it on"):
        load_config(path, [TRUST])
    other = tmp_path / "other.toml"
    other.write_text("")
    with pytest.raises(ConfigError, match="no file can switch it on"):
        load_config(other, [str(path)])
    path.write_text("[model]\ntrust_remote_code = false\n")
    assert load_config(path, [TRUST]).model.trust_remote_code
    assert parse_config({}, [TRUST], source=COMMAND_LINE).model.trust_remote_code


def test_no_file_keeps_it_and_a_run_that_goes_on_is_asked_again(tmp_path):
    config = parse_config({"run": {"directory": str(tmp_path)}}, [TRUST])
    assert "trust_remote_code" not in dump_config(config)
    assert settled(config).model.trust_remote_code
    run = RunDirectory.create(config)
    assert run.config.model.trust_remote_code
    run.reread()
    assert run.config.model.trust_remote_code
    file = run.path / "config.toml"
    file.write_text(file.read_text().replace("[model]", "[model]\ntrust_remote_code = true"))  # by whoever sent the run
    assert not RunDirectory.open(run.path).config.model.trust_remote_code
    assert not load_stored(run.path).model.trust_remote_code
    assert RunDirectory.read(run.path, [TRUST]).config.model.trust_remote_code


def test_code_that_comes_with_a_model_runs_only_where_it_was_trusted(saved, tmp_path):
    path = tmp_path / "own"
    model = build_lab_model(3, hidden_size=16, layers=1, heads=2, mlp_size=16)
    model.save_pretrained(path)
    build_lab_tokenizer().save_pretrained(path)
    mark = tmp_path / "ran"
    (path / "own.py").write_text(FOREIGN + f"Path({str(mark)!r}).touch()\n")
    fields = json.loads((path / "config.json").read_text())
    own = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    (path / "config.json").write_text(json.dumps({**fields, "model_type": "own_of_a_test", "auto_map": own}))
    with pytest.raises(
        ModelError, match=r"comes with Python code of its own, .* give model\.trust_remote_code=true on the command"
    ):
        load_policy(ModelConfig(name=str(path)))
    assert not mark.exists()
    policy = load_policy(ModelConfig(name=str(path), trust_remote_code=True))
    assert mark.exists()
    assert type(policy.model).__name__ == "OwnModel"


@pytest.mark.parametrize("terminal", [False, True])
def test_the_command_line_says_what_it_means(command, monkeypatch, terminal, capsys):
    from counterpoise.cli import app

    said = []
    monkeypatch.setattr(app.sys.stdin, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(app.sys.stderr, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(app.typer, "confirm", lambda text, **options: bool(said.append(text)))
    monkeypatch.setattr(app.console, "note", said.append)
    line = "model.trust_remote_code=true runs Python code that comes with the model, with all your rights"
    if terminal:
        with pytest.raises(app.typer.Exit):
            app._ask_trust(["eval", "x", TRUST])
        assert said == [line, "Have you read it? Go on?"]
    else:
        app._ask_trust(["eval", "x", TRUST])
        assert said == [line]
    said.clear()
    app._ask_trust(["eval", "x", TRUST, "model.trust_remote_code=false"])
    app._ask_trust(["eval", "x"])
    assert said == []


def test_defaults_change_no_run_that_there_is():
    assert RunConfig().model.model_dump(exclude={"lora", "name", "dtype"}) == {
        "revision": None,
        "attn_implementation": None,
        "trust_remote_code": False,
    }
