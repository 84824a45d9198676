"""One padded forward pass that gives the log-probability of every response token, and logits for nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from counterpoise.compiler import Compiled
from counterpoise.errors import UsageError
from counterpoise.learner.batches import pad_rows
from counterpoise.learner.compiled import TrainingOperators, compiling
from counterpoise.learner.logprob import automatic_chunk, statistics_from_hidden, statistics_from_logits
from counterpoise.learner.products import multiplying
from counterpoise.learner.settings import ProductsName
from counterpoise.learner.states import predicting_states, proven_operators, proven_window
from counterpoise.types import Rollout

__all__ = ["ResponseLogProbs", "Route", "causal_model", "evaluating", "find_route", "response_log_probs", "updating"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseLogProbs:
    """What a forward pass says of B responses of at most T tokens; zero outside the mask."""

    log_probs: torch.Tensor
    """(B, T) float32 log-probability of each token under `softmax(logits / temperature)`, with gradient."""
    entropy: torch.Tensor
    """(B, T) float32 entropy of that distribution in nats; with gradient only when it was asked for."""
    mask: torch.Tensor
    """(B, T) bool tokens the policy chose."""
    sampler_log_probs: torch.Tensor
    """(B, T) float32 as the sampler recorded them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How to get from token ids to log-probabilities in one model."""

    trunk: nn.Module | None
    """Decoder without its head; None when head and trunk cannot be parted and the model's own logits are used."""
    head: nn.Linear | None
    """Output embedding that belongs to `trunk`."""
    keeps: bool
    """The model takes `logits_to_keep`, so prompt logits can be left out on the second way too."""
    window: int | None = None
    """Longest row that may share its prompt with the others of its group; None where none may."""
    operators: TrainingOperators | None = None
    """Compiled operators that are proven to give the trunk's numbers; None where there are none."""


