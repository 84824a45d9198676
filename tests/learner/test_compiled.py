"""Compiled norms, gates and attention with shared prompts: the library's numbers, in whatever it is asked, or the library's modules."""

import functools
import shutil
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)
from transformers.models.llama import modeling_llama

from counterpoise import compiler
from counterpoise.errors import UsageError
from counterpoise.learner import compiled
from counterpoise.learner.compiled import TrainingOperators, compiling, operators_of, training_operators
from counterpoise.learner.critic import Critic
from counterpoise.learner.forward import evaluating, find_route, response_log_probs, updating
from counterpoise.learner.settings import LearnerSettings
from counterpoise.learner.shared import applied

pytestmark = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="there is no C++ compiler here"
)

SMALL = {
    "vocab_size": 23,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
FAMILIES = {
    "llama": LlamaConfig(**SMALL, attention_bias=True),
    "mistral": MistralConfig(**SMALL, sliding_window=None),
    "qwen2": Qwen2Config(**SMALL),
    "qwen3": Qwen3Config(**SMALL),
    "smollm3": SmolLM3Config(**SMALL, no_rope_layers=[1, 0]),
    "gemma3": Gemma3TextConfig(**SMALL, sliding_window=32),
}
CALLED = {"attend", "attend_back", "norm", "norm_back", "norm_sums", "gate", "gate_back"}


@pytest.fixture
def calls(monkeypatch):
    """Names of the functions that were called."""
    made, real = [], TrainingOperators.call

    def counted(self, name, *given):
        made.append(name)
        return real(self, name, *given)

    monkeypatch.setattr(TrainingOperators, "call", counted)
    return made


def _model(config):
    """With norms and biases that are not ones and zeros."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).eval()
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.data += 0.2 * torch.randn_like(parameter)
            else:  # larger than the usual 0.02, so that every operator matters
                nn.init.normal_(parameter, std=0.2)
    return model


def _rows(build, *, prompts=3, group=4, least=1):
    found = []
    for prompt in range(prompts):
        rows = [build.rollout(3 + 9 * prompt, least + 2 * row, seed=31 * row + prompt) for row in range(group)]
        found += [replace(row, prompt_ids=rows[0].prompt_ids) for row in rows]
    return found


def _pass(model, rows, operators, *, shared):
    route = find_route(model)
    with updating(model, "torch", operators):
        out = response_log_probs(model, rows, temperature=0.8, route=route, shared=shared)
        (out.log_probs * torch.linspace(-1, 1, out.mask.numel()).view_as(out.mask)).sum().backward()
    gradients = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    model.zero_grad()
    return out.log_probs.detach(), gradients


def _alike(ours, theirs):
    return bool((ours[0] - theirs[0]).abs().max() <= 5e-5 and (ours[1] - theirs[1]).norm() <= 1e-5 * theirs[1].norm())


def _draw(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).requires_grad_()


def _slopes(out, *given):
    return [out.detach(), *torch.autograd.grad((out * torch.cos(torch.arange(out.numel())).view_as(out)).sum(), given)]


def _close(ours, theirs):
    largest = max(its.norm() for its in theirs)  # some gradients are sums that cancel
    for mine, its in zip(ours, theirs, strict=True):
        assert (mine - its).norm() <= 1e-5 * largest


@pytest.mark.parametrize("offset", [0.0, 1.0])
@pytest.mark.parametrize("shape", [(1, 40, 24), (2, 3, 5, 37), (1, 1, 3)])
def test_a_norm_and_its_gradients(shape, offset):
    x, weight = _draw(*shape), _draw(shape[-1])
    ours = _slopes(applied(compiled._Norm, x, weight, training_operators(8), offset, 1e-3), x, weight)
    wide, heavy = x.double(), weight.double()
    theirs = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-3) * (offset + heavy)
    _close(ours, _slopes(theirs, x, weight))


def test_many_rows_are_added_up_as_well_as_few():
    """131,072 terms around 0.3 one by one were 4e-6 to 6e-6 off, 100 times torch's; 256 at a time they are 4e-7 off."""
    x, weight, grad = _draw(2**17, 8), _draw(8), _draw(2**17, 8).detach().abs()
    ours = torch.autograd.grad(
        applied(compiled._Norm, x + 0.5, weight, training_operators(8), 0.0, 1e-6), weight, grad
    )[0]
    wide = (x.detach() + 0.5).double()
    theirs = (grad * wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)).sum(0)
    assert (ours - theirs).norm() <= 1e-6 * theirs.norm()


