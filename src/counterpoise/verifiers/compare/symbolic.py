r"""math-verify, with its traps closed. Imported only in workers: it loads sympy, and what runs here can hang.

What is not taken from math-verify as it is, and why:

- Both sides are wrapped in `\boxed{}` and parsed whole. `parse` would fall back to some formula *inside* one that it cannot read, and then
  `1-\frac{1}{2}\foo` equals `\frac{1}{2}`.
- Its time-outs use SIGALRM (main thread only, whole seconds, an outer alarm is lost): switched off, the pool has the deadline.
- Its numeric comparison is absolute, so small numbers are all equal. Constants are compared relatively at 60 digits instead.
- It answers False for any exception, a MemoryError included. Those must reach the pool and become UNSCORED.
- It does not prove `\sqrt{1/n} = 1/\sqrt{n}`. Expressions with variables are compared at points first, and those that differ where all
  variables and both values are positive or real numbers are different: no simplification is tried, which is what hangs.
- It takes minutes for two sets of some hundred numbers. Those are compared as they stand.
- It reads `7!!` as the factorial of 5040. Both readings are tried, that of mathematics first.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy  # type: ignore[import-untyped]
from latex2sympy2_extended.math_normalization import normalize_latex
from math_verify.grader import verify
from math_verify.parser import LatexExtractionConfig, parse_latex_cached

from counterpoise.lazy import compiled
from counterpoise.types import Judgement, VerdictValue
from counterpoise.verifiers.compare.bound import added_up, integrals_equal
from counterpoise.verifiers.compare.equality import judgement
from counterpoise.verifiers.text.caps import explosive, iterated_factorials, multifactorials, plain_set
from counterpoise.verifiers.text.measures import BINDS
from counterpoise.verifiers.text.normalise import balanced
from counterpoise.verifiers.text.repeating import as_fractions

__all__ = ["constant", "judge_formulas", "parse_formula", "prepare", "probe"]

_CONFIG = replace(LatexExtractionConfig().normalization_config, boxed="last")
_BOUND_CONFIG = replace(_CONFIG, units=False)  # the last `m` of `\sum_{m=1}^{5} m` is not a metre
_OURS = (MemoryError, RecursionError)
_DIGITS = 60
_EQUAL = sympy.Float("1e-40", _DIGITS)
_SUMS = (sympy.Sum, sympy.Product)
_BINDING = (sympy.Integral, sympy.Derivative, sympy.Sum, sympy.Product, sympy.Limit)
_INTEGER_NAMES = frozenset("nkmj")
_MATRIX = compiled(r"\\begin\{([bpvB]?matrix|array)\}(?:\{[lcr|]*\})?(.*?)\\end\{\1\}", re.DOTALL)
_LANGLE = compiled(r"\\langle(.*?)\\rangle", re.DOTALL)
_BASE = compiled(r"([0-9A-F]+)\s*_\s*\{?\s*(\d{1,2})\s*\}?")
_MIXED = compiled(r"(?<![\d.}])(\d+)\s+(\d+)/(\d+)(?![\d.])")
_POWER_OF_TEN = compiled(r"(?<![\w.}\\])(\d+(?:\.\d+)?)[eE]([-+]?\d{1,3})(?![\w.])")
_UNIT = compiled(r"\\(?:text|mathrm|textrm|mbox)\s*\{\s*([A-Za-z]+)\s*\}\s*")
_UNIT_NAMES = "nm mm cm dm m km mg g kg ml cl dl l ms s min h in ft yd mi oz lb"
_UNITS = frozenset(_UNIT_NAMES.split())

logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that its time-outs are off, which is meant


def prepare() -> None:
    """Parse one formula, so that the grammar's tables are built before a deadline runs."""
    judge_formulas(r"\frac{1}{2}", r"\sqrt{x}", literal=False)


def parse_formula(text: str) -> Any:
    r"""The sympy object of one normalised answer, read wholly, or None."""
    if not balanced(text) or r"\boxed" in text:
        return None
    config = _BOUND_CONFIG if BINDS.search(text) else _CONFIG
    try:
        parsed = parse_latex_cached(normalize_latex(rf"\boxed{{{text}}}", config=config))
    except _OURS:
        raise
    except Exception:  # the parser raises whatever its grammar met; text nobody can read is the answer's own fault
        return None
    return parsed if isinstance(parsed, (sympy.Basic, sympy.MatrixBase)) else None


