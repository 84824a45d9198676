r"""Make two spellings of the same answer the same text, without knowing any mathematics.

Only changes that cannot make two different answers equal are made here: typography (Unicode minus, superscripts, spaces, sizes of
brackets and fractions), wrappers (`$…$`, `\text{…}` around everything) and explicit thousands separators.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["balanced", "normalise", "over_cap", "unwrap_text"]

_MINUS = dict.fromkeys(map(ord, "−–—‐‑‒﹣－"), "-")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_SYMBOLS = str.maketrans(
    {
        "×": r"\times ",
        "·": r"\cdot ",
        "⋅": r"\cdot ",
        "÷": "/",
        "∕": "/",
        "⁄": "/",
        "π": r"\pi ",
        "∞": r"\infty ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "±": r"\pm ",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∅": r"\emptyset ",
        "°": r"^\circ ",
        "½": r"\frac{1}{2}",
        "¼": r"\frac{1}{4}",
        "¾": r"\frac{3}{4}",
        "⅓": r"\frac{1}{3}",
        "⅔": r"\frac{2}{3}",
        "，": ",",
        "％": "%",
    }
)
_SUPERSCRIPT_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_ROOT = re.compile(r"√\s*(\d+|[A-Za-z]|\([^()]*\))")
_SIZES = re.compile(r"\\(?:left|right|[bB]igg?[lrm]?)(?![A-Za-z])\s*(?=[\\()\[\]{}|.])")
_SPACES = re.compile(r"(?<!\\)\\(?:[,;:! ]|quad(?![A-Za-z])|qquad(?![A-Za-z]))|~")
_THIN_THOUSANDS = re.compile(r"(?<=\d)(?:\{,\}|,?\\[,!; ])(?=\d{3}(?!\d))")
_COMMA_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_SPACED_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?: \d{3})+(?:\.\d+)?")
_FRACTIONS = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_ROMAN_E = re.compile(r"\\(?:mathrm|text|operatorname)\s*\{\s*e\s*\}")
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}")
_OR = re.compile(r"\\(?:text|mbox|textrm)\s*\{\s*,?\s*(?:or|and)\s*\}|(?<=[\d)}\]]),?\s+(?:or|and)\s+(?=[-+\d\\(\[{])")
_PERCENT = re.compile(r"(?<=\d)\s*(?:percent|\\text\{\s*percent\s*\})(?![A-Za-z])", re.IGNORECASE)
_EMPTY_SET = re.compile(r"\\varnothing(?![A-Za-z])")
_RUN_OF_SPACE = re.compile(r"\s+")
_DIGITS = re.compile(r"\d{1001}")


def normalise(text: str) -> str:
    """`text` with typography and wrappers removed; idempotent up to spacing, total, at most quadratic in a capped length."""
    text = "".join(_character(c) for c in text).translate(_MINUS)
    text = _SUPERSCRIPT_RUN.sub(lambda m: "^{" + m.group().translate(_SUPERSCRIPTS) + "}", text)
    text = _ROOT.sub(lambda m: r"\sqrt{" + m.group(1).removeprefix("(").removesuffix(")") + "}", text)
    text = _unwrap_math(text.translate(_SYMBOLS).replace(r"\$", ""))
    text = _THIN_THOUSANDS.sub("", text)
    text = _SPACES.sub(" ", _SIZES.sub("", text)).replace(r"\%", "%")
    text = _EMPTY_SET.sub(r"\\emptyset", _ROMAN_E.sub("e", _FRACTIONS.sub(r"\\frac", text)))
    text = _PERCENT.sub("%", _OR.sub(",", text))
    if not any(bracket in text for bracket in "([{"):
        # Inside brackets a comma separates components: (1,234) is a point.
        text = _COMMA_THOUSANDS.sub(lambda m: m.group().replace(",", ""), text)
    text = _RUN_OF_SPACE.sub(" ", text).strip()
    if _SPACED_THOUSANDS.fullmatch(text):
        text = text.replace(" ", "")
    return text[:-1].rstrip() if text.endswith(".") and not text.endswith("..") else text


def unwrap_text(text: str) -> tuple[str, bool]:
    r"""The content of a `\text{…}` (or `\mathrm`, …) that encloses everything, and whether there was one."""
    match = _TEXT.fullmatch(text)
    return (match.group(1).strip(), True) if match else (text, False)


def balanced(text: str) -> bool:
    """True when braces close in order, escaped ones aside."""
    depth, position = 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth < 0:
            return False
        position += 1
    return depth == 0


def over_cap(text: str, *, length: int = 4096, nesting: int = 50) -> str | None:
    """Which bound a text breaks (`length`, `digits`: more than 1,000 in a row, `nesting` of brackets), None when none.

    Computer algebra takes time and memory that grow without bound in each of them.
    """
    if len(text) > length:
        return "length"
    if _DIGITS.search(text):
        return "digits"
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return "nesting" if deepest > nesting else None


def _character(character: str) -> str:
    if character.isascii():
        return character if character >= " " else " "
    category = unicodedata.category(character)
    if category == "Nd":  # ٣ and ３ are digits that a reader means as 3
        return str(unicodedata.digit(character))
    if category in ("Cf", "Cc", "Cs"):  # direction marks, zero-width joiners, lone surrogates
        return ""
    if category in ("Zs", "Zl", "Zp"):
        return " "
    return chr(ord(character) - 0xFEE0) if "！" <= character <= "～" and character not in "，％－" else character


def _unwrap_math(text: str) -> str:
    text = text.strip()
    for opening, closing in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        if len(text) >= len(opening) + len(closing) and text.startswith(opening) and text.endswith(closing):
            text = text[len(opening) : len(text) - len(closing)].strip()
    return text.replace("$", "")
