r"""What a reader sees of a text: delimiters of mathematics, spaces and, through `wrappers`, everything else that only presents.

`seen` is for verifiers of words and of texts that they do not read as mathematics, `blanked` for those that need every position kept,
`uncovered` is a step of `normalise`. All three know the same wrappers.
"""

from __future__ import annotations

import re

from counterpoise.lazy import compiled
from counterpoise.verifiers.text.wrappers import (
    ALPHABETS,
    COLOURED,
    DECLARED,
    ENCLOSING,
    ENVIRONMENTS,
    SILENT,
    TAG_NAMES,
    unwrap,
)

__all__ = ["SIZES", "SPACES", "TAGS", "blanked", "seen", "uncovered"]

_ROUNDS = 12
_SPACE_NAMES = "quad|qquad|enspace|enskip|thinspace|medspace|thickspace|negthinspace|nobreakspace|space|hfil|hfill"
SPACES = compiled(rf"(?<!\\)\\(?:[,;:! /@>]|(?:{_SPACE_NAMES})(?![A-Za-z])|\s|\Z)|~")
r"""Commands that make a space, or end a space that was cut off (`\boxed{\ 5\ }`)."""
SIZES = compiled(r"\\(?:left|right)\s*\.|\\(?:left|right|[bB]igg?[lrm]?)(?![A-Za-z])\s*(?=[\\()\[\]{}|.])")
"""Sizes of brackets."""
_INLINE = compiled(r"(?<!\\)\$(?!\d[\d,.]*[ ,.]|\s)([^$\\]*(?:\\.[^$\\]*)*)(?<![\s])\$")
_DOLLAR = compiled(r"(?<!\\)\$")
_PARENTHESES = compiled(r"\\\((.*?)\\\)", re.DOTALL)
_PRESENTED = compiled(r"[\\{$*_`\"'<~“”‘’]")
_MARKED = compiled(r"\A\{|[*_`<\"~“”]|\\begin")
_WORDS = compiled(rf"\\(?:text[a-z]{{0,8}}|operatorname|{'|'.join(sorted(ALPHABETS))})\s?\{{([^{{}}]*)\}}")
_TAG = "|".join(TAG_NAMES.split())
TAGS = compiled(rf"</?(?:{_TAG})\b[^<>]{{0,120}}/?>", re.IGNORECASE)
"""HTML that only presents, opening or closing."""


def _alternatives(names: frozenset[str] | set[str]) -> str:
    return "|".join(sorted(names, key=len, reverse=True))


_GAP = r"[ \t]{0,4}"
_HOW = rf"{_GAP}(?:\[[^\[\]{{}}\n]{{0,60}}\]{_GAP})?"
_ARGUMENT = r"\{[^{}\n]{0,60}\}"
_ENVIRONMENT = rf"(?:{_alternatives(ENVIRONMENTS)})\*?"
_BLANK = compiled(
    rf"\\(?:{_alternatives({name for name, count in COLOURED.items() if count == 1} | {'color'})}){_HOW}{_ARGUMENT}"
    rf"|\\(?:{_alternatives({name for name, count in COLOURED.items() if count == 2})}){_HOW}{_ARGUMENT}{_GAP}{_ARGUMENT}"
    rf"|\\(?:{_alternatives(SILENT)})\*?{_GAP}{_ARGUMENT}"
    rf"|\\begin{_GAP}\{{{_ENVIRONMENT}\}}(?:\[[^\[\]{{}}\n]{{0,20}}\])?(?:{_GAP}\{{[clr|@.\d]{{1,20}}\}})?[\s&]{{0,8}}"
    rf"|(?:\\\\\s{{0,4}})?\\end{_GAP}\{{{_ENVIRONMENT}\}}"
    rf"|\\(?:{_alternatives(ENCLOSING | ALPHABETS | DECLARED)})\*?(?![A-Za-z]){_HOW}"
    r"|\\(?=&)"  # `B \& C`
    r"|\\(?:text|math)[a-z]{0,8}(?![A-Za-z])"
    rf"|\\(?:{_SPACE_NAMES}|(?:left|right){_GAP}\.|left|right|[bB]igg?[lrm]?)(?![A-Za-z])"
    rf"|</?(?:{_TAG})(?:\s[^<>\n]{{0,120}})?/?>"
    r"|[*`$\"“”{}\[\]]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|\\(?:[()\[\],;:! ]|\Z)|~",
    re.IGNORECASE,
)
_RANGE = compiled(r"(?:\A|[^A-Za-z])[A-Za-z]\)?\s?~\s?\(?[A-Za-z](?![A-Za-z])")


def seen(text: str) -> str:
    r"""A text as it is read: `\begin{aligned}\mathbf{~C~}\end{aligned}` is `C`. Total; words lose their `\text` too."""
    text = text.strip()
    if not _PRESENTED.search(text):
        return text
    text = uncovered(SPACES.sub(" ", SIZES.sub("", text)))
    for _ in range(_ROUNDS):
        text, changes = _WORDS.subn(r"\1", text)
        if not changes:
            break
    return TAGS.sub(" ", text).strip()


def blanked(text: str) -> str:
    """A text with what only presents as blanks, so that every other character stays at its place. Linear."""
    return _BLANK.sub(_blank, text)


def _blank(match: re.Match[str]) -> str:
    if match.group() == "~":  # "A~C" is a range of options, `\mathrm{~C~}` is not
        near = match.string[max(0, match.start() - 4) : match.end() + 4]
        return "~" if _RANGE.search(near) else " "
    return " " * len(match.group())


def uncovered(text: str) -> str:
    """A text without wrappers and delimiters, however they are nested; words stay marked as words."""
    for _ in range(_ROUNDS if _PRESENTED.search(text) else 0):
        before, text = text, unwrap(text)
        inside = _undelimited(text)
        if inside == text and (text == before or not _MARKED.search(text)):
            break
        text = inside
    return text.strip()


def _undelimited(text: str) -> str:
    text = text.strip()
    for opening, closing in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")) * 2:
        inside = text.removesuffix(".")
        if (
            len(inside) > len(opening) + len(closing)
            and inside.startswith(opening)
            and inside.endswith(closing)
            and not inside.endswith("\\" + closing)
            and (closing != "$" or len(_DOLLAR.findall(inside)) % 2 or len(_DOLLAR.findall(inside)) == 2)
        ):
            text = inside[len(opening) : len(inside) - len(closing)].strip()
    # `$5$ hours` and `\(5\) hours`: pairs inside.
    return _INLINE.sub(r"\1", _PARENTHESES.sub(r"\1", text))
