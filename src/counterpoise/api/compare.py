"""`counterpoise.compare`: several evaluations side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike, fspath

from counterpoise.api.results import Compared, Evaluated, Trained
from counterpoise.errors import UsageError
from counterpoise.evaluation.comparison import Contender, compare_metrics, on_common_problems, read_contender
from counterpoise.evaluation.comparison import compare as compare_contenders
from counterpoise.evaluation.estimators.passk import k_sweep
from counterpoise.evaluation.statistics.budgets import parse_budgets, refuse_without_lengths

__all__ = ["compare"]


def compare(
    *results: Trained | Evaluated | str | PathLike[str],
    k: Sequence[int] | None = None,
    tokens: Sequence[int] | None = None,
    common: bool = False,
    confidence: float = 0.95,
    seed: int = 0,
) -> Compared:
    """Compare evaluations on the same problems, each with the first, as `counterpoise compare` does.

    Args:
        results: two or more: what `train` and `evaluate` gave back, a run's directory (`RUN@STEP` chooses the step), an evaluation's
            directory, or a file of `{id, n, c}` lines.
        k: numbers of tries; by default the powers of two up to the largest n.
        tokens: token budgets; pass@(token budget) is compared at each of them, too.
        common: compare on the problems that all of them have.
        confidence: level of intervals and bands.
        seed: of the bootstrap.

    Raises:
        UsageError: fewer than two, the same one twice, what is neither a result nor a path, or a budget that is no number of tokens.
        DataError: nothing was evaluated there, the problems differ (see `common`), or no length is known where budgets are given.
        StoreError: a result cannot be read.
    """
    if len(results) < 2:
        raise UsageError("a comparison needs two results or more, e.g. counterpoise.compare(first, second)")
    found = [_contender(result) for result in results]
    places = [one.path.resolve() for one in found]
    for one, place in zip(found, places, strict=True):
        if places.count(place) > 1:
            raise UsageError(f"{one.path} is given twice; name two different evaluations")
    if common:
        found = on_common_problems(found)
    names = [one.name for one in found]
    found = [replace(one, name=f"{one.name} ({one.path.name})") if names.count(one.name) > 1 else one for one in found]
    ks = list(k) if k is not None else k_sweep(max(problem.n for one in found for problem in one.counts)) or [1]
    curves, made = compare_contenders(found, ks, confidence=confidence, seed=seed)
    budgets = parse_budgets([str(budget) for budget in tokens]) if tokens else []
    for one in found if budgets else ():
        refuse_without_lengths(one.counts, one.name)
    estimates, differences = compare_metrics(
        found, ks, ["pass@tokens"] if budgets else [], budgets=budgets, confidence=confidence, seed=seed
    )
    return Compared(
        contenders=tuple(found),
        curves=tuple(curves),
        comparisons=tuple(made),
        confidence=confidence,
        budgets=tuple(estimates) if budgets else (),
        budget_differences=tuple(map(tuple, differences)) if budgets else (),
    )


def _contender(result: Trained | Evaluated | str | PathLike[str]) -> Contender:
    if isinstance(result, Trained):
        return replace(read_contender(str(result.path)), name=result.path.name)
    if isinstance(result, Evaluated):
        return replace(read_contender(str(result.path)), name=result.name)
    if not isinstance(result, str | PathLike):
        raise UsageError(
            f"a comparison takes what train and evaluate gave back, and paths; got {type(result).__name__} ({str(result)[:40]!r})"
        )
    return read_contender(fspath(result))