def constant(text: str) -> Fraction | None:
    """A normalised text's value to 30 digits when it is a real number between 1e-300 and 1e300 in size, else None."""
    parsed = None if explosive(text) else parse_formula(as_fractions(text))
    value = None if not isinstance(parsed, sympy.Expr) or parsed.free_symbols else _value(parsed)
    if value is None or not value.is_real or not sympy.Float("1e-300") < abs(value) < sympy.Float("1e300"):
        return None
    return Fraction(str(sympy.N(value, 30)))


def judge_formulas(gold: str, answer: str, *, literal: bool) -> Judgement:
    """Judge two normalised texts; raises only what is this machine's fault (memory, recursion)."""
    conflict = _conflict(gold, answer)
    if conflict is not None:
        return judgement(False, conflict)
    gold, answer = _align(gold, answer)
    if not literal:
        sets = plain_set(gold), plain_set(answer)
        if sets[0] is not None and sets[1] is not None:
            return judgement(sets[0] == sets[1], "set")
    judged = _compare(multifactorials(gold), multifactorials(answer), literal=literal)
    if "!!" not in gold + answer or judged.value is not VerdictValue.WRONG:
        return judged
    iterated = iterated_factorials(gold), iterated_factorials(answer)
    return judged if any(map(explosive, iterated)) else _compare(*iterated, literal=literal)


def _compare(gold: str, answer: str, *, literal: bool) -> Judgement:
    left = parse_formula(gold)
    if left is None:
        return Judgement(
            value=VerdictValue.UNSCORED, basis="gold", reason="unparsable gold: math-verify cannot read it"
        )
    right = parse_formula(answer)
    if right is None:
        return judgement(False, "unparsable_answer")
    if literal:
        return judgement(_same_form(left) == _same_form(right), "literal")
    left, right = _named_derivatives(left), _named_derivatives(right)
    if isinstance(right, sympy.Eq) and not right.free_symbols and probe(right.lhs, right.rhs) is False:
        return judgement(False, "false_equation")
    if isinstance(right, sympy.Eq) and not isinstance(left, sympy.Eq) and _contradicts(right):
        return judgement(False, "false_equation")
    if "%" not in gold + answer:
        left, right = _sides(left, right)
        decided = probe(left, right)
        if decided is not None:
            return judgement(decided, "numeric")
        decided = _at_integers(left, right)
        if decided is not None:
            return judgement(decided, "integers")
    try:
        equal = verify(
            left,
            right,
            numeric_precision=_DIGITS,
            allow_set_relation_comp=True,
            timeout_seconds=None,
            raise_on_error=True,
        )
    except _OURS:
        raise
    except Exception:  # sympy has no class for "these two kinds of object have no order"
        return judgement(False, "incomparable")
    return judgement(bool(equal), "symbolic")


def probe(left: Any, right: Any) -> bool | None:
    r"""Equality by value: exact for constants, at points for expressions, componentwise for tuples and matrices; None when undecided.

    Expressions are equal when they agree to 40 digits at points where every variable is positive, unless at points of mixed sign exactly
    one is real or both are and differ (`\sqrt{x^2}` is not `x`). They are unequal when they differ where every variable is positive and
    both are real; of letters that mathematics reads as integers (`\sin(n\pi)` is 0) only where both are rational functions.
    """
    if isinstance(left, sympy.MatrixBase) and isinstance(right, sympy.MatrixBase):
        return _all(left.flat(), right.flat()) if left.shape == right.shape else False
    if isinstance(left, sympy.Tuple) and isinstance(right, sympy.Tuple):
        return _all(left.args, right.args) if len(left.args) == len(right.args) else False
    if not (isinstance(left, sympy.Expr) and isinstance(right, sympy.Expr)):
        return None
    try:
        return _at_points(left, right)
    except _OURS:
        raise
    except Exception:  # sympy raises whatever its functions met at a point, and then nothing is known
        return None