@pytest.mark.parametrize("shape", [(1, 40, 24), (2, 7, 9), (1, 16)])
def test_a_gate_and_its_gradients(shape):
    gates, ups = _draw(*shape), _draw(*shape, 1)[..., 0]
    with torch.no_grad():
        gates.view(-1)[:3] = torch.tensor([-120.0, 120.0, 0.0])  # e^120 has no float32
    ours = _slopes(applied(compiled._Gate, gates, ups, training_operators(8)), gates, ups)
    _close(ours, _slopes(F.silu(gates.double()) * ups.double(), gates, ups))


def _plan(groups):
    """Tokens laid out as `shared_layout` does: prompts end to end, then responses; `groups` of (prompt, rows' lengths)."""
    sizes, rests = [size for size, _ in groups], [rest for _, rows in groups for rest in rows]
    starts, begins = np.cumsum([0, *sizes])[:-1], sum(sizes) + np.cumsum([0, *rests])[:-1]
    firsts = np.cumsum([0, *(len(rows) for _, rows in groups)])
    plan = tuple(torch.from_numpy(np.asarray(part, dtype=np.int64)) for part in (starts, sizes, firsts, begins, rests))
    seen = torch.zeros(sum(sizes) + sum(rests), sum(sizes) + sum(rests), dtype=torch.bool)
    row = 0
    for (size, rows), start in zip(groups, starts, strict=True):
        seen[start : start + size, start : start + size] = True
        for rest in rows:
            own = slice(begins[row], begins[row] + rest)
            seen[own, start : start + size] = seen[own, own] = True
            row += 1
    return SimpleNamespace(plan=plan), seen.tril()


@pytest.mark.parametrize(
    ("width", "heads", "shared", "groups"),
    [
        (8, 2, 1, [(5, [3, 1, 9])]),
        (16, 6, 2, [(1, [1]), (17, [40, 0, 16])]),  # more tokens than are taken together, and none
        (16, 2, 2, [(33, []), (16, [5, 6])]),
        (8, 40, 1, [(3, [2, 2])]),  # 40 heads of one key: more than are taken together
        (80, 3, 3, [(9, [4])]),  # five vectors, of which four go together
    ],
)
@pytest.mark.parametrize("turns", [True, False])
def test_attention_and_its_gradients(width, heads, shared, groups, turns):
    layout, seen = _plan(groups)
    tokens = len(seen)
    query, key, value = (
        _draw(1, tokens + 2, count, width) for count in (heads, shared, shared + 1)
    )  # two are nobody's
    value = value[:, :, :shared]
    tables = [_draw(1, tokens + 2, width).detach() for _ in range(2)] if turns else [None, None]
    given = (query, key, value)
    ours = applied(compiled._Attend, *given, *tables, layout, training_operators(width), 0.3)
    assert not ours[:, tokens:].any()

    def turned(x):
        if not turns:
            return x
        low, high = x.chunk(2, -1)
        return x * tables[0][:, :, None].double() + torch.cat([-high, low], -1) * tables[1][:, :, None].double()

    heads_first = [
        part.transpose(1, 2)[:, :, :tokens] for part in (turned(query.double()), turned(key.double()), value.double())
    ]
    theirs = F.scaled_dot_product_attention(*heads_first, attn_mask=seen, scale=0.3, enable_gqa=True)
    theirs = F.pad(theirs.transpose(1, 2).flatten(2), (0, 0, 0, 2))
    _close(_slopes(ours, *given), _slopes(theirs, *given))


