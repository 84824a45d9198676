"""One estimator at one setting: its name, its arguments, and its value for each problem."""

from __future__ import annotations

from dataclasses import dataclass

from counterpoise.evaluation.estimators.subsets import FloatArray

__all__ = ["PerProblem", "Setting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Which number: an estimator and what was asked of it."""

    metric: str
    """Name in `ESTIMATORS`."""
    k: int | None = None
    """Tries, where it takes any."""
    tau: float | None = None
    """Threshold, where it takes one."""
    part: str | None = None
    """Graded part of the verdict, for best@k."""
    tokens: int | None = None
    """Budget, for pass@tokens."""

    @property
    def label(self) -> str:
        """As it is written: `pass^8`, `g-pass@8 tau 0.5`, `best@8 f1`, `pass@4096 tokens`."""
        if self.tokens is not None:
            return self.metric.replace("tokens", f"{self.tokens} tokens")
        label = self.metric if self.k is None else self.metric.replace("k", str(self.k))
        if self.tau is not None:
            label = label.replace("tau", f"{self.tau:g}") if "tau" in label else f"{label} tau {self.tau:g}"
        return label if self.part is None else f"{label} {self.part}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PerProblem:
    """One number of each of P problems."""

    setting: Setting
    """Which number."""
    values: FloatArray
    """(P,) values; NaN where undefined."""
    low: FloatArray
    """(P,) values had every unscored rollout been wrong; NaN where that is unknown."""
    high: FloatArray
    """(P,) values had every one been right."""
    needs: int = 1
    """Scored rollouts of a problem without which the value is undefined."""
    absent: str | None = None
    """Why a problem with enough rollouts may be undefined all the same."""