def _at_points(left: Any, right: Any) -> bool | None:
    left, right = added_up(left), added_up(right)
    equal = integrals_equal(left, right, _at_points)
    if equal is not None:
        return equal
    left, right = _done(left), _done(right)
    if left is None or right is None:
        return None
    imaginary = {symbol: sympy.I for symbol in left.free_symbols | right.free_symbols if symbol.name == "i"}
    left, right = left.xreplace(imaginary), right.xreplace(imaginary)
    symbols = sorted(left.free_symbols | right.free_symbols, key=lambda symbol: symbol.name)
    rounded = left.has(sympy.Float) or right.has(sympy.Float)
    if not symbols:
        values = _value(left), _value(right)
        return None if values[0] is None or values[1] is None else _close(values[0], values[1], rounded)
    integers = _INTEGER_NAMES.issuperset(symbol.name for symbol in symbols)
    decided = 0
    for number, signs in enumerate((1, 1, 1, -1, 0)):
        points = {
            symbol: sympy.Rational(17 + 12 * index + 7 * number, 11 + number)
            * (signs or (-1 if (index + number) % 2 else 1))
            for index, symbol in enumerate(symbols)
        }
        one, two = (_value(side.xreplace(points)) for side in (left, right))
        if one is None or two is None:
            continue
        if signs != 1 and not (one.is_real and two.is_real):
            if one.is_real or two.is_real:
                return None
            continue
        if not _close(one, two, rounded):
            differ = signs == 1 and one.is_real and two.is_real and not integers
            return False if differ or all(side.is_rational_function(*symbols) for side in (left, right)) else None
        decided += signs == 1
    return True if decided == 3 else None


def _sides(left: Any, right: Any) -> tuple[Any, Any]:
    """What is compared of an equation and a value, as math-verify has it: `x=5` and 5, `5=5` and 5, `x=5` and `x=5`."""
    if isinstance(left, sympy.Eq) and left.lhs.is_Symbol:
        if isinstance(right, sympy.Expr):
            return left.rhs, right
        if isinstance(right, sympy.Eq) and right.lhs == left.lhs:
            return left.rhs, right.rhs
    if isinstance(right, sympy.Eq) and isinstance(left, sympy.Expr):
        return left, right.rhs
    return left, right


def _contradicts(equation: Any) -> bool:
    """Whether an equation holds for nothing, because its sides differ by the same number everywhere: `x+1 = x+2`."""
    symbols = sorted(equation.free_symbols, key=lambda symbol: symbol.name)
    if (
        not 0 < len(symbols) <= 4
        or equation.has(*_BINDING)
        or not equation.lhs.free_symbols & equation.rhs.free_symbols
    ):
        return False
    found = set()
    for number in range(3):
        points = {
            symbol: sympy.Rational(13 + 5 * index + 6 * number, 7 + number) for index, symbol in enumerate(symbols)
        }
        values = _value(equation.lhs.xreplace(points)), _value(equation.rhs.xreplace(points))
        if values[0] is None or values[1] is None or not (values[0].is_Rational and values[1].is_Rational):
            return False
        found.add(values[0] - values[1])
    return len(found) == 1 and found != {0}


def _done(expression: Any) -> Any:
    r"""The expression with its sums, products, limits, integrals and derivatives worked out; None where one of them is left.

    They bind variables, which may not be replaced by numbers: `\int x\,dx` at x = 17/11 is not an integral, and sympy raises.
    """
    if not expression.has(*_BINDING):
        return expression
    try:
        done = expression.doit()
    except _OURS:
        raise
    except Exception:  # sympy has no class for what it cannot integrate, sum or differentiate
        return None
    return None if done.has(*_BINDING) else done


def _named_derivatives(expression: Any) -> Any:
    r"""The expression with every `\frac{dy}{dx}`, which sympy takes for 0 because y does not depend on x, as a symbol of its own."""
    found = expression.atoms(sympy.Derivative) if isinstance(expression, sympy.Basic) else ()
    return expression.xreplace({node: sympy.Symbol(str(node)) for node in found if not node.expr.has(*node.variables)})


def _all(left: Any, right: Any) -> bool | None:
    results = [probe(a, b) for a, b in zip(left, right, strict=True)]
    if any(result is False for result in results):
        return False
    return None if None in results else True


def _value(expression: Any) -> Any:
    """A number at 60 digits, what is only rounding noise replaced by zero; None when it is not a finite number."""
    try:
        expression = added_up(expression).doit()
        if expression.is_Rational:
            return expression  # exact: 10^{30} is not 10^{30} + 1
        parts = expression.evalf(_DIGITS).as_real_imag()
    except _OURS:
        raise
    except Exception:  # sympy cannot evaluate it, so it is not a number
        return None
    if not all(part.is_number and part.is_finite and (part.is_Float or part.is_Rational) for part in parts):
        return None
    real, imaginary = (sympy.Integer(0) if part.is_Float and part._prec == 1 else part for part in parts)
    return real + sympy.I * imaginary


