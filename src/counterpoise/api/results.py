"""What `train`, `evaluate` and `compare` give back: numbers that show themselves as tables, and the paths behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from counterpoise.api.table import Table, Tabular, span
from counterpoise.evaluation.comparison import Comparison, Contender
from counterpoise.evaluation.comparison import compare as compare_contenders
from counterpoise.evaluation.result_lines import result_lines
from counterpoise.evaluation.statistics.curve import PassAtK
from counterpoise.evaluation.statistics.metrics import Difference, Estimate
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.text import counted

__all__ = ["Compared", "Evaluated", "Trained", "common_ks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated(Tabular):
    """pass@k of one model."""

    path: Path
    """Directory of its rollouts, verdicts and `passk.json`."""
    name: str
    """What was evaluated."""
    result: EvaluationResult
    """Everything that is known of it."""

    @property
    def pass_at_k(self) -> dict[int, float]:
        """The estimates by k, in [0, 1]."""
        return {point.k: point.estimate for point in self.result.curve}

    @property
    def pass_at_tokens(self) -> dict[int, float]:
        """The chance of a right response within a budget of so many tokens, in [0, 1]; empty where no length is known."""
        return {row.tokens: row.estimate for row in self.result.estimates if row.tokens is not None}

    @property
    def table(self) -> Table:
        """k, pass@k, its interval and the problems behind it."""
        result = self.result
        names = ("k", "pass_at_k", "low", "high", "problems")
        rows = [(p.k, p.estimate, p.low, p.high, p.problems) for p in result.curve]
        return Table(
            title=f"pass@k of {self.name}, {counted(len(result.counts), 'problem')} x {result.n}",
            columns=("k", f"pass@k % [{100 * result.confidence:g}%]", "problems"),
            cells=tuple((str(p.k), span(p.estimate, p.low, p.high), str(p.problems)) for p in result.curve),
            rows=tuple(dict(zip(names, row, strict=True)) for row in rows),
            notes=(*result_lines(result), f"rollouts: {self.path}"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared(Tabular):
    """pass@k of several evaluations on the same problems, and the difference of each from the first."""

    contenders: tuple[Contender, ...]
    """Them."""
    curves: tuple[tuple[PassAtK, ...], ...]
    """pass@k of each, k ascending."""
    comparisons: tuple[Comparison, ...]
    """Each of the others against the first, with intervals, bands, gains and losses."""
    confidence: float
    """Level of intervals and bands."""
    budgets: tuple[tuple[Estimate, ...], ...] = ()
    """pass@(token budget) of each, budgets ascending; empty where none was asked for."""
    budget_differences: tuple[tuple[Difference, ...], ...] = ()
    """Each of the others less the first, at the same budgets."""

    @property
    def pass_at_tokens(self) -> dict[str, dict[int, float]]:
        """By contender, the chance of a right response within a budget of so many tokens, in [0, 1]."""
        return {
            contender.name: {row.tokens: row.estimate for row in rows if row.tokens is not None}
            for contender, rows in zip(self.contenders, self.budgets, strict=False)
        }

    @property
    def table(self) -> Table:
        """A row for each k: every curve, and every difference in points with its interval; in words under it."""
        rows, cells = [], []
        for i, point in enumerate(self.curves[0]):
            row: dict[str, float] = {"k": point.k}
            line = [str(point.k)]
            for contender, curve in zip(self.contenders, self.curves, strict=True):
                row |= {contender.name: curve[i].estimate, f"{contender.name} low": curve[i].low}
                row |= {f"{contender.name} high": curve[i].high}
                line.append(span(curve[i].estimate, curve[i].low, curve[i].high))
            for made in self.comparisons:
                moved, name = made.points[i], f"{made.after} - {made.base}"
                row |= {name: moved.estimate, f"{name} low": moved.low, f"{name} high": moved.high}
                line.append(span(moved.estimate, moved.low, moved.high, signed=True))
            rows.append(row)
            cells.append(tuple(line))
        names = [contender.name for contender in self.contenders]
        level = f"{100 * self.confidence:g}% intervals"
        return Table(
            title=f"pass@k %, differences in points, {level}, {counted(len(self.contenders[0].counts), 'problem')}",
            columns=("k", *names, *(f"{made.after} - {made.base}" for made in self.comparisons)),
            cells=tuple(cells),
            rows=tuple(rows),
            notes=(*(sentence for made in self.comparisons for sentence in made.sentences()), *self._within_budgets()),
        )

    def _within_budgets(self) -> Iterator[str]:
        for i, first in enumerate(self.budgets[0] if self.budgets else ()):
            parts = [
                f"{contender.name} {span(rows[i].estimate, rows[i].low, rows[i].high)}"
                for contender, rows in zip(self.contenders, self.budgets, strict=True)
            ]
            for made, rows in zip(self.comparisons, self.budget_differences, strict=True):
                moved = span(rows[i].estimate, rows[i].low, rows[i].high, signed=True)
                parts.append(f"{made.after} - {made.base} {moved}")
            yield f"within {counted(first.tokens or 0, 'token')}: {', '.join(parts)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained(Tabular):
    """A finished run."""

    path: Path
    """Its directory, which every command takes."""
    weights: Path
    """The trained weights, a Hugging Face directory."""
    base: Evaluated | None
    """pass@k before training, where it was measured."""
    final: Evaluated | None
    """pass@k after it."""

    @property
    def comparison(self) -> Compared | None:
        """The difference that training made; None unless both sides answered the same problems at a k in common."""
        if self.base is None or self.final is None:
            return None
        sides = [(one, one.result) for one in (self.base, self.final)]
        ids = [{problem.problem_id for problem in result.counts} for _, result in sides]
        ks = common_ks([result for _, result in sides])
        if ids[0] != ids[1] or not ks or sides[0][1].manifest.settings != sides[1][1].manifest.settings:
            return None
        contenders = [
            Contender(name=name, path=one.path, counts=result.counts, manifest=result.manifest)
            for name, (one, result) in zip(("before", "after"), sides, strict=True)
        ]
        confidence = sides[0][1].confidence
        curves, made = compare_contenders(contenders, ks, confidence=confidence)
        return Compared(
            contenders=tuple(contenders), curves=tuple(curves), comparisons=tuple(made), confidence=confidence
        )

    @property
    def table(self) -> Table:
        """Before, after and the difference; what there is of them."""
        compared = self.comparison
        shown = compared if compared is not None else self.final or self.base
        place = (f"run: {self.path}", f"weights: {self.weights}")
        if shown is None:
            return Table(title="trained, not evaluated", columns=(), cells=(), rows=(), notes=place)
        table = shown.table
        return Table(
            title=table.title,
            columns=table.columns,
            cells=table.cells,
            rows=table.rows,
            notes=(*table.notes, *place),
        )


def common_ks(results: list[EvaluationResult]) -> list[int]:
    """Numbers of tries at which all of them were estimated."""
    return sorted(set.intersection(*({point.k for point in result.curve} for result in results)))
