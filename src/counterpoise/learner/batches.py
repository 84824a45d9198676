"""Which rows go through the model together: micro-batches under a token budget, right-padded tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from counterpoise.errors import UsageError
from counterpoise.types import Rollout

__all__ = [
    "PaddedRows",
    "Part",
    "micro_batches",
    "numbered_prompts",
    "pad_rows",
    "row_width",
    "shared_batches",
    "sharing_gain",
]

_CELLS = 4
"""Keys that attention may hold for each token of the budget, prompts counted for every row: a third more memory than the tokens
take, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows of one forward pass."""

    rows: npt.NDArray[np.int64]
    """(B,) their indices."""
    shared: bool
    """Whether each prompt is computed once (`learner.shared`), or with each of its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaddedRows:
    """Some rollouts as tensors: B rows of width L = max(P + T - 1), responses of width T."""

    input_ids: torch.Tensor
    """(B, L) int64 prompt then response without its last token (nothing is predicted from it), then padding on the right."""
    positions: torch.Tensor
    """(M,) int64 index into the flattened (B * L) hidden states from which each masked-in response token is predicted."""
    targets: torch.Tensor
    """(M,) int64 those tokens, in row-major order of `mask`."""
    mask: torch.Tensor
    """(B, T) bool tokens the policy chose."""
    sampler_log_probs: torch.Tensor
    """(B, T) float32 as the sampler recorded them; zero outside the mask."""
    first: int
    """Smallest hidden-state column that predicts a response token: no row needs logits left of it."""


def row_width(rollout: Rollout) -> int:
    """Tokens that go through the trunk: the prompt and the response but for its last token."""
    return max(1, len(rollout.prompt_ids) + len(rollout.token_ids) - 1)


def micro_batches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Pack rows into few batches with `rows * longest <= token_budget`; a row longer than the budget goes alone.

    Rows are taken longest first, equal lengths in index order, so each batch holds rows of similar length, the result is
    deterministic, and memory peaks at the first batch (a batch that does not fit fails at once, not after an hour).
    """
    batches: list[list[int]] = []
    longest = 0
    for row in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if not batches or (len(batches[-1]) + 1) * longest > token_budget:
            batches.append([])
            longest = lengths[row]
        batches[-1].append(row)
    return batches


def numbered_prompts(rollouts: Sequence[Rollout]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """(B,) number of each row's prompt, equal for equal tokens and counted in order of appearance; and the first row of each."""
    numbers: dict[bytes, int] = {}
    first: list[int] = []
    found = np.empty(len(rollouts), dtype=np.int64)
    for row, rollout in enumerate(rollouts):
        key = np.asarray(rollout.prompt_ids, dtype=np.int64).tobytes()
        if key not in numbers:
            numbers[key] = len(first)
            first.append(row)
        found[row] = numbers[key]
    return found, first


def sharing_gain(rollouts: Sequence[Rollout]) -> float:
    """Tokens of all rows over the tokens that are left when each prompt counts once: `sum (P + T) / (sum_G P + sum T)`."""
    _, first = numbered_prompts(rollouts)
    every = sum(row_width(rollout) for rollout in rollouts)
    again = sum(len(rollout.prompt_ids) for rollout in rollouts) - sum(len(rollouts[row].prompt_ids) for row in first)
    return every / max(1, every - again)


def shared_batches(rollouts: Sequence[Rollout], token_budget: int) -> list[list[int]]:
    """Pack rows into few batches whose tokens, each prompt counted once, stay within the budget; a row longer than that goes alone.

    Groups are taken by falling width of their longest row. A group stays whole where it fits into one batch and is cut where it does
    not, its prompt then counting in each. Rows times the longest is bounded too (`_CELLS` times the budget), for attention holds keys for
    each row.
    """
    number, first = numbered_prompts(rollouts)
    groups: list[list[int]] = [[] for _ in first]
    for row in range(len(rollouts)):
        groups[number[row]].append(row)
    widths = [row_width(rollout) for rollout in rollouts]
    for group in groups:
        group.sort(key=lambda row: -widths[row])
    groups.sort(key=lambda group: -widths[group[0]])
    batches: list[list[int]] = []
    tokens = longest = 0
    for group in groups:
        prompt = len(rollouts[group[0]].prompt_ids)
        rests = [widths[row] - prompt for row in group]
        cost, opened = prompt + sum(rests), False
        if (
            batches
            and tokens + cost <= token_budget
            and (len(batches[-1]) + len(group)) * longest <= _CELLS * token_budget
        ):
            batches[-1] += group
            tokens += cost
            continue
        for row, rest in zip(group, rests, strict=True):
            fits = (
                tokens + rest <= token_budget and (len(batches[-1]) + 1) * longest <= _CELLS * token_budget
                if opened
                else False
            )
            if not fits:
                batches.append([])
                tokens, longest, opened = prompt, widths[row], True
            batches[-1].append(row)
            tokens += rest
    return batches


def pad_rows(rollouts: Sequence[Rollout], device: torch.device) -> PaddedRows:
    """Right-pad rollouts into tensors on `device`.

    Raises:
        UsageError: a prompt is empty, so that nothing predicts the first response token.
    """
    width = max(row_width(rollout) for rollout in rollouts)
    span = max(len(rollout.token_ids) for rollout in rollouts)
    ids = np.zeros((len(rollouts), width), dtype=np.int64)
    mask = np.zeros((len(rollouts), span), dtype=np.bool_)
    tokens = np.zeros((len(rollouts), span), dtype=np.int64)
    sampled = np.zeros((len(rollouts), span), dtype=np.float32)
    starts = np.empty((len(rollouts), 1), dtype=np.int64)
    for row, rollout in enumerate(rollouts):
        prompt, response = len(rollout.prompt_ids), len(rollout.token_ids)
        if prompt == 0:
            raise UsageError(
                f"rollout {row} (problem {rollout.problem_id}) has an empty prompt, so nothing predicts its first token; "
                "start prompts with at least one token, e.g. the tokenizer's BOS"
            )
        ids[row, :prompt] = rollout.prompt_ids
        ids[row, prompt : prompt + response - 1] = rollout.token_ids[:-1]
        tokens[row, :response] = rollout.token_ids
        mask[row, :response] = rollout.mask
        sampled[row, :response] = np.where(rollout.mask, rollout.log_probs, 0.0)
        starts[row] = prompt - 1
    columns = starts + np.arange(span)[None, :]
    flat = (columns + width * np.arange(len(rollouts))[:, None])[mask]
    return PaddedRows(
        input_ids=torch.from_numpy(ids).to(device),
        positions=torch.from_numpy(flat).to(device),
        targets=torch.from_numpy(tokens[mask]).to(device),
        mask=torch.from_numpy(mask).to(device),
        sampler_log_probs=torch.from_numpy(sampled).to(device),
        first=int(starts.min()),
    )
