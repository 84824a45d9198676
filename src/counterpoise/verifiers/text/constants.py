r"""Numbers that are written as exact constants, `2\pi/3` or `\frac{1}{\sqrt{2}}`. Imported only in workers: it loads sympy.

A product of plain numbers is left alone: `65\cdot 9.81\cdot 4` restates the question and computes nothing.
"""

from __future__ import annotations

from counterpoise.lazy import compiled
from counterpoise.verifiers.compare import symbolic
from counterpoise.verifiers.text.normalise import normalise, over_cap
from counterpoise.verifiers.text.quantity_text import EXACT, Written
from counterpoise.verifiers.text.unit_text import MAX_TEXT, tidy

__all__ = ["constant_sides"]

_UNIT = compiled(r"\\(?:text|mathrm|textrm|mbox|rm|Omega|mu)(?![A-Za-z])")
_NAMED = compiled(r"\\?[A-Za-z][A-Za-z_{}\\ ]{0,30}=(?P<value>[^=]+)")
_COMPUTATION = compiled(r"\\times|\\cdot|[*!]|\d\s*[-+]\s*\d|\d\.\d|\)\s*\(|\d\s*\(|\^.*\^|\^\s*\{?\s*-?\s*\d{3}")
_ROOTS = compiled(r"\\(?:pi|sqrt|ln|log|sin|cos|tan|exp)(?![A-Za-z])|\be\b")


def constant_sides(answer: str) -> tuple[Written, ...] | None:
    """The quantity of an answer whose number is one such constant, None for any other text."""
    text = normalise(answer) if len(answer) <= MAX_TEXT else ""
    if match := _NAMED.fullmatch(text):
        text = match["value"].strip()
    cut = _UNIT.search(text)
    head, unit = (text[: cut.start()], text[cut.start() :]) if cut else (text, "")
    if not head.strip() or over_cap(head, length=80, nesting=8) or _COMPUTATION.search(head) or not _ROOTS.search(head):
        return None
    value = symbolic.constant(head.strip())
    return None if value is None else (Written(value=value, unit=tidy(unit), figures=EXACT),)
