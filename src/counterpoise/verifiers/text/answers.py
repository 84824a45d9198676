r"""The outer shape of an answer, read from its text alone: lists, chains of equations, relations, sets given by a condition."""

from __future__ import annotations

import re
from typing import NamedTuple

from counterpoise.lazy import compiled

__all__ = [
    "Link",
    "bare",
    "conclusion",
    "condition",
    "interval_text",
    "is_constant",
    "is_name",
    "links",
    "parts",
    "plus_minus",
    "ratio",
    "squeeze",
    "without_about",
]

_TEXT = compiled(r"\\text\s*\{([^{}]*)\}")
_SPACE = compiled(r"(?<![A-Za-z0-9])\s+|\s+(?![A-Za-z0-9])")
_RELATION = compiled(r"=|\\(?:approx|simeq|cong|doteq)(?![A-Za-z])")
_OPEN, _CLOSE = "([{", ")]}"
_ARROW = compiled(r"\\(?:Rightarrow|implies|therefore|Longrightarrow|iff|Leftrightarrow)(?![A-Za-z])")
_ABOUT = compiled(
    r"(?:approximately|approx\.?|about|roughly|around|nearly|exactly|\\approx|\\sim(?:eq)?|=|:|≈)(?![A-Za-z])\s*"
    r"|(?:\\text\s*\{\s*)?(?:a total of"
    r"|(?:there|it|they|we|she|he) (?:are|is|have|has|will be|needs?)(?: a total of)?)\s*\}?\s*(?=[-+\\.]?\s?\d)"
    r"|(?:一共|总共|總共|共计|共|大约|大約|约|約)?(?:有|是|为|為|需要|等于)?(?<=[一-鿿])\s*(?=[-+\\.$]?\s?\d)",
    re.IGNORECASE,
)
_STATED = compiled(r"\\text\s*\{[^{}]*(?:\b(?:is|are|equals?)|[:=])\s*\}\s*", re.IGNORECASE)
_VARIABLE = r"(?:[A-Za-z]|\\(?:alpha|beta|gamma|theta|lambda|phi|omega|mu|sigma|varphi|epsilon|delta)(?![A-Za-z]))"
_INDEX = r"(?:\s*_\s*(?:\{[^{}]{1,12}\}|\w))?'*"
_NAME = compiled(
    rf"(?:\\?[A-Za-z]+{_INDEX}|{_VARIABLE}{_INDEX}\s*\([^()=]{{1,24}}\)|\|[A-Z]{{1,3}}\|"
    rf"|\\(?:overline|vec|hat|bar|angle|triangle)\s*\{{?\s*[A-Za-z]{{1,4}}\s*\}}?"
    rf"|m?\s*\\angle\s*\{{?[A-Z]{{1,3}}\}}?|\\text\s*\{{[^{{}}]*\}}(?:\s*_\s*(?:\{{[^{{}}]*\}}|\w)|\s*\([^()]*\))?"
    r"|[A-Za-z]+(?: [A-Za-z]+){1,5}|[A-Z]{1,3})"
)
_FUNCTION = compiled(r"\\(?:sin|cos|tan|cot|sec|csc|ln|log|exp|sqrt|frac|pi|infty|cdot|times)(?![A-Za-z])")
_COMMAND = compiled(r"\\[A-Za-z]+")
_CONSTANT = compiled(r"[0-9]|\\(?:pi|infty)(?![A-Za-z])|\be\b|\bi\b")
_BAR = r"(?:\\mid(?![A-Za-z])|\\vert(?![A-Za-z])|\||:|\\colon(?![A-Za-z]))"
_CONDITION = compiled(
    rf"\\\{{\s*{_VARIABLE}\s*(?:\\in\s*\\mathbb\s*\{{?R\}}?\s*)?{_BAR}\s*(?P<condition>.*[<>=\\].*)\\\}}", re.DOTALL
)
_REL = r"<|>|\\(?:leq?|geq?|lt|gt|leqslant|geqslant|neq?)(?![A-Za-z])"
_RELATED = compiled(_REL)
_FLIPPED = {"<": ">", ">": "<", "le": "ge", "ge": "le", "ne": "ne"}


