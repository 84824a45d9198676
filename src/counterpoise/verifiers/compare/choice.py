r"""Multiple choice: find the one letter that a response settles on, or none; nothing is guessed.

Where the letter is, the last of these deciding:

- `boxed`: `\boxed{B}`, `\boxed{\text{(B)}}`, `\boxed{B. 12 m}`;
- `tagged`: `<answer>B</answer>`, also with a sentence in it;
- `phrase`: "the answer is (B)", "Answer: B", "I would choose B", `答案是B` and in six more
  languages, and "The correct answer is:" with the letter on the next line;
- `claim`: "C is the correct answer", `C是正确答案`;
- `last_letter`: a last line that is a letter alone, `B` or `(B).`;

and, only where none of them occurs, the first of these:

- `last_option`: a last line `B) iron`, `(B) iron` or `B. iron` that is not one of a list of options;
- `first_line`: a first line that is a letter alone, or an option with its explanation behind it, where no other option is listed;
- `claim`: "Option C is correct", unless several are called correct;
- `bracketed`: `(B)` in the last sentence that has one, lists of options and what is denied left out.

A place that names two letters ("A or B", `\boxed{A, B}`) gives no answer, nor does a damaged box or tag, a question ("The answer is (C)?"),
or an answer that is taken back for another letter ("The answer is (C). No, it is D.").
"""

from __future__ import annotations

import re
from typing import ClassVar

from counterpoise.lazy import compiled
from counterpoise.settings import settings
from counterpoise.types import Extraction, Judgement, VerdictValue
from counterpoise.verifiers.text.choice_text import (
    Found,
    bracketed,
    claims,
    cleaned,
    first_line,
    last_letter,
    last_option,
    letters,
    phrase,
    retracted,
)
from counterpoise.verifiers.text.extraction import extract, final_text

__all__ = ["ChoiceVerifier"]

_MAX_TEXT = 100_000
_BOX = compiled(r"\\f?box(?:ed)?[ \t]{0,8}\{")
_TAG = compiled(r"<answer>", re.IGNORECASE)
_CLOSING_TAG = compiled(r"</answer>", re.IGNORECASE)
_BETWEEN_BOXES = compiled(r"[\s}$]{0,8}(?:[,;/&]|and|or){0,2}[\s$]{0,8}")
_GOLD = compiled(r"([A-Z]) of (\d{1,2})")


@settings("verifier choice")
class ChoiceVerifier:
    """CORRECT when the response settles on the gold's letter; the gold is `B of 4`, letter and number of options.

    A letter beyond the options is NO_ANSWER, rule `outside_options`, and so are two different letters.
    """

    name: ClassVar[str] = "choice"
    version: ClassVar[str] = "5"
    isolated: ClassVar[bool] = False
    """Every step is linear in a capped length."""

    def extract(self, response: str) -> Extraction:
        """The letter, upper case; rules as in the module's docstring."""
        text = final_text(response)
        if text is None:
            return Extraction(answer=None, basis="unclosed_think")
        text = text[-_MAX_TEXT:]
        found = _strongest(text)
        if found is None:
            return Extraction(answer=None, basis="none")
        named = set(found.letters)
        if len(named) != 1:
            return Extraction(answer=None, basis=f"{found.basis}_{'several' if named else 'no_letter'}")
        if retracted(cleaned(text), found):
            return Extraction(answer=None, basis=f"{found.basis}_retracted")
        return Extraction(answer=named.pop(), basis=found.basis)

    def judge(self, gold: str, answer: str) -> Judgement:
        """Compare the letters; a gold that is not a `B of 4` is UNSCORED."""
        match = _GOLD.fullmatch(gold.strip())
        if match is None or not 0 <= ord(match[1]) - 65 < int(match[2]) <= 26:
            return Judgement(
                value=VerdictValue.UNSCORED,
                basis="gold",
                reason="unparsable gold: expected a letter and a number of options, e.g. B of 4",
            )
        letter = answer.strip().upper()
        if len(letter) != 1 or not 0 <= ord(letter) - 65 < int(match[2]):
            return Judgement(value=VerdictValue.NO_ANSWER, basis="outside_options")
        return Judgement(value=VerdictValue.CORRECT if letter == match[1] else VerdictValue.WRONG, basis="letter")


def _strongest(text: str) -> Found | None:
    clean, tagged = cleaned(text), _tagged(text)
    if tagged is not None:  # what stands in the tag is its own: "<answer>The option is (B)</answer>" is not a phrase
        clean = clean[: tagged.position] + " " * (tagged.end - tagged.position) + clean[tagged.end :]
    which, called = claims(clean)
    places = (_boxed(text), tagged, phrase(clean), which, last_letter(clean))
    candidates = [found for found in places if found is not None]
    if candidates:
        return max(candidates, key=lambda found: found.position)
    return last_option(clean) or first_line(clean) or called or bracketed(clean)


def _boxed(text: str) -> Found | None:
    boxes = [match.start() for match in _BOX.finditer(text)][-2:]
    if not boxes:
        return None
    content = extract(text[boxes[-1] :], rules=("boxed",)).answer or ""
    named = letters(cleaned(content), clause=False)
    if len(boxes) == 2:
        before = text[boxes[0] : boxes[1]]
        closing = before.rfind("}")
        if closing >= 0 and _BETWEEN_BOXES.fullmatch(before, closing + 1):
            named += letters(cleaned(extract(before, rules=("boxed",)).answer or ""), clause=False)
    return Found(boxes[-1], min(len(text), boxes[-1] + len(content) + 8), "boxed", named)


def _tagged(text: str) -> Found | None:
    openings = list(_TAG.finditer(text))
    if not openings:
        return None
    opening = openings[-1]
    closing = _CLOSING_TAG.search(text, opening.end())
    content = cleaned(text[opening.end() : closing.start()]) if closing else ""
    named = letters(content, clause=False)
    if not named:
        which, called = claims(content)
        inner = phrase(content) or which or called or bracketed(content)
        named = () if inner is None else inner.letters
    return Found(opening.start(), closing.end() if closing else len(text), "tagged", named)
