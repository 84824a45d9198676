r"""Mathematical equality: what is certain without computer algebra is decided here, the rest by `symbolic` in a killable worker.

Most answers of a group are plain numbers or repeat the gold's text, and importing a computer algebra system costs the trainer's process
0.8 s and 100 MB; so this module does not import it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache, partial
from importlib.metadata import version
from typing import ClassVar

from counterpoise.lazy import compiled
from counterpoise.settings import settings
from counterpoise.types import Extraction, Judgement, VerdictValue
from counterpoise.verifiers.compare.equality import Equality, judgement
from counterpoise.verifiers.compare.numeric import Number, numbers_agree, parse_number
from counterpoise.verifiers.text import answers
from counterpoise.verifiers.text.caps import over_any_cap
from counterpoise.verifiers.text.extraction import DEFAULT_RULES, Rules, extract
from counterpoise.verifiers.text.golds import no_mathematics, unboxed
from counterpoise.verifiers.text.measures import NUMBER_WORDS
from counterpoise.verifiers.text.normalise import normalise
from counterpoise.verifiers.text.spelled import figures

__all__ = ["MathVerifier", "numbers_agree"]

_VERSION = "5"
_NUMBER_TEXT = compiled(r"\\text\s*\{\s*([A-Za-z]+)")
_WORDED = compiled(r"(.*[\d}])\s+([A-Za-z]{2,}(?:\.? [A-Za-z]{2,})*\.?)(?: ?\^ ?\{?\d\}?)?")


@settings("verifier math")
class MathVerifier:
    r"""CORRECT when the answer equals the gold as mathematics.

    With `literal`, the answer must also be written in the gold's form: a numeral in lowest terms for a numeral, otherwise the same
    expression up to the order of terms and factors. Tasks that ask to compute or to simplify need it, because `12345\cdot 678` equals its
    value.
    """

    name: ClassVar[str] = "math"
    isolated: ClassVar[bool] = True
    """Computer algebra can hang, crash and fill the memory."""
    prepares: ClassVar[str] = "counterpoise.verifiers.text.units"
    """The module that loads pint, for units that differ."""

    literal: bool = False
    """Require the gold's form."""
    ordered: bool = False
    """The order of a list without brackets counts: `2,1` is not `1,2`. For sorting; the solutions of an equation have no order."""
    rules: Rules = DEFAULT_RULES
    """Extraction rules that may find the answer."""

    @property
    def version(self) -> str:
        """This module's version and math-verify's."""
        return (
            f"{_VERSION}+math-verify-{_library_version()}"
            + ("+literal" if self.literal else "")
            + ("+ordered" if self.ordered else "")
        )

    def extract(self, response: str) -> Extraction:
        """The answer inside a response; see `counterpoise.verifiers.text.extraction`."""
        return extract(response, rules=self.rules)

    def shortcut(self, gold: str, answer: str) -> Judgement | None:
        """The judgement when it is certain without computer algebra, else None; quick and total."""
        return self._judge(gold, answer, self._leaf, None)

    def judge(self, gold: str, answer: str) -> Judgement:
        """Decide; may take unbounded time and memory, so run it in the pool. A gold that cannot be read is UNSCORED."""
        quick = self.shortcut(gold, answer)
        if quick is not None:
            return quick
        from counterpoise.verifiers.compare import symbolic

        decided = self._judge(gold, answer, partial(self._algebra, symbolic.judge_formulas), symbolic.constant)
        assert decided is not None
        return decided

    def work_out(self, text: str) -> None:
        """Compare each part with a number and an equation, and the whole with itself, with no short cut.

        What hangs or crashes here is at fault by itself.
        """
        from counterpoise.verifiers.compare import symbolic

        whole = self._text(text)
        for part in answers.parts(answers.bare(whole)[0]):
            for other in ("1", "x^2+y=1"):
                self._judge(other, part, partial(self._algebra, symbolic.judge_formulas), symbolic.constant)
        if over_any_cap(whole) is None:
            symbolic.judge_formulas(whole, whole, literal=self.literal)

    def _judge(
        self,
        gold: str,
        answer: str,
        leaf: Callable[[str, str], Judgement | None],
        constant: Callable[[str], Fraction | None] | None,
    ) -> Judgement | None:
        gold = unboxed(gold)
        why = no_mathematics(gold)
        if why is not None:
            return _unscored(f"it is {why}")
        left, right = (self._text(text) for text in (gold, answer))
        comparison = Equality(leaf=leaf, constant=constant, ordered=self.ordered, literal=self.literal)
        return comparison.decide(left, right)

    def _text(self, text: str) -> str:
        return normalise(text) if self.literal else figures(normalise(text, dollars=True))

    def _leaf(self, gold: str, answer: str) -> Judgement | None:
        left, right = parse_number(gold), parse_number(answer)
        if left is not None and right is not None:
            return self._compare_numbers(left, right)
        if (cap := over_any_cap(gold)) is not None:
            return _unscored(f"its {cap} is beyond what is verified symbolically")
        if self.literal and left is not None:
            return judgement(False, "not_literal")
        if (cap := over_any_cap(answer)) is not None:
            return judgement(False, f"over_cap_{cap}")
        if not answer or _unread_words(answer):
            return judgement(False, "unparsable_answer")
        return _unscored("words stand in its number") if _unread_words(gold) else None

    def _algebra(self, compare: Callable[..., Judgement], gold: str, answer: str) -> Judgement | None:
        quick = self._leaf(gold, answer)
        return compare(gold, answer, literal=self.literal) if quick is None else quick

    def _compare_numbers(self, gold: Number, answer: Number) -> Judgement:
        if self.literal and not answer.reduced:
            return judgement(False, "not_literal")
        if gold.form == answer.form == "integer":
            return judgement(gold.value == answer.value, "integer")
        exact = gold.value.denominator == 1 or "decimal" not in (gold.form, answer.form)
        return judgement(gold.value == answer.value if exact else numbers_agree(gold.value, answer.value), "number")


def _unread_words(text: str) -> bool:
    r"""Whether a word stands in it that changes a number, as in `5\text{ factorial}` and `5 million`: algebra would drop it."""
    if not NUMBER_WORDS.isdisjoint(word.lower() for word in _NUMBER_TEXT.findall(text)):
        return True
    match = _WORDED.fullmatch(text) if len(text) <= 200 else None
    return match is not None and not NUMBER_WORDS.isdisjoint(match[2].lower().replace(".", "").split())


def _unscored(why: str) -> Judgement:
    return Judgement(value=VerdictValue.UNSCORED, basis="gold", reason=f"unparsable gold: {why}")


@cache
def _library_version() -> str:
    return version("math-verify")
