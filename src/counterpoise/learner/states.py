"""The hidden states that predict response tokens: plainly, or with each prompt computed once where that is proven to be the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from counterpoise.compiler import Compiled, asked_for
from counterpoise.errors import UsageError
from counterpoise.learner.batches import (
    PaddedRows,
    Part,
    micro_batches,
    pad_rows,
    row_width,
    shared_batches,
    sharing_gain,
)
from counterpoise.learner.compiled import TrainingOperators, compiling, operators_of
from counterpoise.learner.logprob import statistics_from_hidden
from counterpoise.learner.products import row_block
from counterpoise.learner.shared import UNBOUNDED, UnsharedError, dropless, shared_layout, shared_states
from counterpoise.types import Rollout, StopReason

__all__ = ["parts_of", "predicting_states", "proven_operators", "proven_window"]

_WORTH = 1.1
"""Tokens of a plain pass over those of a shared one, from which on sharing pays: below it packing only costs memory."""

_ALIKE = {torch.float32: 1e-4, torch.float64: 1e-9}
"""2-norm of the difference of two states over that of the state, at most; for narrower types `_ALIKE_NARROW`."""
_ALIKE_NARROW = 3e-2
_SAME = (5e-5, 3e-4)
"""Largest difference of log-probabilities, and of the gradient over its norm, that compiled operators may make: on thirty layers (SmolLM2)
torch's own float32 is 7e-5 of the norm away from float64, and one library's products 1e-4 from the other's."""


def predicting_states(trunk: nn.Module, rollouts: Sequence[Rollout], rows: PaddedRows, *, shared: bool) -> torch.Tensor:
    """(M, H) states from which the masked-in tokens of `rollouts`, padded as `rows`, are predicted.

    Args:
        trunk: decoder without its head.
        rollouts: B.
        rows: their padded form.
        shared: compute each prompt once. A trunk in training mode is passed plainly all the same (`shared.dropless`).
    """
    if shared and dropless(trunk):
        return shared_states(trunk, shared_layout(rollouts, rows, block=row_block()))
    hidden: torch.Tensor = trunk(input_ids=rows.input_ids, use_cache=False)[0]
    return hidden.flatten(0, 1).index_select(0, rows.positions)


@torch.no_grad()
def proven_window(trunk: nn.Module) -> int | None:
    """Longest row that may share its prompt in this trunk, by a look at its attention and a proof; None where none may.

    Two groups go through the trunk both ways. Every layer must ask for attention in the one way that is done here, and all states must
    be those of the plain pass. The trunk must be in evaluation mode.
    """
    config = getattr(trunk, "config", None)
    layers = getattr(config, "num_hidden_layers", None)
    if layers is None or getattr(config, "_attn_implementation", None) not in ("sdpa", "eager"):
        return None
    device = next(trunk.parameters()).device
    vocabulary = getattr(config, "vocab_size", 2)
    rollouts = _examples(vocabulary)
    rows = pad_rows(rollouts, device)
    layout = shared_layout(rollouts, rows)
    plain = predicting_states(trunk, rollouts, rows, shared=False).float()
    try:
        ours = shared_states(trunk, layout).float()
    except (
        UnsharedError,
        TypeError,
        ValueError,
        RuntimeError,
    ):  # a trunk that takes no such arguments, or does more with them
        return None
    if len(layout.calls) != layers or ours.shape != plain.shape:
        return None
    window = min((UNBOUNDED if call is None else call for call in layout.calls), default=UNBOUNDED)
    alike = _ALIKE.get(next(trunk.parameters()).dtype, _ALIKE_NARROW)
    off = (ours - plain).norm(dim=1) / plain.norm(dim=1)
    return window if window > rows.input_ids.shape[1] and bool((off <= alike).all()) else None