_TO = compiled(r"(?<=[\d}])\s*(?:\\text\s*\{\s*to\s*\}|(?<=\s)to(?=\s))\s*(?=[\d\\])|\\colon(?![A-Za-z])")
_NO_TERM = compiled(
    r"[=<>,;{}[\](]\s*[A-Za-z]|\\text|[A-Za-z]{2}(?<!\\sqrt)(?<!\\frac)\s|[<>=,;]|\\(?:to|mid|in)(?![A-Za-z])"
)


class Link(NamedTuple):
    """One side of a chain."""

    relation: str
    """What stands before it: empty for the first, `=` or `~`."""
    text: str
    """The side."""


def squeeze(text: str) -> str:
    r"""A text by which two spellings are surely the same: without `\text`, and without spaces where they cannot matter."""
    return _SPACE.sub("", _TEXT.sub(r" \1 ", text).strip())


def without_about(text: str) -> str:
    r"""Without "approximately", `≈`, an equals sign or `\text{The answer is }` in front."""
    match = _ABOUT.match(text) or _STATED.match(text)
    rest = text[match.end() :].strip() if match else ""
    return rest or text


def conclusion(text: str) -> str:
    """What follows the last arrow of an implication."""
    return _ARROW.split(text)[-1].strip() or text


def parts(text: str, separators: str = ",;") -> list[str]:
    r"""A text cut at the separators that stand in no bracket and no `\text`; empty pieces are dropped."""
    found, depth, start, position = [], 0, 0, 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            if text[position + 1 : position + 2] in ("{", "}"):
                depth += 1 if text[position + 1] == "{" else -1
            position += 2
            continue
        if character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
        elif depth == 0 and character in separators:
            found.append(text[start:position])
            start = position + 1
        position += 1
    found.append(text[start:])
    return [piece.strip() for piece in found if piece.strip()]


def ratio(text: str) -> list[str]:
    r"""The terms of `1:2:3` and `2\text{ to }3`, empty for what is not a ratio; sums are not terms."""
    text = _TO.sub(":", text)
    terms = parts(text, ":") if ":" in text else []
    if len(terms) < 2 or len(terms) != text.count(":") + 1:
        return []
    return [] if any(_NO_TERM.search(term) for term in terms) else terms


def bare(text: str) -> tuple[str, str]:
    r"""The content of one pair of brackets around everything and its kind, `set` or `tuple`; else the text and an empty kind."""
    for opening, closing, kind in ((r"\{", r"\}", "set"), ("(", ")", "tuple")):
        if text.startswith(opening) and text.endswith(closing) and len(text) > len(opening) + len(closing):
            inside = text[len(opening) : -len(closing)].strip()
            if _closed(inside):
                return inside, kind
    return text, ""


def _closed(text: str) -> bool:
    depth = 0
    for character in text.replace(r"\{", "(").replace(r"\}", ")"):
        depth += (character in _OPEN) - (character in _CLOSE)
        if depth < 0:
            return False
    return depth == 0


def links(text: str) -> list[Link]:
    r"""A chain `a = b \approx c` cut at the relations that stand in no bracket."""
    found, depth, start, relation, position = [], 0, 0, "", 0
    while position < len(text):
        character = text[position]
        match = _RELATION.match(text, position) if depth == 0 and character in "=\\" else None
        if match and text[position - 1 : position] not in ("<", ">", "!", ":"):
            found.append(Link(relation, text[start:position].strip()))
            relation, start = "=" if match[0] == "=" else "~", match.end()
            position = match.end()
            continue
        if character == "\\":
            if text[position + 1 : position + 2] in ("{", "}"):
                depth += 1 if text[position + 1] == "{" else -1
            position += 2
            continue
        depth += (character in _OPEN) - (character in _CLOSE)
        position += 1
    found.append(Link(relation, text[start:].strip()))
    return found


