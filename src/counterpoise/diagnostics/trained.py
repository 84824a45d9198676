"""Distributions over the tokens of an update, read off the passes that train on them."""

from __future__ import annotations

import torch

from counterpoise.diagnostics.histogram import BINS, REACH, SCALE, WIDTH, Histogram

__all__ = ["TrainedTokens"]

_LOGS = {"entropy": False, "entropy_plus": False, "entropy_minus": False, "ratio_plus": True, "ratio_minus": True}
"""Whether the logarithm of what the name says is counted."""
_MAX_LOG_RATIO = 20.0
"""As the losses clamp it: an infinite ratio is not a number a column could hold."""


class TrainedTokens:
    """Histograms of the policy's entropy and of `log pi - log pi_old`, token by token, all and by the sign of the credit.

    The ratio is the token's own, also where the loss takes the whole sequence's. Counts stay on the device until they are asked for.
    """

    def __init__(self) -> None:
        self._counts: torch.Tensor | None = None
        self._low: torch.Tensor | None = None
        self._high: torch.Tensor | None = None

    @torch.no_grad()
    def __call__(
        self,
        *,
        log_probs: torch.Tensor,
        old_log_probs: torch.Tensor,
        entropy: torch.Tensor,
        plus: torch.Tensor,
        minus: torch.Tensor,
        mask: torch.Tensor,
    ) -> None:
        """Take in one micro-batch of B rows and T response tokens.

        Args:
            log_probs: (B, T) of the policy that is trained, at this pass.
            old_log_probs: (B, T) of the policy that sampled.
            entropy: (B, T) nats.
            plus: (B,) or (B, T) credit.
            minus: (B,) or (B, T) credit.
            mask: (B, T) bool tokens that count.
        """
        up, down = (((sign if sign.ndim == 2 else sign[:, None]) > 0) & mask for sign in (plus, minus))
        log_ratio = (log_probs - old_log_probs).clamp(-_MAX_LOG_RATIO, _MAX_LOG_RATIO)
        # (5, B T): a value for each name, and whether it counts there
        values = torch.stack([entropy, entropy, entropy, log_ratio, log_ratio]).flatten(1)
        chosen = torch.stack([mask, up, down, up, down]).flatten(1) & ~values.isnan()
        if self._counts is None or self._low is None or self._high is None:
            self._counts = torch.zeros(len(_LOGS), BINS, dtype=torch.int64, device=values.device)
            self._low = torch.full((len(_LOGS),), torch.inf, device=values.device)
            self._high = -self._low
        bins = (torch.asinh(values / SCALE) / WIDTH).round().clamp(-REACH, REACH).nan_to_num().long() + REACH
        self._counts.scatter_add_(1, bins, chosen.long())
        self._low = torch.minimum(self._low, values.masked_fill(~chosen, torch.inf).amin(dim=1))
        self._high = torch.maximum(self._high, values.masked_fill(~chosen, -torch.inf).amax(dim=1))

    def histograms(self) -> dict[str, Histogram]:
        """What was seen so far, by name; empty histograms before the first micro-batch."""
        if self._counts is None or self._low is None or self._high is None:
            return {name: Histogram.of([], logs=logs) for name, logs in _LOGS.items()}
        counts, lows, highs = self._counts.cpu().numpy(), self._low.tolist(), self._high.tolist()
        return {
            name: Histogram(counts=row.copy(), low=low, high=high, logs=logs)
            for (name, logs), row, low, high in zip(_LOGS.items(), counts, lows, highs, strict=True)
        }
