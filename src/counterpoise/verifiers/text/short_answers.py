"""Short free-text answers: what two spellings of one answer have in common, which answers decline, and what a gold may look like."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from counterpoise.lazy import compiled
from counterpoise.verifiers.text.presentation import TAGS, seen

__all__ = ["ABSTENTIONS", "ShortGold", "abstains", "answer_tokens", "parse_short_gold"]

_MAX_FOLDED = 4096
_TYPOGRAPHY = str.maketrans(
    {**dict.fromkeys("‐‑‒–—―−", "-"), **dict.fromkeys("‘’‚‛′`´", "'"), **dict.fromkeys("“”„‟″«»", '"'), "…": "..."}
)
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_ESCAPE = compiled(r"\\([ %&$#,])")
_JSON = compiled(r"\[\s*[\"\]]|\{\s*[\"}]")
_FOOTNOTE = compiled(r"\[\d{1,3}\]")
_ORDINAL = r"(?:st|nd|rd|th)?"
_MONTH_NAMES = "january february march april may june july august september october november december"
_MONTHS = tuple(_MONTH_NAMES.split())
_MONTH = "|".join(f"{month}|{month[:3]}" if month != "september" else "september|sept|sep" for month in _MONTHS)
_MONTH_FIRST = compiled(rf"\b(?P<month>{_MONTH})\.? (?:the )?(?P<day>\d{{1,2}}){_ORDINAL},? (?P<year>\d{{4}})\b")
_DAY_FIRST = compiled(rf"\b(?:the )?(?P<day>\d{{1,2}}){_ORDINAL} (?:of )?(?P<month>{_MONTH})\.?,? (?P<year>\d{{4}})\b")
_ISO = compiled(r"(?<![\d-])(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12]\d|3[01])(?![\d-])")
_THOUSANDS = compiled(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
# Alone, because "18, 426" may be two numbers where more is said.
_SPACED_THOUSANDS = compiled(r"(?:[$€£] ?)?\d{1,3}(?:, \d{3})+(?: [^\d]*)?")
_RANGE = compiled(r"(?<=\d) ?-{2,3} ?(?=\d)")
_PERCENT = compiled(r"(?<=\d) ?(?:percent|per cent)\b")
_AMPERSAND = compiled(r"(?<=\w) ?& ?(?=\w)")
_BETWEEN_DIGITS = compiled(r"(?<=\d) ?([./:-]) ?(?=\d)")
_SIGN = compiled(r"(?<![\w)])-(?=\.?\d)")
_LEADING_POINT = compiled(r"(?<!\d)\.(?=\d)")
_WHOLE = compiled(r"(?<![.\d])(\d+)\.0+(?![\d.])")
_GRADE = compiled(r"(?<=[a-z])(\+{1,2}|#)(?!\w)|(?<=\b[a-z])-(?!\w)|(?<=\bab)-(?!\w)")
_GRADES = {"+": " plus", "++": " plus plus", "#": " sharp", "-": " minus"}
_NAMES = {".": "point", "/": "over", ":": "colon", "-": "dash"}
_HYPHEN = compiled(r"(?<=[^\W\d])-(?=[^\W\d])")
_NOT_WORD = compiled(r"[^\w\s]|_")
_ARTICLES = frozenset(("a", "an", "the"))
_CARDINALS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
)
_NUMBER_WORDS = (
    {word: str(value) for value, word in enumerate(_CARDINALS.split())}
    | {word: str(10 * value) for value, word in enumerate(_TENS.split(), start=2)}
    | {word: f"{value}{('st', 'nd', 'rd', *['th'] * 17)[value - 1]}" for value, word in enumerate(_ORDINALS.split(), 1)}
)
_TENS_WORDS = frozenset(_TENS.split())
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_ONES = {word: value for value, word in enumerate(_CARDINALS.split()) if 1 <= value <= 9}

ABSTENTIONS: tuple[str, ...] = (
    r"(?:i |we )?(?:really |honestly |simply |just )?(?:do not|dont|did not|didnt|cannot|can not|cant|could not|couldnt|am unable to|"
    r"im unable to|unable to|am not able to|im not able to) (?:know|say|tell|answer|determine|find|recall|remember|be sure|be certain)"
    r"(?: (?:answer|(?:that|this|your) question|that|this|it|what it is|who it is|exactly))?"
    r"(?: to (?:(?:that|this|your) )?question)?(?: (?:who|what|when|where|which|how|why)(?: \w+){1,12})?"
    r"(?: (?:with certainty|for sure|for certain|at this time|from given information))?",
    r"(?:i |we )?(?:am |im |are )?(?:really )?(?:not|un)(?: )?(?:sure|certain)(?: (?:about|of) (?:that|this|it|answer))?",
    r"(?:i |we )?(?:have |ive )?no (?:idea|clue|answer|information|comment)",
    r"(?:answer (?:is )?)?(?:unknown|unanswerable|undetermined|not known|not available|not enough information|insufficient information)",
    r"(?:n a|na|dunno|idk|pass|i pass|no answer|cannot be determined|it is impossible to (?:know|say|tell))",
)
"""Regular expressions; an answer that one of them matches wholly, after `answer_tokens` and an apology, declines to answer."""

_ABSTENTION = compiled(
    r"(?:(?:sorry|im sorry|i am sorry|i apologize|i apologise|unfortunately|my apologies) )?(?:but )?(?:"
    + "|".join(ABSTENTIONS)
    + ")"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortGold:
    """What an open question accepts."""

    answers: tuple[str, ...]
    """Answers of which any one is right, at least one."""
    question: str | None = None
    """The question, for a judge that reads it."""


def parse_short_gold(gold: str) -> ShortGold | None:
    """A plain text, a JSON list of texts, or `{"answers": […], "question": "…"}`; None for damaged JSON and for no answer at all.

    Text that begins like such JSON and is none is damaged, never a literal answer: nothing would equal it.
    """
    text = gold.strip()
    if not _JSON.match(text):
        return ShortGold(answers=(text,)) if text else None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    answers, question = (value.get("answers"), value.get("question")) if isinstance(value, dict) else (value, None)
    if isinstance(answers, str):
        answers = [answers]
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        return None
    kept = tuple(answer.strip() for answer in answers if answer.strip())
    if not kept or not (question is None or isinstance(question, str)):
        return None
    return ShortGold(answers=kept, question=question)


def answer_tokens(text: str) -> tuple[str, ...]:
    r"""The words of an answer, such that two spellings of one answer have the same words in the same order.

    SQuAD's steps (lower case, punctuation, articles, white space) with these differences:

    - typography first: compatibility forms (NFKC), accents, direction marks, kinds of dash and quote, LaTeX and HTML around words
      (`\text{…}`, `<b>`), footnote marks `[4]`, `49 -- 47`, and `18, 426` where it is all there is; a hyphen between letters is a blank;
    - inside numbers `.`, `/`, `:`, `-` and a leading minus count, so that `3.5` is not `35` nor `-5` `5`; thousands separators do not;
    - `+`, `#` and `-` after a letter count: `C++`, `C#`, `A+`, `A-`;
    - other punctuation is a blank, and single letters in a row are one word: `U.S.` is `US`, `J. K.` is `J.K.`;
    - number words up to ninety-nine, those times a hundred to a billion, and ordinals up to twentieth are figures;
    - full dates have one order, whatever their spelling (`Dec. 14, 1972`, `1972-12-14`);
    - an article at the end is none: `vitamin A`;
    - a text without a letter or digit (`*`) is its characters.
    """
    folded = _fold(text[:_MAX_FOLDED])
    words = list(_numbers(list(_initials(_NOT_WORD.sub(" ", folded).split()))))
    if not words:
        return tuple(folded.split())
    return tuple(word for place, word in enumerate(words, start=1) if word not in _ARTICLES or place == len(words))


def abstains(tokens: tuple[str, ...]) -> bool:
    """True when the whole answer declines (`ABSTENTIONS`); one that goes on to name something does not."""
    return 0 < len(tokens) <= 16 and _ABSTENTION.fullmatch(" ".join(tokens)) is not None


def _fold(text: str) -> str:
    text = TAGS.sub(" ", seen(text) if "\\" in text or "{" in text or "$" in text else text)
    text = _ESCAPE.sub(r"\1", text.strip().rstrip(".").strip("$ "))
    decomposed = unicodedata.normalize("NFKD", text.translate(_TYPOGRAPHY)).translate(_TYPOGRAPHY).lower()
    text = "".join(c for c in decomposed if unicodedata.category(c) not in ("Mn", "Cf", "Cc", "Cs") or c.isspace())
    text = " ".join(_FOOTNOTE.sub("", text.translate(_LETTERS)).split())
    for pattern in (_MONTH_FIRST, _DAY_FIRST, _ISO):
        text = pattern.sub(_date, text)
    text = _RANGE.sub("-", text.replace(", ", ",") if _SPACED_THOUSANDS.fullmatch(text) else text)
    text = _THOUSANDS.sub(lambda match: match.group().replace(",", ""), text)
    text = _AMPERSAND.sub(" and ", _PERCENT.sub("%", text)).replace("'", "")
    text = _GRADE.sub(lambda match: _GRADES[match.group()], _WHOLE.sub(r"\1", text))
    text = _LEADING_POINT.sub("0.", _SIGN.sub("minus", text))
    return _HYPHEN.sub(" ", _BETWEEN_DIGITS.sub(lambda match: _NAMES[match[1]], text))


def _date(match: re.Match[str]) -> str:
    month = match["month"]
    number = int(month) if month.isdigit() else next(i for i, m in enumerate(_MONTHS, 1) if m.startswith(month[:3]))
    return f"{int(match['day'])} {_MONTHS[number - 1]} {match['year']}"


def _initials(words: list[str]) -> Iterator[str]:
    """`u s` as `us`, `j k rowling` as `jk rowling`; one letter alone stays."""
    for single, run in groupby(words, key=lambda word: len(word) == 1 and word.isalpha()):
        if single:
            yield "".join(run)
        else:
            yield from run


def _numbers(words: list[str]) -> Iterator[str]:
    position = 0
    while position < len(words):
        word = words[position]
        following = _ONES.get(words[position + 1]) if position + 1 < len(words) else None
        if following is not None and word in _TENS_WORDS:
            number = str(int(_NUMBER_WORDS[word]) + following)
            position += 2
        else:
            number = _NUMBER_WORDS.get(word, word)
            position += 1
        while number.isdecimal() and len(number) <= 12 and position < len(words) and words[position] in _SCALES:
            number = str(int(number) * _SCALES[words[position]])
            position += 1
        yield number
