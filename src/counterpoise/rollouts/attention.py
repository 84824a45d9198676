"""Attention of one query a row by batched products: with its prompt's keys, read once for all rows of the prompt, and with its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from counterpoise.rollouts.cache import PreallocatedLayer

if TYPE_CHECKING:
    from counterpoise.rollouts.flat import FlatLayer, FlatWeights

__all__ = ["BatchedAttention", "normed"]


class BatchedAttention:
    """Keys and values of the prompts and of what the live rows have said. Heads of a group share keys without repeating them."""

    def __init__(
        self,
        weights: FlatWeights,
        prompts: list[tuple[torch.Tensor, torch.Tensor]],
        pads: torch.Tensor,
        repeats: int,
        steps: int,
        rotations: dict[str | None, torch.Tensor],
    ) -> None:
        """Start with nothing said.

        Args:
            weights: of the model.
            prompts: for each layer (G * kv heads, P, d) keys, their dimensions in pairs, and values.
            pads: (G,) positions of padding before each prompt.
            repeats: rows of each prompt, which lie together.
            steps: tokens a row may say.
            rotations: (positions, d / 2) complex, of each kind of layer.
        """
        self._weights = weights
        self._prompts = prompts
        self._rotations = rotations
        self._own = [PreallocatedLayer(steps) for _ in weights.layers]
        self._hidden: torch.Tensor | None = None
        """(G * kv heads, 1, P) 0 and, where a prompt is padded, -inf."""
        if int(pads.max()):
            hidden = torch.arange(prompts[0][0].shape[1]) < pads[:, None]
            bias = torch.zeros(hidden.shape).masked_fill_(hidden, -torch.inf)
            self._hidden = bias.repeat_interleave(weights.shared, 0)[:, None]
        self._prompt_of = torch.arange(len(pads)).repeat_interleave(repeats)
        self._grid: tuple[torch.Tensor, torch.Tensor] | None = None
        """Where prompts have unequal numbers of rows: (G * n,) rows of a table of G prompts, padded by any, and (R,) cell of each row."""
        self._turns: dict[str | None, torch.Tensor] = {}

    def keep(self, index: torch.Tensor) -> None:
        """Drop every row but those at `index`, which ascends."""
        for layer in self._own:
            if layer.is_initialized:
                layer.keep(index)
        left, self._prompt_of, counts = torch.unique_consecutive(
            self._prompt_of[index], return_inverse=True, return_counts=True
        )
        groups, most = len(left), int(counts.max())
        if groups < self._prompts[0][0].shape[0] // self._weights.shared:
            heads = (left[:, None] * self._weights.shared + torch.arange(self._weights.shared)).flatten()
            self._prompts = [(keys[heads], values[heads]) for keys, values in self._prompts]
            self._hidden = None if self._hidden is None else self._hidden[heads]
        self._grid = None
        if groups * most != len(index):
            starts = counts.cumsum(0) - counts
            cells = starts[:, None] + torch.arange(most).clamp(max=counts[:, None] - 1)
            self._grid = (
                cells.flatten(),
                torch.arange(len(index)) + (torch.arange(groups) * most - starts)[self._prompt_of],
            )

    def turn_to(self, positions: torch.Tensor) -> None:
        """Say at which (R,) positions the next token stands."""
        self._turns = {kind: table.index_select(0, positions)[:, None] for kind, table in self._rotations.items()}

    def read(self, number: int, layer: FlatLayer, flat: torch.Tensor) -> torch.Tensor:
        """(R, heads * d) values that the heads read in layer `number`; keys and values are kept.

        Args:
            number: of the layer.
            layer: its weights.
            flat: (R, (heads + 2 kv heads) * d) projections.
        """
        own, rows = self._weights, flat.shape[0]
        both, width = own.heads + own.shared, own.width
        pairs = flat[:, : both * width].view(rows, both, width)
        if layer.qk_norm is not None:
            pairs = normed(pairs, own.head_eps).mul_(layer.qk_norm)
        turned = torch.view_as_complex(pairs.view(rows, both, width // 2, 2)) * self._turns[layer.kind]
        pairs = torch.view_as_real(turned).view(rows, both, width)
        keys, values = self._own[number].update(
            pairs[:, own.heads :, None], flat[:, both * width :].view(rows, own.shared, 1, width)
        )
        queries = pairs[:, : own.heads].reshape(rows * own.shared, -1, width)
        prompts = self._prompts[number]
        of_prompt = torch.bmm(self._by_prompt(queries), prompts[0].transpose(1, 2))
        if self._hidden is not None:
            of_prompt += self._hidden
        own_scores = torch.bmm(queries, keys.flatten(0, 1).transpose(1, 2))
        scores = torch.cat([self._by_row(of_prompt, rows), own_scores], -1).softmax(-1)
        size = of_prompt.shape[-1]
        found = self._by_row(torch.bmm(self._by_prompt(scores[..., :size]), prompts[1]), rows)
        return torch.baddbmm(found, scores[..., size:], values.flatten(0, 1)).view(rows, -1)

    def _by_prompt(self, rows: torch.Tensor) -> torch.Tensor:
        """(R * kv heads, group, D) -> (G * kv heads, n * group, D)."""
        shared, (_, group, size) = self._weights.shared, rows.shape
        table = rows.view(-1, shared, group, size)
        if self._grid is not None:
            table = table.index_select(0, self._grid[0])
        groups = self._prompts[0][0].shape[0] // shared
        return table.reshape(groups, -1, shared, group, size).transpose(1, 2).reshape(groups * shared, -1, size)

    def _by_row(self, table: torch.Tensor, rows: int) -> torch.Tensor:
        """The way back."""
        shared, size = self._weights.shared, table.shape[-1]
        group = self._weights.heads // shared
        groups = table.shape[0] // shared
        found = table.view(groups, shared, -1, group, size).transpose(1, 2).reshape(-1, shared, group, size)
        if self._grid is not None:
            found = found.index_select(0, self._grid[1])
        return found.reshape(rows * shared, group, size)


def normed(x: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    """`x / sqrt(|x|^2 + eps^2)` along the last axis: the root mean square norm, but for sqrt(n)."""
    found: torch.Tensor = x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).hypot(eps)
    return found