def _at_integers(left: Any, right: Any) -> bool | None:
    """Equality at 1..6. True only of expressions in letters that mathematics reads as integers (`(-1)^{2n}` is 1) or in bounds of sums.

    False where two values differ, both of them real unless all letters are such: six values are worked out where a sum has no closed form
    and where a simplification might not end. None: not known.
    """
    if (
        not (isinstance(left, sympy.Expr) and isinstance(right, sympy.Expr))
        or left.has(sympy.Float)
        or right.has(sympy.Float)
    ):
        return None
    bounds = {symbol for side in (left, right) for sum_ in side.atoms(*_SUMS) for symbol in _of_bounds(sum_)}
    symbols = sorted(left.free_symbols | right.free_symbols, key=lambda symbol: symbol.name)
    integers = all(symbol.name in _INTEGER_NAMES or symbol in bounds for symbol in symbols)
    if not symbols:
        return None
    for number in range(1, 7):
        points = {symbol: sympy.Integer(number + 2 * index) for index, symbol in enumerate(symbols)}
        try:
            # Not xreplace: a bound letter may be a free one's name as well.
            one, two = (_value(side.subs(points, simultaneous=True)) for side in (left, right))
        except _OURS:
            raise
        except Exception:  # sympy raises whatever its functions met at a point, and then nothing is known
            return None
        if one is None or two is None:
            return None
        if not _close(one, two, rounded=False):
            return False if integers or (one.is_real and two.is_real) else None
    return True if integers else None


def _of_bounds(expression: Any) -> set[Any]:
    return {symbol for limit in expression.limits for bound in limit[1:] for symbol in bound.free_symbols}


def _close(gold: Any, answer: Any, rounded: bool) -> bool:
    if gold.is_Rational and answer.is_Rational and not rounded:
        return bool(gold == answer)
    difference, size = abs(sympy.N(gold - answer, _DIGITS)), abs(sympy.N(gold, _DIGITS))
    if rounded:
        return bool(difference <= sympy.Min(sympy.Float("1e-6"), size * sympy.Float("1e-4")))
    return bool(difference <= _EQUAL * max(size, abs(sympy.N(answer, _DIGITS))))


def _align(gold: str, answer: str) -> tuple[str, str]:
    """Mixed numbers spelled out; a vector becomes a tuple where the other side is one."""
    gold, answer = (_POWER_OF_TEN.sub(r"\1\\cdot 10^{\2}", text) for text in (gold, answer))
    gold, answer = (
        as_fractions(_LANGLE.sub(r"(\1)", _MIXED.sub(r"(\1+\\frac{\2}{\3})", text))) for text in (gold, answer)
    )
    if (r"\begin" in gold) != (r"\begin" in answer):
        gold, answer = _MATRIX.sub(_vector, gold), _MATRIX.sub(_vector, answer)
    return gold, answer


def _vector(match: re.Match[str]) -> str:
    rows = [row.strip() for row in match[2].strip().removesuffix("\\\\").split("\\\\")]
    entries = [entry.strip() for entry in rows[0].split("&")] if len(rows) == 1 else rows
    return match[0] if any("&" in entry for entry in entries) else f"({','.join(entries)})"


def _conflict(gold: str, answer: str) -> str | None:
    """Differences that math-verify throws away before it compares: brackets of sets, bases, primes, units of length, mass and time."""
    if gold[:1] in ("(", "[") and answer[:2] == r"\{":
        return "set_for_tuple"
    bases = _BASE.fullmatch(gold), _BASE.fullmatch(answer)
    if bases[0] and bases[1] and bases[0][2] != bases[1][2]:
        return "base"
    plain = [text.replace(" ", "") for text in (gold, answer)]
    if "'" in gold + answer and plain[0] != plain[1] and plain[0].replace("'", "") == plain[1].replace("'", ""):
        return "prime"  # the parser reads f' as f
    units = [[unit for unit in _UNIT.findall(text) if unit in _UNITS] for text in (gold, answer)]
    return "unit" if units[0] and units[1] and units[0] != units[1] else None


def _same_form(expression: Any) -> Any:
    """A nested tuple that is equal for expressions which differ only in the order and grouping of terms and factors."""
    if isinstance(expression, sympy.MatrixBase):
        return ("Matrix", expression.shape, *map(_same_form, expression.flat()))
    if not expression.args:
        return str(expression)
    if isinstance(expression, (sympy.Add, sympy.Mul)):
        parts = map(_same_form, type(expression).make_args(expression))
        flat = [p for part in parts for p in (part[1:] if part[0] == type(expression).__name__ else (part,))]
        return (type(expression).__name__, *sorted(flat, key=repr))
    return (type(expression).__name__, *map(_same_form, expression.args))
