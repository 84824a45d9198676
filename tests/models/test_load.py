import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from counterpoise.errors import ModelError
from counterpoise.models.lab import build_lab_model
from counterpoise.models.lab_tokenizer import build_lab_tokenizer
from counterpoise.models.load import check_model, load_model
from counterpoise.models.registry import MODELS, resolve_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny")
    build_lab_model(3, hidden_size=16, layers=1, heads=2, mlp_size=16).save_pretrained(path)
    build_lab_tokenizer().save_pretrained(path)
    return path


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def test_a_directory_loads_in_evaluation_mode_with_its_own_weights(saved: Path) -> None:
    loaded = load_model(saved)
    assert loaded.name == str(saved)
    assert not loaded.model.training
    assert loaded.model.dtype == torch.float32
    original = build_lab_model(3, hidden_size=16, layers=1, heads=2, mlp_size=16)
    for name, tensor in original.state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[name], tensor, rtol=0, atol=0)
    assert loaded.model.config.pad_token_id == loaded.tokenizer.pad_token_id == 0


def test_bfloat16_halves_the_bytes_and_auto_keeps_what_is_stored(copied: Path) -> None:
    assert load_model(copied, dtype="bfloat16").model.dtype == torch.bfloat16
    assert load_model(copied, dtype="auto").model.dtype == torch.float32
    with pytest.raises(ModelError, match="dtype 'float8' is not known; choose float32, bfloat16 or auto"):
        load_model(copied, dtype="float8")  # type: ignore[arg-type]


def test_auto_keeps_what_is_stored_where_the_configuration_says_otherwise(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))  # as verl leaves it
    loaded = load_model(copied, dtype="auto").model
    assert loaded.dtype == loaded.config.dtype == torch.float32
    weights = copied / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(weights).items()}, weights, metadata={"format": "pt"})
    assert load_model(copied, dtype="auto").model.dtype == torch.float16


def test_loading_prints_nothing(saved: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_model(saved)
    assert capfd.readouterr() == ("", "")


def test_missing_padding_token_becomes_eos(copied: Path) -> None:
    tokenizer = build_lab_tokenizer()
    tokenizer.pad_token = None
    tokenizer.save_pretrained(copied)
    loaded = load_model(copied)
    assert loaded.tokenizer.pad_token_id == loaded.tokenizer.eos_token_id == loaded.model.config.pad_token_id == 1


def test_no_eos_token_is_refused(copied: Path) -> None:
    tokenizer = build_lab_tokenizer()
    tokenizer.eos_token = None
    tokenizer.save_pretrained(copied)
    with pytest.raises(ModelError, match=r"no end-of-sequence token; set eos_token in its tokenizer_config\.json"):
        load_model(copied)


def test_tokenizer_of_another_model_is_refused(copied: Path) -> None:
    tokenizer = build_lab_tokenizer()
    tokenizer.add_tokens(["ä", "ö"])
    tokenizer.save_pretrained(copied)
    size = len(tokenizer)
    with pytest.raises(
        ModelError, match=f"has {size} tokens and the model {size - 2} embeddings; they do not belong together"
    ):
        load_model(copied)


def test_missing_path_names_the_nearest_sibling(saved: Path) -> None:
    missing = saved.parent / (saved.name + "x")
    with pytest.raises(ModelError, match=f"no model directory {missing}; did you mean '{saved.name}'.*check the path"):
        load_model(missing)


def test_missing_path_says_how_much_of_it_exists(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=rf"no model directory .*/a/b/c \({tmp_path} exists, what follows it does not\)"
    ):
        load_model(str(tmp_path / "a/b/c"))


def test_relative_path_beside_existing_ones_is_not_taken_for_a_hub_id(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(saved.parent.parent)
    with pytest.raises(ModelError, match=f"no model directory {saved.parent.name}/nope; check the path"):
        load_model(f"{saved.parent.name}/nope")


def test_a_file_is_not_a_model(copied: Path) -> None:
    with pytest.raises(ModelError, match=f"is a file; give the directory that holds it: {copied}"):
        load_model(copied / "config.json")


def test_directory_without_config_lists_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ModelError, match=r"is not a model directory: no config\.json; it holds notes\.txt"):
        load_model(tmp_path)


def test_empty_directory(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="it holds nothing"):
        load_model(tmp_path)


def test_an_adapter_that_names_no_base_says_so(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="does not say which model the adapter belongs to; write it there as base_mod"):
        load_model(tmp_path)


def test_directory_without_weights_lists_what_is_there(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    with pytest.raises(
        ModelError, match=r"has no weights: expected model\.safetensors .* found .*config\.json.*save_pretrained"
    ):
        load_model(copied)


def test_directory_without_tokenizer(copied: Path) -> None:
    for path in copied.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer: expected tokenizer\.json, .*tokenizer\.save_pretrained"):
        load_model(copied)


@pytest.mark.parametrize("keep", [0, 7, 200, -1])
def test_truncated_weights_are_named(copied: Path, keep: int) -> None:
    weights = copied / "model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:keep])
    size = len(data[:keep])
    with pytest.raises(
        ModelError, match=rf"model\.safetensors is damaged \(.*; {size:,} bytes\); copy or download it again"
    ):
        load_model(copied)


def test_garbled_header_is_named(copied: Path) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(b"\xff" * 64 + weights.read_bytes()[64:])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        load_model(copied)


def test_missing_tensors_are_refused_rather_than_random(copied: Path) -> None:
    tensors = load_file(copied / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lack 1 tensor the architecture needs \(first: model\.norm\.weight\)"):
        load_model(copied)


def test_missing_shard_is_named(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {"a": "model-00001.safetensors", "b": "model-00002.safetensors"}}
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"lacks 2 of 2 weight files \(first: model-00001\.safetensors\)"):
        load_model(copied)
    (copied / "model.safetensors.index.json").write_text("{")
    with pytest.raises(ModelError, match=r"index\.json is damaged .* copy it again"):
        load_model(copied)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "generation_config.json"])
