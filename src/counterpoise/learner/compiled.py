"""Norms, gates and attention with shared prompts of a training pass, forward and backward, compiled where they run.

`compiled.cpp` takes a second to compile, once in a process. While `compiling` lasts, the modules of layers that are Llama's go there; in a
pass with shared prompts attention does, too: one call turns queries and keys, and every row reads its prompt and itself without being
padded or copied. Everything is float32 on the CPU and has the numbers of the library's modules up to rounding, which
`states.proven_operators` sees to. Sums are added up in one order whatever the number of threads.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from counterpoise.compiler import as_argument, in_parts, load_library
from counterpoise.learner.shared import SharedLayout, applied

__all__ = ["TrainingOperators", "compiling", "operators_of", "training_operators"]

_SOURCE = Path(__file__).with_name("compiled.cpp")
_BLOCK = 8
"""What the width of a head must be a multiple of."""
_VECTOR = 16
"""Numbers that a gate must have at least."""
_LEAST = 4096
"""Numbers that are worth a thread."""
_float = ctypes.c_float

_NORMS: Mapping[str, float] = {
    "LlamaRMSNorm": 0.0,
    "MistralRMSNorm": 0.0,
    "Qwen2RMSNorm": 0.0,
    "Qwen3RMSNorm": 0.0,
    "SmolLM3RMSNorm": 0.0,
    "Gemma3RMSNorm": 1.0,
}
"""What is added to the weight."""
_GATES = frozenset({"LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP", "SmolLM3MLP"})
_ATTENTIONS = frozenset(
    {
        "Gemma3Attention",
        "LlamaAttention",
        "MistralAttention",
        "Qwen2Attention",
        "Qwen3Attention",
        "SmolLM3Attention",
    }
)


class TrainingOperators:
    """The compiled library for heads of one width. Tensors are contiguous, float32, on the CPU."""

    def __init__(self, library: Any, width: int) -> None:
        self._library = library
        self.width = width

    def call(self, name: str, count: int, size: int, *given: Any) -> None:
        """Call a function of the library on 0..count, in torch's threads where there are enough of `size` numbers each."""
        function, words = getattr(self._library, name), [as_argument(value) for value in given]
        threads = min(torch.get_num_threads(), count, max(1, count * size // _LEAST))
        in_parts(count, threads, lambda _, start, end: function(as_argument(start), as_argument(end), *words))


def operators_of(trunk: nn.Module) -> TrainingOperators | None:
    """Compiled operators for a trunk whose layers are Llama's; None for another, elsewhere than on the CPU or in another type.

    Raises:
        UsageError: there is no C++ compiler, or it refuses.
    """
    widths: set[Any] = {module.head_dim for module in trunk.modules() if _is(module, _ATTENTIONS)}
    kinds = {(parameter.device.type, parameter.dtype) for parameter in trunk.parameters()}
    if len(widths) != 1 or kinds != {("cpu", torch.float32)} or (width := int(widths.pop())) % _BLOCK:
        return None
    return training_operators(width)


def training_operators(width: int) -> TrainingOperators:
    """Operators for heads of so many dimensions (`compiler.load_library`).

    Raises:
        UsageError: there is no C++ compiler, or it refuses.
    """
    return TrainingOperators(load_library(_SOURCE, (f"WIDTH={width}",)), width)


@contextmanager
def compiling(model: nn.Module, operators: TrainingOperators | None) -> Iterator[None]:
    """Let the model's norms, gates and attention with shared prompts be computed by `operators`, if there are any.

    Modules of other classes, or with a `forward` of their own, are left alone; so is everything under autocast. Gradients must be taken
    before it ends where layers are recomputed for them.
    """
    ours = (
        [] if operators is None else [(module, own) for module in model.modules() if (own := _own(module, operators))]
    )
    try:
        for module, own in ours:
            module.forward = own
        yield
    finally:
        for module, _ in ours:
            vars(module).pop("forward", None)


def _own(module: Any, operators: TrainingOperators) -> Callable[..., Any] | None:
    if "forward" in vars(module):
        return None
    if _is(module, _NORMS):
        offset = _NORMS[type(module).__name__]
        eps = module.variance_epsilon if hasattr(module, "variance_epsilon") else module.eps
        return functools.partial(_norm, module, operators, offset, float(eps))
    if _is(module, _GATES) and isinstance(module.act_fn, nn.SiLU | _silu()):
        return functools.partial(_gated, module, operators)
    if _is(module, _ATTENTIONS) and module.head_dim == operators.width:
        return functools.partial(_attended, module, operators)
    return None


def _is(module: nn.Module, names: Container[str]) -> bool:
    kind = type(module)
    known = kind.__name__ in names and kind.__module__.startswith("transformers.models.")
    # a class may be given another forward at any time, by kernels of others or by a user
    return known and kind.forward.__module__ == kind.__module__


def _silu() -> type[nn.Module]:
    from transformers.activations import SiLUActivation

    return SiLUActivation


def _norm(module: Any, operators: TrainingOperators, offset: float, eps: float, x: torch.Tensor) -> torch.Tensor:
    fits = _fits(x)
    found: torch.Tensor = (
        applied(_Norm, x, module.weight, operators, offset, eps) if fits else type(module).forward(module, x)
    )
    return found


def _gated(module: Any, operators: TrainingOperators, x: torch.Tensor) -> torch.Tensor:
    gates, ups = module.gate_proj(x), module.up_proj(x)
    # their own shape and not the configuration's, which a pruned model may not have
    fits = _fits(gates) and _fits(ups) and gates.shape == ups.shape and gates.numel() >= _VECTOR
    found: torch.Tensor = module.down_proj(
        applied(_Gate, gates, ups, operators) if fits else module.act_fn(gates) * ups
    )
    return found


def _attended(module: Any, operators: TrainingOperators, hidden_states: torch.Tensor, *args: Any, **given: Any) -> Any:
    layout: SharedLayout | None = given.get("shared_prompts")
    turns: Any = given.get("position_embeddings")
    table = (1, hidden_states.shape[1], module.head_dim)
    known = not args and turns is not None and turns[0].shape == turns[1].shape == table
    known = known and given.get("attention_mask") is None and not module.training
    if layout is None or not known or not _fits(hidden_states) or not _fits(turns[0]):
        return type(module).forward(module, hidden_states, *args, **given)
    shape = (*hidden_states.shape[:-1], -1, module.head_dim)
    query, key, value = (part(hidden_states).view(shape) for part in (module.q_proj, module.k_proj, module.v_proj))
    if hasattr(module, "q_norm"):
        query, key = module.q_norm(query), module.k_norm(key)
    cosines, sines = turns if getattr(module, "use_rope", True) else (None, None)
    read = applied(_Attend, query, key, value, cosines, sines, layout, operators, float(module.scaling))
    return module.o_proj(read), None


def _fits(x: torch.Tensor) -> bool:
    return (
        x.dtype == torch.float32 and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu") and x.numel() > 0
    )


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, operators: TrainingOperators, offset: float, eps: float
    ) -> torch.Tensor:
        x, size = x.contiguous(), x.shape[-1]
        rows = x.numel() // size
        out, scales = torch.empty_like(x), x.new_empty(rows)
        operators.call("norm", rows, size, size, x, weight, _float(offset), _float(eps), out, scales)
        ctx.save_for_backward(x, weight, scales)
        ctx.operators, ctx.offset = operators, offset
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, scales = ctx.saved_tensors
        size, to_x = x.shape[-1], torch.empty_like(x)
        rows, grad, to_weight = len(scales), grad.contiguous(), None
        ctx.operators.call("norm_back", rows, size, size, x, weight, _float(ctx.offset), scales, grad, to_x)
        if ctx.needs_input_grad[1]:
            to_weight = torch.zeros_like(weight)
            ctx.operators.call("norm_sums", size, rows, rows, size, x, scales, grad, to_weight)
        return to_x, to_weight, None, None, None


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: torch.Tensor, ups: torch.Tensor, operators: TrainingOperators) -> torch.Tensor:
        gates, ups = gates.contiguous(), ups.contiguous()
        out = torch.empty_like(gates)
        operators.call("gate", gates.numel(), 1, gates, ups, out)
        ctx.save_for_backward(gates, ups)
        ctx.operators = operators
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gates, ups = ctx.saved_tensors
        to_gates, to_ups = torch.empty_like(gates), torch.empty_like(ups)
        ctx.operators.call("gate_back", gates.numel(), 1, gates, ups, grad.contiguous(), to_gates, to_ups)
        return to_gates, to_ups, None


