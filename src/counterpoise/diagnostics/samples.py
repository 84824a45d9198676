"""A few rollouts of a step, chosen so that a reader sees what each sign acted on, as one JSON object each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from counterpoise.types import Credit, Prompt, Reward, Rollout, StopReason, Verdict

__all__ = ["Sample", "choose_samples", "merge_samples", "token_texts"]

_BACK = 8
"""Tokens decoded before the one whose text is wanted: a character of four bytes and a marker of a word's beginning lie within."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One rollout with the reason it was chosen for."""

    kind: str
    """`largest_plus`, `largest_minus`, `correct`, `wrong` or `truncated`."""
    size: float
    """Credit it was chosen by; 0 where the kind has none."""
    record: Mapping[str, Any]
    """The line of samples.jsonl."""


def choose_samples(
    *,
    step: int,
    prompts: Sequence[Prompt],
    rollouts: Sequence[Rollout],
    verdicts: Sequence[Verdict],
    rewards: Sequence[Reward],
    credit: Credit,
    decode: Callable[[list[int]], str],
) -> list[Sample]:
    """Of N rollouts: the one with the most positive credit, the one with the most negative, one correct, one wrong, one truncated.

    Of equals a problem that has no sample yet goes first, then the first row; no response is taken twice, and a kind of which there is
    none is left out: the choice is a function of the batch alone. Credit for each token counts by its sum.

    Args:
        step: the training step.
        prompts: (N,) prompt of each rollout.
        rollouts: (N,).
        verdicts: (N,).
        rewards: (N,).
        credit: (N,) or (N, T).
        decode: token ids to text without special tokens.
    """
    sizes = {name: _by_row(sign) for name, sign in (("plus", credit.plus), ("minus", credit.minus))}
    names = [(rollout.problem_id, rollout.text) for rollout in rollouts]
    taken: set[tuple[str, str]] = set()
    samples = []
    for kind, size, fits in _kinds(verdicts, rollouts, sizes):
        rows = [row for row in range(len(rollouts)) if names[row] not in taken and fits(row)]
        if not rows:
            continue
        shown = {problem for problem, _ in taken}
        row = max(rows, key=lambda r: (size(r), names[r][0] not in shown, -r))
        taken.add(names[row])
        record = _record(step, prompts[row], rollouts[row], verdicts[row], rewards[row], credit, row, decode)
        samples.append(Sample(kind=kind, size=size(row), record=record))
    return samples


def merge_samples(processes: Sequence[Sequence[Sample]]) -> list[Mapping[str, Any]]:
    """The records of all processes' choices, one of each kind: the largest, of equal ones the first process's; no response twice."""
    best: dict[str, Sample] = {}
    for samples in processes:
        for sample in samples:
            if sample.kind not in best or sample.size > best[sample.kind].size:
                best[sample.kind] = sample
    return list({(s.record["problem_id"], s.record["text"]): s.record for s in best.values()}.values())


def token_texts(token_ids: Sequence[int], text: str, decode: Callable[[list[int]], str]) -> list[str]:
    """The part of `text` that each token adds; they concatenate to `text`.

    A character that several tokens spell belongs to the one that completes it, and a special token adds nothing.
    """
    for back in (_BACK, len(token_ids)):
        pieces = list(_pieces(token_ids, text, decode, back=back))
        missing = len(text) - sum(map(len, pieces))
        if not missing:
            return pieces
    # Decoding is not a function of a prefix here (an unknown token, say): the rest belongs to the last token.
    return [*pieces[:-1], pieces[-1] + text[len(text) - missing :]] if pieces else []


def _pieces(token_ids: Sequence[int], text: str, decode: Callable[[list[int]], str], *, back: int) -> Iterator[str]:
    done = 0
    for index in range(len(token_ids)):
        start = max(0, index - back)
        before, after = decode(list(token_ids[start:index])), decode(list(token_ids[start : index + 1]))
        new = after[_common(before, after) :]
        length = _common(new, text[done : done + len(new)])
        yield text[done : done + length]
        done += length


def _common(one: str, other: str) -> int:
    """Characters that both begin with."""
    pairs = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _kinds(
    verdicts: Sequence[Verdict], rollouts: Sequence[Rollout], sizes: Mapping[str, Sequence[float]]
) -> Iterator[tuple[str, Callable[[int], float], Callable[[int], bool]]]:
    """Name, size and condition of each kind, in the order in which they choose."""
    plus, minus = sizes["plus"], sizes["minus"]
    yield "largest_plus", lambda row: plus[row], lambda row: plus[row] > 0
    yield "largest_minus", lambda row: minus[row], lambda row: minus[row] > 0
    yield "correct", lambda row: 0.0, lambda row: verdicts[row].correct
    yield "wrong", lambda row: 0.0, lambda row: verdicts[row].scored and not verdicts[row].correct
    yield "truncated", lambda row: 0.0, lambda row: rollouts[row].stop_reason is StopReason.LENGTH


def _by_row(sign: torch.Tensor) -> list[float]:
    return [float(value) for value in (sign if sign.ndim == 1 else sign.sum(dim=1)).tolist()]


def _record(
    step: int,
    prompt: Prompt,
    rollout: Rollout,
    verdict: Verdict,
    reward: Reward,
    credit: Credit,
    row: int,
    decode: Callable[[list[int]], str],
) -> dict[str, Any]:
    problem = prompt.problem
    return {
        "step": step,
        "problem_id": problem.problem_id,
        "task_type": problem.task_type,
        "question": problem.question,
        "gold": problem.gold,
        # What a right response looks like: the gold may be no more than the question (countdown), or a program's tests.
        **({} if problem.demonstration is None else {"solution": problem.demonstration}),
        "prompt": prompt.text,
        "text": rollout.text,
        "tokens": token_texts(rollout.token_ids.tolist(), rollout.text, decode),
        "log_probs": [round(float(value), 5) for value in rollout.log_probs],
        "plus": _credit(credit.plus[row], len(rollout.token_ids)),
        "minus": _credit(credit.minus[row], len(rollout.token_ids)),
        "reward": None if math.isnan(reward.value) else reward.value,
        "verdict": verdict.value.value,
        "answer": verdict.answer,
        "stop_reason": rollout.stop_reason.value,
    }


def _credit(credit: torch.Tensor, tokens: int) -> float | list[float]:
    if credit.ndim == 0:
        return round(float(credit), 6)
    return [round(float(value), 6) for value in credit[:tokens].tolist()]