def test_a_named_pipe_is_refused_and_never_waited_for(copied: Path, name: str) -> None:
    (copied / name).unlink()
    os.mkfifo(copied / name)
    for load in (check_model, load_model):
        with pytest.raises(
            ModelError, match=rf"{name} is a named pipe, not a regular file; copy the model there again$"
        ):
            load(str(copied))
    with pytest.raises(ModelError, match=rf"model '.*{name}' is a named pipe, not a regular file; give the directory"):
        load_model(copied / name)


def test_unreachable_hub_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ModelError,
        match="of 'nobody/no-such-model': there is no such directory here, and the Hugging Face hub could not provide",
    ):
        load_model("nobody/no-such-model")


@pytest.mark.parametrize(("name", "hint"), [("smolm2", "smollm2"), ("lab:week", "lab:weak"), ("labb", "lab")])
def test_misspelt_packaged_name(name: str, hint: str) -> None:
    with pytest.raises(ModelError, match=f"unknown model '{name}'; did you mean '{hint}'"):
        resolve_model(name)


def test_packaged_names_and_hub_ids() -> None:
    assert set(MODELS) == {"lab", "lab:graded", "lab:paths", "lab:strong", "lab:weak", "smollm2"}
    assert resolve_model("Qwen/Qwen2.5-Math-7B") == "Qwen/Qwen2.5-Math-7B"
    assert resolve_model("gpt2") == "gpt2"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", r"config.json is damaged \(a JSON list, not an object\); copy it again"),
        ('{"model_type": "llama"', r"config.json is damaged \(not JSON"),
        (b"\xff", r"config.json is damaged \(not UTF-8"),
    ],
)
def test_a_damaged_configuration_is_named_before_anything_heavy_is_imported(
    copied: Path, text: str | bytes, says: str
) -> None:
    (copied / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ModelError, match=says):
        check_model(str(copied))


def test_weights_of_another_vocabulary_than_the_configuration_says(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"vocab_size": 7}))
    with pytest.raises(
        ModelError, match=r"the weights of .*model have other shapes than its config.json says \(as with an"
    ):
        load_model(copied)