class _Attend(torch.autograd.Function):
    """(1, N, heads, d) queries, (1, N, shared, d) keys and values, (1, N, d) cosines and sines or none -> (1, N, heads * d)."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        cosines: torch.Tensor | None,
        sines: torch.Tensor | None,
        layout: SharedLayout,
        operators: TrainingOperators,
        scale: float,
    ) -> torch.Tensor:
        query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
        _, tokens, heads, width = query.shape
        plan = (*layout.plan, heads, key.shape[2], _float(scale), cosines, sines)
        turned, keys = torch.empty_like(query), torch.empty_like(key)
        read, masses = query.new_zeros(1, tokens, heads * width), query.new_empty(tokens, heads)
        units = len(layout.plan[0]) * key.shape[2]
        operators.call("attend", units, query.numel() // units, *plan, query, key, value, turned, keys, read, masses)
        ctx.save_for_backward(turned, keys, value, read, masses)
        ctx.operators, ctx.plan, ctx.units = operators, plan, units
        return read

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, read, masses = ctx.saved_tensors
        found = [torch.zeros_like(part) for part in (query, key, value)]
        given = (*ctx.plan, query, key, value, read, masses, grad.contiguous(), *found)
        ctx.operators.call("attend_back", ctx.units, query.numel() // ctx.units, *given)
        return (*found, None, None, None, None, None)