def proven_operators(
    trunk: nn.Module, head: nn.Linear, compiled: Compiled, *, shared: bool
) -> TrainingOperators | None:
    """Compiled operators that give this trunk's numbers; None where there are none, or they do not.

    Log-probabilities of two groups must be those of the library's modules, and so must the gradients of what the trunk makes of its tokens
    and of its norms and biases. The trunk must be in evaluation mode.

    Args:
        trunk: decoder without its head.
        head: output embedding that reads it.
        compiled: whether they are wanted.
        shared: whether prompts are computed once.

    Raises:
        UsageError: `compiled` is true, and there is no C++ compiler, or it refuses.
    """
    if compiled is False:
        return None
    try:
        operators = operators_of(trunk)
    except UsageError as error:
        if compiled is True:
            raise asked_for(error, "learner.compiled") from error
        return None
    if operators is None:
        return None
    (plain, slopes), (ours, own) = (_looked(trunk, head, given, shared) for given in (None, operators))
    close, steep = _SAME
    same = bool((ours - plain).abs().max() <= close) and bool((own - slopes).norm() <= steep * slopes.norm())
    return operators if same else None


def parts_of(
    rollouts: Sequence[Rollout],
    rows: npt.NDArray[np.int64],
    token_budget: int,
    *,
    window: int | None,
    packed: bool = False,
) -> list[Part]:
    """Rows in micro-batches within a budget: groups that share their prompts where it pays, rows of like length elsewhere.

    Args:
        rollouts: all of them.
        rows: indices of those that go through the model.
        token_budget: tokens of one pass, at most; padding counts where nothing is shared.
        window: what `proven_window` says of the trunk; None shares nothing.
        packed: whether attention reads rows where they lie (`learner.compiled`), so that nothing is lost where little is shared.
    """
    chosen = [rollouts[row] for row in rows]
    widths = [row_width(rollout) for rollout in chosen]
    shared = window is not None and max(widths, default=0) <= window and (packed or sharing_gain(chosen) >= _WORTH)
    batches = shared_batches(chosen, token_budget) if shared else micro_batches(widths, token_budget)
    return [Part(rows=rows[batch], shared=shared) for batch in batches]


def _looked(
    trunk: nn.Module, head: Any, operators: TrainingOperators | None, shared: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """(M,) log-probabilities of the examples' tokens, and the gradient of a weighted sum of them, end to end."""
    leaves: list[torch.Tensor] = []

    def leaf(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        leaves.append(output.detach().requires_grad_())
        return leaves[-1]

    rollouts = _examples(head.out_features)
    rows = pad_rows(rollouts, head.weight.device)
    few = [parameter for parameter in trunk.parameters() if parameter.requires_grad and parameter.dim() == 1]
    hook = trunk.get_input_embeddings().register_forward_hook(leaf)  # type: ignore[operator]
    try:
        with torch.enable_grad(), compiling(trunk, operators):
            log_probs, _ = statistics_from_hidden(
                predicting_states(trunk, rollouts, rows, shared=shared),
                head.weight.detach(),
                None if head.bias is None else head.bias.detach(),
                rows.targets,
                temperature=1.0,
                chunk_tokens=len(rows.targets),
                with_entropy=False,
            )
            total = (log_probs * torch.linspace(-1.0, 1.0, len(log_probs))).sum()
            slopes = torch.autograd.grad(total, [*few, *leaves], allow_unused=True)
    finally:
        hook.remove()
    return log_probs.detach(), torch.cat([slope.flatten() for slope in filter(torch.is_tensor, slopes)])


def _examples(vocabulary: int) -> list[Rollout]:
    """Two groups of two."""
    return [_example(prompt, response, vocabulary) for prompt, response in ((5, 4), (3, 1), (5, 2), (3, 3))]


def _example(prompt: int, response: int, vocabulary: int) -> Rollout:
    return Rollout(
        problem_id="proof",
        prompt_ids=(1 + 3 * np.arange(prompt)) % vocabulary,
        token_ids=(2 + prompt + 5 * np.arange(response)) % vocabulary,
        mask=np.ones(response, dtype=np.bool_),
        log_probs=np.zeros(response, dtype=np.float32),
        text="",
        temperature=1.0,
        stop_reason=StopReason.LENGTH,
        policy_version=0,
    )
