r"""Sums, products and integrals without a closed form: what decides them in milliseconds, before computer algebra looks for one.

- A sum or product over integers, `\sum_{k=0}^{2024}\binom{2024}{k}`, is added up where every term is a rational number.
- An integral without bounds differs from a text whose derivative is not its integrand.
- An integral over a finite interval is its quadrature, where two precisions agree: far from a number it differs, to 18 digits it is equal.

Imported only in workers: it loads sympy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath  # type: ignore[import-untyped]
import sympy  # type: ignore[import-untyped]

from counterpoise.verifiers.text.caps import MAX_TERMS

__all__ = ["added_up", "integrals_equal"]

_SUMS = (sympy.Sum, sympy.Product)
_BINDING = (sympy.Integral, sympy.Derivative, sympy.Sum, sympy.Product, sympy.Limit)
_KINKED = (sympy.Abs, sympy.floor, sympy.ceiling, sympy.sign, sympy.Max, sympy.Min, sympy.Piecewise, sympy.Mod)
_MAX_BITS = 400_000
_PRECISIONS = (15, 30)
_STEADY = 1e-9
_FAR = 1e-6
_NEAR = 1e-18
_NOTHING = 1e-9


def added_up(expression: Any) -> Any:
    """The expression with its sums and products of at most 3,000 rational terms as numbers."""
    if not isinstance(expression, sympy.Basic):
        return expression
    found = {node: total for node in expression.atoms(*_SUMS) if (total := _total(node)) is not None}
    return expression.xreplace(found) if found else expression


def _total(node: Any) -> Any:
    if len(node.limits) != 1 or len(node.limits[0]) != 3:
        return None
    name, first, last = node.limits[0]
    if not (first.is_Integer and last.is_Integer and 0 <= last - first <= MAX_TERMS):
        return None
    if node.function.free_symbols - {name} or node.function.has(*_BINDING):
        return None
    adds = isinstance(node, sympy.Sum)
    total = sympy.Integer(0 if adds else 1)
    for value in range(int(first), int(last) + 1):
        term = node.function.xreplace({name: sympy.Integer(value)})
        if not term.is_Rational:
            return None
        total = total + term if adds else total * term
        if total.p.bit_length() + total.q.bit_length() > _MAX_BITS:
            return None
    return total


def integrals_equal(left: Any, right: Any, same: Callable[[Any, Any], bool | None]) -> bool | None:
    """Whether two expressions are equal, as far as their integrals tell at once; None means no statement.

    `same` compares two expressions that hold no integral.
    """
    found = left.atoms(sympy.Integral) | right.atoms(sympy.Integral)
    if not found or any(len(node.limits) != 1 or node.function.has(sympy.Integral) for node in found):
        return None
    if all(len(node.limits[0]) == 1 for node in found):
        variables = {node.limits[0][0] for node in found}
        if len(variables) != 1:
            return None
        name = variables.pop()
        sides = left.diff(name), right.diff(name)
        return False if not any(side.has(*_BINDING) for side in sides) and same(*sides) is False else None
    if any(len(node.limits[0]) != 3 or node.free_symbols for node in found):
        return None
    values = {node: _quadrature(node) for node in found}
    if None in values.values():
        return None
    left, right = left.xreplace(values), right.xreplace(values)
    if left.free_symbols or right.free_symbols:
        return False if not left.has(*_BINDING) and not right.has(*_BINDING) and same(left, right) is False else None
    one, other = (sympy.N(side, _PRECISIONS[1]) for side in (left, right))
    if not (one.is_Float or one.is_Rational) or not (other.is_Float or other.is_Rational):
        return None
    difference, size = abs(one - other), max(abs(one), abs(other))
    if difference > max(_NOTHING, _FAR * size):
        return False
    return True if size > _NOTHING and difference < _NEAR * size else None


def _quadrature(node: Any) -> Any:
    """The integral over a finite interval where two precisions agree, else None."""
    name, low, high = node.limits[0]
    if not (low.is_finite and high.is_finite and low.is_real and high.is_real) or node.function.has(*_KINKED):
        return None
    function = sympy.lambdify(name, node.function, "mpmath")
    found = []
    for digits in _PRECISIONS:
        with mpmath.workdps(digits):
            bounds = [mpmath.mpf(str(sympy.N(bound, digits))) for bound in (low, high)]
            value, error = mpmath.quad(function, bounds, error=True)
            if not isinstance(value, mpmath.mpf) or not mpmath.isfinite(value) or error > _STEADY * max(1, abs(value)):
                return None
            found.append(sympy.Float(mpmath.nstr(value, digits), digits))
    return found[1] if abs(found[0] - found[1]) <= _STEADY * max(1, abs(found[1])) else None
