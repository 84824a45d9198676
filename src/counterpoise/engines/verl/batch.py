"""From verl's rows to a batch of ours and back: padding out, the outputs of a session as one rollout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from counterpoise.engines.outside import rewarded_batch
from counterpoise.engines.verl.record import RECORD, verdict_of
from counterpoise.engines.watch import shortened
from counterpoise.errors import DataError, UsageError
from counterpoise.types import Batch, Rollout, StopReason, Verdict

__all__ = [
    "Sessions",
    "recorded",
    "session_batch",
    "sessions_of",
    "verdicts_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Which of verl's B rows belong to which of N rollouts; padding belongs to none."""

    of_row: torch.Tensor
    """(B,) int64 rollout of each row, -1 for padding."""
    final: torch.Tensor
    """(N,) int64 row of each rollout's last output, which has its verdict."""

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """(N, …) values of rollouts as (B, …) of rows, 0 for padding."""
        rows = values[self.of_row.clamp(min=0)]
        return torch.where((self.of_row >= 0).reshape(-1, *[1] * (values.ndim - 1)), rows, torch.zeros_like(rows))


def sessions_of(keys: Sequence[str], padding: Sequence[bool]) -> Sessions:
    """The rollouts behind verl's keys `{uid}_{session}_{output}`."""
    last: dict[str, tuple[int, int]] = {}
    names = [key.rsplit("_", 1) for key in keys]
    for row, ((name, output), padded) in enumerate(zip(names, padding, strict=True)):
        if not padded and (name not in last or last[name][0] < int(output)):
            last[name] = (int(output), row)
    places = {name: place for place, name in enumerate(last)}
    return Sessions(
        of_row=torch.tensor([-1 if padded else places[name] for (name, _), padded in zip(names, padding, strict=True)]),
        final=torch.tensor([row for _, row in last.values()], dtype=torch.int64),
    )


def session_batch(
    sessions: Sessions,
    *,
    scores: torch.Tensor,
    lengths: torch.Tensor,
    uids: Sequence[str],
    infos: Sequence[Mapping[str, Any]],
    parts: Sequence[str],
    kinds: Sequence[str] | None,
    surprisal: torch.Tensor | None,
    low: float,
    high: float,
    rollouts: Sequence[Rollout] = (),
) -> Batch:
    """The batch of N rollouts; all arguments are by row of verl's, `rollouts` by rollout.

    A row is unscored where its reward function said `scored: False` (`compute_score` does), and `parts` are read from what it gave
    beside the score.

    Raises:
        DataError: `scored` is neither true nor false, a part is no number in [0, 1], or a reward is outside its range.
    """
    final = sessions.final.tolist()
    own = [infos[row] for row in final]
    rewards = scores.double()[sessions.final]
    rewards[torch.tensor([not _scored(info) for info in own], dtype=torch.bool)] = torch.nan
    groups = {uid: place for place, uid in enumerate(dict.fromkeys(uids[row] for row in final))}
    real = sessions.of_row >= 0

    def summed(values: torch.Tensor) -> torch.Tensor:
        return values.new_zeros(len(final)).index_add(0, sessions.of_row[real], values[real])

    return rewarded_batch(
        rewards,
        low=low,
        high=high,
        group_ids=torch.tensor([groups[uids[row]] for row in final]),
        lengths=summed(lengths),
        task_types=None if kinds is None else [kinds[row] for row in final],
        parts={
            name: torch.tensor([_part(info, name) for info in own], dtype=torch.float64)
            for name in parts
            if any(name in info for info in own)
        },
        surprisal=None if surprisal is None else summed(surprisal),
        rollouts=rollouts,
        range_option="algorithm.counterpoise.reward_range=[wrong,right]",
        unscored_option="scored: False beside the score",
    )


def recorded(
    sessions: Sessions,
    *,
    responses: torch.Tensor,
    mask: torch.Tensor,
    log_probs: torch.Tensor,
    entropy: torch.Tensor | None,
    temperature: float,
    version: int,
) -> list[Rollout]:
    """The N rollouts as token weights read them, from (B, T) records of verl's rows: what the policy gave each token of its own.

    Raises:
        UsageError: a session has several outputs, whose tokens are in several rows.
    """
    if int((sessions.of_row >= 0).sum()) != len(sessions.final):
        raise UsageError(
            "algorithm.counterpoise.token_weights reads the tokens of a response as one row, and an agent loop gave several outputs for a "
            "session; leave it at none"
        )
    made = []
    for row in sessions.final.tolist():
        length = int(mask[row].nonzero().max()) + 1 if bool(mask[row].any()) else 0
        made.append(
            Rollout(
                problem_id=str(row),
                prompt_ids=np.zeros(0, dtype=np.int64),
                token_ids=responses[row, :length].numpy().astype(np.int64),
                mask=mask[row, :length].numpy().astype(np.bool_),
                log_probs=log_probs[row, :length].float().numpy(),
                text="",
                temperature=temperature,
                stop_reason=StopReason.EOS,
                policy_version=version,
                entropy=None if entropy is None else entropy[row, :length].float().numpy(),
            )
        )
    return made


def _scored(info: Mapping[str, Any]) -> bool:
    value = info.get("scored", True)
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, (int, float)) and value in (0, 1)):
        return bool(value)
    raise DataError(
        f"the reward function gave {value!r} as 'scored', which is neither True nor False; give one of them, or leave it out where every "
        "response is scored"
    )


def _part(info: Mapping[str, Any], name: str) -> float:
    value = info.get(name)
    if value is None:
        return math.nan
    try:
        number = math.inf if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        number = math.inf
    if not (math.isnan(number) or 0.0 <= number <= 1.0):
        raise DataError(
            f"the reward function gave {shortened(value)} as the part {name!r}; give a number in [0, 1], or leave it out where a response "
            "has not got it"
        )
    return number


def verdicts_of(sessions: Sessions, infos: Sequence[Mapping[str, Any]]) -> list[Verdict] | None:
    """(N,) verdicts of our verifiers, from what `compute_score` gave beside the score; None where another function made the rewards."""
    found = [infos[row].get(RECORD) for row in sessions.final.tolist()]
    if not found or not all(isinstance(one, str) for one in found):
        return None
    return [verdict_of(str(one)) for one in found]
