"""The critic's loss: squared error to the returns, pessimistic about large moves."""

from __future__ import annotations

from counterpoise.errors import UsageError
from counterpoise.lazy import torch
from counterpoise.ranges import AboveZero
from counterpoise.settings import settings
from counterpoise.types import LossOutput, Sum

__all__ = ["ValueLoss"]


@settings("critic")
class ValueLoss:
    """`loss_t = 1/2 max((V - G)^2, (clip(V, V_old - clip, V_old + clip) - G)^2)`, V the value, G the return.

    The clip of OpenAI's PPO implementation, as verl has it (`cliprange_value`): a value that has moved further than `clip` towards its
    return has no gradient. It is in units of the reward.
    """

    clip: AboveZero | None = 0.5
    """Largest move from the value before the update, > 0; None is plain squared error."""

    def __call__(
        self, *, values: torch.Tensor, old_values: torch.Tensor, returns: torch.Tensor, mask: torch.Tensor
    ) -> LossOutput:
        """Undivided row sums of (B, T) values with gradient; the metric is `value_clipped`, the share of tokens where the clip decides.

        Raises:
            UsageError: shapes do not fit.
        """
        for name, tensor in (("old_values", old_values), ("returns", returns), ("mask", mask)):
            if tensor.shape != values.shape:
                raise UsageError(f"{name} has shape {tuple(tensor.shape)}; expected {tuple(values.shape)} like values")
        loss = (values - returns) ** 2
        clipped = torch.zeros_like(mask)
        if self.clip is not None:
            near = torch.clamp(values, old_values - self.clip, old_values + self.clip)
            bounded = (near - returns) ** 2
            clipped = (bounded > loss) & mask
            loss = torch.maximum(loss, bounded)
        return LossOutput(
            row_sums=0.5 * torch.where(mask, loss, 0.0).sum(dim=1),
            lengths=mask.sum(dim=1),
            metrics={"value_clipped": Sum(total=float(clipped.sum()), count=float(mask.sum()))},
        )
