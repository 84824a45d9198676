r"""Multiple choice: find the one letter that a response settles on, or none; nothing is guessed.

Where the letter is, the last of these deciding:

- `boxed`: `\boxed{B}`, `\boxed{\text{(B)}}`, `\boxed{B. 12 m}`;
- `tagged`: `<answer>B</answer>`, `<answer>(B) iron</answer>`;
- `phrase`: "the answer is (B)", "Answer: B", "correct option is **B**", 答案是B, 选B; after a colon the letter may stand on the next line
  that is not blank (`B. iron`);
- `claim`: "Option B is correct", "Hence, B is the correct answer"; claims for two letters settle nothing;
- `last_letter`: a last line that is a letter alone, `B` or `(B).`;
- `last_option`: a last line that is an option, `B. iron`, `B) iron` or `(B) iron`, and not one of a list of options;

and, only where none of them occurs, `bracketed`: `(B)` in the last sentence that has one, lists of options left out.

A place that names two letters ("A or B", `\boxed{A, B}`) gives no answer, and neither does a damaged box or tag, a question ("The answer
is (C)?"), what is taken back ("No, wait"), a formula (`F = ma`, `H_2O`), the article "a" or the pronoun "I".
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
# One character for one, so that places stay what they were.
_WIDE = {**{code + 0xFEE0: code for code in range(0x21, 0x7F)}, ord("【"): ord("("), ord("】"): ord(")"), 0x3000: 0x20}
_WRAPPERS = re.compile(
    r"\\(?:text|math)(?:bf|rm|it|sf|tt|normal|up|md|sl|sc|cal)?\s*\{|\\(?:boxed|fbox|boldsymbol|bm|emph|underline|mbox|operatorname)\s*\{"
    r"|\\(?:textcolor|color)\s*\{[^{}]{0,40}\}|\\(?:tiny|small|normalsize|[lL]arge|LARGE|[hH]uge|displaystyle|textstyle|bf|rm|it)\b"
    r"|</?(?:b|strong|i|em|u|p|span|div|center|code)(?:\s[^<>]{0,60})?>"
    r"|[*`$\"'“”‘’{}]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9{])|\\[()\[\]]|\\[ ,;:!](?=\s*[A-Za-z(])"
)
# A letter that goes on as a word, a formula, an abbreviation or a compound is no option: B12, F = ma, U.S., X-ray, C++, P(x).
_NOT_MORE = (
    r"(?![A-Za-z0-9_^(#+%°&]|-\w|\.\d|\.\s?[A-Z]\b(?:\.|\Z)|\s*(?:[=<>^]|\\(?:to|in|le|ge|approx|times|cdot|frac)\b)"
    r"(?!\s*(?-i:[A-Z])\b))"
)
_LETTER = rf"(?:\(\s*(?P<round>[A-Za-z])\s*(?:\)|\Z)|(?P<bare>[A-Z]){_NOT_MORE})"
_ONE = re.compile(rf"\s*(?:(?:option|choice|answer|letter|选项)\s*)?{_LETTER}(?P<rest>.*)", re.DOTALL | re.IGNORECASE)
_FILLER = r"(?:(?:therefore|thus|clearly|simply|definitely|indeed|option|choice|letter)[ \t,]{1,4}){0,2}"
_PHRASE = re.compile(
    r"\b(?:answer|option|choice)\b[ \t*_]{0,8}(?:to[ \t][^\n.:]{1,60}?[ \t])?(?:is|was|(?:would|must|should)[ \t]be|:)[ \t*_:]{0,8}"
    + _FILLER
    + r"|\b(?:antwort|respuesta|réponse|resposta|risposta|ответ)\b(?:[ \t]\w{4,10})?[ \t*_]{0,8}(?:(?:ist|lautet|es|est|é|è"
    r"|будет)\b|:|—|-)[ \t*_:]{0,8}"
    r"|(?:正确|最佳|最终)?(?:答案|选项|解答|正解)[ \t*_]{0,4}(?:应该|应)?(?:是|为|选|就是|:)[ \t*_:]{0,8}(?:选项)?"
    r"|(?<![不可挑任首候])选(?:择|项是|项为|出)?(?!项)[ \t*_:]{0,8}(?:选项)?",
    re.IGNORECASE,
)
_SUPPOSED = re.compile(
    r"(?:\b(?:if|whether|suppose|supposing|assume|assuming|say|unless|why)|如果|若|假设|假如)[ \t]{1,2}?(?:that[ \t])?(?:(?:the|my"
    r"|your|our|correct|right|final|best)[ \t]){0,3}\Z",
    re.IGNORECASE,
)
_CLAIM = re.compile(
    r"(?P<before>(?:\b(?i:hence|thus|so|therefore|that|then|conclude|clearly|consequently|only),?[ \t]{1,4}|(?:^"
    r"|[.!?:;\n])[ \t*_]{0,8})?)"
    r"(?P<noun>\b(?i:option|choice|answer)[ \t*_]{1,8})?"
    rf"(?:\([ \t]?(?P<round>[A-Za-z])[ \t]?\)|(?P<bare>\b[A-Z]){_NOT_MORE})[)*_\"”']{{0,6}}"
    r"(?:[ \t]?\([^()\n]{1,80}\))?,?[ \t]{1,4}(?:is|must[ \t]be|has[ \t]to[ \t]be)[ \t]{1,4}"
    r"(?:(?:therefore|thus|clearly|indeed|definitely|obviously|then|hence),?[ \t]{1,4})?"
    r"(?:the[ \t]{1,4}(?:only[ \t]{1,4})?(?:(?:correct|right|best|most[ \t]\w{4,14}|final)[ \t]{1,4})?(?:answer|option|choice"
    r"|one|response)|(?:correct|right))\b"
    r"(?=[ \t]{0,4}(?:\Z|[.,;!:*\n)]|(?:because|since|as|here|given|for)\b))",
    re.MULTILINE,
)
_CLAIM_CHINESE = re.compile(
    r"(?:选项[ \t]?([A-Z])|(?<![A-Za-z0-9])([A-Z])[ \t]?(?:选项)?)[ \t]?(?:是|为)?(?:唯一)?正确(?:的|答案|选项)?(?=\Z|[。.,，;；!\n])"
)
_OTHERS = re.compile(
    r"(?:\b(?:and|or|nor|neither|either|both|if|suppose|assume|whether|not|options?|[A-Z],)|或|和|如果|若|不是)[ \t*_]{0,8}\Z",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"[^\n.!;。]{0,120}?\?")
_TAKEN_BACK = re.compile(
    r"(?:^|[.!?…。\n])[ \t*_]{0,8}(?:no\b[ \t]?[,.!:—-]|(?:oh|hmm+|but|no),?[ \t]wait\b|wait\b|hmm+\b|scratch[ \t]that"
    r"|correction\b|let[ \t]me[ \t]re-?(?:check|consider|think|do)"
    r"|on[ \t](?:second[ \t]thought|reflection)|that(?:'s|’s|[ \t]is)[ \t](?:wrong|not[ \t]right|incorrect)"
    r"|actually,?[ \t](?:no|wait|it|that|the[ \t]answer)\b|不对|等等)",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"\(\s*([A-Z])\s*\)")
_SENTENCE = re.compile(r"\n|(?<=[.!?;。])[ \t]*")
_DENIED = re.compile(
    r"\b(?:not|no|nor|neither|never|cannot|wrong|incorrect|false|eliminate[ds]?|except|rule[sd]?[ \t]out|exclude[ds]?)\b|n['’]t\b|\?|不|错",
    re.IGNORECASE,
)
_ITEM = re.compile(r"[ \t>*_-]{0,8}\(?([A-Z])[).:][ \t*_]")
_OPTION = re.compile(
    r"[ \t>*_`$-]{0,8}(?:\(([A-Z])\)|([A-Z])[).:])[*_`$]{0,4}(?:[ \t]+|(?=[^\x00-\x7f]))(?![A-Z]\.)(\S.*)"
)
_NO_OPTION = re.compile(
    rf"\A(?:is|are|was|has|seems|looks|must|can|could|would|because|since|and|or)\b|\(\s*[A-Z]\s*\)|{_DENIED.pattern}",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\A(?:option|choice|选项)\s*(?=\(?[A-Z](?![A-Za-z]))", re.IGNORECASE)
_LAST_LETTER = re.compile(r"\s*(?:\(\s*([A-Z])\s*\)|([A-Z])\)?)\s*[.)。]?\s*")
_JOINED = re.compile(
    r"\s*(?:,\s*(?:or|and)?|or|and|through|to|/|&|=|\+|-|–|或者?|和|与|、|还是)\s*(?:(?:maybe|perhaps|possibly|else|also|even|option"
    r"|choice)\s+)*"
    r"(?:\(\s*([A-Za-z])\s*\)|([A-Z])(?![A-Za-z0-9'’]|\s(?!or\b|and\b)[a-z]))|\s+([B-HJ-Z])(?![A-Za-z0-9'’.)]|\s[a-z])"
)
_CLAUSE_WORD = re.compile(r"\s+(?:[a-z]+)")
_AFTER_LETTER = re.compile(
    r"\s+(?:because|since|as|which|and|or|for|with|by|so|is|in|here|given|due|based|not|to|through)\b"
)
_BOX_GOES_ON = re.compile(r"\s*(?:$|[.:,)\]\\-]|\s|[^\x00-\x7f])")
_TAG = re.compile(r"<answer>(?!\s{0,4}(?:and\b|tags?\b|\.\.\.|…|`(?![A-Za-z(])))", re.IGNORECASE)
_TAG_END = re.compile(r"</answer>", re.IGNORECASE)
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
        return "2"

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
    text = text.translate(_WIDE)
    finders = (_boxed, _tagged, _phrase, _claim, _last_line)
    candidates = [found for finder in finders if (found := finder(text)) is not None]
    return max(candidates, key=lambda found: found.position) if candidates else _bracketed(text)


def _boxed(text: str) -> _Found | None:
    position = max(text.rfind("\\boxed"), text.rfind("\\fbox"))
    extraction = extract(text[position:], rules=("boxed",)) if position >= 0 else None
    if extraction is None or extraction.rule == "none":
        return None
    return _Found(position, "boxed", _letters(extraction.answer or "", clause=False))


def _tagged(text: str) -> _Found | None:
    last = None
    for match in _TAG.finditer(text):
        last = match
    if last is None:
        return None
    end = _TAG_END.search(text, last.end())
    letters = _letters(text[last.end() : end.start()], clause=False) if end else ()
    return _Found(last.start(), "tagged", letters)


def _phrase(text: str) -> _Found | None:
    """The last phrase that a letter follows: "the answer is 12 m" names no option and is passed over."""
    last = None
    for match in _PHRASE.finditer(text):
        rest, below, _ = text[match.end() : match.end() + 2 * _MAX_ANSWER].partition("\n")
        if "\\boxed" in rest:
            continue
        letters = _letters(rest[: _MAX_ANSWER // 2], clause=True)
        if not letters and not _WRAPPERS.sub("", rest).strip(" \t:"):
            letters = _below(text[match.end() + len(rest) :][: 2 * _MAX_ANSWER]) if below else ()
            rest = ""
        if letters:
            supposed = _SUPPOSED.search(text, max(0, match.start() - 48), match.start())
            unsettled = supposed or (_QUESTION.match(rest) and "?" in rest[:_MAX_ANSWER])
            last = _Found(match.start(), "phrase", () if unsettled else letters)
    return _unless_taken_back(text, last)


def _below(text: str) -> tuple[str, ...]:
    """The letter of the next line that is not blank, where it is a letter alone or an option; a list of options gives all of them."""
    lines = [line for line in text.split("\n") if line.strip()]
    letters: list[str] = []
    for line in lines:
        plain = _plain(line)
        match = _LAST_LETTER.fullmatch(plain) or _OPTION.match(plain)
        if match is None:
            break
        letters.append(match[1] or match[2])
    return tuple(letters)


def _claim(text: str) -> _Found | None:
    letters: set[str] = set()
    position = -1
    for match in (*_CLAIM.finditer(text), *_CLAIM_CHINESE.finditer(text)):
        if match.re is _CLAIM and not (match["before"] or match["noun"] or match["round"]) and match.start() > 0:
            continue  # vitamin C is the correct answer
        start = match.start("noun") if match.re is _CLAIM and match["noun"] else match.start(match.lastindex or 0)
        if match.re is _CLAIM and not match["noun"]:
            start = match.start("round") - 1 if match["round"] else match.start("bare")
        joined = _OTHERS.search(text, max(0, start - 16), start)
        letter = (match["round"] or match["bare"]) if match.re is _CLAIM else (match[1] or match[2])
        letters.update("AB" if joined else letter.upper())
        position = max(position, match.start())
    return _unless_taken_back(text, _Found(position, "claim", tuple(sorted(letters)))) if position >= 0 else None


def _unless_taken_back(text: str, found: _Found | None) -> _Found | None:
    if found is None or not _TAKEN_BACK.search(text, found.position):
        return found
    return _Found(found.position, found.rule, ())


def _last_line(text: str) -> _Found | None:
    text = text.rstrip()
    start = text.rfind("\n") + 1
    line = _plain(text[start:])
    match = _LAST_LETTER.fullmatch(line if start else line.upper())
    if match:
        return _Found(start, "last_letter", (match[1] or match[2],))
    option = _OPTION.match(line)
    if option is None or len(text) - start > _MAX_ANSWER or _NO_OPTION.search(option[3]):
        return None
    letter = option[1] or option[2]
    others = [
        (other[1] or other[2], other[3].strip(" .*"))
        for above in text[:start].split("\n")
        if (other := _OPTION.match(_plain(above)))
    ]
    listed = any(name != letter for name, _ in others)
    # After a list of options the last line repeats one of them.
    return (
        None if listed and (letter, option[3].strip(" .*")) not in others else _Found(start, "last_option", (letter,))
    )


def _plain(line: str) -> str:
    """A line without wrappers and without the word "Option" before its letter."""
    return _NAMED.sub("", _WRAPPERS.sub("", line[:_MAX_ANSWER]).strip())


def _bracketed(text: str) -> _Found | None:
    lines = _SENTENCE.split(text)
    items = [match[1] if (match := _ITEM.match(line)) else None for line in lines]
    for number in range(len(lines) - 1, -1, -1):
        neighbours = [items[n] for n in (number - 1, number + 1) if 0 <= n < len(lines)]
        if items[number] is not None and any(other not in (None, items[number]) for other in neighbours):
            continue  # one of a list of options
        letters = tuple(_BRACKETED.findall(lines[number]))
        if letters:
            denied = len(set(letters)) == 1 and _DENIED.search(lines[number])
            return _Found(number, "bracketed", () if denied else letters)
    return None


def _letters(text: str, *, clause: bool) -> tuple[str, ...]:
    """The letters that a box, or what follows a phrase, begins with; "A" may be an article, and prose may follow only a phrase's."""
    text = _WRAPPERS.sub("", text[:_MAX_ANSWER]).strip()
    match = _ONE.match(text)
    if match is None or (match["bare"] and match["bare"].islower() and clause):
        return ()
    bare, rest = match["bare"], match["rest"]
    if bare and bare.upper() in ("A", "I") and _CLAUSE_WORD.match(rest) and not _AFTER_LETTER.match(rest):
        return ()
    letters = [(match["round"] or bare).upper()]
    if joined := _JOINED.match(rest):
        while joined is not None:
            letters.append((joined[1] or joined[2] or joined[3]).upper())
            joined = _JOINED.match(rest, joined.end())
    elif not clause and not _BOX_GOES_ON.match(rest):
        return ()
    return tuple(letters)
