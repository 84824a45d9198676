from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from counterpoise.learner.logprob import automatic_chunk, statistics_from_hidden, statistics_from_logits


def _inputs(rows=13, width=5, vocabulary=11):
    draw = torch.Generator().manual_seed(0)
    hidden = torch.randn(rows, width, generator=draw, requires_grad=True)
    weight = torch.randn(vocabulary, width, generator=draw, requires_grad=True)
    bias = torch.randn(vocabulary, generator=draw, requires_grad=True)
    return hidden, weight, bias, torch.randint(vocabulary, (rows,), generator=draw)


@pytest.mark.parametrize("chunk", [1, 4, 13, 100])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("with_entropy", [False, True])
def test_values_and_gradients_equal_those_of_whole_logits(chunk, temperature, with_entropy):
    hidden, weight, bias, targets = _inputs()
    ours = statistics_from_hidden(
        hidden, weight, bias, targets, temperature=temperature, chunk_tokens=chunk, with_entropy=with_entropy
    )
    theirs = statistics_from_logits(
        hidden @ weight.T + bias, targets, temperature=temperature, with_entropy=with_entropy
    )
    up = torch.linspace(-1, 2, 13)
    for mine, reference in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, reference, atol=1e-5)
        assert mine.requires_grad == reference.requires_grad
    gradients = [
        torch.autograd.grad((a * up).sum() + ((b * up**2).sum() if with_entropy else 0.0), (hidden, weight, bias))
        for a, b in (ours, theirs)
    ]
    for mine, reference in zip(*gradients, strict=True):
        assert torch.allclose(mine, reference, atol=1e-5)


def test_a_uniform_distribution_has_log_v_nats():
    log_probs, entropy = statistics_from_logits(
        torch.zeros(2, 8), torch.tensor([0, 5]), temperature=1.0, with_entropy=False
    )
    assert log_probs.tolist() == pytest.approx([-2.0794415] * 2)  # -ln 8
    assert entropy.tolist() == pytest.approx([2.0794415] * 2)


def test_logits_of_a_thousand_do_not_overflow():
    hidden = torch.tensor([[1000.0], [-1000.0]])
    log_probs, entropy = statistics_from_hidden(
        hidden,
        torch.tensor([[1.0], [0.0]]),
        None,
        torch.tensor([0, 0]),
        temperature=1.0,
        chunk_tokens=2,
        with_entropy=False,
    )
    assert log_probs.tolist() == [0.0, -1000.0]
    assert entropy.tolist() == [0.0, 0.0]


def test_no_rows_give_no_numbers():
    _, weight, _, _ = _inputs()
    empty = torch.zeros(0, 5, requires_grad=True)
    log_probs, _ = statistics_from_hidden(
        empty, weight, None, torch.zeros(0, dtype=torch.int64), temperature=1.0, chunk_tokens=2, with_entropy=False
    )
    log_probs.sum().backward()
    assert log_probs.shape == (0,)
    assert weight.grad is not None and not weight.grad.any()


class _Largest(TorchDispatchMode):
    """Elements of the largest tensor that any operation returned."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.elements = max(self.elements, *sizes, 0)
        return result


@pytest.mark.parametrize("with_entropy", [False, True])
def test_no_tensor_is_larger_than_one_chunk_of_logits(with_entropy):
    hidden, weight, _, targets = _inputs(rows=64, width=2, vocabulary=100)
    saved = []
    with (
        _Largest() as largest,
        torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t),
    ):
        log_probs, entropy = statistics_from_hidden(
            hidden, weight, None, targets, temperature=0.9, chunk_tokens=8, with_entropy=with_entropy
        )
        (log_probs.sum() + (entropy.sum() if with_entropy else 0.0)).backward()
    assert largest.elements == 8 * 100  # whole logits would be 64 * 100
    assert max(saved) == 2 * 100  # the weight; no logits are kept at all


def test_automatic_chunk_keeps_logits_under_128_mib():
    assert automatic_chunk(2**15) == 2**10
    assert automatic_chunk(2**40) == 1


def test_autocast_multiplies_in_bfloat16_and_normalises_in_float32():
    hidden, weight, _, targets = _inputs()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        log_probs, _ = statistics_from_hidden(
            hidden, weight, None, targets, temperature=1.0, chunk_tokens=4, with_entropy=False
        )
    expected, _ = statistics_from_logits(
        hidden.bfloat16() @ weight.bfloat16().T, targets, temperature=1.0, with_entropy=False
    )
    assert log_probs.dtype == torch.float32
    assert torch.allclose(log_probs, expected, atol=1e-6)
    log_probs.sum().backward()
    assert weight.grad is not None and weight.grad.dtype == torch.float32
