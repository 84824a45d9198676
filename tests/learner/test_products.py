import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, Qwen2Config, Qwen3Config

from counterpoise.errors import UsageError
from counterpoise.learner import products
from counterpoise.learner.batches import pad_rows
from counterpoise.learner.forward import evaluating, find_route, response_log_probs, updating
from counterpoise.learner.products import multiplying, onednn_pays, row_block, times
from counterpoise.learner.shared import shared_layout

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")

WIDE = {
    "vocab_size": 31,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "max_position_embeddings": 64,
}
FAMILIES = {
    "llama": LlamaConfig(**WIDE),
    "qwen2": Qwen2Config(**WIDE),
    "qwen3": Qwen3Config(**WIDE),
    "gemma3": Gemma3TextConfig(**WIDE, sliding_window=32),
}


@pytest.fixture
def calls(monkeypatch):
    """Shapes of the products that oneDNN made."""
    made, real = [], products._onednn

    def counted(left, right, bias=None):
        made.append((*left.shape, right.shape[0]))
        return real(left, right, bias)

    monkeypatch.setattr(products, "_onednn", counted)
    return made


def _linear(inner, outer, *, bias=True):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(inner, outer, bias=bias)


def _model(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(FAMILIES[name]).eval()


def _rows(build, *, prompts=4, group=4):
    """Prompts of 5 to 8 tokens, responses of 1 to 4: 26 + 24 tokens in a shared pass, of which 14 are blank."""
    found = []
    for prompt in range(prompts):
        rows = [build.rollout(5 + prompt, 1 + row, seed=31 * row + prompt) for row in range(group)]
        found += [replace(row, prompt_ids=rows[0].prompt_ids) for row in rows]
    return found


def _pass(model, rows, *, kind, shared):
    route = find_route(model)
    with updating(model, kind):
        out = response_log_probs(model, rows, temperature=0.8, route=route, shared=shared)
        (out.log_probs * torch.linspace(-1, 1, out.mask.numel()).view_as(out.mask)).sum().backward()
    gradients = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    model.zero_grad()
    return out.log_probs.detach(), gradients


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("inner", "outer"), [(128, 256), (256, 128)])
def test_a_product_and_its_gradients_are_torch_s(calls, inner, outer, bias):
    module, x = _linear(inner, outer, bias=bias), torch.randn(2, 32, inner, generator=torch.Generator().manual_seed(1))
    found = []
    for kind in ("torch", "onednn"):
        x = x.detach().requires_grad_()
        with multiplying(module, kind):
            out = module(x)
            (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        found.append([out.detach(), x.grad, *(p.grad for p in module.parameters())])
        module.zero_grad()
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))
    assert calls == [
        (2, 32, inner, outer),
        (64, outer, inner),
        (inner, 64, outer) if outer > inner else (outer, 64, inner),
    ]


def test_a_gradient_that_is_one_number_seen_many_times(calls):
    module, x = _linear(128, 256), torch.ones(64, 128, requires_grad=True)
    with multiplying(module, "onednn"):
        module(x).sum().backward()
    # d sum(W x + b) / dx = column sums of W; / dW = 64 rows of ones
    assert torch.allclose(x.grad[0], module.weight.sum(0), atol=1e-4)
    assert torch.equal(module.weight.grad, torch.full((256, 128), 64.0)) and len(calls) == 3


def test_what_is_frozen_gets_no_gradient(calls):
    module, x = _linear(128, 256).requires_grad_(False), torch.ones(64, 128, requires_grad=True)
    with multiplying(module, "onednn"):
        module(x).sum().backward()
        module(x.detach())
    assert module.weight.grad is None and [shape[0] for shape in calls] == [64, 64, 64]


@pytest.mark.parametrize(
    ("rows", "inner", "why"),
    [(63, 512, "a number of rows that comes once"), (32, 128, "few multiplications"), (0, 128, "none")],
)
def test_products_that_do_not_pay_are_torch_s(calls, rows, inner, why):
    module, x = _linear(inner, 128), torch.ones(rows, inner)
    with multiplying(module, "onednn"):
        assert torch.equal(module(x), nn.functional.linear(x, module.weight, module.bias)), why
        times(x, module.weight, rows=rows)
    assert calls == []


def test_a_product_large_enough_pays_once(calls):
    module = _linear(1024, 1024)
    with multiplying(module, "onednn"), torch.no_grad():
        module(torch.ones(257, 1024))  # 257 * 1024 * 1024 > 2^28
    assert calls == [(257, 1024, 1024)]


def test_autocast_and_other_types_are_torch_s(calls):
    module = _linear(128, 256)
    with multiplying(module, "onednn"):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert module(torch.ones(64, 128)).dtype == torch.bfloat16
        with pytest.raises(RuntimeError):
            module(torch.ones(64, 128, dtype=torch.float64))
    double = module.double()
    with multiplying(double, "onednn"):
        assert row_block() == 1 and double(torch.ones(64, 128, dtype=torch.float64)).dtype == torch.float64
    assert calls == []


def test_modules_are_as_before_whatever_happens():
    class Own(nn.Linear):
        pass

    model = nn.Sequential(_linear(8, 8), Own(8, 8), _linear(8, 8))
    hooked = model[2].forward = functools.partial(nn.Linear.forward, model[2])
    with pytest.raises(KeyError), multiplying(model, "onednn"):
        assert "forward" in vars(model[0]) and "forward" not in vars(model[1]) and model[2].forward is hooked
        assert row_block() == 32
        with multiplying(model, "onednn"):
            pass
        assert "forward" in vars(model[0]) and row_block() == 32
        raise KeyError
    assert "forward" not in vars(model[0]) and model[2].forward is hooked and row_block() == 1


