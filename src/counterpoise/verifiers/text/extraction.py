r"""Find the final answer in a response: one pass per rule, linear in the text, never raises.

Rules:

- `tagged`: the last `<answer>…</answer>` (R1's format), several lines of it if need be; of a tag and a box the later one decides, and a
  box or a phrase inside the tag is taken out of it;
- `boxed`: the last `\boxed{…}` (or `\fbox{…}`), its end found by walking braces, `\{` and `\}` skipped; a phrase that it begins with
  (`\boxed{答案是12}`) is left out;
- `phrase`: after the last "answer is" or "answer:", to the end of the line, sentence or clause; so in Chinese, Japanese, Korean, German,
  French, Spanish, Portuguese, Italian and Russian;
- `hash`: after the last line that begins with `####` and is not a Markdown heading (GSM8K's own format);
- `bare`: the whole response, when it is a single word of at most 64 characters (`72`).

Rules used only where a verifier names them:

- `statement`: `phrase` for names and titles: commas and full stops after initials and abbreviations (`R. H. Thomson`) do not end it;
- `last_line`: the last line that is not blank;
- `last_number`: the last number, with its sign where nothing stands close in front of it (`3-5` ends in 5), commas between thousands, a
  fraction, a decimal part or an exponent; the last of several in a row (`12, 63 or 5`) is not an answer, and of `5 = 63` both sides are;
- `last_letter`: the last letter that stands alone, quoted, set off or bare; not one of a word, of `x-ray` or `g-a-r`, nor an "a" or "I"
  before a word. The last of several in a row (`r or d`, `g a r`), one that is asked or denied, and one that may be cut off are no answer.

A box goes before everything; of a phrase and a hash line the later one decides, because GSM8K's worked answers say "the answer is" on the
way. A marker that is there and damaged gives no answer, and nothing is looked for elsewhere: the model did not finish.

Only the text after the closing think tag counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, NamedTuple

from counterpoise.errors import UnknownNameError
from counterpoise.lazy import compiled
from counterpoise.ranges import Checked, Texts
from counterpoise.thought import final_text
from counterpoise.types import Extraction
from counterpoise.verifiers.text.lone_letter import lone_letter

__all__ = [
    "DEFAULT_RULES",
    "MAX_ANSWER",
    "RULES",
    "TAGGED_RULES",
    "TEXT_RULES",
    "Rules",
    "check_rules",
    "extract",
    "final_text",
    "unstated",
]

MAX_ANSWER = 4096
"""Characters of an answer at most; a longer one is not an answer."""

_MAX_BARE = 64
_BOX = compiled(r"\\f?box(?:ed)?[ \t]{0,8}\{")
_IS = r"[*_]{0,3}(?:(?:[ \t]to[ \t][^\n.]{1,60}?)?[ \t]{1,4}is\b[ \t]{0,4}:?|[ \t]{0,4}:)"
_OTHER_LANGUAGES = (
    r"(?:答案|正解|解答|答え|答)[*_]{0,3}[ \t]{0,4}(?:(?:应该|應該)?(?:就|便)?(?:是|为|為|等于|等於)|应为|應為|即为|は)?"
    r"[ \t]{0,4}(?<![案解答え*_ \t])[:：]?"
    r"|(?:答案|正解|解答|答え|答|정답|답)[*_]{0,3}[ \t]{0,4}[:：]"
    r"|(?:정답|답)[은는이][ \t]{0,4}[:：]?"
    r"|\b(?:Antwort|Ergebnis)\b[*_]{0,3}(?:[ \t]{1,4}(?:ist|lautet|beträgt)\b|[ \t]{0,4}:)[ \t]{0,4}:?"
    r"|\b(?:réponse|respuesta|resposta|risposta|resultado)\b[*_]{0,3}(?:[ \t](?:finale|final|correcte|correcta|correta|corretta))?[*_]{0,3}"
    r"(?:[ \t]{1,4}(?:est|es|é|è)(?!\w)|[ \t]{0,4}:)[ \t]{0,4}:?"
    r"|\bответ[*_]{0,3}[ \t]{0,4}(?::|[-—–])"
)
_HEADED = (
    r"^[ \t]{0,4}[#*_]{0,6}[ \t]{0,2}(?:final|correct)[ \t](?:answer|result)[*_]{0,4}[ \t]{0,4}(?:\n[ \t]{0,4}){1,3}"
    r"(?=[*_`]{0,3}[-+$\\(\[]{0,3}\d|\\[a-z(\[]|\$)"
)
_PHRASE = compiled(rf"\banswer{_IS}|{_HEADED}|{_OTHER_LANGUAGES}", re.IGNORECASE | re.MULTILINE)
# A full stop ends the sentence unless a digit follows it ("3.5"); so does what explains the number ("18, because", "18 since").
_SENTENCE_END = compiled(
    r"\.(?=\s|$)|\.\*|\n|<\||</|[。；！]|，(?=[\u4e00-\u9fff])|(?:です|である|입니다|이다)(?=\W|$)|,\s(?!and\b|or\b)(?=[A-Za-z]{3})|\s(?=(?:because|since|which|as|so)\b)",
    re.IGNORECASE,
)
_PROSE = compiled(r"(?<![\\{A-Za-z])[A-Za-z]{2,}")
_HASH = compiled(r"^[ \t]{0,8}####(?!#)[ \t]{0,8}(.*)$", re.MULTILINE)
_HEADING = compiled(r"(?![-+$\\(\d.]).*(?<![\\{A-Za-z])[A-Za-z]{2}")
_FILLER = compiled(r"(?:(?:therefore|thus|hence|then|simply|just|equal to)\b,?\s{1,4}){1,2}", re.IGNORECASE)
_STATEMENT_END = compiled(
    r"\n|<\||</|。|\.[*_]|(?<!^),?\s(?=(?:because|since)\s)|,\s(?=(?:which|who|whose|where|as|so)\s)|(?<!\\left)(?P<stop>\.)\s+(?=[\"'“(]?[A-Z0-9])"
)
_ABBREVIATION = compiled(
    r"(?:^|[\s.(\"'“-])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|St|Ste|Jr|Sr|Mt|Ft|No|Nos|vs|Prof|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Sen|Gov)\Z"
)
# After "vitamin C. It" the initial was none.
_SENTENCE_START = compiled(r"(?:It|Its|This|That|These|He|She|They|The|In|I|We|However|But|So)\b")
_OPENING_TAG = compiled(
    r"<answer>(?!\s{0,4}(?:and|tags?\b|\.\.\.|…|`(?!`{0,2}[^`<]{1,200}`{1,3}\s{0,4}</answer>)))", re.IGNORECASE
)
_CLOSING_TAG = compiled(r"</answer>", re.IGNORECASE)
_MAX_LEAD = 120
_LEAD = compiled(
    r"(?:[\s*_$~`\"“:：,，]|\\[A-Za-z]{2,14}[ \t]?\{|\\[(,;: ]"
    r"|(?:the|my|our|so|thus|therefore|hence|final|correct|right|and|die|la|le|el|il|a|o|richtige|endgültige)\b|最[终終后後]的?|所以|因此|故|正[确確]的?|最終的な|よって|따라서)*",
    re.IGNORECASE,
)
_RANKS = {"tagged": 0, "boxed": 0, "phrase": 1, "statement": 1, "hash": 1, "bare": 2} | dict.fromkeys(
    ("last_line", "last_number", "last_letter"), 3
)
_MINUS = "−–‐‑‒﹣－"
"""A minus as it is printed; a long dash is none, it parts sentences."""
_POWER = rf"(?:\s{{0,2}}\^\s{{0,2}}\{{?[-+{_MINUS}]?\d{{1,6}}\}}?|[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{{1,6}})"
# An exponent is a part of its number, of `1.5e3` and `1.5 × 10^3` and of `2^5`: it is no answer by itself.
_NUMBER = compiled(
    rf"(?<![\w.)\]^])(?:[-+{_MINUS}](?=[\d.]))?(?:(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)"
    rf"(?:[eE][-+{_MINUS}]?\d{{1,6}}(?!\w)|\s{{0,2}}(?:[×*·⋅x]|\\times|\\cdot)\s{{0,2}}10{_POWER}|/\d+|{_POWER})?"
    r"|(?<=[\w)\]])(?<!\d)\d+(?:\.\d+)?",
    re.ASCII,
)
# What stands in front of the last of several numbers: "12, ", "12 and ", "12 or ", "12; ", with markup between them.
_ROW = compiled(
    r"\d[)\]}$*_`\s\\]{0,8}(?:[,;、/|&]|\b(?:and|or)\b|\\text\s?\{\s?(?:and|or)\s?\}|\n)[(\[{$*_`\s\\]{0,8}\Z"
)
_SIDE = compiled(r"(?:^|[^\w.+*/-])([-+]?\d[\d,.]*\s{0,4}=\s{0,4})\Z")
# The number before the sign of equality is then a part of a sum, and not the answer said twice.
_OPERATOR = compiled(r"(?:[-+*/×·⋅÷^−–]|\d\s{0,4}x|\\(?:times|cdot|div))[\s{]{0,4}\Z")
_WRAPPERS = "*_` \t\r\n\"'"


class _Found(NamedTuple):
    position: int
    answer: str
    fault: str | None = None


def extract(response: str, *, rules: Sequence[str] | None = None, longest: int = MAX_ANSWER) -> Extraction:
    """The answer of `response`, of at most `longest` characters, and the rule that found it.

    `answer` is None with rule `none` (no marker), `unclosed_think` (the response ends inside its thought) or the name of the rule
    whose marker occurred followed by what is wrong: `boxed_unclosed`, `boxed_empty`, `boxed_too_long`, and likewise for the others.
    """
    text = final_text(response)
    if text is None:
        return Extraction(answer=None, basis="unclosed_think")
    best: tuple[int, int, str, _Found] | None = None
    names = DEFAULT_RULES if rules is None else rules
    for name in names:
        found = RULES[name](text)
        if found is not None:
            candidate = (_RANKS[name], -found.position, name, found)
            best = candidate if best is None or candidate[:2] < best[:2] else best
    if best is None:
        return Extraction(answer=None, basis="none")
    name, found = best[2:]
    stated = next((rule for rule in ("phrase", "statement") if rule in names), None)
    if name == "tagged" and found.fault is None and stated is not None:
        # "The answer is 5." inside the tag
        found = RULES[stated](found.answer) or found
    if name in ("tagged", "boxed") and found.fault is None:
        found = found._replace(answer=unstated(found.answer))
    fault = found.fault or ("too_long" if len(found.answer) > longest else None if found.answer else "empty")
    return (
        Extraction(answer=found.answer, basis=name)
        if fault is None
        else Extraction(answer=None, basis=f"{name}_{fault}")
    )


def check_rules(rules: Sequence[str]) -> tuple[str, ...]:
    """`rules` as a tuple.

    Raises:
        UnknownNameError: a name is not in `RULES`.
    """
    for name in rules:
        if name not in RULES:
            raise UnknownNameError("extraction rule", name, RULES)
    return tuple(rules)


Rules = Annotated[Texts, Checked(check_rules)]
"""Extraction rules that may find the answer, each of `RULES`."""


def unstated(answer: str) -> str:
    r"""`12` of `答案是12`, `\text{The answer is }12` and the like: a box or a tag that begins with a phrase goes on behind it."""
    match = _PHRASE.search(answer, 0, _MAX_LEAD)
    if match is None or not _LEAD.fullmatch(answer, 0, match.start()):
        return answer
    lead, rest = answer[: match.start()], answer[match.end() :]
    for closing in ("}" * lead.count("{"), "$" * lead.count("$"), "\\)" * lead.count("\\(")):
        # What was opened in front of the phrase is closed behind it: `}12` and `12}`.
        for mark in ("\\)",) if closing.startswith("\\") else closing:
            rest = _without_closing(rest, mark)
    rest = rest.strip(_WRAPPERS + ":：").removesuffix("。").strip(_WRAPPERS)
    return rest or answer


def _without_closing(text: str, mark: str) -> str:
    """`text` without the first such mark that nothing in it opened."""
    depth, position = 0, 0
    while position < len(text):
        if mark != "}" and text.startswith(mark, position):
            return text[:position] + text[position + len(mark) :]
        if text[position] == "\\":
            position += 2
            continue
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth < 0:
            return text[:position] + text[position + 1 :]
        position += 1
    return text


def _last(matches: Iterable[re.Match[str]]) -> re.Match[str] | None:
    """The last of them, none of the others kept."""
    last = None
    for match in matches:
        last = match
    return last


def _boxed(text: str) -> _Found | None:
    last = _last(_BOX.finditer(text))
    if last is None:
        return None
    depth, position, start = 1, last.end(), last.end()
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 2
            continue
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return _Found(start, text[start:position].strip())
        position += 1
    return _Found(start, "", "unclosed")


def _phrase(text: str) -> _Found | None:
    last = _last(_PHRASE.finditer(text))
    if last is None:
        return None
    rest = text[last.end() :].lstrip(_WRAPPERS + ":：")
    if filler := _FILLER.match(rest):
        rest = rest[filler.end() :]
    for opening, closing in (("$$", "$$"), ("\\(", "\\)"), ("\\[", "\\]"), ("$", "$")):
        if rest.startswith(opening):
            end = _closing(rest, closing, len(opening))
            # "$18$" is mathematics, "$18, or $2 more" is money: between its dollars are words.
            if end > 0 and (closing != "$" or ("\n" not in rest[:end] and not _PROSE.search(rest, 0, end))):
                return _Found(last.start(), rest[len(opening) : end].strip())
    stop = _SENTENCE_END.search(rest)
    return _Found(last.start(), (rest[: stop.start()] if stop else rest).strip(_WRAPPERS))


def _closing(text: str, closing: str, start: int) -> int:
    r"""Where a formula ends; an escaped dollar, as in `$\$36$`, does not end it."""
    end = text.find(closing, start)
    while closing[0] == "$" and end > 0 and text[end - 1] == "\\":
        end = text.find(closing, end + 1)
    return end


def _hash(text: str) -> _Found | None:
    last = _last(match for match in _HASH.finditer(text) if not _HEADING.match(match[1]))
    return None if last is None else _Found(last.start(), last[1].strip(_WRAPPERS))


def _bare(text: str) -> _Found | None:
    if len(text) > 4 * _MAX_BARE:
        return None
    word = text.strip()
    return _Found(0, word) if 0 < len(word) <= _MAX_BARE and len(word.split()) == 1 else None


def _tagged(text: str) -> _Found | None:
    last = _last(_OPENING_TAG.finditer(text))
    if last is None:
        return None
    end = _CLOSING_TAG.search(text, last.end())
    return _Found(last.end(), text[last.end() : end.start()].strip()) if end else _Found(last.end(), "", "unclosed")


def _statement(text: str) -> _Found | None:
    last = _last(_PHRASE.finditer(text))
    if last is None:
        return None
    rest = text[last.end() :].lstrip(_WRAPPERS + ":：")
    for match in _STATEMENT_END.finditer(rest):
        abbreviation = match["stop"] and _ABBREVIATION.search(rest, max(0, match.start() - 8), match.start())
        if not abbreviation or _SENTENCE_START.match(rest, match.end()):
            return _Found(last.start(), rest[: match.start()].strip(_WRAPPERS))
    return _Found(last.start(), rest.strip(_WRAPPERS))


def _last_line(text: str) -> _Found | None:
    text = text.rstrip()
    start = text.rfind("\n") + 1
    return _Found(start, text[start:].strip(_WRAPPERS)) if text else None


def _last_number(text: str) -> _Found | None:
    last = _last(_NUMBER.finditer(text))
    if last is None:
        return None
    before = text[max(0, last.start() - _MAX_BARE) : last.start()]
    if _ROW.search(before):
        return _Found(last.start(), "", "of_several")
    side = _SIDE.search(before)
    if side is not None and _OPERATOR.search(before, 0, side.start(1)):
        side = None
    return _Found(last.start(), side[1] + last[0] if side else last[0])


def _last_letter(text: str) -> _Found | None:
    found = lone_letter(text)
    return None if found is None else _Found(*found)


RULES: dict[str, Callable[[str], _Found | None]] = {
    "boxed": _boxed,
    "phrase": _phrase,
    "hash": _hash,
    "bare": _bare,
    "tagged": _tagged,
    "statement": _statement,
    "last_line": _last_line,
    "last_number": _last_number,
    "last_letter": _last_letter,
}
"""Rule name to a function from the final text to what it found, or None when its marker does not occur."""

DEFAULT_RULES: tuple[str, ...] = ("boxed", "tagged", "phrase", "hash", "bare")
"""What a verifier of short formal answers uses."""

TEXT_RULES: tuple[str, ...] = ("boxed", "tagged", "statement", "hash", "last_line")
"""For answers that are names, dates or phrases."""

TAGGED_RULES: tuple[str, ...] = ("tagged", "boxed")
"""For answers of several lines (grids, lists of moves)."""
