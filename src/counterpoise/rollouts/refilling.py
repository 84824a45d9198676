"""The decode loop of more rows than there is room for: a row that has ended gives its place to one of the next prompt.

What `decoding.decode` does with shares of the prompts one after the other, each of which shrinks as its rows end, is done here in one: the
batch stays as large as it was until no prompt is left, so that the weights are read for as many rows as can be. It pays where rows end
unequally (`unequal`): elsewhere it would only run prompts in small batches. Rows have said unequally much then, which compiled attention
reads row by row, so that this is for `flat.FlatState` with compiled operators alone. A rollout draws its own uniform numbers, so it is the
one that `decode` draws up to the rounding of its logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from counterpoise.rollouts.decoding import OnEnded, cut, prefill, staying
from counterpoise.rollouts.flat import FlatState, FlatWeights
from counterpoise.rollouts.sampling import draw, entropy_and_slope
from counterpoise.rollouts.stopping import StopStrings
from counterpoise.types import SamplingSettings

__all__ = ["Refilled", "unequal"]

_REFILL_SHARE = 0.125
"""Of the room that must be free before prompts are run for it: a prompt's pass costs as much as a step of few rows."""
_COMPACT_SHARE = 0.25
_UNEQUAL, _LONG = 2, 32
"""Rows end unequally where the longest is so many times as long as a quarter of them at most, and has so many tokens."""


_BY_ROW = (
    "_row",
    "_said",
    "_seen",
    "_stop_at",
    "_finished",
    "_left",
    "_limits",
    "_numbers",
    "_tokens",
    "_log_probs",
)
"""What is kept for each place."""


def unequal(lengths: Sequence[int]) -> bool:
    """Whether it pays to give places on where rows of these lengths are to be expected."""
    longest = max(lengths)
    return longest >= _LONG and longest >= _UNEQUAL * float(np.quantile(lengths, 0.25))