def test_what_a_token_does_not_see_changes_no_bit_and_NaN_is_shown():
    layout, _ = _plan([(4, [3, 3])])  # tokens 4 to 6 and 7 to 9
    found = []
    for last in (1.0, 1e30):
        given = [_draw(1, 10, 1, 8).detach() for _ in range(3)]
        for part in given:
            part[0, 6] = last
        found.append(applied(compiled._Attend, *given, None, None, layout, training_operators(8), 1.0)[0])
    assert (found[0] == found[1]).all(1).tolist() == [True] * 6 + [False] + [True] * 3
    given[1][0, 2] = torch.nan  # a key of the prompt
    read = applied(compiled._Attend, *given, None, None, layout, training_operators(8), 1.0)[0]
    assert read.isnan().all(1)[[2, 3, 4, 6, 7, 9]].all() and read[[0, 1]].isfinite().all()


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_pass_has_the_plain_one_s_numbers(build, calls, name, shared):
    """Log-probabilities within 5e-5, the gradient within 1e-5 of its norm."""
    model, rows = _model(FAMILIES[name]), _rows(build)
    theirs = _pass(model, rows, None, shared=False)
    assert calls == []
    operators = find_route(model, compiled=True).operators
    assert operators is not None
    calls.clear()
    assert _alike(_pass(model, rows, operators, shared=shared), theirs)
    gates = set() if name == "gemma3" else {"gate", "gate_back"}  # Gemma's gate is another function
    attention = {"attend", "attend_back"} if shared else set()
    assert set(calls) == {"norm", "norm_back", "norm_sums"} | gates | attention


@pytest.mark.parametrize(("kind", "shared"), [(True, [True]), (False, [False])])
def test_rows_lie_end_to_end_even_where_no_prompt_is_shared(build, kind, shared):
    rows = [build.rollout(4, 6 + 9 * row, seed=row) for row in range(3)]
    passes = build.learner(_model(FAMILIES["llama"]), compiled=kind)._passes
    with passes.updating():
        parts = passes.parts(rows, np.arange(3))
        assert [part.shared for part in parts] == shared
        found = passes.forward(rows, parts[0], temperature=1.0)
    alone = response_log_probs(_model(FAMILIES["llama"]), rows, temperature=1.0)
    order = parts[0].rows
    for place, row in enumerate(order):
        size = len(rows[row].token_ids)
        assert torch.allclose(found.log_probs[place, :size], alone.log_probs[row, :size], atol=5e-5)


def test_responses_of_one_token_and_groups_of_one(build):
    model = _model(FAMILIES["llama"])
    operators = find_route(model, compiled=True).operators
    for rows in (
        [replace(build.rollout(5, 1, seed=row), prompt_ids=build.rollout(5, 1).prompt_ids) for row in range(3)],
        [build.rollout(4, 6), build.rollout(1, 1, seed=2)],
    ):
        assert _alike(_pass(model, rows, operators, shared=True), _pass(model, rows, None, shared=False))


def test_blank_tokens_get_no_gradient(build, monkeypatch):
    model, rows = _model(FAMILIES["qwen2"]), _rows(build)
    used = np.unique(np.concatenate([[*row.prompt_ids, *row.token_ids] for row in rows]))
    assert 0 not in used
    with updating(model, "onednn", find_route(model, compiled=True).operators):
        out = response_log_probs(model, rows, temperature=1.0, route=find_route(model), shared=True)
        model.get_output_embeddings().weight.requires_grad_(False)
        out.log_probs.sum().backward()
    assert not model.get_input_embeddings().weight.grad[0].any()


def test_threads_share_the_work_and_change_no_bit(build, monkeypatch):
    model, rows = _model(FAMILIES["llama"]), _rows(build)
    operators = find_route(model, compiled=True).operators
    one = _pass(model, rows, operators, shared=True)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)  # the products stay in one
    monkeypatch.setattr(compiled, "_LEAST", 64)
    three = _pass(model, rows, operators, shared=True)
    assert torch.equal(one[0], three[0]) and torch.equal(one[1], three[1])


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated:FutureWarning")
def test_layers_that_are_computed_again_are_computed_the_same_way(build, calls):
    model, rows = _model(FAMILIES["llama"]), _rows(build)
    operators, theirs = find_route(model, compiled=True).operators, _pass(model, rows, None, shared=False)
    model.gradient_checkpointing_enable()
    calls.clear()
    assert _alike(_pass(model, rows, operators, shared=True), theirs)  # in training mode: plainly after all
    # four norms of two layers and the last one; those of the layers once more
    assert calls.count("norm") == 5 + 4 and calls.count("norm_back") == 5 and "attend" not in calls