def find_route(model: nn.Module, *, share_prompts: bool = True, compiled: Compiled = False) -> Route:
    """Find trunk and head, and prove on eight tokens that `head(trunk(ids))` is `model(ids).logits`.

    Two things are checked: the head is fed exactly what the trunk returns, and what the head returns is exactly what the
    model returns. For the second a hook replaces the head's output by a ramp from -60 to 60: soft-capped (Gemma 2) or
    scaled (Cohere, Granite) logits differ from the ramp visibly, while on a fresh model's small logits they might not.
    A model that fails either check is asked for its own logits instead: right for all of them, only with more memory.

    With `share_prompts` it is proven, too, that prompts may be computed once for all their rows (`states.proven_window`), and
    with `compiled` that compiled operators have the model's numbers (`states.proven_operators`).

    Raises:
        UsageError: `compiled` is true, and there is no C++ compiler, or it refuses.
    """
    forward = inspect.signature(causal_model(model).forward).parameters
    fallback = Route(trunk=None, head=None, keeps="logits_to_keep" in forward)
    core = causal_model(model)
    trunk, head = core.get_decoder(), core.get_output_embeddings()
    if trunk is core or type(head) is not nn.Linear:
        return fallback
    ids = (torch.arange(8, device=head.weight.device) % head.out_features)[None]
    seen: dict[str, torch.Tensor] = {}

    def ramp(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        seen["input"] = inputs[0]
        seen["ramp"] = torch.linspace(-60, 60, output.numel(), dtype=output.dtype, device=output.device).view_as(output)
        return seen["ramp"]

    hook = head.register_forward_hook(ramp)
    try:
        with torch.no_grad(), evaluating(model):
            logits = model(input_ids=ids, use_cache=False).logits
            states = trunk(input_ids=ids, use_cache=False)[0]
    finally:
        hook.remove()
    same = (
        len(seen) == 2
        and logits.shape == seen["ramp"].shape
        and torch.equal(logits.float(), seen["ramp"].float())
        and states.shape == seen["input"].shape
        and torch.allclose(states.float(), seen["input"].float(), rtol=1e-3, atol=1e-5)
    )
    if not same:
        return fallback
    with evaluating(model):
        window = proven_window(trunk) if share_prompts else None
        operators = proven_operators(trunk, head, compiled, shared=window is not None)
    return Route(trunk=trunk, head=head, keeps=fallback.keeps, window=window, operators=operators)


def response_log_probs(
    model: nn.Module,
    rollouts: Sequence[Rollout],
    *,
    temperature: float,
    chunk_tokens: int | None = None,
    with_entropy: bool = False,
    route: Route | None = None,
    shared: bool = False,
) -> ResponseLogProbs:
    """Log-probability of every response token of `rollouts` (B of them) under `softmax(logits / temperature)`.

    Rows are padded on the right and no attention mask is passed: causal attention already hides the padding from every real
    token, positions count from the left, and without a mask the fast causal kernels are used. Hidden states are gathered
    where a masked-in token is predicted, and only those go through the head (see `logprob.statistics_from_hidden`).

    Args:
        model: any Hugging Face causal language model, wrapped by PEFT or not.
        rollouts: rows of one forward pass; the caller bounds their number (`batches.micro_batches`).
        temperature: > 0, what the rollouts were drawn at.
        chunk_tokens: response tokens whose logits exist at once; None: as many as fit in 128 MiB.
        with_entropy: let gradients flow through the entropy.
        route: the answer of `find_route(model)`, which is asked here when absent.
        shared: compute each prompt once for all its rows; only where `route.window` holds the longest row.

    Raises:
        UsageError: no rollouts, a prompt is empty, or the temperature is not positive.
    """
    if not rollouts:
        raise UsageError("response_log_probs got no rollouts; give at least one")
    if not temperature > 0.0:
        raise UsageError(f"temperature is {temperature}; log-probabilities need one above 0 (greedy rollouts use 1)")
    route = find_route(model) if route is None else route
    rows = pad_rows(rollouts, next(model.parameters()).device)
    if route.trunk is None or route.head is None:
        logits = _kept_logits(model, rows.input_ids, rows.first, route.keeps)
        width, kept = rows.input_ids.shape[1], logits.shape[1]
        positions = rows.positions // width * kept + rows.positions % width - (width - kept)
        log_probs, entropy = statistics_from_logits(
            logits.flatten(0, 1).index_select(0, positions),
            rows.targets,
            temperature=temperature,
            with_entropy=with_entropy,
        )
    else:
        log_probs, entropy = statistics_from_hidden(
            predicting_states(route.trunk, rollouts, rows, shared=shared),
            route.head.weight,
            route.head.bias,
            rows.targets,
            temperature=temperature,
            chunk_tokens=chunk_tokens or automatic_chunk(route.head.out_features),
            with_entropy=with_entropy,
        )
    blank = torch.zeros_like(rows.sampler_log_probs)
    return ResponseLogProbs(
        log_probs=blank.masked_scatter(rows.mask, log_probs),
        entropy=blank.masked_scatter(rows.mask, entropy),
        mask=rows.mask,
        sampler_log_probs=rows.sampler_log_probs,
    )


@contextmanager
def evaluating(
    model: nn.Module, products: ProductsName = "torch", operators: TrainingOperators | None = None
) -> Iterator[None]:
    """Run without dropout, multiplying as `products` says and by `operators`, and put every module's mode back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with multiplying(model, products), compiling(model, operators):
            yield
    finally:
        for module, was_training in modes:
            module.training = was_training


@contextmanager
def updating(
    model: nn.Module, products: ProductsName = "torch", operators: TrainingOperators | None = None
) -> Iterator[None]:
    """No dropout; layers that recompute their activations do so in training mode alone, so they alone get it."""
    with evaluating(model, products, operators):
        for module in model.modules():
            if getattr(module, "gradient_checkpointing", False):
                module.training = True
        yield


def _kept_logits(model: nn.Module, input_ids: torch.Tensor, first: int, keeps: bool) -> torch.Tensor:
    """(B, K, V) logits of the last K columns, K covering every column from `first` on."""
    if keeps:
        kept: torch.Tensor = model(
            input_ids=input_ids, use_cache=False, logits_to_keep=input_ids.shape[1] - first
        ).logits
        return kept
    logits: torch.Tensor = model(input_ids=input_ids, use_cache=False).logits
    return logits[:, first - input_ids.shape[1] :]


def causal_model(model: nn.Module) -> Any:
    """The transformers model inside any wrapper (PEFT puts its layers into it in place).

    Raises:
        UsageError: there is none.
    """
    from transformers import PreTrainedModel

    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            return module
    raise UsageError(
        f"{type(model).__name__} holds no transformers model; the learner trains Hugging Face causal language models, "
        "wrapped by PEFT or not"
    )
