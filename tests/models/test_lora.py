import re
import sys
from pathlib import Path

import pytest
import torch

from counterpoise.errors import ConfigError, MissingExtraError
from counterpoise.models.lab import build_lab_model
from counterpoise.models.lab_tokenizer import build_lab_tokenizer
from counterpoise.models.load import load_model
from counterpoise.models.lora import add_lora, export_plain

TOKENS = torch.tensor([[3, 4, 5, 6, 7]])


def tiny() -> torch.nn.Module:
    return build_lab_model(0, hidden_size=16, layers=2, heads=2, mlp_size=24).eval()


def moved(model: torch.nn.Module) -> torch.nn.Module:
    """B is zero at the start; put numbers into it as training would."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


def test_a_fresh_adapter_changes_nothing() -> None:
    expected = tiny()(TOKENS).logits
    torch.testing.assert_close(add_lora(tiny(), rank=4, alpha=8)(TOKENS).logits, expected, rtol=0, atol=0)


def test_only_the_adapter_trains_and_its_size_is_rank_times_in_plus_out() -> None:
    model = add_lora(tiny(), rank=4, alpha=8)
    trainable = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trainable)
    # a block: q, k, v, o are 16 -> 16; gate and up 16 -> 24; down 24 -> 16. 4 * (4 * 32 + 3 * 40) = 992; two blocks.
    assert sum(trainable.values()) == 2 * 992


def test_adapted_matrix_is_w_plus_alpha_over_rank_b_a() -> None:
    model = moved(add_lora(tiny(), rank=2, alpha=6, target_modules=["q_proj"]))
    layer = model.base_model.model.model.layers[0].self_attn.q_proj
    delta = 3 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight  # 6 / 2 = 3
    merged = model.merge_and_unload().model.layers[0].self_attn.q_proj.weight
    torch.testing.assert_close(merged, tiny().model.layers[0].self_attn.q_proj.weight + delta)


def test_export_is_a_plain_model_with_the_adapted_policy(tmp_path: Path) -> None:
    model = moved(add_lora(tiny(), rank=4, alpha=8))
    expected = model(TOKENS).logits
    export_plain(model, tmp_path, tokenizer=build_lab_tokenizer())
    plain = load_model(tmp_path).model
    assert type(plain).__name__ == "LlamaForCausalLM"
    torch.testing.assert_close(plain(TOKENS).logits, expected, rtol=1e-5, atol=1e-5)
    # and training can go on: the adapter is still separate
    torch.testing.assert_close(model(TOKENS).logits, expected, rtol=0, atol=0)
    assert any("lora_" in name for name, _ in model.named_parameters())


def test_export_of_a_model_without_adapter(tmp_path: Path) -> None:
    model = tiny()
    export_plain(model, tmp_path, tokenizer=build_lab_tokenizer())
    torch.testing.assert_close(load_model(tmp_path).model(TOKENS).logits, model(TOKENS).logits, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0, "alpha": 1}, "lora rank is 0; it must be at least 1"),
        ({"rank": 1, "alpha": 0}, "lora alpha is 0; it must be above 0"),
        ({"rank": 1, "alpha": 1, "dropout": 1.0}, "lora dropout is 1.0; it must be in [0, 1)"),
        (
            {"rank": 1, "alpha": 1, "target_modules": ["query"]},
            "lora target_modules ['query'] do not fit the model; its linear layers are: down_proj, gate_proj, k_proj",
        ),
    ],
)
def test_values_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        add_lora(tiny(), **settings)


def test_missing_peft_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'peft>="):
        add_lora(tiny(), rank=1, alpha=1)
