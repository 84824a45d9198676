r"""Multiple choice: find the one letter that a response settles on, or none; nothing is guessed.

Where the letter is, the last of these deciding:

- `boxed`: `\boxed{B}`, `\boxed{\text{(B)}}`, `\boxed{B. 12 m}`;
- `phrase`: "the answer is (B)", "Answer: B", "correct option is **B**";
- `last_letter`: a last line that is a letter alone, `B` or `(B).`;

and, only where none of them occurs, `bracketed`: `(B)` in the last sentence that has one, lists of options left out.

A place that names two letters ("A or B", `\boxed{A, B}`) gives no answer, and neither does a damaged box.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from counterpoise.types import Extraction, Judgement, VerdictValue
from counterpoise.verifiers.extraction import extract, final_text

__all__ = ["ChoiceVerifier"]

_MAX_TEXT = 100_000
_MAX_ANSWER = 400
_WRAPPERS = re.compile(r"\\(?:text|textbf|mathrm|mathbf|boxed)\s*\{|[*_`$\"'“”{}]|\\[()\[\]]")
_LETTER = r"(?:\(\s*(?P<round>[A-Za-z])\s*\)|(?P<bare>[A-Z])(?![A-Za-z]))"
_ONE = re.compile(rf"\s*(?:(?:option|choice|answer)\s+)?{_LETTER}(?P<rest>.*)", re.DOTALL | re.IGNORECASE)
_PHRASE = re.compile(
    r"\b(?:answer|option|choice)\b[ \t*_]{0,8}(?:to[ \t][^\n.:]{1,60}?[ \t])?(?:is|was|(?:would|must|should)[ \t]be|:)[ \t*_:]{0,8}"
    r"(?:(?:therefore|thus|clearly|simply|definitely|option|choice|letter)[ \t,]{1,4}){0,2}",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"\(\s*([A-Z])\s*\)")
_SENTENCE = re.compile(r"\n|(?<=[.!?;])[ \t]")
_ITEM = re.compile(r"[ \t>*-]{0,8}\(?([A-Z])[).:][ \t]")
_LAST_LETTER = re.compile(r"\s*\(?([A-Z])\)?\s*[.)]?\s*")
_JOINED = re.compile(r"\s*(?:,\s*(?:or|and)?|or|and|/|&|=|\+)\s*(?:\(\s*([A-Za-z])\s*\)|([A-Z])(?![A-Za-z'’]|\s[a-z]))")
_CLAUSE_WORD = re.compile(r"\s+(?:[a-z]+)")
_AFTER_LETTER = re.compile(r"\s+(?:because|since|as|which|and|or|for|with|by|so|is|in|here|given|due|based|not)\b")
_BOX_GOES_ON = re.compile(r"\s*(?:$|[.:)\]\\-]|\s)")
_GOLD = re.compile(r"([A-Z]) of (\d{1,2})")


class _Found(NamedTuple):
    position: int
    rule: str
    letters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceVerifier:
    """CORRECT when the response settles on the gold's letter; the gold is `B of 4`, letter and number of options.

    A letter beyond the options is NO_ANSWER, rule `outside_options`, and so are two different letters.
    """

    @property
    def name(self) -> str:
        """`choice`."""
        return "choice"

    @property
    def version(self) -> str:
        """Changes whenever a verdict could change."""
        return "1"

    @property
    def isolated(self) -> bool:
        """False: every step is linear in a capped length."""
        return False

    def extract(self, response: str) -> Extraction:
        """The letter, upper case; rules as in the module's docstring."""
        text = final_text(response)
        if text is None:
            return Extraction(answer=None, rule="unclosed_think")
        found = _strongest(text[-_MAX_TEXT:])
        if found is None:
            return Extraction(answer=None, rule="none")
        letters = set(found.letters)
        if len(letters) != 1:
            return Extraction(answer=None, rule=f"{found.rule}_{'several' if letters else 'no_letter'}")
        return Extraction(answer=letters.pop(), rule=found.rule)

    def judge(self, gold: str, answer: str) -> Judgement:
        """Compare the letters; a gold that is no `B of 4` is UNSCORED."""
        match = _GOLD.fullmatch(gold.strip())
        if match is None or not 0 <= ord(match[1]) - 65 < int(match[2]) <= 26:
            return Judgement(
                value=VerdictValue.UNSCORED,
                rule="gold",
                reason="unparsable gold: expected a letter and a number of options, e.g. B of 4",
            )
        letter = answer.strip().upper()
        if len(letter) != 1 or not 0 <= ord(letter) - 65 < int(match[2]):
            return Judgement(value=VerdictValue.NO_ANSWER, rule="outside_options")
        return Judgement(value=VerdictValue.CORRECT if letter == match[1] else VerdictValue.WRONG, rule="letter")


def _strongest(text: str) -> _Found | None:
    candidates = [found for found in (_boxed(text), _phrase(text), _last_letter(text)) if found is not None]
    return max(candidates, key=lambda found: found.position) if candidates else _bracketed(text)


def _boxed(text: str) -> _Found | None:
    position = max(text.rfind("\\boxed"), text.rfind("\\fbox"))
    extraction = extract(text[position:], rules=("boxed",)) if position >= 0 else None
    if extraction is None or extraction.rule == "none":
        return None
    return _Found(position, "boxed", _letters(extraction.answer or "", clause=False))


def _phrase(text: str) -> _Found | None:
    """The last phrase that a letter follows: "the answer is 12 m" names no option and is passed over."""
    last = None
    for match in _PHRASE.finditer(text):
        rest = text[match.end() : match.end() + 200].split("\n", 1)[0]
        if "\\boxed" not in rest and (letters := _letters(rest, clause=True)):
            last = _Found(match.start(), "phrase", letters)
    return last


def _last_letter(text: str) -> _Found | None:
    text = text.rstrip()
    start = text.rfind("\n") + 1
    line = _WRAPPERS.sub("", text[start:]) if len(text) - start <= 64 else ""
    match = _LAST_LETTER.fullmatch(line if start else line.upper())
    return _Found(start, "last_letter", (match[1],)) if match else None


def _bracketed(text: str) -> _Found | None:
    lines = _SENTENCE.split(text)
    items = [match[1] if (match := _ITEM.match(line)) else None for line in lines]
    for number in range(len(lines) - 1, -1, -1):
        neighbours = [items[n] for n in (number - 1, number + 1) if 0 <= n < len(lines)]
        if items[number] is not None and any(other not in (None, items[number]) for other in neighbours):
            continue  # one of a list of options
        letters = tuple(_BRACKETED.findall(lines[number]))
        if letters:
            return _Found(number, "bracketed", letters)
    return None


def _letters(text: str, *, clause: bool) -> tuple[str, ...]:
    """The letters that a box, or what follows a phrase, begins with; "A" may be an article, and prose may follow only a phrase's."""
    text = _WRAPPERS.sub("", text[:_MAX_ANSWER]).strip()
    match = _ONE.match(text)
    if match is None or (match["bare"] and match["bare"].islower() and clause):
        return ()
    bare, rest = match["bare"], match["rest"]
    if bare in ("A", "I") and _CLAUSE_WORD.match(rest) and not _AFTER_LETTER.match(rest):
        return ()
    letters = [(match["round"] or bare).upper()]
    if joined := _JOINED.match(rest):
        while joined is not None:
            letters.append((joined[1] or joined[2]).upper())
            joined = _JOINED.match(rest, joined.end())
    elif not clause and not _BOX_GOES_ON.match(rest):
        return ()
    return tuple(letters)
