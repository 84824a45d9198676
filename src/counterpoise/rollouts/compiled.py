"""Operators of a decode step that are compiled here, for the machine and the model's shape: attention of one query a row, norms, gates.

`compiled.cpp` takes a second to compile, once in a process. One call attends for all rows: it turns queries and keys, keeps keys and
values, and reads each row's prompt and what the row has said, without batched products of few rows. What a row gets does not depend on the
others.
The numbers are those of `attention.BatchedAttention` up to rounding; `decoding.proven` sees to that.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from counterpoise.compiler import as_argument, in_parts, load_library

if TYPE_CHECKING:
    from counterpoise.rollouts.flat import FlatLayer, FlatWeights

__all__ = ["CompiledAttention", "CompiledOperators", "compiled_operators", "operators_for"]

_BLOCK = 8
"""Tokens of a block of keys; numbers of a vector."""
_GROWTH = 2 * _BLOCK
_SOURCE = Path(__file__).with_name("compiled.cpp")


class CompiledOperators:
    """The compiled library of one shape. Tensors are contiguous, float32, on the CPU."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def attend(self, rows: int, *given: Any, scratch: int) -> None:
        """Fill the first argument, (rows, heads * d), sharing rows out to torch's threads; `scratch` floats are lent to each."""
        threads = min(torch.get_num_threads(), max(1, rows // 8))
        room = torch.empty(threads, scratch)
        words = [as_argument(value) for value in given]

        def part(number: int, start: int, end: int) -> None:
            self._library.attend(as_argument(start), as_argument(end), *words, as_argument(room[number]))

        in_parts(rows, threads, part)

    def added(self, x: torch.Tensor, delta: torch.Tensor | None, eps: float) -> torch.Tensor:
        """(R, H) `x / sqrt(|x|^2 + eps^2)` after (R, H) `delta` was added to `x` in place."""
        out = torch.empty_like(x)
        self._library.add_norm(*map(as_argument, (*x.shape, x, delta, ctypes.c_float(eps), out)))
        return out

    def gated(self, both: torch.Tensor) -> torch.Tensor:
        """(R, I) `silu(gate) * up` of (R, 2 I) gates and ups."""
        rows, size = both.shape[0], both.shape[1] // 2
        out = both.new_empty((rows, size))
        self._library.gate(*map(as_argument, (rows, size, both, out)))
        return out


class CompiledAttention:
    """Keys and values of the prompts and of what the live rows have said, as the compiled operators read them."""

    def __init__(
        self,
        weights: FlatWeights,
        prompts: list[tuple[torch.Tensor, torch.Tensor]],
        pads: torch.Tensor,
        repeats: int,
        steps: int,
        rotations: dict[str | None, torch.Tensor],
    ) -> None:
        """Start with nothing said; arguments as of `attention.BatchedAttention`."""
        assert weights.operators is not None
        self._operators, self._weights = weights.operators, weights
        self._heads, self._shared, self._width = weights.heads, weights.shared, weights.width
        self._prompts = _Prompts(len(prompts))
        self._prompt_of = self._taken(prompts, pads).repeat_interleave(repeats)
        self._rotations = {kind: torch.view_as_real(table) for kind, table in rotations.items()}
        self._positions = torch.zeros(0, dtype=torch.int64)
        self._limit = _whole(steps)
        self._said = torch.full((len(self._prompt_of),), -1)
        """(R,) number of the token that a row has said last."""
        self._longest, self._capacity = -1, 0
        self._own = [(torch.empty(0), torch.empty(0)) for _ in prompts]
        """Of each layer (R, kv heads, capacity / 8, d, 8) keys and (R, kv heads, capacity, d) values."""

    def keep(self, index: torch.Tensor) -> None:
        """Drop every row but those at `index`."""
        self._prompt_of, self._said = self._prompt_of[index], self._said[index]
        if self._capacity:
            self._own = [(keys.index_select(0, index), values.index_select(0, index)) for keys, values in self._own]

    def rest(self, rows: torch.Tensor) -> None:
        """Let (R,) rows that are true begin anew with their next token, which nobody reads: they cost least so."""
        self._said.masked_fill_(rows, -1)

    def refill(
        self, places: torch.Tensor, prompts: list[tuple[torch.Tensor, torch.Tensor]], pads: torch.Tensor, repeats: int
    ) -> None:
        """Let the rows at `places` be ones of other prompts, which have said nothing; arguments as of `attention.BatchedAttention`."""
        self._prompt_of[places] = self._taken(prompts, pads).repeat_interleave(repeats)
        self._said[places] = -1
        left, self._prompt_of = torch.unique(self._prompt_of, return_inverse=True)
        self._prompts.keep(left)

    def turn_to(self, positions: torch.Tensor) -> None:
        """Say at which (R,) positions the next token stands."""
        self._positions = positions
        self._said = self._said + 1
        self._longest = int(self._said.max())
        if self._longest >= self._capacity:
            self._grow()

    def read(self, number: int, layer: FlatLayer, flat: torch.Tensor) -> torch.Tensor:
        """(R, heads * d) values that the heads read in layer `number`; arguments as of `attention.BatchedAttention.read`."""
        rows = flat.shape[0]
        out = flat.new_empty((rows, self._heads * self._width))
        self._operators.attend(
            rows,
            out,
            flat,
            self._rotations[layer.kind],
            self._positions,
            layer.qk_norm,
            ctypes.c_float(float(self._weights.head_eps)),
            *self._own[number],
            self._capacity,
            self._said,
            self._prompts.tables[number],
            self._prompt_of,
            stride := self._prompts.room + _whole(self._longest + 1),
            scratch=self._heads // self._shared * stride,
        )
        return out

    def _taken(self, prompts: list[tuple[torch.Tensor, torch.Tensor]], pads: torch.Tensor) -> torch.Tensor:
        """Numbers of prompts that are kept from now on."""
        size = prompts[0][0].shape[1]
        room = _whole(size)
        # padding goes behind, so that a prompt's tokens begin with a block
        order = pads[:, None] + torch.arange(room)
        order = order.where(order < size, 0).repeat_interleave(self._shared, 0)[..., None]
        moved = ((part.gather(1, order.expand(-1, -1, self._width)) for part in pair) for pair in prompts)
        return self._prompts.add([(_blocked(keys), values) for keys, values in moved], size - pads, room)

    def _grow(self) -> None:
        """Reserve a quarter more, 16 tokens at least."""
        rows, blocks = len(self._positions), self._capacity // _BLOCK
        self._capacity = min(self._limit, _whole(self._capacity + max(_GROWTH, self._capacity // 4)))
        shape = (rows, self._shared, self._capacity // _BLOCK, self._width * _BLOCK)
        for number, pair in enumerate(self._own):
            fresh = (torch.empty(shape), torch.empty(shape))
            if blocks:
                for new, old in zip(fresh, pair, strict=True):
                    new[:, :, :blocks] = old.view(rows, self._shared, blocks, -1)
            self._own[number] = fresh


class _Prompts:
    """Keys and values of prompts that were run in any number of batches, as the compiled operators find them."""

    def __init__(self, layers: int) -> None:
        self.tables = [torch.zeros((0, 4), dtype=torch.int64) for _ in range(layers)]
        """Of each layer, for each prompt: addresses of keys and values, tokens that they have room for, tokens."""
        self.room = 0
        """Most that a prompt has room for."""
        self._batch_of = torch.zeros(0, dtype=torch.int64)
        self._batches: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    def add(self, batch: list[tuple[torch.Tensor, torch.Tensor]], lengths: torch.Tensor, room: int) -> torch.Tensor:
        """Numbers of further prompts, with (G * kv heads, room / 8, d, 8) keys and (G * kv heads, room, d) values of each layer."""
        before, count, number = len(self._batch_of), len(lengths), max(self._batches, default=0) + 1
        for layer, (keys, values) in enumerate(batch):
            each = torch.arange(count) * (values.nbytes // count)
            rows = torch.stack(
                [keys.data_ptr() + each, values.data_ptr() + each, torch.full_like(each, room), lengths], 1
            )
            self.tables[layer] = torch.cat([self.tables[layer], rows])
        self._batches[number] = batch
        self._batch_of = torch.cat([self._batch_of, torch.full((count,), number)])
        self.room = max(self.room, room)
        return torch.arange(before, before + count)

    def keep(self, index: torch.Tensor) -> None:
        """Drop every prompt but those at `index`, with the batches that none is left of."""
        self.tables = [table[index] for table in self.tables]
        self._batch_of = self._batch_of[index]
        self._batches = {number: self._batches[number] for number in set(self._batch_of.tolist())}
        self.room = int(self.tables[0][:, 2].max())


def operators_for(config: Any, width: int, gates: Sequence[int]) -> CompiledOperators | None:
    """Compiled operators for a model, or None where its sizes are not whole vectors.

    Args:
        config: the model's.
        width: dimensions of a head.
        gates: of each layer, which a pruned model's configuration does not tell.

    Raises:
        UsageError: there is no C++ compiler, or it refuses.
    """
    if any(size % _BLOCK for size in (width, config.hidden_size, *gates)):
        return None
    return compiled_operators(width, config.num_attention_heads, config.num_key_value_heads)


def compiled_operators(width: int, heads: int, shared: int) -> CompiledOperators:
    """Operators of heads of so many dimensions (`compiler.load_library`).

    Raises:
        UsageError: there is no C++ compiler, or it refuses.
    """
    return CompiledOperators(load_library(_SOURCE, (f"WIDTH={width}", f"HEADS={heads}", f"SHARED={shared}")))


def _whole(count: int) -> int:
    return -(-count // _BLOCK) * _BLOCK


def _blocked(keys: torch.Tensor) -> torch.Tensor:
    """(n, room, d) -> (n, room / 8, d, 8)."""
    return keys.view(keys.shape[0], -1, _BLOCK, keys.shape[-1]).transpose(-1, -2).contiguous()
