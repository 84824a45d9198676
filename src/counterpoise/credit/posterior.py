"""What counts say about a success rate: mean slopes of a mixture of pass@k under a Beta posterior, and the prior fitted to counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from counterpoise.lazy import torch

__all__ = ["BetaPrior", "fit_prior", "log_target", "mean_slopes"]

_STRENGTH = (0.1, 1000.0)
_PER_DECADE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaPrior:
    """Beta(a, b): what is believed of a problem's success rate before its rollouts are seen."""

    a: float
    """Successes seen before, as it were, > 0."""
    b: float
    """Failures seen before, > 0."""


def log_target(up_to: int) -> dict[int, float]:
    """`w_k = 1 / k` for k = 1 to `up_to`: `sum_k w_k pass@k` is the area under pass@k over log k."""
    return {k: 1.0 / k for k in range(1, up_to + 1)}


def mean_slopes(
    a: torch.Tensor, b: torch.Tensor, target: Mapping[int, float]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Means under p ~ Beta(a, b) of `J'(p)`, `J'(p) p` and `J'(p) (1 - p)`, with `J(p) = sum_k w_k (1 - (1 - p)^k)`.

    `J'(p) = sum_k w_k k (1 - p)^(k-1)`, and with B the Beta function

        E[(1-p)^(k-1)]   = B(a, b+k-1) / B(a, b)   = prod_{j<k-1} (b + j) / (a + b + j)
        E[p (1-p)^(k-1)] = B(a+1, b+k-1) / B(a, b) = a / (a + b) prod_{j<k-1} (b + j) / (a + b + 1 + j)
        E[(1-p)^k]       = B(a, b+k) / B(a, b)

    taken as products, which neither cancel nor overflow and hold at b = 0.

    Args:
        a: (M,) float64 > 0.
        b: (M,) float64 >= 0.
        target: weight >= 0 of every k >= 1.
    """
    ks = torch.tensor(sorted(target), dtype=torch.long, device=a.device)
    weights = torch.tensor([k * target[k] for k in sorted(target)], dtype=torch.float64, device=a.device)
    j = torch.arange(int(ks.max()), dtype=torch.float64, device=a.device)
    one = torch.ones_like(a)[:, None]
    failing = torch.cat([one, torch.cumprod((b[:, None] + j) / ((a + b)[:, None] + j), dim=1)], dim=1)
    after_success = torch.cat([one, torch.cumprod((b[:, None] + j) / ((a + b)[:, None] + 1.0 + j), dim=1)], dim=1)
    succeeding = (a / (a + b))[:, None] * after_success
    return failing[:, ks - 1] @ weights, succeeding[:, ks - 1] @ weights, failing[:, ks] @ weights


def fit_prior(counts: Mapping[tuple[int, int], float], around: BetaPrior) -> BetaPrior:
    """The Beta(a, b) under which counts are likeliest: empirical Bayes, the beta-binomial distribution's maximum.

    `log L(a, b) = sum weight [log B(a + c, b + n - c) - log B(a, b)]` over counts (n, c), besides one group's worth of `around`'s mean
    (a success of weight m and a failure of weight 1 - m, each alone in its group), which keeps the mean off 0 and 1. Searched on a
    grid of the mean's log-odds and the strength a + b, eight points a decade, strength in [0.1, 1000], refined twice: no starting
    point, no tolerance, so that the same counts give the same prior in every process.

    Args:
        counts: weight of each (scored rollouts, successes).
        around: the prior where there are no counts.
    """
    mean = around.a / (around.a + around.b)
    seen = {key: weight for key, weight in counts.items() if key[0] and weight > 0}
    if not seen:
        return around
    seen[1, 1] = seen.get((1, 1), 0.0) + mean
    seen[1, 0] = seen.get((1, 0), 0.0) + 1.0 - mean
    keys = sorted(seen)
    n = torch.tensor([key[0] for key in keys], dtype=torch.float64)
    c = torch.tensor([key[1] for key in keys], dtype=torch.float64)
    weight = torch.tensor([seen[key] for key in keys], dtype=torch.float64)

    def best(odds: torch.Tensor, strength: torch.Tensor) -> tuple[float, float]:
        o, s = (grid.flatten() for grid in torch.meshgrid(odds, strength, indexing="ij"))
        a, b = torch.sigmoid(o) * s.exp(), torch.sigmoid(-o) * s.exp()
        likelihood = (_log_beta(a[:, None] + c, b[:, None] + n - c) - _log_beta(a, b)[:, None]) @ weight
        at = int(likelihood.argmax())
        return float(o[at]), float(s[at])

    low, high = (math.log(end) for end in _STRENGTH)
    step = math.log(10.0) / _PER_DECADE
    odds, strength = best(_around(0.0, 9.0, step), torch.arange(low, high + step / 2, step, dtype=torch.float64))
    for _ in range(2):
        odds, strength = best(_around(odds, step, step / 8), _around(strength, step, step / 8).clamp(min=low, max=high))
        step /= 8
    share = 1.0 / (1.0 + math.exp(-odds))
    return BetaPrior(a=share * math.exp(strength), b=(1.0 - share) * math.exp(strength))


def _around(middle: float, room: float, step: float) -> torch.Tensor:
    steps = math.ceil(room / step)
    return middle + step * torch.arange(-steps, steps + 1, dtype=torch.float64)


def _log_beta(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
