"""How far one update moved the log-probability of responses: what negative gradients do to text that they do not speak of.

Pushing a response down moves probability to others, and pushing one up can take it from its neighbours ("likelihood
displacement", arXiv 2410.08847; for GRPO's negative gradient arXiv 2505.18830). So three sets are read by the same weights before
and after an update: correct rollouts and wrong rollouts of the step, whether or not the rule trains on them, and anchors: responses
of the base policy to problems that are held out, drawn once and never trained on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from counterpoise.errors import UsageError
from counterpoise.types import Rollout, Sum

__all__ = ["anchor_kl", "displacement", "spread"]


def spread(rows: Sequence[int], limit: int) -> list[int]:
    """At most `limit` of the rows, evenly spaced, so that they come from many groups; the same ones for the same rows."""
    if len(rows) <= limit:
        return list(rows)
    return [rows[index * len(rows) // limit] for index in range(limit)]


def displacement(before: Sequence[npt.NDArray[np.float32]], after: Sequence[npt.NDArray[np.float32]]) -> Sum:
    """Change of the log-probability per token, in nats, over responses of T tokens each.

    Args:
        before: (T,) log-probabilities of each response's tokens before the update.
        after: the same after it.

    Raises:
        UsageError: the two are not of the same tokens.
    """
    if [len(row) for row in before] != [len(row) for row in after]:
        raise UsageError(
            "the log-probabilities before and after an update are not of the same tokens; give the same rollouts"
        )
    changes = [float((new.astype(np.float64) - old).sum()) for old, new in zip(before, after, strict=True)]
    return Sum(total=math.fsum(changes), count=sum(len(row) for row in before))


def anchor_kl(anchors: Sequence[Rollout], log_probs: Sequence[npt.NDArray[np.float32]]) -> Sum:
    """KL(base || policy) per token, in nats, at the anchors' temperature: the mean of `log pi_base - log pi`.

    Unbiased where the anchors were drawn from the whole distribution; with top-k or top-p they were not, and it is the drift on what
    was drawn.

    Args:
        anchors: responses drawn by the base, with its log-probabilities.
        log_probs: (T,) each, the policy's of the same tokens.

    Raises:
        UsageError: the two are not of the same tokens.
    """
    return displacement(log_probs, [anchor.log_probs[anchor.mask] for anchor in anchors])
