r"""What is too large to be worked out, seen in the text alone: a parser that evaluates as it reads never comes back from `(9^9)!`.

Sizes are decimal logarithms of upper bounds on what is made of digits alone. What holds a variable grows only where a number is its
exponent: computer algebra leaves `x^{x^x}` as it stands and multiplies `x^{9^9}` out. Every cap is far above what answers a problem and
costs computer algebra milliseconds below it, so that no right answer is refused: `2^{100000}`, `1000!` and `\binom{10^9}{2}` pass.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction

from counterpoise.lazy import compiled
from counterpoise.verifiers.compare.numeric import parse_number
from counterpoise.verifiers.text import normalise

__all__ = ["explosive", "iterated_factorials", "multifactorials", "over_any_cap", "plain_set"]

MAX_EXPONENT = 5.0
"""Decimal logarithm of the largest exponent."""
MAX_FACTORIAL = 4.0
"""Decimal logarithm of the largest argument of a factorial."""
MAX_DIGITS = 1e5
"""Digits of a result."""
MAX_SYMBOLIC_DETERMINANT = 5
"""Rows of a determinant with variables in it."""
MAX_ENTRIES = 400
"""Entries of a matrix."""
MAX_MATRIX_POWER = 3000
"""Exponent of a matrix of numbers."""
MAX_SYMBOLIC_POWER = 5
"""Exponent of a matrix with variables in it."""
MAX_ROOT = 1000
"""Digits under a root, which is taken apart into its factors."""
MAX_TERMS = 3000
"""Terms of a sum or a product that computer algebra adds up one by one."""
MAX_FACTORIALS = 300
"""Terms that hold a factorial."""
MAX_ORDER = 12
"""Order of a derivative."""

_TOKEN = compiled(
    r"\\left\s*[.(\[|]?|\\right\s*[.)\]|]?|\\(?:begin|end)\s*\{[A-Za-z]*\*?\}|\\[A-Za-z]+|\\.|[0-9]+(?:\.[0-9]+)?|\.[0-9]+|[A-Za-z]|\S"
)
_DETERMINANT = compiled(
    r"\\begin\{vmatrix\}(.*?)\\end\{vmatrix\}|\\det.*?\\begin\{[bpvB]?matrix\}(.*?)\\end\{", re.DOTALL
)
_MATRIX_POWER = compiled(
    r"\\begin\s*\{[bpB]?(?:matrix|array)\}(?P<body>(?:(?!\\begin).)*?)\\end\s*\{[bpB]?(?:matrix|array)\}[\s)\]]{0,4}"
    r"\^\s*\{?\s*-?\s*(?P<power>[0-9]{1,9})",
    re.DOTALL,
)
_RANGE = compiled(
    r"\\(?P<kind>sum|prod)\s*(?:\\limits)?\s*_\s*\{?\s*[a-z]\s*=\s*(?P<first>[0-9]{1,9})\s*\}?\s*"
    r"\^\s*(?P<brace>\{)?\s*(?P<last>[0-9]{1,9})(?(brace)\s*\})"
)
_SLOW_TERMS = compiled(
    r"!|/|\\frac|\\binom|\\sqrt|\\(?:sin|cos|tan|ln|log|exp)(?![A-Za-z])|[0-9]\s*\^|\^\s*\{?\s*[a-z]"
)
_ORDER = compiled(r"\\frac\s*\{\s*(?:d|\\partial)\s*\^\s*\{?\s*(?P<order>[0-9]{1,9})")
_DIVISORS = compiled(r"\\(?:gcd|operatorname\{lcm\}|operatorname\{gcd\})(?![A-Za-z])")
_EXPONENT = compiled(r"\^\s*\{?\s*([0-9]{1,9})")
_LETTER = compiled(r"(?<![\\A-Za-z])[A-Za-z](?![A-Za-z])")
_DECIMAL = tuple("0123456789")  # `isdigit` is true of ² as well
_SET = compiled(r"\\\{(.*)\\\}", re.DOTALL)
_LARGEST_WRITTEN = 10**1000  # as many digits as `normalise.over_cap` lets through
_OPEN = {"{": "}", "(": ")", "[": "]"}
_FRACTIONS = (r"\frac", r"\dfrac", r"\tfrac", r"\cfrac")
_BINOMIALS = (r"\binom", r"\dbinom", r"\tbinom")
_NAMED = {r"\pi": math.log10(math.pi), r"\infty": 0.0, "e": math.log10(math.e), "i": 0.0}
_ENDS_A_TERM = frozenset((*"+-−±,;=<>&", r"\\", r"\pm", r"\mp", r"\le", r"\ge", r"\leq", r"\geq", r"\cup", r"\cap"))
_DIVIDES = frozenset(("/", ":", r"\div"))
_NO_FACTOR = frozenset((r"\cdot", r"\times", r"\left", r"\right", r"\,", r"\ ", "*"))
_MULTIFACTORIAL = compiled(r"(?<![0-9.])(?:\(([0-9]{1,4})\)|([0-9]{1,4}))\s*(!(?:\s*!)+)")


class _TooLarge(Exception):
    """The kind of size that was passed."""


_VARIABLE = math.nan
"""The size of what holds a variable: none is known."""


def over_any_cap(text: str) -> str | None:
    """The bound that a normalised answer breaks, by its length, digits, nesting or size; None when none."""
    return normalise.over_cap(text) or explosive(text)


def explosive(text: str) -> str | None:
    """The kind of size of a normalised answer that is beyond the caps, or None.

    `exponent`, `power`, `factorial`, `binomial`, `root`, `matrix`, `range` of a sum or a product, `order` of a derivative, `nesting`.
    """
    if any(_rows(body) > MAX_SYMBOLIC_DETERMINANT for body in _symbolic_determinants(text)):
        return "matrix"
    if text.count("&") > MAX_ENTRIES:
        return "matrix"
    if (kind := _repeated(text)) is not None:
        return kind
    if not any(sign in text for sign in ("^", "!", "binom", "Gamma")):
        return None
    try:
        _Sizes(_TOKEN.findall(_RANGE.sub(r"\\\g<kind> ", multifactorials(text)))).sequence(lambda token: False)
    except _TooLarge as kind:
        return str(kind)
    except RecursionError:
        return "nesting"
    return None


def multifactorials(text: str) -> str:
    r"""`7!!` as `(105)` and `9!!!` as `(162)`: every factor is smaller by the number of marks (7 * 5 * 3 * 1, 9 * 6 * 3).

    Computer algebra would read `7!!` as the factorial of 5040.
    """
    return _MULTIFACTORIAL.sub(_multifactorial, text)


def _multifactorial(match: re.Match[str]) -> str:
    product = math.prod(range(int(match[1] or match[2]), 0, -match[3].count("!")))
    return f"({product})" if product < _LARGEST_WRITTEN else match[0]


def iterated_factorials(text: str) -> str:
    r"""`3!!` as `((3)!)!`, the other reading, which is what computer algebra has."""
    return _MULTIFACTORIAL.sub(
        lambda match: "(" * match[3].count("!") + (match[1] or match[2]) + ")!" * match[3].count("!"), text
    )


def plain_set(text: str) -> frozenset[Fraction] | None:
    r"""The elements of `\{3, 4, 5\}` where all of them are plain numbers, else None."""
    match = _SET.fullmatch(text.strip())
    if match is None:
        return None
    numbers = [parse_number(part.strip()) for part in match[1].split(",")]
    return frozenset(number.value for number in numbers if number is not None) if all(numbers) else None


def _repeated(text: str) -> str | None:
    """The kind of what is done too many times over: powers of matrices, terms of sums and products, derivatives, greatest divisors."""
    for match in _MATRIX_POWER.finditer(text):
        power = int(match["power"])
        if power > MAX_MATRIX_POWER or (power > MAX_SYMBOLIC_POWER and _LETTER.search(match["body"])):
            return "matrix"
    for match in _RANGE.finditer(text):
        terms = int(match["last"]) - int(match["first"])
        body = text[match.end() :]
        quick = match["kind"] == "sum" and not _SLOW_TERMS.search(body)
        if terms > (MAX_FACTORIALS if "!" in body else MAX_TERMS) and not quick:
            return "range"
    if any(int(match["order"]) > MAX_ORDER for match in _ORDER.finditer(text)):
        return "order"
    if _DIVISORS.search(text) and any(int(match[1]) > MAX_TERMS for match in _EXPONENT.finditer(text)):
        return "exponent"
    return None


def _symbolic_determinants(text: str) -> list[str]:
    bodies = [match[1] or match[2] or "" for match in _DETERMINANT.finditer(text)]
    return [body for body in bodies if _LETTER.search(body)]


def _rows(body: str) -> int:
    return len([row for row in body.split(r"\\") if row.strip()])


class _Sizes:
    """Reads tokens once from left to right; every method returns a bound on the size of what it read, or that it holds a variable."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def sequence(self, ends: Callable[[str], bool]) -> float:
        """Up to a token that ends it, which is read as well: a sum of products."""
        terms: list[float] = []
        empty, term, divided = True, 0.0, False
        while (token := self._next()) is not None and not ends(token):
            if token in _ENDS_A_TERM:
                terms += [] if empty else [term]
                empty, term, divided = True, 0.0, False
            elif token in _DIVIDES:
                divided = True
            elif token not in _NO_FACTOR:
                size = self._with_postfixes(self._atom(token))
                # A divisor can only make it smaller, unless it is below one: then nothing is known, and 0 is what most are.
                term += size if not divided or math.isnan(size) else 0.0
                empty = divided = False
        terms += [] if empty and terms else [term]
        if any(map(math.isnan, terms)):
            return _VARIABLE
        largest = max(terms)
        return largest + math.log10(math.fsum(10.0 ** (size - largest) for size in terms))

    def _next(self) -> str | None:
        if self._at >= len(self._tokens):
            return None
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _atom(self, token: str) -> float:
        if token in _OPEN:
            return self.sequence(_is(_OPEN[token]))
        if token.startswith(r"\left"):
            return self.sequence(lambda end: end.startswith(r"\right"))
        if token in _FRACTIONS:
            above, below = self._argument(), self._argument()
            return below if math.isnan(below) else above
        if token == r"\sqrt":
            if self._peek() == "[":
                self._argument()
            return self._root(self._argument())
        if token in _BINOMIALS:
            return _binomial(self._argument(), self._argument())
        if token == r"\Gamma" and self._peek().endswith("("):
            return self._factorial(self._argument())
        if token.lstrip(".")[:1] in _DECIMAL:
            return _digits(token)
        return _NAMED.get(token, _VARIABLE if token.isalpha() else 0.0)

    def _argument(self) -> float:
        token = self._next()
        if token is None:
            return 0.0
        if token[0] in _DECIMAL and len(token) > 1:  # `\frac12` has digits for arguments
            self._at -= 1
            self._tokens[self._at] = token[1:]
            return _digits(token[0])
        return self._atom(token)

    def _with_postfixes(self, size: float) -> float:
        while True:
            if self._peek() == "^":
                self._at += 1
                size = self._power(size)
            elif self._peek() == "!":
                self._at += 1
                size = self._factorial(size)
            else:
                return size

    def _power(self, base: float) -> float:
        while self._peek() in ("-", "+"):
            self._at += 1
        token = self._next()  # all its digits: `2^10` is read as 1024
        exponent = self._with_postfixes(0.0 if token is None else self._atom(token))
        if math.isnan(exponent) or base == 0.0:  # 1, -1 and i stay small
            return _VARIABLE if math.isnan(exponent) else base
        if exponent > MAX_EXPONENT:
            _fail("exponent")
        return _VARIABLE if math.isnan(base) else _bounded(base * 10.0**exponent, "power")

    @staticmethod
    def _root(size: float) -> float:
        return _fail("root") if size > MAX_ROOT else size

    @staticmethod
    def _factorial(size: float) -> float:
        if math.isnan(size):
            return size
        if size > MAX_FACTORIAL:
            _fail("factorial")
        return _bounded(math.lgamma(10.0**size + 1.0) / math.log(10.0), "factorial")


def _digits(token: str) -> float:
    return math.log10(max(float(token), 1.0)) if len(token) < 300 else float(len(token))


def _binomial(above: float, below: float) -> float:
    r"""Of n over k: at most 2^n and at most n^k. Where k is about n, `\binom{10^9}{10^9-2}`, n - k is what counts and is not known."""
    if math.isnan(above) or math.isnan(below):
        return _VARIABLE
    if above <= MAX_EXPONENT:
        return float(10.0**above) * math.log10(2.0)
    if math.isclose(above, below, rel_tol=1e-6):
        return above
    if below > MAX_FACTORIAL:
        _fail("binomial")
    return _bounded(above * 10.0**below, "binomial")


def _is(end: str) -> Callable[[str], bool]:
    return lambda token: token == end


def _bounded(size: float, kind: str) -> float:
    return size if size <= MAX_DIGITS else _fail(kind)


def _fail(kind: str) -> float:
    raise _TooLarge(kind)
