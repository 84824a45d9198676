"""verl's critic: on an accelerator verl's own function makes it, on a CPU one that asks for no flash attention."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from counterpoise.engines.verl.critic import attending


@pytest.fixture
def device(monkeypatch):
    """verl's name of the device."""

    def of(name):
        for parent in ("verl", "verl.utils"):
            monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
        monkeypatch.setitem(sys.modules, "verl.utils.device", SimpleNamespace(get_device_name=lambda: name))

    return of


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("critic")
    config = Qwen2Config(
        vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        tie_word_embeddings=True,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


def test_an_accelerator_has_verls_own_function_with_verls_own_arguments(device):
    seen = []
    load = attending(lambda *given: seen.append(given) or "theirs")
    device("cuda")
    assert load(local_path="m", torch_dtype=torch.bfloat16, model_config="c", trust_remote_code=False) == "theirs"
    assert seen == [("m", torch.bfloat16, "c", False)]


@pytest.mark.parametrize(("named", "wanted"), [("flash_attention_2", "sdpa"), ("eager", "eager"), (None, "sdpa")])
def test_a_cpu_has_a_critic_with_the_attention_that_its_configuration_names(device, saved, named, wanted):
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(saved, num_labels=1)
    config._attn_implementation_internal = named
    device("cpu")
    model = attending(lambda *_: pytest.fail("verl's own asks for flash attention"))(
        saved, torch.float32, config, False
    )
    assert model.config._attn_implementation == wanted
    assert model(torch.tensor([[1, 2, 3]])).logits.shape == (1, 3, 1)
