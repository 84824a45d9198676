"""The table of the kinds of responses: how frequent each is, and which were lost."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from counterpoise.errors import UsageError
from counterpoise.evaluation.kinds import KindShares, kind_changes, kind_intervals, kind_shares
from counterpoise.evaluation.statistics.intervals import Interval
from counterpoise.evaluation.store.rollouts import RolloutStore

__all__ = ["kinds_as_json", "kinds_of", "kinds_table"]


def kinds_of(directory: Path, among: Collection[str] | None = None) -> KindShares:
    """The kinds of the responses of a stored evaluation, or of those to the problems of these ids.

    Raises:
        UsageError: its task has no kinds.
        DataError: it holds no response to a problem of the task.
    """
    from counterpoise.build.problems import task_and_template
    from counterpoise.cli.commands.grade import stored_config
    from counterpoise.tasks.base import HasKinds

    task, _ = task_and_template(stored_config(directory, ()))
    if not isinstance(task, HasKinds):
        raise UsageError(
            f"{directory}: the task '{task.name}' does not tell responses of one kind from those of another"
        )
    problems = {
        problem.problem_id: problem for problem in task.problems("test") if among is None or problem.problem_id in among
    }
    return kind_shares(RolloutStore(directory).rollouts(), problems, task.kind_of)


def kinds_table(names: Sequence[str], found: Sequence[KindShares], *, confidence: float, seed: int) -> Table:
    """Share of each kind in each evaluation, and its change from the first one, in percent of the responses.

    Raises:
        DataError: the evaluations do not hold the same problems.
    """
    kinds, columns, changes = _measured(found, confidence, seed)
    table = Table(title=f"kinds of responses %, {len(found[0].problem_ids)} problems")
    table.add_column("kind")
    for name in names:
        table.add_column(name, justify="right")
    for name in names[1:]:
        table.add_column(f"{name} less {names[0]}", justify="right")
    for row, kind in enumerate(kinds):
        shares = [f"{100 * column[row].estimate:.1f}" for column in columns]
        differences = [
            f"{100 * one[row].estimate:+.1f} [{100 * one[row].low:+.1f}, {100 * one[row].high:+.1f}]" for one in changes
        ]
        table.add_row(kind, *shares, *differences)
    table.add_row("as many equal ones (exp H)", *(f"{one.effective:.1f}" for one in found), *([""] * len(changes)))
    return table


def kinds_as_json(
    names: Sequence[str], found: Sequence[KindShares], *, confidence: float, seed: int
) -> list[dict[str, Any]]:
    """The same for each evaluation, as shares in [0, 1]; the change from the first one is null in the first.

    Raises:
        DataError: the evaluations do not hold the same problems.
    """
    kinds, columns, changes = _measured(found, confidence, seed)
    return [
        {
            "name": name,
            "effective": one.effective,
            "kinds": [
                {"kind": kind, **asdict(share), "change": None if moved is None else asdict(moved[row])}
                for row, (kind, share) in enumerate(zip(kinds, shares, strict=True))
            ],
        }
        for name, one, shares, moved in zip(names, found, columns, [None, *changes], strict=True)
    ]


def _measured(
    found: Sequence[KindShares], confidence: float, seed: int
) -> tuple[list[str], list[list[Interval]], list[list[Interval]]]:
    """The kinds, those of the first evaluation first and most frequent first; their shares in each; their changes in those after it."""
    base, *others = found
    kinds = sorted({kind for one in found for kind in one.kinds}, key=lambda kind: (*_place(base, kind), kind))
    columns = [kind_intervals(one, kinds, confidence=confidence, seed=seed) for one in found]
    changes = [kind_changes(base, one, kinds, confidence=confidence, seed=seed) for one in others]
    return kinds, columns, changes


def _place(base: KindShares, kind: str) -> tuple[bool, int]:
    return kind not in base.kinds, base.kinds.index(kind) if kind in base.kinds else 0
