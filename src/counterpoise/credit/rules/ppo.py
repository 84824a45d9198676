"""PPO's credit: a generalised advantage for every token, from a critic's values."""

from __future__ import annotations

from typing import ClassVar, NoReturn

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.needs import Needs
from counterpoise.errors import UsageError
from counterpoise.lazy import torch
from counterpoise.ranges import Correction, NonNegative, Share
from counterpoise.settings import settings

__all__ = ["Ppo"]


@settings("credit.rule ppo")
class Ppo:
    """`A_t = sum_l (gamma lam)^l delta_(t+l)`, `delta_t = r_t + gamma V_(t+1) - V_t`, whitened; `plus = max(A, 0)`, `minus = max(-A, 0)`.

    Sources: PPO, arXiv 1707.06347; generalised advantages, arXiv 1506.02438 eq. (16). `r_t` is `-kl (log pi_old - log pi_ref)` and, at
    the last token, the reward besides. The defaults are verl's, which the PPO baseline of arXiv 2506.01347 runs on (that paper's `kl`
    is 1e-3). Its credit needs values, which a trainer has: a driver makes its step form, and `credit.gae` computes with plain tensors.
    """

    needs: ClassVar[Needs] = Needs.CRITIC

    gamma: Share = 1.0
    """Discount per token, in [0, 1]."""
    lam: Share = 1.0
    """Weight of later residuals, in [0, 1]: 1 is `return - V_t`, 0 the residual of one token."""
    whiten: bool = True
    """Subtract the mean of the advantages of all scored tokens, over all processes, and divide by their std."""
    ddof: Correction = 1
    """Delta degrees of freedom of that std: 1 (verl) or 0."""
    eps: NonNegative = 1e-8
    """Added to the variance under the root, >= 0."""
    kl: NonNegative = 0.0
    """Coefficient of `log pi_old - log pi_ref` in the reward of every token (k1), >= 0; 0 is off and reads no reference."""
    bootstrap: bool = False
    """Add the value of the state after a truncated response to its return; False ends it with its reward, as verl does."""

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> NoReturn:
        """Refused: rewards and group statistics are not enough.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            "credit.rule ppo needs the values of a critic, which this has not; train with it, or take its advantages from "
            "counterpoise.credit.gae"
        )

    def for_steps(self) -> NoReturn:
        """Refused: a driver makes the step form, with the critic.

        Raises:
            UsageError: always.
        """
        raise UsageError("credit.rule ppo needs a critic beside the policy, which only a driver can build")
