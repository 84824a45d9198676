r"""The text of a unit, as models and textbooks write it, to factors with exponents; knows spelling and no units.

`\mathrm{~J} \mathrm{~K}^{-1}`, `J/K`, `J K-1` and `\frac{\text{J}}{\text{K}}` all become `((J, 1), (K, -1))`. Nothing is evaluated: a
`**` is refused, and length, nesting and exponents are bounded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from counterpoise.lazy import compiled

__all__ = ["MAX_TEXT", "Factors", "factors", "tidy"]

MAX_TEXT = 256
"""Characters of a quantity at most."""

Factors = tuple[tuple[str, int], ...]
"""Names with their exponents, sorted, no exponent zero."""

_MAX_TOKENS = 64
_MAX_DEPTH = 8
_MAX_EXPONENT = 12
_NAMED = r"\\(?:text|mathrm|textrm|textnormal|textbf|mathbf|mathit|mathsf|operatorname|mbox|unit|rm)\s*"
_EXPONENT = compiled(r"\^\s*\{\s*([-+]?\s*\d+)\s*\}")
_WRAPPER = compiled(_NAMED + r"\{([^{}]*)\}")
_FRACTION = compiled(r"\\frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_DEGREE = compiled(r"(?:\{\s*\}\s*)?\^?\s*\{?\s*\\(?:circ|degree)(?![A-Za-z])\s*\}?\s*(?:([CFNSEW])(?![A-Za-z]))?")
_DEGREE_WORDS = compiled(r"\bdeg(?:rees?|\.)?\s+(?:(?P<c>celsius|centigrade|C)|fahrenheit|F)\b", re.IGNORECASE)
_PREFIXED_OHM = compiled(r"(?<![A-Za-z\\])([kKMmG])\s*(?=\\Omega|[ΩΩ])")
_HAT = compiled(r"\\(?:hat|vec|bar)\s*(?:\{[^{}]*\}|[A-Za-z])")
_SQUARE = compiled(r"\b(square|cubic)\s+([A-Za-z]+)", re.IGNORECASE)
_SQUARED = compiled(r"([A-Za-z])\s+(squared|cubed)\b", re.IGNORECASE)
_FOOT_POUND = compiled(r"\b(?:ft|foot|feet)\s*[-*.]?\s*(?:lbs?|lbf|pounds?)\b", re.IGNORECASE)
_HYPHEN = compiled(r"(?<=[A-Za-z])-(?=[A-Za-z])")
_TRAILING_WORDS = compiled(
    r"\s(?:of|to the|in the|from|toward|towards|for|when|at|above|below|upwards?|downwards?|due|directed|per unit)\s[^\d=]*\Z"
)
_SYMBOLS: Mapping[str, str] = {
    r"\\Omega(?![A-Za-z])|[ΩΩ]": "ohm ",
    r"(?:\\mu(?![A-Za-z])|\\micro|[μµ])\s*": "u",
    r"\\AA(?![A-Za-z])|\\mathring\s*\{\s*A\s*\}|[ÅÅ]": " angstrom ",
    r"\\ell(?![A-Za-z])": "L",
    r"\\(?:alpha|beta|gamma)\s*-?\s*(?=particle|ray|photon)": " ",
    r"\\(?:cdot|times|ast|cdotp)(?![A-Za-z])|[∙•]": "*",
}
_SYMBOL_PATTERNS = [(compiled(pattern), symbol) for pattern, symbol in _SYMBOLS.items()]
_TOKEN = compiled(
    r"\s*(?:(?P<name>[A-Za-z%‰][A-Za-z_%‰]*|1(?![\d.]))(?P<glued>-?[1-9](?![\d.]))?"
    r"|\^\s*(?:\(\s*(?P<inner>[-+]?\s*\d{1,2})\s*\)|(?P<power>[-+]?\s*\d{1,2}))|(?P<symbol>[*/()]))"
)


def tidy(text: str) -> str:
    """A normalised text (`normalise.normalise`) with the LaTeX of units taken away; a number in front keeps its meaning."""
    text = _EXPONENT.sub(r"^\1", text)
    for _ in range(4):
        unwrapped = _FRACTION.sub(r"(\1)/(\2)", _WRAPPER.sub(r" \1 ", text))
        if unwrapped == text:
            break
        text = _EXPONENT.sub(r"^\1", unwrapped)
    text = _DEGREE.sub(lambda m: f" deg{m[1]} " if m[1] in ("C", "F") else " degree ", text)
    text = _DEGREE_WORDS.sub(lambda m: " degC " if m["c"] else " degF ", _HAT.sub(" ", _PREFIXED_OHM.sub(r"\1", text)))
    for pattern, symbol in _SYMBOL_PATTERNS:
        text = pattern.sub(symbol, text)
    text = re.sub(r"\bper\b", "/", text.replace(r"\rm", " ").replace(r"\ ", " ").replace("{}", " "))
    text = _SQUARE.sub(lambda m: f"{m[2]}^{2 if m[1].lower() == 'square' else 3}", text)
    text = _SQUARED.sub(lambda m: f"{m[1]}^{2 if m[2].lower() == 'squared' else 3}", text)
    text = _HYPHEN.sub("*", _FOOT_POUND.sub("foot_pound", text)).replace("{", "(").replace("}", ")")
    return " ".join(_TRAILING_WORDS.sub("", " ".join(text.split()) + " ").split()).rstrip(" ;,.")


def factors(text: str) -> tuple[Factors, ...] | None:
    """The readings of a tidied unit, the likeliest first; None when it is not a product of names.

    There are two where what follows a slash is not in brackets: `J/mol K` is `J/mol · K` to the letter and mostly meant as `J/(mol K)`.
    An empty text has one reading, no factors.
    """
    return None if len(text) > MAX_TEXT or "**" in text else _factors(text)


@lru_cache(maxsize=4096)
def _factors(text: str) -> tuple[Factors, ...] | None:
    """Units repeat, and each comparison reads both sides several times."""
    tokens = _tokens(text)
    if tokens is None:
        return None
    found: dict[Factors, None] = {}
    for loose in (False, True):
        counted, end = _product(tokens, 0, loose=loose, depth=0)
        if counted is None or end < len(tokens) or any(abs(power) > _MAX_EXPONENT for power in counted.values()):
            return None
        found[tuple(sorted((name, power) for name, power in counted.items() if power))] = None
    return tuple(found)


def _tokens(text: str) -> list[tuple[str, int | str]] | None:
    """`name`, `power` or `symbol` with its value; None for characters that have no place in a unit."""
    tokens: list[tuple[str, int | str]] = []
    position, text = 0, text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or len(tokens) >= _MAX_TOKENS:
            return None
        position = match.end()
        if match["name"]:
            tokens.append(("name", match["name"]))
        if power := match["glued"] or match["inner"] or match["power"]:
            tokens.append(("power", int(power.replace(" ", ""))))
        if match["symbol"]:
            tokens.append(("symbol", match["symbol"]))
    return tokens


def _product(
    tokens: list[tuple[str, int | str]], position: int, *, loose: bool, depth: int
) -> tuple[Counter[str] | None, int]:
    """Names with summed exponents up to the end or a closing bracket, and where it stopped; None for a malformed product."""
    total: Counter[str] = Counter()
    sign, expects_term, empty = 1, False, True
    while position < len(tokens) and tokens[position] != ("symbol", ")"):
        kind, value = tokens[position]
        position += 1
        if kind == "symbol" and value in ("*", "/"):
            if expects_term or (empty and value == "*"):
                return None, position
            sign = -1 if value == "/" else sign if loose else 1
            expects_term = True
            continue
        if kind == "symbol":
            part, position = (
                _product(tokens, position, loose=loose, depth=depth + 1) if depth < _MAX_DEPTH else (None, 0)
            )
            if part is None or position >= len(tokens):
                return None, position
            position += 1
        elif kind == "name":
            part = Counter({str(value): 1} if value != "1" else {})
        else:
            return None, position
        power = 1
        if position < len(tokens) and tokens[position][0] == "power":
            power = int(tokens[position][1])
            position += 1
        for name, exponent in part.items():
            total[name] += sign * power * exponent
        if not loose:
            sign = 1
        expects_term = empty = False
    return (None if expects_term else total), position
