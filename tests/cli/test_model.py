"""`counterpoise model export|push`: what leaves is the run's policy, whole, and says what was measured of it."""

import tomllib

import huggingface_hub
import pytest
import torch
import transformers
from huggingface_hub.errors import RepositoryNotFoundError

from counterpoise.engines.local.policy import load_policy
from counterpoise.jobs import export_model
from counterpoise.runs.directory import RunDirectory

IDS = torch.tensor([[5, 9, 20, 31, 7, 12]])


def log_probs(model):
    model.eval()
    with torch.no_grad():
        return model(IDS).logits.log_softmax(-1)


@pytest.fixture
def trained(command, run_file, tmp_path):
    """A trained run with adapters, evaluated before and after."""
    lora = {"lora": {"rank": 2, "alpha": 16.0}}
    file = run_file("run", learner={"learning_rate": 3e-2})
    settings = [f"model.lora.{key}={value}" for key, value in lora["lora"].items()]
    result = command("train", file, "evaluation.before=true", "evaluation.after=true", "credit.rule=nsr", *settings)
    assert result.exit_code == 0, result.output
    return tmp_path / "runs" / "run"


def test_the_whole_model_has_the_policy_s_log_probabilities_and_its_figures(command, trained, tmp_path, refused):
    out = tmp_path / "models" / "out"
    result = command("model", "export", trained, "-o", out)
    assert result.exit_code == 0, result.output
    assert f"step 4 of {trained}: {out}" in result.stdout
    run = RunDirectory.read(trained)
    policy = load_policy(run.config.model, trained / "checkpoints" / "step-000004" / "policy")
    base = load_policy(run.config.model, trained / "checkpoints" / "step-000004" / "policy").model.get_base_model()
    written = transformers.AutoModelForCausalLM.from_pretrained(out)
    wanted = log_probs(policy.model)
    torch.testing.assert_close(log_probs(written), wanted, rtol=0, atol=1e-5)
    with policy.model.disable_adapter():
        assert (
            log_probs(policy.model) - wanted
        ).abs().max() > 1e-3  # the adapters do something, and are in what was written
    assert base is not None
    assert transformers.AutoTokenizer.from_pretrained(out).get_vocab() == policy.tokenizer.get_vocab()
    names = {path.name for path in out.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "config.json", "README.md", "run.toml"} <= names
    assert not [name for name in names if "adapter" in name]
    assert {path.name for path in out.parent.iterdir()} == {"out"}

    card = (out / "README.md").read_text()
    final, identity = export_model.EvaluationResult.load(run.evaluation(4)), run.identity()
    for point in final.curve:
        assert f"| {100 * point.estimate:.1f} [{100 * point.low:.1f}, {100 * point.high:.1f}] |" in card
    assert f"n = {final.n} responses each, temperature 1, top_p 1" in card
    assert identity.problems["train"].content in card
    assert identity.problems["test"].ids in card
    assert str(tmp_path) not in card  # no folder of this machine leaves
    tables = tomllib.loads((out / "run.toml").read_text())
    assert tables["credit"]["rule"] == "nsr"
    assert str(tmp_path) not in (out / "run.toml").read_text()

    refused("model", "export", trained, "-o", out, says=f"{out} is there already; give another directory: -o DIR")
    refused(
        "model",
        "export",
        f"{trained}@3",
        "-o",
        tmp_path / "x",
        says="cannot be used (absent); steps there: 2, 4",
        code=1,
    )
    refused("model", "export", f"{trained}@0", "-o", tmp_path / "x", says="is the model before training")
    refused(
        "model",
        "export",
        trained,
        "learner.steps=3",
        "-o",
        tmp_path / "x",
        says="changes nothing of a model that is written",
    )
    refused("model", "export", trained, says="say where the model goes: -o DIR")
    assert not (tmp_path / "x").exists()

    # An adapter's directory, as TRL under PEFT leaves one, becomes a whole model too.
    again = tmp_path / "again"
    assert command("model", "export", trained / "checkpoints" / "step-000004" / "policy", "-o", again).exit_code == 0
    other = transformers.AutoModelForCausalLM.from_pretrained(again, dtype=torch.float32)
    # stored in the base's float16, whose values have 11 bits
    torch.testing.assert_close(log_probs(other), wanted, rtol=0, atol=2e-2)
    assert "there are no figures here" in (again / "README.md").read_text()


def test_a_run_without_evaluation_says_so(command, run_file, tmp_path):
    assert command("train", run_file("run")).exit_code == 0
    result = command("model", "export", tmp_path / "runs" / "run@2", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "step 2 was not evaluated, so its card has no pass@k" in result.stderr
    assert "These weights were not evaluated." in (tmp_path / "out" / "README.md").read_text()


def test_what_is_no_model_is_refused(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    for target in (tmp_path / "empty", tmp_path / "nothing"):
        refused(
            "model",
            "export",
            target,
            "-o",
            tmp_path / "x",
            says="is neither a run (no config.toml) nor the directory of a model",
        )
    refused("model", "export", f"{tmp_path / 'empty'}@3", "-o", tmp_path / "x", says="@ chooses a step of a run")


class Hub:
    """Stands in for the hub's client at its network calls; the repository is absent, private or public."""

    def __init__(self, monkeypatch, there=None, fails=None):
        self.calls = []

        def info(api, repository, **options):
            if isinstance(there, Exception):
                raise there
            if there is None:
                error = RepositoryNotFoundError.__new__(RepositoryNotFoundError)
                Exception.__init__(error, "404")
                raise error
            return type("Info", (), {"private": there == "private"})()

        def create(api, repository, **options):
            self.calls.append(("create", repository, options))

        def upload(api, *, repo_id, folder_path, **options):
            if fails is not None:
                raise fails
            self.calls.append(
                ("upload", repo_id, sorted(path.name for path in export_model.Path(folder_path).iterdir()))
            )

        monkeypatch.setattr(huggingface_hub.HfApi, "repo_info", info)
        monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create)
        monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload)
        monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")


@pytest.mark.parametrize("public", [False, True])
def test_a_model_is_pushed_private_unless_told_otherwise(command, run_file, tmp_path, monkeypatch, public):
    assert command("train", run_file("run")).exit_code == 0
    hub = Hub(monkeypatch)
    result = command("model", "push", tmp_path / "runs" / "run", "me/run", *(["--public"] if public else []))
    assert result.exit_code == 0, result.output
    (made, repository, options), (uploaded, _, files) = hub.calls
    assert (made, repository, options) == ("create", "me/run", {"private": not public, "exist_ok": True})
    assert uploaded == "upload"
    assert {"README.md", "config.json", "model.safetensors", "run.toml", "tokenizer.json"} <= set(files)
    assert "https://huggingface.co/me/run" in result.stdout


def test_a_push_that_cannot_be_is_refused_before_anything_is_read(refused, monkeypatch, tmp_path):
    run = tmp_path / "run"
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    refused(
        "model",
        "push",
        run,
        "me/run",
        says="there is no token of the Hugging Face hub here; log in with: hf auth login",
    )
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_of_a_test")
    refused("model", "push", run, "a/b/c", says="'a/b/c' is no name of a repository")
    Hub(monkeypatch, there="public")
    refused("model", "push", run, "me/run", says="me/run is public on the hub; give --public if that is meant")
    Hub(monkeypatch, there=ConnectionError("Name or service not known\nmore"))
    refused("model", "push", run, "me/run", says="(Name or service not known); check the network", code=1)