@pytest.mark.parametrize(("pays", "block"), [(True, 32), (False, 1)])
def test_auto_takes_what_is_measured(monkeypatch, pays, block):
    monkeypatch.setattr(products, "_pays", lambda threads: pays)
    with multiplying(_linear(8, 8), "auto"):
        assert row_block() == block
    with multiplying(_linear(8, 8), "torch"):
        assert row_block() == 1


def test_oneDNN_is_taken_from_1_4_times_on(monkeypatch):
    for theirs, ours, pays in ((1.4, 1.0, True), (1.39, 1.0, False), (1.0, 1.0, False)):
        products._seconds.cache_clear()
        seconds = iter((theirs, ours))
        monkeypatch.setattr(products, "_fastest", lambda work, seconds=seconds: next(seconds))
        assert onednn_pays() is pays and onednn_pays() is pays  # measured once
    products._seconds.cache_clear()


def test_a_torch_without_it_is_refused_where_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with multiplying(_linear(8, 8), "auto"):
        assert row_block() == 1
    with (
        pytest.raises(
            UsageError, match=r"products=onednn, and this torch is built without oneDNN; set learner.products=auto"
        ),
        multiplying(_linear(8, 8), "onednn"),
    ):
        pass


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_pass_has_the_plain_one_s_numbers(build, calls, name, shared):
    """Log-probabilities within 5e-5, the gradient within 1e-5 of its norm."""
    model, rows = _model(name), _rows(build, prompts=4 if shared else 8)
    assert find_route(model).window is not None
    theirs = _pass(model, rows, kind="torch", shared=False)
    assert calls == []
    ours = _pass(model, rows, kind="onednn", shared=shared)
    assert len(calls) > 2 * 7  # forward and backward of two layers
    assert (ours[0] - theirs[0]).abs().max() <= 5e-5
    assert (ours[1] - theirs[1]).norm() <= 1e-5 * theirs[1].norm()


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated:FutureWarning")
def test_layers_that_are_computed_again_are_computed_the_same_way(build, calls):
    model, rows = _model("llama"), _rows(build, prompts=8)
    theirs = _pass(model, rows, kind="torch", shared=False)
    model.gradient_checkpointing_enable()
    ours = _pass(model, rows, kind="onednn", shared=True)  # in training mode: plainly after all
    assert len(calls) > 2 * 7 and (ours[1] - theirs[1]).norm() <= 1e-5 * theirs[1].norm()


def test_blank_tokens_fill_a_block_and_get_no_gradient(build):
    rows = _rows(build)
    padded = pad_rows(rows, torch.device("cpu"))
    # 5 + 6 + 7 + 8 prompt tokens and 4 (0 + 1 + 2 + 3) of responses: 50, and 14 to 64; of 50 alone one is blank
    for block, tokens, blanks in ((32, 64, 14), (25, 75, 25), (1, 51, 1)):
        layout = shared_layout(rows, padded, block=block)
        assert layout.input_ids.shape == layout.positions.shape == (1, tokens) and layout.blanks == blanks
        assert not layout.input_ids[0, 50:].any() and not layout.positions[0, 50:].any()
    model = _model("llama")
    used = np.unique(np.concatenate([[*row.prompt_ids, *row.token_ids] for row in rows]))
    assert 0 not in used
    with updating(model, "onednn"):
        hidden = response_log_probs(model, rows, temperature=1.0, route=find_route(model), shared=True)
        model.get_output_embeddings().weight.requires_grad_(False)
        hidden.log_probs.sum().backward()
    assert not model.get_input_embeddings().weight.grad[0].any()


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_learner_ends_where_torch_s_ends(build, calls, epochs):
    """Reference, old log-probabilities, two mini-batches, a row without credit."""
    rows, ends = _rows(build), []
    for kind in ("torch", "onednn"):
        learner = build.learner(
            _model("llama"),
            reference=_model("llama"),
            products=kind,
            epochs=epochs,
            minibatch_prompts=2,
            old_log_probs="learner",
            needs_reference=True,
            learning_rate=1e-3,
            epsilon=1e-3,
        )
        credit = build.credit(*([1.0, -1.0, 0.5, 0.0] * 4))
        learner.update(rows, credit, torch.ones(16, dtype=torch.bool), np.arange(16) // 4, seed=0)
        ends.append(build.parameters(learner._model))
    # `calls` shows that oneDNN made them: on some processors its products have the last digits of MKL's
    assert calls and torch.allclose(*ends, rtol=0, atol=1e-5)


def test_adapters_are_multiplied_there_too(build, calls):
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(_model("llama"), peft.LoraConfig(r=8, target_modules=["q_proj", "down_proj"])).eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.constant_(parameter, 0.01)
    rows = _rows(build, prompts=8)
    theirs, ours = (_pass(model, rows, kind=kind, shared=True) for kind in ("torch", "onednn"))
    assert calls and (ours[0] - theirs[0]).abs().max() <= 5e-5
    assert (ours[1] - theirs[1]).norm() <= 1e-5 * theirs[1].norm()


def test_a_pass_without_gradient_multiplies_there_too(calls):
    model = _model("llama")
    with torch.no_grad(), evaluating(model, "onednn"):
        model(input_ids=torch.ones(2, 32, dtype=torch.int64))
    assert len(calls) == 14