class Refilled:
    """One call: rows that are live, and prompts that wait for their places."""

    def __init__(
        self,
        model: PreTrainedModel,
        prompts: Sequence[npt.NDArray[np.int64]],
        *,
        repeats: int,
        rows: int,
        uniforms: Callable[[range], npt.NDArray[np.float64]],
        limits: npt.NDArray[np.int64],
        settings: SamplingSettings,
        end_ids: Sequence[int],
        stops: StopStrings | None,
        positions: int | None,
        check_every: int,
        flat: FlatWeights,
        ended: OnEnded,
    ) -> None:
        """Run the first prompts; arguments as of `decoding.decode` but for these.

        Args:
            model: the policy.
            prompts: token ids of each, in the order in which they come.
            repeats: rows of each prompt; row n of the call is one of prompt n // repeats.
            rows: live at once, `repeats` at least.
            uniforms: gives the (rows, T) uniforms of such rows of the call.
            limits: (P,) response tokens a row of each prompt may have.
            settings: the distribution.
            end_ids: ids that end a row.
            stops: stop strings, if any.
            positions: largest number of positions the model has; None when unbounded.
            check_every: steps between two looks for stop strings.
            flat: the model's fused weights, with compiled operators.
            ended: called with rows that have ended, by their numbers in the call, each once.
        """
        self._model, self._prompts, self._repeats = model, prompts, repeats
        self._uniforms, self._settings, self._stops, self._ended = uniforms, settings, stops, ended
        self._limit_of, self._end_ids, self._check_every = limits, end_ids, check_every
        self._ends = torch.tensor(list(end_ids), dtype=torch.int64)
        self._waits = min(rows // repeats, len(prompts))
        """The next prompt."""
        count, steps = self._waits * repeats, int(limits.max())
        batch = prefill(model, prompts[: self._waits], torch.device("cpu"))
        widest = max(len(prompt) for prompt in prompts)
        self._state = FlatState(flat, batch, repeats, steps, positions, widest=widest)
        self._logits = batch.logits.repeat_interleave(repeats, dim=0)
        self._row = torch.arange(count)
        """(R,) number in the call of the row at each place."""
        self._said = torch.zeros(count, dtype=torch.int64)
        self._seen = torch.zeros(count, dtype=torch.int64)
        """(R,) tokens that were searched for stop strings."""
        self._stop_at = torch.zeros(count, dtype=torch.int64)
        """(R,) tokens at which a stop string is complete; 0 where none is."""
        self._finished = torch.zeros(count, dtype=torch.bool)
        self._left = torch.zeros(count, dtype=torch.bool)
        """(R,) finished, and handed over."""
        self._limits = torch.zeros(count, dtype=torch.int64)
        self._numbers = torch.zeros((count, steps), dtype=torch.float64)
        self._tokens = torch.full((count, steps), -1, dtype=torch.int64)
        self._log_probs = torch.zeros((count, steps))
        self._entropies = torch.zeros((2, count, steps)) if settings.with_entropy else None
        self._begin(torch.arange(count))

    def run(self) -> None:
        """Draw all responses."""
        ticks = 0
        while True:
            drawn = self._draw()
            ticks += 1
            if self._stops is not None and (ticks % self._check_every == 0 or bool(self._finished.all())):
                self._look_for_stops()
            done, count = int(self._finished.sum()), len(self._finished)
            waiting = len(self._prompts) - self._waits
            if done == count and not waiting:
                break
            fresh = 0
            if waiting:
                if done >= max(self._repeats, _REFILL_SHARE * count):
                    fresh = min(waiting, done // self._repeats)
            elif done >= _COMPACT_SHARE * count:
                drawn = self._shrink(drawn)
            if done:
                self._state.rest(self._finished)
            if not bool(self._finished.all()):
                self._logits = self._state.advance(drawn)
            if fresh:
                self._refill(fresh)
        self._hand_over()

    def _draw(self) -> torch.Tensor:
        """A token for each place, kept where a row still says something."""
        at = self._said.clamp(max=self._numbers.shape[1] - 1)
        everyone = torch.arange(len(at))
        drawn, chosen = draw(self._logits, self._numbers[everyone, at], self._settings)
        live = torch.nonzero(~self._finished)[:, 0]
        cells = live, at[live]
        self._tokens[cells], self._log_probs[cells] = drawn[live], chosen[live]
        if self._entropies is not None:
            entropy, slope = entropy_and_slope(self._logits, drawn, self._settings)
            self._entropies[0][cells], self._entropies[1][cells] = entropy[live], slope[live]
        self._said[live] += 1
        self._finished |= self._said >= self._limits
        if self._end_ids:
            self._finished |= (drawn[:, None] == self._ends).any(-1)
        return drawn

    def _look_for_stops(self) -> None:
        """Rows that have said, and were searched, equally far are searched together."""
        assert self._stops is not None
        open_rows = ~self._left & (self._stop_at == 0) & (self._said > self._seen)
        pairs = torch.stack([self._said, self._seen], 1)
        for said, seen in torch.unique(pairs[open_rows], dim=0).tolist():
            rows = torch.nonzero(open_rows & (self._said == said) & (self._seen == seen))[:, 0]
            self._stop_at[rows] = torch.from_numpy(self._stops.ends(self._tokens[rows, :said].numpy(), seen))
            self._seen[rows] = said
        self._finished |= self._stop_at > 0

    def _hand_over(self) -> None:
        """Tell of the rows that have finished since the last time."""
        if self._stops is not None:
            self._look_for_stops()  # those that ended by id or length between two looks
        rows = torch.nonzero(self._finished & ~self._left)[:, 0]
        if not len(rows):
            return
        longest = int(self._said[rows].max())
        taken = cut(
            self._tokens[rows, :longest].numpy(),
            self._log_probs[rows, :longest].numpy(),
            self._limits[rows].numpy(),
            self._end_ids,
            self._stop_at[rows].numpy(),
            None if self._entropies is None else self._entropies[:, rows, :longest].numpy(),
        )
        self._left[rows] = True
        self._ended(self._row[rows].numpy(), taken)

    def _refill(self, count: int) -> None:
        """Give places of finished rows to the next `count` prompts."""
        self._hand_over()
        first, self._waits = self._waits, self._waits + count
        places = torch.nonzero(self._finished)[: count * self._repeats, 0]
        batch = prefill(self._model, self._prompts[first : self._waits], torch.device("cpu"))
        self._state.refill(places, batch, self._repeats)
        self._logits[places] = batch.logits.repeat_interleave(self._repeats, dim=0)
        self._row[places] = torch.arange(first * self._repeats, self._waits * self._repeats)
        for part in (self._said, self._seen, self._stop_at, self._finished, self._left):
            part[places] = 0
        self._tokens[places] = -1
        self._begin(places)

    def _begin(self, places: torch.Tensor) -> None:
        """Limits and uniform numbers of the rows that begin there."""
        row = self._row[places]
        limits = torch.from_numpy(self._limit_of)[row // self._repeats]
        self._limits[places] = limits
        drawn = self._uniforms(range(int(row[0]), int(row[-1]) + 1))
        self._numbers[places, : drawn.shape[1]] = torch.from_numpy(drawn)

    def _shrink(self, drawn: torch.Tensor) -> torch.Tensor:
        """Drop the rows that have finished, when nobody waits for their places."""
        self._hand_over()
        index = staying(self._finished, spares=True)[1]
        for name in _BY_ROW:
            setattr(self, name, getattr(self, name)[index])
        if self._entropies is not None:
            self._entropies = self._entropies[:, index]
        self._state.keep(index)
        return drawn[index]
