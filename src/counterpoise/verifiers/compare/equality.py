r"""Equality of two normalised answers by their outer shape, part by part, down to leaves that a number or computer algebra decides.

The same rules run in the caller's process, where a leaf may say "not known here" (None), and in a worker, where every leaf is decided.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from counterpoise.lazy import compiled
from counterpoise.types import Judgement, VerdictValue
from counterpoise.verifiers.compare.number_text import product_text, radians_text, rounding, times_text
from counterpoise.verifiers.compare.numeric import numbers_agree, parse_number
from counterpoise.verifiers.text import answers, chains
from counterpoise.verifiers.text.clocks import read_clock, same_time
from counterpoise.verifiers.text.measures import Measure, alike, looks_compound, relate, split_measure
from counterpoise.verifiers.text.normalise import over_cap
from counterpoise.verifiers.text.words import same_date, same_words

__all__ = ["Equality", "judgement"]

_MAX_LIST = 40
_MAX_DEPTH = 6
_ASSIGNED = compiled(r"\\?[A-Za-z]+\s*(?:_\s*(?:\{[^{}]*\}|\w))?\s*=\s*([^=<>]+)", re.DOTALL)
_MEMBER = compiled(r"[A-Za-z]\s*\\in(?![A-Za-z])\s*")
_VECTOR = compiled(r"\(\s*[A-Za-z]\w?(?:\s*,\s*[A-Za-z]\w?)+\s*\)\s*=\s*(?P<value>\(.*\))", re.DOTALL)
_ANGLE = compiled(r"\\langle(.*?)\\rangle", re.DOTALL)
_RELATED = compiled(r"[<>]|\\(?:leq?|geq?|lt|gt|leqslant|geqslant|neq?)(?![A-Za-z])")
_INEXACT = Fraction(1, 2000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Equality:
    """How the parts are compared."""

    leaf: Callable[[str, str], Judgement | None]
    """Judges two texts that have no outer shape; None when it takes computer algebra and this process has none."""
    constant: Callable[[str], Fraction | None] | None
    """The value of a constant; None where this process cannot tell (no algebra, no pint)."""
    ordered: bool = False
    """The order of a list without brackets counts."""
    literal: bool = False
    """Units, lists and links are not taken apart: the form must be the gold's."""

    def decide(self, gold: str, answer: str, depth: int = 0) -> Judgement | None:
        """The judgement of two normalised texts; None only where a leaf says so."""
        if answers.squeeze(gold) == answers.squeeze(answer):
            return judgement(True, "identical")
        if gold and over_cap(gold) is None and over_cap(answer) is None and depth < _MAX_DEPTH:
            for step in (
                self._clocks,
                self._ratios,
                self._words,
                self._sets,
                self._lists,
                self._chains,
                self._measures,
            ):
                decided = step(gold, answer, depth)
                if decided is not _NEXT:
                    return decided
        return self.leaf(gold, answer)

    def _clocks(self, gold: str, answer: str, depth: int) -> Judgement | None:
        left, right = read_clock(gold), read_clock(answer)
        if left is None or right is None:
            return _NEXT
        return judgement(same_time(left, right), "clock")

    def _ratios(self, gold: str, answer: str, depth: int) -> Judgement | None:
        """Ratios of three and more, which algebra would read as division, and those with "to", term by term."""
        left, right = answers.ratio(gold), answers.ratio(answer)
        if self.literal or not left or not right or (len(left) == len(right) == 2 and "to" not in gold + answer):
            return _NEXT
        if len(left) != len(right):
            return judgement(False, "ratio")
        return _all(
            [
                self.decide(product_text(one, right[0]), product_text(other, left[0]), depth + 1)
                for one, other in zip(left[1:], right[1:], strict=True)
            ]
        )

    def _words(self, gold: str, answer: str, depth: int) -> Judgement | None:
        same = same_date(gold, answer)
        if same is None:
            same = same_words(gold, answer)
        return _NEXT if same is None else judgement(same, "text")

    def _sets(self, gold: str, answer: str, depth: int) -> Judgement | None:
        if self.literal:
            return _NEXT
        left, right = (
            answers.condition(_MEMBER.sub("", text, count=1) if _MEMBER.match(text) else text)
            for text in (gold, answer)
        )
        left, right = (match["value"] if (match := _VECTOR.fullmatch(text)) else text for text in (left, right))
        left, right = (_ANGLE.sub(r"(\1)", text) for text in (left, right))
        left, right = answers.without_about(left), answers.without_about(answers.conclusion(right))
        if any(r"\c" in text or r"\ne" in text or r"\cup" in text for text in (left, right)):
            left, right = (answers.interval_text(text) or text for text in (left, right))
        return _NEXT if (left, right) == (gold, answer) else self.decide(left, right, depth + 1)

    def _lists(self, gold: str, answer: str, depth: int) -> Judgement | None:
        if self.literal and not self.ordered:
            return _NEXT
        left, right = (answers.parts(text) for text in (gold, answer))
        bare = len(left) > 1, len(right) > 1
        if not any(bare):
            return self._signs(gold, answer, depth)
        compound = self._compound(gold, answer)
        if compound is not _NEXT:
            return compound
        if not all(bare):
            single = answer if bare[0] else gold
            many = left if bare[0] else right
            if all(_RELATED.search(piece) for piece in many):
                return self._conditions(gold, answer, many, bare[0], depth)
            inside, kind = answers.bare(single)
            if kind:
                pieces = answers.parts(inside)
                left, right = (left, pieces) if bare[0] else (pieces, right)
                if kind == "set":
                    left, right = list(dict.fromkeys(left)), list(dict.fromkeys(right))
                return self._matched(left, right, depth, ordered=self.ordered or (kind == "tuple" and not bare[0]))
            if r"\pm" not in single and r"\begin" not in single:
                return judgement(False, "list")
        left, right = ([value for piece in side for value in answers.plus_minus(piece)] for side in (left, right))
        return self._matched(left, right, depth, ordered=self.ordered)

    def _signs(self, gold: str, answer: str, depth: int) -> Judgement | None:
        left, right = answers.plus_minus(gold), answers.plus_minus(answer)
        if len(left) == len(right) == 1 or any(
            text[:1] in "([\\" and not text.startswith(r"\pm") for text in (gold, answer)
        ):
            return _NEXT
        return self._matched(left, right, depth, ordered=False)

    def _conditions(self, gold: str, answer: str, pieces: Sequence[str], of_gold: bool, depth: int) -> Judgement | None:
        undecided: Judgement | None = judgement(False, "list")
        for joint in (r" \cap ", r" \cup "):
            joined = answers.interval_text(joint.join(pieces))
            if joined is None:
                return _NEXT
            decided = self.decide(joined, answer, depth + 1) if of_gold else self.decide(gold, joined, depth + 1)
            if decided is None or decided.value is VerdictValue.CORRECT:
                return decided
            undecided = decided
        return undecided

    def _matched(self, gold: Sequence[str], answer: Sequence[str], depth: int, *, ordered: bool) -> Judgement | None:
        """Every element of one list has a partner of its own in the other."""
        if len(gold) != len(answer):
            return judgement(False, "list")
        if not ordered:
            named = [_named(side) for side in (gold, answer)]
            if named[0] and named[1] and named[0].keys() == named[1].keys():
                gold, answer = list(named[0].values()), [named[1][name] for name in named[0]]
                ordered = True
        gold, answer = [_value(piece) for piece in gold], [_value(piece) for piece in answer]
        if ordered:
            return _all([self.decide(one, other, depth + 1) for one, other in zip(gold, answer, strict=True)])
        numbers = [[parse_number(piece) for piece in side] for side in (gold, answer)]
        if all(number is not None and number.form != "decimal" for side in numbers for number in side):
            left, right = (Counter(number.value for number in side if number) for side in numbers)
            return judgement(left == right, "list")
        if len(gold) > _MAX_LIST:
            return judgement(Counter(map(answers.squeeze, gold)) == Counter(map(answers.squeeze, answer)), "list")
        free, known = list(range(len(answer))), True
        for one in gold:
            for index in free:
                decided = self.decide(one, answer[index], depth + 1)
                if decided is None:
                    known = False
                    continue
                if decided.value is VerdictValue.UNSCORED:
                    return decided
                if decided.value is VerdictValue.CORRECT:
                    free.remove(index)
                    break
            else:
                return judgement(False, "list") if known else None
        return judgement(True, "list")

    def _chains(self, gold: str, answer: str, depth: int) -> Judgement | None:
        left, right = answers.links(gold), answers.links(answer)
        if len(left) == len(right) == 1:
            return _NEXT
        left_values, right_values = chains.values(left), chains.values(right)
        if len(left) == 2 and len(right) == 2 and len(left_values) == len(right_values) == 1:
            names = (
                next(link.text for link in chain if link not in values)
                for chain, values in ((left, left_values), (right, right_values))
            )
            if not chains.same_name(*names):
                return judgement(False, "name")
        elif chains.is_equation(left) and len(right) > 1:
            return _NEXT  # two equations, e.g. of a line
        broken = self._broken(right_values, depth)
        if broken is None or broken:
            return None if broken is None else judgement(False, "false_equation")
        if chains.false_link(right):
            return judgement(False, "false_equation")  # `[0,\infty) = x/2`: two answers, and no link between them
        if len(right_values) > 1 and all(chains.is_collection(side[-1].text) for side in (left_values, right_values)):
            return self.decide(left_values[-1].text, right_values[-1].text, depth + 1)
        if chains.is_equation(left) or (
            chains.is_equation(right) and len(right) == 2 and not answers.is_constant(right[0].text)
        ):
            return (
                _NEXT
                if len(right_values) < 2 or chains.is_equation(right)
                else self.decide(gold, right_values[-1].text, depth + 1)
            )
        undecided: Judgement | None = judgement(False, "chain")
        for wanted in chains.ends(left_values):
            for given in chains.ends(right_values):
                if (wanted, given) == (gold, answer):
                    return _NEXT
                decided = self.decide(wanted, given, depth + 1)
                if decided is None or decided.value is VerdictValue.CORRECT:
                    return decided
                undecided = decided
        return undecided

    def _broken(self, chain: Sequence[answers.Link], depth: int) -> bool | None:
        """Whether a link between two constants is false; None where this process cannot tell."""
        last: str | None = None
        for link in chain:
            if not answers.is_constant(link.text) or chains.is_worked(link.text):
                continue
            if last is not None:
                holds = self._about(last, link.text) if link.relation == "~" else None
                if holds is None:
                    decided = self.decide(last, link.text, depth + 1)
                    if decided is None:
                        return None
                    holds = decided.value is VerdictValue.CORRECT
                if not holds:
                    return True
            last = link.text
        return False

    def _about(self, exact: str, rounded: str) -> bool | None:
        """Whether the second is the first, rounded; None where a value is not known here."""
        left, right = (split_measure(text) for text in (exact, rounded))
        shown = parse_number(right.head)
        value = parse_number(left.head)
        known = value.value if value else self.constant(left.head) if self.constant else None
        if shown is None or known is None or alike(left.unit, right.unit) is None:
            return None
        return abs(known * left.factor - shown.value * right.factor) <= rounding(right.head) * right.factor

    def _measures(self, gold: str, answer: str, depth: int) -> Judgement | None:
        if self.literal:
            return _NEXT
        compound = self._compound(gold, answer)
        if compound is not _NEXT:
            return compound
        left, right = split_measure(gold), split_measure(answer)
        if left.factor == right.factor == 1 and not left.unit and not right.unit:
            return _NEXT
        same = alike(left.unit, right.unit)
        heads = left.head, right.head
        if same is None:
            if self.constant is None:
                return None
            value = self._number(right)
            relation, converted = relate(left.unit, right.unit, value)
            if relation == "differ":
                return judgement(False, "unit")
            if relation == "known":
                return self._converted(left, right, converted, value, depth)
        elif "%" in (left.unit, right.unit) and not (left.unit and right.unit):
            return _percentage(left, right) or self.leaf(gold, answer)  # a percentage, or its fraction
        elif "degree" in (left.unit, right.unit) and r"\pi" in gold + answer and left.unit != right.unit:
            heads = radians_text(left), radians_text(right)
        return self._scaled(heads[0], heads[1], left.factor, right.factor, depth)

    def _scaled(self, gold: str, answer: str, left: int, right: int, depth: int) -> Judgement | None:
        return self.decide(times_text(gold, left), times_text(answer, right), depth + 1)

    def _converted(
        self, gold: Measure, answer: Measure, converted: Fraction, value: Fraction | None, depth: int
    ) -> Judgement | None:
        wanted = self._number(gold)
        if wanted is None or value is None:
            ratio = converted.limit_denominator(10**6)
            return self._scaled(
                gold.head, rf"({answer.head})\cdot\frac{{{ratio.numerator}}}{{{ratio.denominator}}}", 1, 1, depth
            )
        difference = abs(wanted - converted)
        exact = value == 0 or (converted / value).limit_denominator(10**6) == converted / value or converted == value
        close = max(abs(wanted), Fraction(1)) / 10**9 if exact else _INEXACT * abs(wanted)
        return judgement(difference <= close, "unit_converted")

    def _number(self, measure: Measure) -> Fraction | None:
        number = parse_number(measure.head)
        value = number.value if number else self.constant(measure.head) if self.constant else None
        return None if value is None else value * measure.factor

    def _compound(self, gold: str, answer: str) -> Judgement | None:
        """`3 hours 20 minutes` and `5 ft 3 in`, where one side is such a sum and the other is one or has a unit."""
        if self.literal or not any(map(looks_compound, (gold, answer))):
            return _NEXT
        if self.constant is None:
            return None
        from counterpoise.verifiers.text.compound import total

        pair = [total(text) for text in (gold, answer)]
        if pair[0] is None or pair[1] is None or pair[0].dimensions != pair[1].dimensions:
            return _NEXT
        return judgement(numbers_agree(pair[0].value, pair[1].value), "unit_converted")


