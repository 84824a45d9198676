"""Checkpoints of other trainers: which directory is the model, and adapters that go into their bases."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from counterpoise.errors import ModelError
from counterpoise.models.lab import build_lab_model
from counterpoise.models.lab_tokenizer import build_lab_tokenizer
from counterpoise.models.layout import holds_model, model_directory
from counterpoise.models.load import check_model, load_model, load_tokenizer
from counterpoise.models.lora import add_lora

IDS = torch.tensor([[5, 9, 20, 31, 7]])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base")
    build_lab_model(3, hidden_size=16, layers=1, heads=2, mlp_size=16).save_pretrained(path)
    build_lab_tokenizer().save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as TRL writes it under PEFT, with an adapter that changes the logits."""
    path = tmp_path_factory.mktemp("trl") / "checkpoint-10"
    model = add_lora(load_model(base).model, rank=2, alpha=8.0)
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.copy_(torch.randn(weight.shape, generator=generator) * 0.5)
    model.eval()
    model.save_pretrained(path)
    with torch.no_grad():
        torch.save(model(IDS).logits, path.parent / "logits.pt")
    return path


def logits(name: str | Path) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = load_model(name).model(IDS).logits
    return found


def test_an_adapter_is_merged_into_the_base_that_it_names(adapter: Path, base: Path) -> None:
    wanted = torch.load(adapter.parent / "logits.pt")
    torch.testing.assert_close(logits(adapter), wanted, rtol=0, atol=2e-5)
    assert (logits(base) - wanted).abs().max() > 0.05
    check_model(str(adapter))
    assert load_tokenizer(adapter).eos_token == "<eos>"  # the base's: the adapter came without


def test_a_model_with_an_adapter_in_it_can_be_trained_like_any_other(adapter: Path) -> None:
    assert all(parameter.requires_grad for parameter in load_model(adapter).model.parameters())


def test_checkpoints_beside_one_another_are_named(adapter: Path) -> None:
    (adapter.parent / "checkpoint-9").mkdir(exist_ok=True)
    assert holds_model(adapter.parent)
    with pytest.raises(
        ModelError, match=r"not one model: checkpoint-9, checkpoint-10; name one, e\.g\. .*checkpoint-10$"
    ):
        check_model(str(adapter.parent))


@pytest.mark.parametrize("inner", ["actor/huggingface", "huggingface"])
@pytest.mark.parametrize("shards", [0, 2])
def test_the_whole_model_in_a_step_of_verl_is_read(base: Path, tmp_path: Path, inner: str, shards: int) -> None:
    step = tmp_path / "global_step_10"
    shutil.copytree(base, step / inner)
    for rank in range(shards):
        (step / inner).parent.joinpath(f"model_world_size_{shards}_rank_{rank}.pt").write_bytes(b"")
    assert holds_model(step)
    assert model_directory(step) == step / inner
    torch.testing.assert_close(logits(step), logits(base), rtol=0, atol=0)


@pytest.mark.parametrize("given", ["", "actor", "actor/huggingface"])
def test_shards_of_verl_alone_say_how_to_merge_them(base: Path, tmp_path: Path, given: str) -> None:
    actor = tmp_path / "global_step_10" / "actor"
    shutil.copytree(base, actor / "huggingface")
    (actor / "huggingface" / "model.safetensors").unlink()
    for rank in range(2):
        (actor / f"model_world_size_2_rank_{rank}.pt").write_bytes(b"")
    path = tmp_path / "global_step_10" / given
    assert holds_model(path)
    with pytest.raises(
        ModelError,
        match=rf"{actor} holds the model as 2 shards of FSDP only; merge them with: python -m verl\.model_merger merge "
        rf"--backend fsdp --local_dir {actor} --target_dir {actor}/merged ",
    ):
        check_model(str(path))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("{", "is damaged"),
        ({"peft_type": "LORA", "base_model_name_or_path": None}, "does not say which model"),
        ({"peft_type": "PREFIX_TUNING", "base_model_name_or_path": "lab"}, "of kind 'PREFIX_TUNING'; only LORA"),
        (
            {"peft_type": "LORA", "base_model_name_or_path": "/nowhere/at/all"},
            "is an adapter of '/nowhere/at/all', which",
        ),
    ],
)
def test_a_damaged_adapter_is_one_line(adapter: Path, tmp_path: Path, fields: object, message: str) -> None:
    path = Path(shutil.copytree(adapter, tmp_path / "adapter"))
    (path / "adapter_config.json").write_text(fields if isinstance(fields, str) else json.dumps(fields))
    with pytest.raises(ModelError, match=message) as caught:
        check_model(str(path))
    assert "\n" not in str(caught.value)


def test_an_adapter_without_weights_or_with_cut_ones_is_one_line(adapter: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(adapter, tmp_path / "adapter"))
    weights = path / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"cannot put the adapter .* into its base") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    weights.unlink()
    with pytest.raises(ModelError, match=r"has no weights: expected adapter_model\.safetensors"):
        check_model(str(path))


def test_an_adapter_of_an_adapter_is_refused(adapter: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(adapter, tmp_path / "adapter"))
    fields = json.loads((path / "adapter_config.json").read_text())
    (path / "adapter_config.json").write_text(json.dumps({**fields, "base_model_name_or_path": str(path)}))
    with pytest.raises(ModelError, match="holds a LoRA adapter, and what an adapter belongs to is a whole model"):
        check_model(str(path))