def test_adapters_are_computed_there_too(build, calls):
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(
        _model(FAMILIES["llama"]), peft.LoraConfig(r=4, target_modules=["q_proj", "gate_proj", "down_proj"])
    ).eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.constant_(parameter, 0.05)
    rows, operators = _rows(build), find_route(model, compiled=True).operators
    theirs = _pass(model, rows, None, shared=False)
    calls.clear()
    assert _alike(_pass(model, rows, operators, shared=True), theirs)
    assert set(calls) == CALLED - {"norm_sums"}  # norms are frozen


def test_autocast_and_other_types_are_the_library_s(build, calls):
    model, rows = _model(FAMILIES["llama"]), _rows(build)
    operators = operators_of(model.get_decoder())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for shared in (True, False):
            assert find_route(model).operators is None
            ours, theirs = (_pass(model, rows, given, shared=shared) for given in (operators, None))
            assert torch.equal(ours[0], theirs[0]) and torch.equal(ours[1], theirs[1])
    assert calls == []
    for kind in (torch.bfloat16, torch.float64):
        assert find_route(model.to(kind), compiled="auto").operators is None


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (LlamaConfig(**{**SMALL, "head_dim": 12}), "no whole vectors"),
        (GPT2Config(vocab_size=23, n_embd=16, n_layer=1, n_head=2, n_positions=64), "no layers like Llama's"),
    ],
)
def test_other_models_are_the_library_s(config, why):
    assert find_route(_model(config), compiled=True).operators is None, why


def test_an_MLP_narrower_than_its_configuration_s_is_the_library_s(build, calls):
    """One token has one number between the projections, and a vector holds eight at least: it was read and written beyond."""
    model = _model(FAMILIES["llama"])
    for layer in model.model.layers:
        for name, shape in (("gate_proj", (24, 1)), ("up_proj", (24, 1)), ("down_proj", (1, 24))):
            setattr(layer.mlp, name, nn.Linear(*shape, bias=False))
    row, operators = [build.rollout(1, 2)], operators_of(model.model)
    assert _alike(*(_pass(model, row, given, shared=False) for given in (operators, None)))
    assert "norm" in calls and "gate" not in calls


@pytest.mark.parametrize("kind", ["LlamaRMSNorm", "LlamaMLP", "LlamaAttention"])
def test_a_class_that_is_given_another_forward_later_has_it(build, monkeypatch, kind):
    model = _model(FAMILIES["llama"])
    rows, operators, real = _rows(build), operators_of(model.model), getattr(modeling_llama, kind).forward

    def other(self, hidden_states, *args, **given):
        return real(self, 2 * hidden_states + 0.1, *args, **given)

    monkeypatch.setattr(getattr(modeling_llama, kind), "forward", other)
    assert _alike(*(_pass(model, rows, given, shared=True) for given in (operators, None)))


@pytest.mark.parametrize("name", ["norm", "norm_back", "norm_sums", "gate", "gate_back", "attend", "attend_back"])
def test_operators_that_are_off_are_not_taken(monkeypatch, name):
    model, real = _model(FAMILIES["llama"]), TrainingOperators.call

    def off(self, asked, count, size, *given):
        real(self, asked, count, size, *given)
        if asked == name:
            wrong = [part for part in given if isinstance(part, torch.Tensor) and part.is_floating_point()][-1]
            wrong.mul_(1.01)

    assert find_route(model, compiled="auto").operators is not None
    monkeypatch.setattr(TrainingOperators, "call", off)
    # `attend` keeps its masses last, `norm` its scales: what the gradient is made of
    assert find_route(model, compiled="auto").operators is None


