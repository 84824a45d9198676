r"""What the sides of a chain of equations are, read from their text: names, values, collections (sets, intervals, points, matrices).

A link between a collection and a single value is false, in either order: `x/2 = [0,\infty)` gives two answers. What only names a
collection is not a value: `A\cup B = \{1,2\}`, `\vec{a}+\vec{b} = (1,2)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from counterpoise.lazy import compiled
from counterpoise.verifiers.text import answers

__all__ = ["ends", "false_link", "is_collection", "is_equation", "is_worked", "same_name", "values"]

_BRACKETED = compiled(r"(?:[\[(]|\\\{)(?P<inside>.*)(?:[\])]|\\\})", re.DOTALL)
_NAMED_SETS = compiled(r"\\(?:emptyset|mathbb\s*\{?\s*[RQZNC]\s*\}?)")
_NUMBERS = compiled(r"[\[(\\].*\\(?:cup|cap|setminus)(?![A-Za-z]).*[\])}]", re.DOTALL)
_ARITHMETIC = compiled(
    r"(?:[\d\s.a-z+*/^(){}|!-]|\\(?:frac|sqrt|cdot|times|pi|sin|cos|tan|ln|log|exp|left|right)(?![A-Za-z]))+"
)
_LETTER = compiled(r"(?<![\\A-Za-z])[a-z]")
_COMMAND = compiled(r"\\[A-Za-z]+")
_SCALARS = frozenset("xyztnk")
_OPERATES = compiled(r"[-+*/^!\d]|\\[A-Za-z]|[a-z]\s*[a-z(]")
_COLLECTS = compiled(r",|\\\{|\\begin|\\c(?:up|ap)(?![A-Za-z])")
_WORKED = compiled(
    r"[\])}]\s*(?:[-+]|\\c(?:up|ap)(?![A-Za-z]))\s*[\d(\[\\]|\A-?\d[\d./]*\s*(?:\\cdot\s*)?\(.*,"
    r"|,[^()]*\)\s*\\(?:cdot|times)\s*\(|\|\s*\(.*,",
    re.DOTALL,
)


def values(chain: Sequence[answers.Link]) -> Sequence[answers.Link]:
    """Without the names in front; `5 = x` names too."""
    if len(chain) == 2 and answers.is_constant(chain[0].text) and answers.is_name(chain[1].text):
        return chain[:1]
    start = 0
    while start < len(chain) - 1 and (not chain[start].text or answers.is_name(chain[start].text)):
        start += 1
    return chain[start:]


def is_equation(chain: Sequence[answers.Link]) -> bool:
    """An equation that is not the naming of a value: `x^2+y^2=1`."""
    return len(values(chain)) > 1 and not all(answers.is_constant(link.text) for link in chain)


def is_collection(text: str) -> bool:
    r"""A set, an interval or a union of them, a point, a matrix."""
    if text.startswith(r"\begin{") or _NAMED_SETS.fullmatch(text) or _NUMBERS.fullmatch(text):
        return True
    match = _BRACKETED.fullmatch(text)
    return match is not None and (text.startswith(r"\{") or len(answers.parts(match["inside"])) > 1)


def is_worked(text: str) -> bool:
    r"""A collection that is still to be worked out, `(1,1)+(0,1)`: its text says nothing about its value. `\frac{1}{2}+1` is none."""
    return _COLLECTS.search(text) is not None and _WORKED.search(text) is not None


def false_link(chain: Sequence[answers.Link]) -> bool:
    """Whether a collection is said to equal an expression of single values."""
    collections = [link.text for link in chain if is_collection(link.text)]
    if not collections:
        return False
    vectors = all(text.startswith(("(", r"\begin{")) and r"\infty" not in text for text in collections)
    return any(_is_single(link.text, vectors=vectors) for link in chain)


def _is_single(text: str, *, vectors: bool) -> bool:
    """Arithmetic with variables; where vectors are meant, only with letters that are nearly always numbers."""
    if answers.is_name(text) or _ARITHMETIC.fullmatch(text) is None or not _OPERATES.search(text):
        return False
    letters = set(_LETTER.findall(_COMMAND.sub(" ", text))) - {"e", "i"}
    return bool(letters) and (not vectors or letters <= _SCALARS)


def same_name(gold: str, answer: str) -> bool:
    """Two single letters that differ name different things; a function's value and `y` may be the same."""
    one, other = gold.replace(" ", ""), answer.replace(" ", "")
    return one == other or not (len(one) == 1 and len(other) == 1)


def ends(chain: Sequence[answers.Link]) -> list[str]:
    r"""The side that a chain comes to, exactly and rounded: `2/3` and `0.67` of `x = 4/6 = 2/3 \approx 0.67`."""
    found = [chain[-1].text]
    for index in range(len(chain) - 1, 0, -1):
        if chain[index].relation == "~":
            found.append(chain[index - 1].text)
    return found
