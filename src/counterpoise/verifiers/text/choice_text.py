r"""Where a response to a multiple-choice question names its letter: one function a place, linear in the text, never raises.

Every text is `cleaned` first, which keeps its length: positions in it are positions in the response.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from counterpoise.lazy import compiled
from counterpoise.verifiers.text.presentation import blanked

__all__ = [
    "Found",
    "bracketed",
    "claims",
    "cleaned",
    "first_line",
    "last_letter",
    "last_option",
    "letters",
    "phrase",
    "retracted",
]

_MAX_ANSWER = 400
_FULL_WIDTH = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_TYPOGRAPHY = str.maketrans({**_FULL_WIDTH, "。": ".", "、": ",", "【": "[", "】": "]", "「": '"', "」": '"', "’": "'"})
# A letter that goes on as a word, a formula, an abbreviation or a compound is not an option: B12, F = ma, U.S., X-ray, C++.
_NOT_MORE = (
    r"(?![A-Za-z0-9'’_^+#%°&]|-\w|\.\d|\.[ \t]?[A-Z]\b(?:\.|\Z)"
    r"|[ \t]{0,4}(?:[=<>^]|\\(?:to|in|le|ge|approx|times|cdot|frac)\b)(?![ \t]{0,4}(?-i:[A-Z])\b))"
)
_BARE = rf"(?P<bare>[A-Za-z]){_NOT_MORE}"
_LETTER = rf"(?:\(\s*(?P<round>[A-Za-z])\s*\)|{_BARE})"
_PREFIX = (
    r"(?:(?:the|my|correct|right|best|final|either|both|between|option|choice|letter|answer|is)[\s:]+"
    r"|(?:选项|選項|答案|是)[\s:]{0,3}){0,5}"
)
_ONE = compiled(rf"\s*(?:{_PREFIX}){_LETTER}(?P<rest>.*)", re.DOTALL | re.IGNORECASE)
_CUT = compiled(r"\s*\(\s*([A-HJ-Z])\s*\Z")
_JOINED = compiled(
    r"(?:\s{0,8}(?:[,;/&|+=]|\b(?:and|or|to|through|possibly|maybe|perhaps|also|even|then|option|choice)\b|[和或与及])){0,5}\s{0,8}"
    r"(?:\(\s*([A-Za-z])\s*\)|(?<![A-Za-z0-9'])([A-Z])(?![A-Za-z0-9'’]|\s(?!(?:and|or)\b)[a-z]))"
)
_RANGE = compiled(r"\s*[-–—~]\s*\(?[A-Z]\)?\s*\Z")
_CLAUSE_WORD = compiled(r"\s+[a-z]+")
_AFTER_LETTER = compiled(
    r"\s+(?:because|since|as|which|and|or|for|with|by|so|is|in|here|given|due|based|not|rather|instead)\b"
)
_GOES_ON = compiled(r"\s*(?:$|[-.:),;(–—]|\s)")
_ITEM = compiled(r"[ \t>*#-]{0,8}(?:\(\s*([A-Za-z])\s*\)|([A-Za-z])[).:])(?=\s(?![A-Z]\.)|$)")
_ROMAN = compiled(r"[ \t>*#-]{0,8}\(?[IVX]{2,4}[).:]\s")
_SENTENCE = compiled(r"\n|(?<=[.!?;])[ \t]")
_ENDS = compiled(r"[.!?\n]")
_CLAUSE_ENDS = compiled(r"[.!?\n,;:]")

_ADVERBS = (
    r"(?:therefore|thus|hence|clearly|simply|definitely|likely|probably|most likely|most probably|indeed|then|also)"
)
_SPACE = r"[ \t]{1,8}"
_IS = (
    rf"(?:is|was|(?:would|must|should|has to|have to|will|can only){_SPACE}be|(?:seems?|appears?|turns? out|looks)(?:{_SPACE}to{_SPACE}be)?"
    r"|[:=→⇒]|->|[-–—](?=[ \t]{0,8}\(?[A-Z]\b))"
)
_PHRASE = compiled(
    rf"\b(?:answer|ans\.?|option|choice|selection)(?:\b|(?<=\.))[ \t]{{0,8}}"
    rf"(?:to[ \t][^\n.:]{{1,60}}?[ \t])?(?:{_ADVERBS}{_SPACE})?{_IS}[ \t:]{{0,8}}"
    rf"(?:(?:{_ADVERBS}|the|option|choice|letter)[ \t,:]{{1,4}}){{0,4}}",
    re.IGNORECASE,
)
_CHOSEN = compiled(
    rf"\b(?:I|we)(?:'d|'ll|{_SPACE}(?:would|will|must|should))?{_SPACE}(?:therefore{_SPACE})?"
    rf"(?:choose|chose|pick|picked|select|selected|go(?:{_SPACE}(?:with|for)))[ \t:]{{1,8}}"
    rf"(?=(?:(?:option|choice|answer|letter)[ \t]{{1,4}})?\(?[A-Z]\b)"
    rf"|\b(?:which|this|that|it){_SPACE}(?:is|matches|corresponds{_SPACE}to){_SPACE}(?=(?:option|choice){_SPACE}\(?[A-Z]\b)",
    re.IGNORECASE,
)
_CHINESE = compiled(
    r"(?:答案|正确(?:的)?选项|正確(?:的)?選項|选项|選項|正确的)(?:应该|应当|应|應|就|只能|显然)?"
    r"(?:[是为為:]|[选選](?![项項])){1,3}[ \t:]{0,8}"
    r"|(?<![不别非没未])(?<!不[能该可应])(?<!不应该)(?:选|選)(?:择|擇)?(?:(?:项|項)?[是为為:]{1,2})?[ \t:]{0,8}"
    r"(?=(?:答案|选项)?[ \t]{0,8}\(?[A-Z](?![A-Za-z]|[ \t)]{0,4}(?:选项)?是?(?:不|错|錯)))"
)
_ELSEWHERE_PHRASE = compiled(
    r"\b(?:antwort|respuesta|réponse|resposta|risposta|ответ)\b(?:[ \t]\w{4,10})?[ \t]{0,8}(?:(?:ist|lautet|es|est|é|è|будет)\b|[:—-])"
    r"[ \t:]{0,8}(?:(?:la|le|el|il|a|o|die|der|das|opción|option|opção|opzione|вариант)[ \t]{1,4}){0,2}"
    r"|(?:正解|解答|答え|答|정답|답)[ \t]{0,4}(?:は|[은는이]|[:])[ \t:]{0,8}",
    re.IGNORECASE,
)
_UNBROKEN = r"(?:(?!\b(?:option|choice|is|are|was|(?-i:[A-Z]))\b)[^\n.?!:]){0,80}?"
_CLAIM = compiled(
    rf"(?:(?:(?P<kind>\b(?:option|choice|answer|letter){_SPACE})(?P<named>[A-Za-z])(?![A-Za-z0-9'])|"
    rf"\([ \t]{{0,4}}(?P<round>[A-Za-z])[ \t]{{0,4}}\))(?:[).:]{{0,2}}[ \t]{_UNBROKEN})?"
    rf"|(?<![A-Za-z0-9'.])(?P<bare>[A-Z])(?![A-Za-z0-9'])(?:[).:][ \t]{_UNBROKEN})?)"
    rf"{_SPACE}(?:is|(?:must|would|should){_SPACE}be|(?:seems|appears)(?:{_SPACE}to{_SPACE}be)?){_SPACE}"
    rf"(?:{_ADVERBS}{_SPACE})?(?P<what>"
    rf"the{_SPACE}(?:(?:only|single|one|most|best|correct|right|likely|appropriate|accurate|suitable|possible){_SPACE}){{0,3}}(?:answer|option|choice)\b"
    rf"|(?:my|our){_SPACE}(?:(?:final|best|chosen){_SPACE}){{0,2}}(?:answer|choice|pick)\b"
    rf"|the{_SPACE}(?:correct|right|best|most{_SPACE}(?:appropriate|accurate|suitable|likely)|only{_SPACE}(?:correct|right|possible)){_SPACE}one\b"
    rf"|(?:correct|right)\b(?!{_SPACE}(?:only|if|when|but|about|that|in|to|for|insofar|as)\b))"
    r"|(?<![A-Za-z0-9])(?P<cn>[A-Z])[ \t]{0,4}(?:选项|選項|项|項)?[ \t]{0,4}(?:是|为)?"
    r"(?P<cn_what>正确(?:的)?(?:答案|选项)|最佳(?:答案|选项)|正确|正確)",
    re.IGNORECASE,
)
_OPENING = compiled(
    r"(?:^|[.!?\n:;,(]|,[ \t]{1,4}and|\b(?:hence|thus|therefore|so|that|then|conclude|finally|believe|think|but|clearly))[ \t]{0,8}\Z",
    re.IGNORECASE,
)
_ONE_OF_TWO = compiled(r"(?:(?<!,)(?<!, )\b(?:and|or|nor|not)|[和或])[ \t]{0,8}\Z", re.IGNORECASE)
_SUPPOSED = compiled(r"\b(?:if|suppose|supposing|assume|assuming|unless|whether)\b[^,;.\n]{0,200}", re.IGNORECASE)
_ASIDE = compiled(
    r"\b(?:if|suppose|supposing|assume|assuming|unless|whether|(?:might|may|could|would) (?:think|say|believe)|tempting|tempted|neither|"
    r"nor|not that|unlikely"
    r"|(?:not|\w+n't|hardly) (?:\w+ly )?(?:likely|probable|believe|think|true|the case)"
    r"|(?:no (?:way|evidence|reason)|doubt(?:ful)?)\b"
    r"|(?:each|every|any|another|other|first|second|next|which|what) (?:option|choice|answer)|"
    r"(?:wrong|incorrect|bad|false|common) (?:answer|choice))\b|如果|假设|若|是否",
    re.IGNORECASE,
)
_WRONG = r"(?:incorrect|wrong|false|untrue|ruled out|eliminated|excluded|unlikely|implausible|impossible)"
_DENIED = compiled(
    r"\b(?:not|cannot|isn't|aren't|eliminat\w{1,4}|rul\w{1,4} out|exclud\w{1,4}|except|neither|nor|reject\w{0,3}|unlike)\b[^()\n]{0,24}"
    r"\(\s?(?P<after>[A-Z])\s?\)"
    r"|\(\s?(?P<before>[A-Z])\s?\)\s(?:[\w']{1,20}\s){0,3}?(?:cannot|isn't|can't|couldn't|doesn't|does not|did not|"
    rf"(?:is|are|was|can|could|would|must|seems)\s(?:\w{{2,10}}ly\s|also\s|therefore\s|be\s|to be\s){{0,2}}(?:not\b|{_WRONG}))",
    re.IGNORECASE,
)
_DENIED_ITEM = compiled(
    rf"\b(?:is|are|was|seems|would be)\s+(?:also\s+|clearly\s+|therefore\s+)?(?:not\b|{_WRONG})"
    rf"|^\W*(?:{_WRONG}|not correct|no\b|cannot|can't|isn't|does not|doesn't)",
    re.IGNORECASE,
)
_LISTING = compiled(
    r"\b(?:options|choices|each|following|consider|analy[sz]e|evaluate|examine|look at|go through|compare)\b",
    re.IGNORECASE,
)
_TAKEN_BACK = compiled(
    r"(?:^\W{0,12}|(?<=[.!?\n)>])|[-–—,;])[ \t]{0,8}(?:No\b(?=[,.!?]|[ \t]{0,2}[-–—]|[ \t](?:wait|it|the|actually)\b)|"
    r"no,|[Ww]ait\b|Hmm\b|Hold on\b|Actually\b|actually,|"
    r"On second thought|On reflection|Correction\b|Scratch that|Let me (?:re|double|check)|I was wrong|I made a mistake|Sorry\b|"
    r"不对|不對|等等|更正)"
)
_STANDALONE = compiled(
    r"\(\s?([A-Z])\s?\)|(?<![A-Za-z0-9'])([B-HJ-Z])(?![A-Za-z0-9'])|\b(?:is|option|choice|be)[ \t]{1,4}([AI])\b(?![ \t][a-z])"
)
_BRACKETED = compiled(r"\(\s{0,4}([A-Z])\s{0,4}\)")
_EXPLAINS = compiled(r"\W{0,8}(?:explanation|because|reason|rationale|justification|since)", re.IGNORECASE)
_MAX_FIRST = 20_000
_ELSEWHERE = compiled(r"(?<![A-Za-z0-9])([A-Z])(?:\)|\.(?=\s\S))")
_ALONE = compiled(
    rf"(?:{_PREFIX})\(?\s{{0,4}}(?P<letter>[A-Za-z])\s{{0,4}}\)?\s{{0,4}}[.):]?\s{{0,4}}\.?", re.IGNORECASE
)


class Found(NamedTuple):
    """A place that names letters, or should."""

    position: int
    """Where it begins; the last place of a response decides."""
    end: int
    """Where it ends; what is taken back behind it does not count."""
    basis: str
    """Name of the place."""
    letters: tuple[str, ...]
    """What it names, upper case; one is an answer, none and several are not."""


def cleaned(text: str) -> str:
    r"""`text` with full-width signs as ASCII and what only presents (`\text{`, `**`, `$`, quotes, brackets) as blanks; the length stays."""
    return blanked(text.translate(_TYPOGRAPHY))


def letters(text: str, *, clause: bool) -> tuple[str, ...]:
    """The letters that a text begins with, upper case.

    Args:
        text: what a box or tag holds, or what follows a phrase.
        clause: a sentence goes on behind the letter, so that "A" and "I" may be words, and so may lower-case letters.
    """
    text = text[:_MAX_ANSWER].strip()
    if clause and (cut := _CUT.fullmatch(text)):
        return (cut[1],)
    match = _ONE.match(text)
    if match is None:
        return ()
    bare, rest = match["bare"] or "", match["rest"]
    # Of "the answer is b" the line ends here; "the answer is a" may have been cut off before its noun.
    if bare.islower() and clause and not re.match(r"\s*[.!)]", rest) and (rest.strip() or bare in "ai"):
        return ()
    if bare and bare in "AIai" and _CLAUSE_WORD.match(rest) and not _AFTER_LETTER.match(rest):
        return ()
    found = [(match["round"] or bare).upper()]
    if _RANGE.match(rest):
        return (*found, "")
    joined = _JOINED.match(rest)
    while joined is not None:
        found.append((joined[1] or joined[2]).upper())
        joined = _JOINED.match(rest, joined.end())
    return () if len(found) == 1 and not clause and not _GOES_ON.match(rest) else tuple(found)


def phrase(text: str) -> Found | None:
    """The last phrase that a letter follows, on its line or the next one that is not blank; "the answer is 12 m" is passed over."""
    matches = [match for pattern in (_PHRASE, _CHOSEN, _CHINESE, _ELSEWHERE_PHRASE) for match in pattern.finditer(text)]
    for match in sorted(matches, key=lambda match: match.start(), reverse=True):
        start, end = match.end(), _line_end(text, match.end())
        rest = text[start : min(end, start + _MAX_ANSWER)]
        if rest.strip():
            named = letters(rest, clause=True)
        else:
            named, start, end = _next_line(text, end)
        if named and not _aside(text, match.start(), match.end()) and not _asked(text, start, end):
            return Found(match.start(), _behind(text, start, named), "phrase", named)
    return None


def claims(text: str) -> tuple[Found | None, Found | None]:
    """Says which one it is: "C is the correct answer", the last; and "option C is correct", all that are called so together."""
    strong: Found | None = None
    called: list[Found] = []
    for match in _CLAIM.finditer(text):
        letter = match["named"] or match["round"] or match["bare"] or match["cn"]
        before = text[max(0, match.start() - 40) : match.start()]
        if _ONE_OF_TWO.search(before):
            continue  # "option A or option C is correct"
        # Not "vitamin C is right", not "statement B is correct", and no article.
        if match["bare"] and (letter.islower() or not _OPENING.search(before)):
            continue
        if _aside(text, match.start(), match.start()) or _asked(text, match.end(), _line_end(text, match.end())):
            continue
        found = Found(match.start(), match.end(), "claim", (letter.upper(),))
        called.append(found)
        if (match["what"] or "").lower().startswith(("the", "my", "our")) or (match["cn_what"] or "").endswith(
            ("答案", "选项")
        ):
            strong = found
    named = tuple(dict.fromkeys(letter for found in called for letter in found.letters))
    return strong, called[-1]._replace(letters=named) if called else None


def last_letter(text: str) -> Found | None:
    """A last line that is a letter alone, `B`, `(B).`, `Option B`."""
    text = text.rstrip()
    start = text.rfind("\n") + 1
    line = text[start:].strip() if len(text) - start <= 96 else ""
    match = _ALONE.fullmatch(line)
    if match is None:
        return None
    # A response may be "a"; "the answer is a", or "(I", may be cut off.
    if not line.endswith((")", ".", ":")) and ((match["letter"] in "ai" and (start or len(line) > 1)) or "(I" in line):
        return None
    return Found(start, len(text), "last_letter", (match["letter"].upper(),))


def first_line(text: str) -> Found | None:
    """A first line that is a letter alone, or an option and then its explanation, where no other option is listed."""
    lines = [line.strip() for line in text[:_MAX_FIRST].split("\n") if line.strip()]
    if len(lines) < 2 or len(lines[0]) > _MAX_ANSWER:
        return None
    alone = re.fullmatch(r"\(?\s{0,4}([A-Z])\s{0,4}[.):]{0,2}", lines[0])
    letter = alone[1] if alone else _letter_of(lines[0])
    if not letter or any(_letter_of(line) not in ("", letter) for line in lines):
        return None
    if not alone and (not _EXPLAINS.match(lines[1]) or letters(lines[0], clause=True) != (letter,)):
        return None
    return Found(0, text.find("\n", len(text) - len(text.lstrip())), "first_line", (letter,))


def last_option(text: str) -> Found | None:
    """A last line `X) text`, `(X) text` or `X. text` that is not one of a list of options."""
    text = text.rstrip()
    start = text.rfind("\n") + 1
    line = text[start:].strip() if len(text) - start <= 4 * _MAX_ANSWER else ""
    match = _ITEM.match(line)
    if match is None or not line[match.end() :].strip() or line[match.end() :].rstrip().endswith("?"):
        return None
    letter, mark = match[1] or match[2], line[match.end() - 1]
    if mark == ":" or (letter.islower() and mark == "." and start) or _DENIED_ITEM.search(line[match.end() :]):
        return None  # "A: …" is who speaks, "e. coli" a name, "A. This is wrong" no answer
    if any(other.upper() != letter.upper() for other in _ELSEWHERE.findall(line, match.end())):
        return None  # "(A) argon (B) iron", "(A) is a gas, so it is (B)"
    before = [one.strip() for one in text[:start].split("\n") if one.strip()]
    items = {one: item for one in before if (item := _letter_of(one))}
    listed = any(other != letter.upper() for other in items.values())
    if listed and (line not in items or _letter_of(before[-1])):
        return None
    if before and (any(map(_ROMAN.match, before)) or (before[-1].endswith(":") and _LISTING.search(before[-1]))):
        return None
    named = letters(line, clause=True)
    return Found(start, len(text), "last_option", named) if len(named) == 1 else None


def bracketed(text: str) -> Found | None:
    """`(B)` in the last sentence that has one; options of a list, questions and letters that are denied are passed over."""
    denied: set[str] = set()
    lines = _SENTENCE.split(text)
    items = [_letter_of(line) for line in lines]
    for number in range(len(lines) - 1, -1, -1):
        neighbours = [items[n] for n in (number - 1, number + 1) if 0 <= n < len(lines)]
        if items[number] and any(other not in ("", items[number]) for other in neighbours):
            continue  # one of a list of options
        if lines[number].rstrip().endswith("?"):
            continue
        denied.update((match["after"] or match["before"]).upper() for match in _DENIED.finditer(lines[number]))
        named = tuple(letter for letter in _BRACKETED.findall(_SUPPOSED.sub("", lines[number])) if letter not in denied)
        if named:
            return Found(number, len(text), "bracketed", named)
    return None


def retracted(text: str, found: Found) -> bool:
    """Whether the text takes back what it said ("No, it is D.", "Wait, …") and does not come back to it alone."""
    rest = text[found.end :]
    match = _TAKEN_BACK.search(rest)
    if match is None:
        return False
    named = {letter for one in _STANDALONE.finditer(rest, match.end()) for letter in one.groups() if letter}
    return named != set(found.letters)


def _next_line(text: str, position: int) -> tuple[tuple[str, ...], int, int]:
    """The letters of the next line that is not blank, where it is a letter alone or an option, and not the first of several options."""
    near = text[position : position + 4 * _MAX_ANSWER]
    lines = list(re.finditer(r"[^\n]*\S[^\n]*", near))[:2]
    if not lines:
        return (), position, position
    line, start, end = lines[0].group().strip(), position + lines[0].start(), position + lines[0].end()
    line = re.sub(r"^[>#\s-]*(?:(?:option|choice|letter)\s+)?", "", line, flags=re.IGNORECASE)
    letter, following = _letter_of(line), _letter_of(lines[1].group().strip()) if len(lines) > 1 else ""
    if following and following != (letter or _letter_of(f"{line}.")):
        return (), start, end
    if letter or _ALONE.fullmatch(line) or (_CUT.fullmatch(line) and not text[end:].strip()):
        return letters(line, clause=True), start, end
    return (), start, end


def _letter_of(line: str) -> str:
    """The letter of an option's line, upper case; empty where it is none."""
    match = _ITEM.match(line)
    return "" if match is None else (match[1] or match[2]).upper()


def _aside(text: str, position: int, end: int) -> bool:
    """Whether the clause supposes, asks, denies or reports: "if the answer is B", "the wrong answer is B"."""
    start = max(0, position - 60)
    clause = max((match.end() for match in _CLAUSE_ENDS.finditer(text, start, position)), default=start)
    return _ASIDE.search(text, clause, end) is not None


def _asked(text: str, position: int, end: int) -> bool:
    """Whether the sentence that goes on here ends in a question mark."""
    stop = _ENDS.search(text, position, min(len(text), end + 1))
    return stop is not None and stop.group() == "?"


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _behind(text: str, position: int, named: tuple[str, ...]) -> int:
    """Just behind the last letter named."""
    near = text[position : position + 4 * _MAX_ANSWER].upper()
    at = 0
    for letter in named:
        at = max(at, near.find(letter, at) + 1)
    return min(len(text), position + at)