_NEXT = Judgement(value=VerdictValue.UNSCORED, basis="next", reason="the next step decides")
"""What a step says of texts that do not have its shape."""


def judgement(correct: bool, rule: str) -> Judgement:
    """A decided pair."""
    return Judgement(value=VerdictValue.CORRECT if correct else VerdictValue.WRONG, basis=rule)


def _percentage(gold: Measure, answer: Measure) -> Judgement | None:
    r"""Of a percentage that is a fraction, `\frac{100}{3}\%`, which the parser of algebra cannot read; None for other texts."""
    numbers = parse_number(gold.head), parse_number(answer.head)
    percent = numbers[0] if gold.unit else numbers[1]
    if numbers[0] is None or numbers[1] is None or percent is None or percent.form != "fraction":
        return None
    scale = Fraction(1, 100) if gold.unit else Fraction(100)
    return judgement(
        any(numbers_agree(numbers[0].value * factor, numbers[1].value) for factor in (Fraction(1), scale)), "percent"
    )


def _all(decided: Sequence[Judgement | None]) -> Judgement | None:
    for one in decided:
        if one is not None and one.value is not VerdictValue.CORRECT:
            return one
    return None if None in decided else judgement(True, "list")


def _named(pieces: Sequence[str]) -> dict[str, str] | None:
    """Values by name, where every piece names a different one."""
    chains = [answers.links(piece) for piece in pieces]
    if not all(len(chain) == 2 and answers.is_name(chain[0].text) for chain in chains):
        return None
    named = {chain[0].text.replace(" ", ""): chain[1].text for chain in chains}
    return named if len(named) == len(pieces) else None


def _value(piece: str) -> str:
    """`5` of `x=5`."""
    match = _ASSIGNED.fullmatch(piece)
    return match[1].strip() if match else piece
