r"""Physical quantities: a number within a relative tolerance, a unit of the same dimensions, and significant figures beside them.

Three things can be right or wrong on their own, and are parts of the judgement: `value`, `unit`, `significant_figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from counterpoise.ranges import Tolerance
from counterpoise.settings import settings
from counterpoise.types import Extraction, Judgement, VerdictValue
from counterpoise.verifiers.text.extraction import DEFAULT_RULES, Rules, extract
from counterpoise.verifiers.text.measures import looks_compound
from counterpoise.verifiers.text.quantity_text import (
    Written,
    parse_written,
    parse_written_gold,
    sides,
    unit_behind_box,
)
from counterpoise.verifiers.text.unit_text import factors

if TYPE_CHECKING:
    from counterpoise.verifiers.text.units import Unit

__all__ = ["QuantityVerifier"]


@settings("verifier quantity")
class QuantityVerifier:
    r"""CORRECT when `|answer - gold| <= relative_tolerance |gold|` after conversion to the gold's unit.

    A gold is a number and a unit as in `2.60e3 J` or `6.6 \times 10^{-23} \mathrm{kg\,m\,s^{-1}}`; a unit in square brackets, `2.6 [kJ]`,
    was given in the question and may be left out. Rules: `quantity` (right), `value` (the unit measures the same thing, the number is
    wrong), `unit` (the gold's number with another unit), `unit_missing`, `value_and_unit`, `not_a_quantity`. Parts: `value`, `unit` and
    `significant_figures`, each 0 or 1; figures count only where the value is right, and never decide.

    Raises:
        ConfigError: a setting is out of range.
    """

    name: ClassVar[str] = "quantity"
    isolated: ClassVar[bool] = True
    """Pint has surprises (`9**9**9**9 m` does not end), though none that is known can be reached from here."""
    prepares: ClassVar[str] = "counterpoise.verifiers.text.units"
    """The module that loads pint, which takes a second."""

    relative_tolerance: Tolerance = 0.05
    """Share of the gold, in [0, 1); SciBench's is 0.05. With 0 the numbers must be equal, to 12 digits where a unit is converted."""
    unit: Literal["required", "optional"] = "required"
    """`required`: a number without the gold's unit is wrong; `optional`: it is right when the number is."""
    rules: Rules = DEFAULT_RULES
    """Extraction rules that may find the answer."""

    @property
    def version(self) -> str:
        """Changes whenever a verdict could change."""
        return f"3+rtol{self.relative_tolerance:g}" + ("+unit-optional" if self.unit == "optional" else "")

    def extract(self, response: str) -> Extraction:
        """The answer inside a response (see `counterpoise.verifiers.text.extraction`), with a unit that stands right behind its box."""
        found = extract(response, rules=self.rules)
        if found.basis != "boxed" or found.answer is None:
            return found
        written = parse_written(found.answer)
        unit = "" if written is None or written.unit else unit_behind_box(response, found.answer)
        return Extraction(answer=f"{found.answer} {unit}", basis="boxed") if unit else found

    def shortcut(self, gold: str, answer: str) -> Judgement | None:
        """The judgement where both units are spelled with the same names or absent, without pint; else None."""
        right = parse_written_gold(gold)
        if right is None:
            return None if looks_compound(gold) else _NO_QUANTITY
        written = sides(answer)
        if written is None:
            return None if _may_be_constant(answer) or looks_compound(answer) else _judgement("not_a_quantity")
        if not all(_same_names(right, one) for one in written):
            return None
        return _worst([self._outcome(right, one, self._agree(right.value, one.value)) for one in written])

    def judge(self, gold: str, answer: str) -> Judgement:
        """Decide; run it in the pool. A gold that is not a number, or whose unit nobody knows, is UNSCORED."""
        quick = self.shortcut(gold, answer)
        if quick is not None:
            return quick
        from counterpoise.verifiers.text.compound import compound
        from counterpoise.verifiers.text.constants import constant_sides
        from counterpoise.verifiers.text.units import units

        right = parse_written_gold(gold) or compound(gold)
        if right is None:
            return _NO_QUANTITY
        sum_ = compound(answer)
        written = sides(answer) or ((sum_,) if sum_ else constant_sides(answer))
        if written is None:
            return _judgement("not_a_quantity")
        wanted = units(right.unit, strict=True)
        if not wanted:
            return Judgement(
                value=VerdictValue.UNSCORED, basis="gold", reason=f"unparsable gold: unknown unit '{right.unit[:40]}'"
            )
        return _worst([self._compare(right, wanted, one) for one in written])

    def _compare(self, gold: Written, wanted: Sequence[Unit], answer: Written) -> Judgement:
        from counterpoise.verifiers.text.units import convert, units

        found = units(answer.unit)
        best = "value_and_unit"
        if not answer.unit and gold.unit:
            best = "unit_missing" if self._agree(gold.value, answer.value) else best
        elif self._agree(gold.value, answer.value):
            best = "unit"
        for target in wanted:
            for unit in found:
                converted = convert(answer.value, unit, target)
                if converted is None:
                    continue
                # A bare number converts to per cent and degrees; that it does not match says nothing about its unit.
                if self._agree(gold.value, *converted):
                    return self._outcome(gold, answer, True)
                if answer.unit and best == "value_and_unit":
                    best = "value"
        return self._named(best, gold, answer)

    def _agree(self, gold: Fraction, value: Fraction, rounding: Fraction = Fraction(0)) -> bool:
        return abs(value - gold) <= Fraction(repr(self.relative_tolerance)) * abs(gold) + rounding

    def _outcome(self, gold: Written, answer: Written, agrees: bool) -> Judgement:
        return self._named("correct" if agrees else "value", gold, answer)

    def _named(self, outcome: str, gold: Written, answer: Written) -> Judgement:
        lenient = gold.optional or self.unit == "optional"
        right = outcome == "correct" or (outcome == "unit_missing" and lenient)
        value = outcome in ("correct", "unit", "unit_missing")
        low, high = answer.figures
        figures = value and low <= gold.figures[1] and gold.figures[0] <= high
        parts = {
            "value": float(value),
            "unit": float(outcome in ("correct", "value")),
            "significant_figures": float(figures),
        }
        rule = "quantity" if outcome == "correct" else outcome
        return _judgement(rule, right=right, parts=parts)


_NO_QUANTITY = Judgement(
    value=VerdictValue.UNSCORED, basis="gold", reason="unparsable gold: expected a number and a unit, e.g. 2.6 kJ"
)


def _same_names(gold: Written, answer: Written) -> bool:
    left, right = factors(gold.unit), factors(answer.unit)
    return left is not None and left == right and len(left) == 1


def _may_be_constant(answer: str) -> bool:
    return "\\" in answer and "**" not in answer


def _worst(judgements: Sequence[Judgement]) -> Judgement:
    """Of an answer that is a chain of equations every side must be right."""
    return min(judgements, key=lambda j: (j.value is VerdictValue.CORRECT, sum(j.parts.values())))


def _judgement(rule: str, *, right: bool = False, parts: Mapping[str, float] | None = None) -> Judgement:
    none = {"value": 0.0, "unit": 0.0, "significant_figures": 0.0}
    return Judgement(
        value=VerdictValue.CORRECT if right else VerdictValue.WRONG,
        basis=rule,
        parts=MappingProxyType(dict(parts or none)),
    )
