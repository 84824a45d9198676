"""Countdown verifier: a parser for arithmetic with exact values. Text of a model is never executed."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from types import MappingProxyType
from typing import ClassVar

from counterpoise.lazy import compiled
from counterpoise.settings import settings
from counterpoise.thought import final_text
from counterpoise.types import Extraction, Judgement, VerdictValue

__all__ = ["CountdownVerifier"]

_MAX_RESPONSE = 65_536
_MAX_ANSWER = 512
_MAX_DEPTH = 32
_MAX_DIGITS = 9
_HALF_AT = 10  # distance from the target at which an answer is half as close as a right one
_BOX = "\\boxed{"
_TAG = "<answer>"
_GOLD = compiled(r"([0-9]{1,9}(?:,[0-9]{1,9})*)=([0-9]{1,9})")
_CLAIM = compiled(r"=[ \t]*([0-9]{1,9})[ \t]*\Z")
_TOKEN = compiled(r"[ \t]*(?:([0-9]+)|([-+*/()]))")
# What people and language models write for the same signs.
_ASCII = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-"})
_LATEX = compiled(r"\\(times|cdot|div|left|right)(?![a-zA-Z])")
_SIGNS = {"times": "*", "cdot": "*", "div": "/", "left": "", "right": ""}


@settings("verifier countdown")
class CountdownVerifier:
    r"""Correct when the expression uses every given number exactly once and equals the target.

    Gold: `3,7,9=30`. Answer: digits, `+ - * /` (also `×`, `÷`, `\times`, `\cdot`, `\div`), parentheses and blanks; no
    unary sign, no other number, no concatenation of digits. `= 30` may follow, and must then be true.

    The value is an exact fraction; division by zero is wrong, and so is whatever does not parse.

    Part `closeness`: `10 / (10 + d)` with d the distance of the value from the target (or of the number claimed after `=`, if that is
    farther), for an expression of the given numbers: 1/2 at a distance of 10, and 1 for a right answer alone. 0 for every other fault.
    """

    name: ClassVar[str] = "countdown"
    version: ClassVar[str] = "3"
    isolated: ClassVar[bool] = False

    def extract(self, response: str) -> Extraction:
        r"""The content of the last `\boxed{}` or `<answer></answer>` (rules `boxed`, `tagged`), else the last line that is not blank.

        A last box or tag that is empty or never closed is not an answer: falling back to an earlier one would let a response hedge. Only
        what follows the thought counts (`unclosed_think` where nothing does), and of that the last 65,536 characters.
        """
        final = final_text(response)
        if final is None:
            return Extraction(answer=None, basis="unclosed_think")
        text = final[-_MAX_RESPONSE:]
        start, tag = text.rfind(_BOX), text.rfind(_TAG)
        if tag > start:
            content, closing, _ = text[tag + len(_TAG) :].partition("</answer>")
            return Extraction(answer=(content.strip() or None) if closing else None, basis="tagged")
        if start >= 0:
            answer = (_braced(text, start + len(_BOX)) or "").strip()
            return Extraction(answer=answer or None, basis="boxed")
        lines = text.rstrip().splitlines()
        return Extraction(answer=lines[-1].strip() if lines else None, basis="last_line")

    def judge(self, gold: str, answer: str) -> Judgement:
        """Compare an expression with the gold's numbers and target.

        Returns:
            CORRECT (rule `expression`); WRONG with the rule that failed (`syntax`, `numbers`, `division_by_zero`, `value`); UNSCORED (rule
            `gold`) when the gold itself cannot be read.
        """
        match = _GOLD.fullmatch(gold)
        if match is None:
            return Judgement(
                value=VerdictValue.UNSCORED,
                basis="gold",
                reason=f"unparsable gold {gold[:80]!r}, expected a form like '3,7,9=30'",
            )
        try:
            expression, claimed = _split_claim(answer)
            value, used = _Parser(expression).parse()
        except _SyntaxFault:
            return _judgement("syntax")
        except ZeroDivisionError:
            return _judgement("division_by_zero")
        if Counter(used) != Counter(map(int, match[1].split(","))):
            return _judgement("numbers")
        target = int(match[2])
        distance = max(abs(value - target), Fraction(0 if claimed is None else abs(claimed - target)))
        if distance:
            # Below 1 whatever the rounding: only a right answer is as close as can be.
            return _judgement("value", closeness=min(float(_HALF_AT / (_HALF_AT + distance)), math.nextafter(1.0, 0.0)))
        return _judgement("expression", right=True, closeness=1.0)


def _judgement(rule: str, *, right: bool = False, closeness: float = 0.0) -> Judgement:
    return Judgement(
        value=VerdictValue.CORRECT if right else VerdictValue.WRONG,
        basis=rule,
        parts=MappingProxyType({"closeness": closeness}),
    )


def _braced(text: str, start: int) -> str | None:
    """Text from `start` to the brace that closes the one before it; None when nothing closes it."""
    depth = 1
    for index in range(start, len(text)):
        if text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return text[start:index]
    return None


def _split_claim(answer: str) -> tuple[str, int | None]:
    """An answer may say what it comes to (`3*7+9 = 30`): the expression, and the number claimed if any."""
    if len(answer) > _MAX_ANSWER:
        raise _SyntaxFault
    match = _CLAIM.search(answer)
    return (answer[: match.start()], int(match[1])) if match else (answer, None)


class _SyntaxFault(Exception):
    """The text is not an expression within the limits."""


class _Parser:
    """Recursive descent: `sum := product (('+'|'-') product)*`, `product := atom (('*'|'/') atom)*`, `atom := number | '(' sum ')'`.

    Size is bounded before any work is done (characters, digits per number) and depth while descending, so values stay below
    10^(9 * 256) and the interpreter's stack is never at risk.
    """

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._position = 0
        self._used: list[int] = []

    def parse(self) -> tuple[Fraction, list[int]]:
        """The value and the numbers used, in order of appearance."""
        value = self._sum(0)
        if self._peek():
            raise _SyntaxFault
        return value, self._used

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._position += 1
        return token

    def _sum(self, depth: int) -> Fraction:
        value = self._product(depth)
        while self._peek() in ("+", "-"):
            sign = 1 if self._next() == "+" else -1
            value += sign * self._product(depth)
        return value

    def _product(self, depth: int) -> Fraction:
        value = self._atom(depth)
        while self._peek() in ("*", "/"):
            if self._next() == "*":
                value *= self._atom(depth)
            else:
                value /= self._atom(depth)
        return value

    def _atom(self, depth: int) -> Fraction:
        token = self._next()
        if token == "(" and depth < _MAX_DEPTH:
            value = self._sum(depth + 1)
            if self._next() != ")":
                raise _SyntaxFault
            return value
        if token.isdigit():
            self._used.append(int(token))
            return Fraction(self._used[-1])
        raise _SyntaxFault


def _tokens(text: str) -> list[str]:
    text = _LATEX.sub(lambda match: _SIGNS[match[1]], text.translate(_ASCII)).rstrip()
    tokens: list[str] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _SyntaxFault
        token = match[1] or match[2]
        if len(token) > _MAX_DIGITS:
            raise _SyntaxFault
        tokens.append(token)
        position = match.end()
    return tokens
