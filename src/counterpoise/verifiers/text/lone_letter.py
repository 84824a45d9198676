"""The last letter of a text that stands alone: what parts it from words, and what makes it no answer. Linear in the text, never raises."""

from __future__ import annotations

import re
from typing import NamedTuple

from counterpoise.lazy import compiled

__all__ = ["LoneLetter", "lone_letter"]

_BEFORE = 64
"""Characters in front of a letter that may deny it."""
_BLANK = r" \t\r\n\xa0\u3000"  # not every white space: a control character parts no letters that anybody sees
_TAG = r"</?[a-z]{1,6}>"
_BEFORE_LONE = rf"(?:(?<![^{_BLANK}:=])|(?<=[^\W\d_]{{2}}[—：→⇒])|(?<=[{_BLANK}][—–：→⇒])|(?<=[^\W\d_]{{2}}[-=]>)|(?<=[{_BLANK}][-=]>))"
"""Behind a word a dash or an arrow is a pause, and behind a letter it spells."""
_LONE = compiled(
    rf"{_BEFORE_LONE}"
    rf"(?P<open>(?:\\[A-Za-z]{{1,16}}(?:\{{[^{{}}\n]{{1,20}}\}})?(?=\{{)|\\[(\[]|{_TAG}|(?<!>)<(?![abipqsu]>)|[\"'`“‘«「(\[{{*_$]){{0,8}})"
    rf"(?P<letter>[^\W\d_])(?P<close>(?:\\[)\]]|{_TAG}|[\"'`’”»」)\]}}>*_$.,;:!?…。！？]){{0,8}})(?![^{_BLANK}=—])(?!—(?![^\W\d_]{{2}}))"
)
_ASKED = compiled(
    r"[\s.!…)(\"'”’]{0,8}(?:,?\s{0,4}\b(?:or not|or no|isn['’]?t it|maybe|perhaps|possibly)\s{0,4})?[?？]"
)
_LONE_WORDS = "aAiI"
"""Letters that are words, where a word follows them, and may be where nothing does."""
_NEXT_WORD = compiled(rf"[{_BLANK}]{{1,8}}[\"'`“‘(*_]{{0,4}}[^\W\d_]{{2}}")
_WORD = compiled(r"\\?[^\W\d_]+")
# Words between letters of one row, and LaTeX.
_IN_A_ROW = compiled(r"\\.*|an?|and|instead|is|letters?|maybe|n?or|not|of|rather|than|the|then|to", re.IGNORECASE)
# What goes on with one of these, in the same clause, names another letter beside the one before it.
_ALTERNATIVE = compiled(
    r"\W{0,8}(?:(?:and[/ ])?or|as well as|otherwise|alternatively|possibly|perhaps|maybe|plus|vs|versus)\b[^.;:!?\n]{0,40}",
    re.IGNORECASE,
)
_CLAUSE = compiled(r"[.,;:!?\n]|(?<!anything )\bbut\b")
_DENIED = compiled(
    r"(?<![\"'“‘])\b(?:not|never|no|neither|nor|cannot|wrong|incorrect|false|if|unless|whether|(?:is|was|does|do)nt|I doubt)\b|n['’]t\b"
    r"|\b(?:without|except(?: for)?|excluding|lacks?|lacking|unlike|minus|(?<!none )other than|rather than|instead of|apart from"
    r"|anything but|as opposed to|nothing like)(?:\s{1,4}(?:an?|the|letters?)){0,3}\W{0,8}\Z",
    re.IGNORECASE,
)
_OPENED = frozenset("\"'`“‘«「<([{")


class LoneLetter(NamedTuple):
    """A letter that stands alone."""

    position: int
    """Where it stands."""
    letter: str
    """As it was written."""
    fault: str | None
    """`of_several`, `asked`, `denied` or `cut_off`; None makes it an answer."""


def lone_letter(text: str) -> LoneLetter | None:
    """The last letter that stands alone in `text`, with what makes it no answer, or None where none does."""
    last: re.Match[str] | None = None
    row: set[str] = set()
    for match in _LONE.finditer(text):
        if _bare_word(match) and _NEXT_WORD.match(text, match.end()):
            continue
        if last is None or not _go_together(text, last.end(), match.start()):
            row = set()
        row.add(match["letter"].casefold())
        last = match
    if last is None:
        return None
    start, rest = last.start("letter"), text[last.end("letter") :].rstrip()
    clause = _CLAUSE.split(text[max(0, last.start() - _BEFORE) : last.start()])[-1]
    # What ends with an open quotation, or with "a", may have been cut off in a word, or in front of one.
    open_end = not rest and (last["open"][-1:] in _OPENED or (_bare_word(last) and text.strip() != last["letter"]))
    faults = (
        ("of_several", len(row) > 1),
        ("asked", "?" in last["close"] or "？" in last["close"] or _ASKED.match(text, last.end())),
        ("denied", _DENIED.search(clause)),
        ("cut_off", open_end),
    )
    return LoneLetter(start, last["letter"], next((fault for fault, found in faults if found), None))


def _go_together(text: str, start: int, end: int) -> bool:
    """Whether two letters with this between them are parts of one row, or the second an alternative to the first."""
    words = _WORD.finditer(text, start, end)
    return all(_IN_A_ROW.fullmatch(word[0]) for word in words) or bool(_ALTERNATIVE.fullmatch(text, start, end))


def _bare_word(match: re.Match[str]) -> bool:
    return match["letter"] in _LONE_WORDS and not match["open"] and not match["close"]
