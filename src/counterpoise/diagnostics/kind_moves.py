"""Why a way to an answer is lost: what one step does to right responses of each kind. Runs without torch.

Two causes can be told apart: the first tokens of a right response may be those of a wrong one, and are then pushed down with it; and
in a table of logits `log(pi_i / pi_j)` of two right responses moves in proportion to `pi_i - pi_j`, so that the frequent kind gains on
the rare one though nothing is shared, and under either sign.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from counterpoise.diagnostics.explanation import KindMove, Measured
from counterpoise.diagnostics.quadrants import Floats

__all__ = ["KindTable", "kind_moves", "read_kinds", "shared_with_wrong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTable:
    """N scored rollouts, before and after one step."""

    problem: Sequence[int]
    """(N,) which prompt."""
    right: Sequence[bool]
    """(N,) verdicts."""
    kind: Sequence[str]
    """(N,) kind of each response."""
    token_ids: Sequence[npt.NDArray[np.int64]]
    """(T,) tokens of each."""
    log_prob_change: Sequence[Floats]
    """(T,) realised change of each token's log-probability, nats."""


def shared_with_wrong(table: KindTable) -> list[int]:
    """(N,) first tokens of each rollout that some wrong rollout to the same prompt has too; 0 without one."""
    wrong: dict[int, list[npt.NDArray[np.int64]]] = {}
    for problem, right, tokens in zip(table.problem, table.right, table.token_ids, strict=True):
        if not right:
            wrong.setdefault(problem, []).append(tokens)
    return [
        max((_common(tokens, other) for other in wrong.get(problem, ())), default=0)
        for problem, tokens in zip(table.problem, table.token_ids, strict=True)
    ]


def kind_moves(
    table: KindTable, *, generator: np.random.Generator, confidence: float = 0.95, resamples: int = 2_000
) -> tuple[KindMove, ...]:
    """One row for each kind among the right rollouts, by falling share; means are over right rollouts, intervals over problems."""
    shared = shared_with_wrong(table)
    right = [row for row, correct in enumerate(table.right) if correct]
    found = []
    for kind in {table.kind[row] for row in right}:
        rows = [row for row in right if table.kind[row] == kind]
        on_shared = [float(table.log_prob_change[row][: shared[row]].sum()) for row in rows]
        on_own = [float(table.log_prob_change[row][shared[row] :].sum()) for row in rows]
        changes = np.add(on_shared, on_own)
        problems, unit = np.unique([table.problem[row] for row in rows], return_inverse=True)
        found.append(
            KindMove(
                kind=kind,
                right=len(rows),
                share=len(rows) / len(right),
                tokens=float(np.mean([len(table.token_ids[row]) for row in rows])),
                shared_tokens=float(np.mean([shared[row] for row in rows])),
                shared_change=float(np.mean(on_shared)),
                own_change=float(np.mean(on_own)),
                change=_measured(changes, unit, len(problems), generator, confidence, resamples),
            )
        )
    return tuple(sorted(found, key=lambda move: (-move.share, move.kind)))


def read_kinds(moves: Sequence[KindMove]) -> str:
    """In one line: how the change goes with a kind's own share, and where in the response it happens."""
    right = sum(move.right for move in moves)

    def mean(values: Sequence[float]) -> float:
        return math.fsum(move.right * value for move, value in zip(moves, values, strict=True)) / right

    shared, tokens = (mean([getattr(move, name) for move in moves]) for name in ("shared_tokens", "tokens"))
    on_shared, on_own = (mean([getattr(move, name) for move in moves]) for name in ("shared_change", "own_change"))
    line = (
        f"Right responses share {shared:.1f} of {tokens:.1f} tokens with a wrong one to the same question; the step changes them by "
        f"{on_shared:+.2g} nats on those and by {on_own:+.2g} on the others."
    )
    shares, changes = ([getattr(move, name) for move in moves] for name in ("share", "change"))
    values = [change.value for change in changes]
    if len(moves) >= 3 and np.std(shares) > 0 and np.std(values) > 0:
        correlation = float(np.corrcoef(shares, values)[0, 1])
        line += f" Over {len(moves)} kinds the change goes with a kind's own share: correlation {correlation:+.2f}."
    return line


def _common(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> int:
    size = min(len(one), len(other))
    differing = np.flatnonzero(one[:size] != other[:size])
    return int(differing[0]) if len(differing) else size


def _measured(
    values: Floats,
    unit: npt.NDArray[np.intp],
    problems: int,
    generator: np.random.Generator,
    confidence: float,
    resamples: int,
) -> Measured:
    """The mean over rollouts, with a percentile bootstrap that keeps a problem's rollouts together."""
    value = float(values.mean())
    if problems < 2:
        return Measured(value=value, low=math.nan, high=math.nan)
    sums, sizes = np.bincount(unit, weights=values, minlength=problems), np.bincount(unit, minlength=problems)
    drawn = generator.multinomial(problems, np.full(problems, 1.0 / problems), size=resamples)
    low, high = np.quantile(drawn @ sums / (drawn @ sizes), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Measured(value=value, low=float(low), high=float(high))