def is_name(text: str) -> bool:
    r"""Whether a side only names what the next one is: `x`, `x_1`, `f(x)`, `\angle ABC`, `\text{Area}`."""
    return _NAME.fullmatch(text) is not None and not _FUNCTION.fullmatch(text) and text not in ("e", "i")


def is_constant(text: str) -> bool:
    r"""Whether a side holds a number and no variable, so that a link to another such side is true or false."""
    plain = _COMMAND.sub(" ", _TEXT.sub("", text))
    return _CONSTANT.search(text) is not None and not set(re.findall(r"[A-Za-z]", plain)) - {"e", "i"}


def plus_minus(text: str) -> list[str]:
    r"""`a\pm b` as its two values; a text without the sign is alone."""
    if r"\pm" not in text:
        return [text]
    signs = (("+", "-"), ("-", "+"))
    values = [re.sub(r"\\pm(?![A-Za-z])", plus, re.sub(r"\\mp(?![A-Za-z])", minus, text)) for plus, minus in signs]
    return [value.strip().removeprefix("+").strip() for value in values]


def condition(text: str) -> str:
    r"""`x>2` of `\{x \mid x>2\}`; any other text as it is."""
    match = _CONDITION.fullmatch(text)
    return match["condition"].strip() if match and r"\}" not in match["condition"] else text


def interval_text(text: str) -> str | None:
    r"""Inequalities in one variable, joined by `\cup` and `\cap`, as intervals: `x<1 \cup x \ge 3` as `(-\infty,1)\cup[3,\infty)`.

    None when one piece is neither an inequality nor an interval, or when none is an inequality.
    """
    pieces = re.split(r"(\\cup(?![A-Za-z])|\\cap(?![A-Za-z]))", text)
    out, changed = [], False
    for piece in pieces:
        stripped = piece.strip()
        if stripped in (r"\cup", r"\cap") or not _RELATED.search(stripped):
            out.append(stripped)
            continue
        interval = _interval(stripped)
        if interval is None:
            return None
        out.append(interval)
        changed = True
    if not changed:
        return None
    return _intersection(out) or "".join(out)


def _intersection(pieces: list[str]) -> str | None:
    r"""`(a,\infty)\cap(-\infty,b)` as `(a,b)`."""
    if len(pieces) != 3 or pieces[1] != r"\cap":
        return None
    above = [piece for piece in (pieces[0], pieces[2]) if piece.endswith(r",\infty)")]
    below = [piece for piece in (pieces[0], pieces[2]) if piece.startswith(r"(-\infty,")]
    if len(above) != 1 or len(below) != 1 or above == below:
        return None
    return above[0].removesuffix(r"\infty)") + below[0].removeprefix(r"(-\infty,")


def _interval(text: str) -> str | None:
    sides = [side.strip() for side in _RELATED.split(text)]
    signs = [_sign(match[0]) for match in _RELATED.finditer(text)]
    variable = re.compile(_VARIABLE)
    if len(sides) == 2 and variable.fullmatch(sides[1]) and not variable.fullmatch(sides[0]):
        sides, signs = sides[::-1], [_FLIPPED[signs[0]]]
    if len(sides) == 2 and variable.fullmatch(sides[0]) and sides[1]:
        end = sides[1]
        return {
            "<": rf"(-\infty,{end})",
            "le": rf"(-\infty,{end}]",
            ">": rf"({end},\infty)",
            "ge": rf"[{end},\infty)",
            "ne": rf"(-\infty,{end})\cup({end},\infty)",
        }[signs[0]]
    if len(sides) == 3 and variable.fullmatch(sides[1]) and sides[0] and sides[2]:
        if set(signs) <= {">", "ge"}:
            sides, signs = sides[::-1], [_FLIPPED[sign] for sign in reversed(signs)]
        if set(signs) <= {"<", "le"}:
            brackets = "[" if signs[0] == "le" else "(", "]" if signs[1] == "le" else ")"
            return f"{brackets[0]}{sides[0]},{sides[2]}{brackets[1]}"
    return None


def _sign(text: str) -> str:
    name = text.lstrip("\\")
    return {"lt": "<", "gt": ">", "n": "ne"}.get(name) or (name if name in "<>" else name[:2])
