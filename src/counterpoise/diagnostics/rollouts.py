"""What the responses of a step look like, by verdict and by task type. Runs without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from counterpoise.diagnostics.histogram import Histogram
from counterpoise.types import TRUNCATED, Reward, Rollout, StopReason, Sum, Verdict, VerdictValue

__all__ = ["by_verdict", "repeated_share", "rollout_metrics", "surprisal_histograms"]

_REASONS = ("timeout", "crash", "memory", "other")
_NGRAM = 4


def by_verdict(verdicts: Sequence[Verdict]) -> dict[str, list[int]]:
    """Rows by the suffix of their columns: "" is all of them, unscored ones included; `_correct` and `_wrong` are scored ones.

    A response without an answer is wrong.
    """
    scored = [row for row, verdict in enumerate(verdicts) if verdict.scored]
    return {
        "": list(range(len(verdicts))),
        "_correct": [row for row in scored if verdicts[row].correct],
        "_wrong": [row for row in scored if not verdicts[row].correct],
    }


def rollout_metrics(
    rollouts: Sequence[Rollout], verdicts: Sequence[Verdict], rewards: Sequence[Reward], *, group_size: int
) -> dict[str, Sum]:
    """Means over N rollouts that stand group by group, as (sum, count) pairs that add up over processes.

    Keys: `reward`, `no_answer_share` and `intractable_share` (scored rollouts; the last: answers that were called wrong because they
    alone made the verifier hang or crash); `unscored_timeout`, `unscored_crash`, `unscored_memory`, `unscored_other` (all rollouts);
    `distinct_answers` (different texts among the answers of a group, over groups with an answer); and, of all, correct and wrong
    rollouts, with the suffixes of `by_verdict`: `response_tokens`, `truncated_share`, `repetition` (mean of `repeated_share`, over
    responses that have one), `entropy_sampled` (mean of -log p over sampled tokens, which estimates the policy's entropy, for every
    rule on the same rows); and `part/NAME` for each graded part that a verifier gave, over the rollouts that have it.
    """
    scored = [row for row, verdict in enumerate(verdicts) if verdict.scored]
    metrics = {
        "reward": _over(scored, lambda row: rewards[row].value),
        "no_answer_share": _over(
            scored, lambda row: verdicts[row].value in (VerdictValue.NO_ANSWER, VerdictValue.ABSTAINED)
        ),
        "distinct_answers": _distinct_answers(verdicts, group_size),
        "intractable_share": _over(scored, lambda row: verdicts[row].basis.endswith("intractable_answer")),
        **{f"unscored_{kind}": _over(range(len(verdicts)), partial(_is_reason, verdicts, kind)) for kind in _REASONS},
    }
    for name in sorted({name for row in scored for name in verdicts[row].parts}):
        given = [verdicts[row].parts[name] for row in scored if name in verdicts[row].parts]
        metrics[f"part/{name}"] = Sum(total=math.fsum(given), count=len(given))
    repeated = [repeated_share(rollout.token_ids.tolist()) for rollout in rollouts]
    for suffix, rows in by_verdict(verdicts).items():
        metrics |= {
            f"response_tokens{suffix}": _over(rows, lambda row: len(rollouts[row].token_ids)),
            f"truncated_share{suffix}": _over(rows, lambda row: rollouts[row].stop_reason is StopReason.LENGTH),
            f"repetition{suffix}": _over([r for r in rows if not math.isnan(repeated[r])], lambda row: repeated[row]),
            f"entropy_sampled{suffix}": Sum(
                total=-math.fsum(float(rollouts[r].log_probs[rollouts[r].mask].sum(dtype="float64")) for r in rows),
                count=sum(int(rollouts[row].mask.sum()) for row in rows),
            ),
        }
    return metrics


def surprisal_histograms(rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> dict[str, Histogram]:
    """-log p of each sampled token, in nats: `surprisal`, `surprisal_correct`, `surprisal_wrong`."""
    empty = np.zeros(0, dtype=np.float32)
    return {
        f"surprisal{suffix}": Histogram.of(
            -np.concatenate([empty, *(rollouts[row].log_probs[rollouts[row].mask] for row in rows)])
        )
        for suffix, rows in by_verdict(verdicts).items()
    }


def repeated_share(token_ids: Sequence[int]) -> float:
    """`1 - distinct / all` over the 4-grams of tokens of one response (seq-rep-4 of arXiv 1908.04319); NaN below 4 tokens."""
    grams = len(token_ids) - _NGRAM + 1
    if grams < 1:
        return math.nan
    return 1.0 - len(set(zip(*(token_ids[start : start + grams] for start in range(_NGRAM)), strict=True))) / grams


def _distinct_answers(verdicts: Sequence[Verdict], group_size: int) -> Sum:
    """Answers are compared as texts: `7` and `7.0` are two."""
    groups = (verdicts[start : start + group_size] for start in range(0, len(verdicts), group_size))
    distinct = [len({verdict.answer for verdict in group if verdict.answer is not None}) for group in groups]
    return Sum(total=sum(distinct), count=sum(number > 0 for number in distinct))


def _is_reason(verdicts: Sequence[Verdict], kind: str, row: int) -> bool:
    """Whether the rollout is unscored for this kind of reason, which is the reason's first word; being cut off has a column of its own."""
    first = (verdicts[row].reason or "").partition(":")[0]
    if verdicts[row].scored or first == TRUNCATED:
        return False
    return first == kind or (kind == "other" and first not in _REASONS)


def _over(rows: Iterable[int], value: Callable[[int], float]) -> Sum:
    values = [float(value(row)) for row in rows]
    return Sum(total=math.fsum(values), count=len(values))
