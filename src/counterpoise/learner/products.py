"""float32 products of matrices on a CPU by oneDNN, where it is measured to be faster than what torch calls by itself (MKL).

MKL keeps to AVX2 on processors that are not Intel's; oneDNN uses what the processor has. While `multiplying` lasts, the model's linear
modules and `times` go there, forward and backward. oneDNN makes a kernel for each shape, which takes about a millisecond and is kept, so
that small products pay only where their numbers of rows come back: those in whole blocks (`row_block`).
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from counterpoise.errors import UsageError
from counterpoise.learner.settings import ProductsName

__all__ = ["library_rates", "multiplying", "onednn_pays", "row_block", "times"]

_WORTH = 1.4
"""Ratio of rates from which oneDNN is taken: below it what it costs to make its kernels counts, and two measurements may differ."""
_SHAPE = (512, 256, 512)
_BLOCK = 32
_SMALL = 2**20
"""Multiplications below which MKL is as fast."""
_LARGE = 2**28
"""Multiplications from which a kernel that is used once has paid."""

_ACTIVE: ContextVar[bool] = ContextVar("onednn", default=False)


def onednn_pays() -> bool:
    """Whether oneDNN is `_WORTH` times as fast as torch with the threads that there are, by a look of some milliseconds, once."""
    return torch.backends.mkldnn.is_available() and _pays(torch.get_num_threads())  # type: ignore[no-untyped-call]


def library_rates() -> dict[str, float]:
    """GFLOP/s of torch's own products and, if there is one, of oneDNN's, at that look."""
    seconds = _seconds(torch.get_num_threads())
    rates = (2e-9 * math.prod(_SHAPE) / max(each, 1e-9) for each in seconds)
    return dict(zip(("torch", "onednn"), rates, strict=False))


@contextmanager
def multiplying(model: nn.Module | None, products: ProductsName) -> Iterator[None]:
    """Let products of the model's linear modules, if there is one, and of `times` be made as `products` says.

    Modules of other classes, or with a `forward` of their own, are left alone; so is everything under autocast, in another type than
    float32 or on another device than the CPU. Gradients must be taken before it ends where layers are recomputed for them.

    Raises:
        UsageError: `onednn` is asked for, and this torch is built without it.
    """
    if products == "onednn" and not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        raise UsageError(
            "learner.products=onednn, and this torch is built without oneDNN; set learner.products=auto, or install a torch that has it"
        )
    modules = [] if model is None else model.modules()
    linear = [module for module in modules if type(module) is nn.Linear and "forward" not in vars(module)]
    on_cpu = any(module.weight.device.type == "cpu" and module.weight.dtype == torch.float32 for module in linear)
    if not (on_cpu or model is None) or products == "torch" or (products == "auto" and not onednn_pays()):
        yield
        return
    token = _ACTIVE.set(True)
    try:
        for module in linear:
            module.forward = functools.partial(_forward, module)  # type: ignore[method-assign]
        yield
    finally:
        for module in linear:
            vars(module).pop("forward", None)
        _ACTIVE.reset(token)


def row_block() -> int:
    """What a number of rows should be a multiple of now."""
    return _BLOCK if _ACTIVE.get() else 1


def times(left: torch.Tensor, right: torch.Tensor, *, rows: int) -> torch.Tensor:
    """(n, m) product of (n, k) `left` and (m, k) `right`, transposed; no gradient flows back.

    Args:
        left: the one.
        right: the other.
        rows: which of n, m and k is another number in another pass.
    """
    if _ACTIVE.get() and _fits(left, right, rows):
        return _onednn(left, right)
    return left @ right.T


def _forward(module: nn.Linear, x: torch.Tensor) -> torch.Tensor:
    if not _fits(x, module.weight, x.numel() // x.shape[-1]):
        return nn.Linear.forward(module, x)
    found: torch.Tensor = _Product.apply(x, module.weight, module.bias)  # type: ignore[no-untyped-call]
    return found


def _fits(left: torch.Tensor, right: torch.Tensor, rows: int) -> bool:
    count = left.numel() * right.shape[0]
    return (
        left.dtype == right.dtype == torch.float32
        and left.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and (count >= _LARGE or (count >= _SMALL and rows % _BLOCK == 0))
    )


def _onednn(left: torch.Tensor, right: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")
    return found


class _Product(torch.autograd.Function):
    """(…, k) -> (…, m), `x @ weight.T + bias`."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return _onednn(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        # a gradient may be one number seen many times, which oneDNN does not read
        flat = grad.reshape(-1, grad.shape[-1]).contiguous()
        to_x = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            to_x = _onednn(flat, weight.t()).view(x.shape)
        if ctx.needs_input_grad[1]:
            rows = x.reshape(-1, x.shape[-1])
            # the wider side in front is a fifth faster
            wide = weight.shape[0] > weight.shape[1]
            to_weight = _onednn(rows.t(), flat.t()).t() if wide else _onednn(flat.t(), rows.t())
        if ctx.has_bias and ctx.needs_input_grad[2]:
            to_bias = flat.sum(0)
        return to_x, to_weight, to_bias


def _pays(threads: int) -> bool:
    theirs, ours = _seconds(threads)
    return theirs >= _WORTH * ours


@functools.cache
def _seconds(threads: int) -> tuple[float, ...]:
    """Of one product by torch and, if there is one, by oneDNN."""
    rows, inner, outer = _SHAPE
    left, right = torch.ones(rows, inner), torch.ones(outer, inner)
    works: list[Callable[[], object]] = [lambda: left @ right.T]
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        works.append(lambda: _onednn(left, right))
    with torch.no_grad():
        return tuple(map(_fastest, works))


def _fastest(work: Callable[[], object]) -> float:
    """CPU seconds of this thread, the least of some behind one that warms up: what else runs on the machine does not show in it."""
    work()
    seconds = []
    for _ in range(8):
        begun = time.thread_time()
        work()
        seconds.append(time.thread_time() - begun)
    return min(seconds)