def test_modules_are_as_before_whatever_happens():
    model = _model(FAMILIES["llama"])
    norm, other = model.model.norm, model.model.layers[0].input_layernorm
    hooked = other.forward = functools.partial(type(other).forward, other)
    operators = operators_of(model.model)
    with pytest.raises(KeyError), compiling(model, operators):
        assert "forward" in vars(norm) and other.forward is hooked
        with compiling(model, operators):
            pass
        assert "forward" in vars(norm)
        raise KeyError
    assert "forward" not in vars(norm) and other.forward is hooked
    with compiling(model, None):
        assert "forward" not in vars(norm)


@pytest.mark.parametrize("broken", ["missing", "refusing"])
def test_without_a_compiler_the_library_computes_unless_it_is_asked_for(monkeypatch, tmp_path, broken):
    compiler._made.cache_clear()
    refusing = tmp_path / "c++"
    if broken == "refusing":
        refusing.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no room')\n", encoding="utf-8")
        refusing.chmod(0o755)
    monkeypatch.setenv("CXX", str(refusing))
    model = _model(FAMILIES["llama"])
    assert find_route(model, compiled="auto").operators is None
    says = {
        "missing": r"learner.compiled=true needs a C\+\+ compiler, and there is no .*; install one, .* or set learner.compiled=auto",
        "refusing": r"could not compile compiled.cpp \(no room\); name another compiler in CXX, or set learner.compiled=auto",
    }
    with pytest.raises(UsageError, match=says[broken]):
        find_route(model, compiled=True)
    assert find_route(model, compiled=False).operators is None
    compiler._made.cache_clear()


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_learner_ends_where_the_library_s_ends(build, calls, epochs):
    """Reference, old log-probabilities, two mini-batches, a row without credit."""
    rows, ends = _rows(build, prompts=4), []
    for kind in (False, True):
        learner = build.learner(
            _model(FAMILIES["llama"]),
            reference=_model(FAMILIES["llama"]),
            compiled=kind,
            epochs=epochs,
            minibatch_prompts=2,
            old_log_probs="learner",
            needs_reference=True,
            learning_rate=1e-3,
            epsilon=1e-3,
        )
        assert kind or calls == []
        credit = build.credit(*([1.0, -1.0, 0.5, 0.0] * 4))
        learner.update(rows, credit, torch.ones(16, dtype=torch.bool), np.arange(16) // 4, seed=0)
        ends.append(build.parameters(learner._model))
    assert set(calls) == CALLED and torch.allclose(*ends, rtol=0, atol=1e-5) and not torch.equal(*ends)


def test_the_critic_reads_the_same_states(build, calls):
    rows, found = _rows(build), []
    for kind in (False, True):
        critic = Critic(
            _model(FAMILIES["llama"]),
            trunk="separate",
            accelerator=build.one_process(),
            settings=LearnerSettings(compiled=kind),
            loss=lambda **_: None,
            divide=build.divide,
        )
        with torch.no_grad():
            critic._head.weight.fill_(0.1)
        calls.clear()
        found.append(critic.values(rows).tokens)
    assert "attend" in calls and torch.allclose(*found, atol=5e-5)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"compiled": True, "products": "torch"}, "compiled operators"),
        ({"compiled": False, "products": "torch"}, "torch's operators"),
        ({"compiled": True, "products": "onednn"}, "compiled operators and oneDNN's products"),
    ],
)
def test_a_learner_says_who_computes(build, given, says):
    if given["products"] == "onednn" and not torch.backends.mkldnn.is_available():
        pytest.skip("this torch has no oneDNN")
    assert build.learner(_model(FAMILIES["llama"]), **given).way() == says


def test_a_pass_without_gradient_is_computed_there_too(calls):
    model = _model(FAMILIES["llama"])
    operators = operators_of(model.model)
    with torch.no_grad(), evaluating(model, "torch", operators):
        model(input_ids=torch.ones(2, 3, dtype=torch.int64))
    assert calls.count("norm") == 5 and calls.count("gate") == 2
