r"""Take the presentation off an answer: fonts, sizes, colours, boxes, Markdown. What a reader sees stays, and no mathematics is known.

`\text{27}`, `{\bf 27}`, `\textcolor{red}{27}`, `**27**` and `\large 27` become `27`. Words stay marked as words, under one command:
`27\mathrm{ apples}` becomes `27\text{ apples}`. A text that begins with a number stands as it would without the command:
`\text{27 apples}` is `27 apples`.
"""

from __future__ import annotations

import re

__all__ = ["COLOURED", "PRESENTATION", "SILENT", "unwrap"]

_MAX_DEPTH = 50


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_FONTS = _names("mathbf mathit mathnormal boldsymbol bm pmb mathord mathbin mathrel mathop ensuremath smash")
_ITALIC = _names("underline uline uuline ul hl boxed fbox framebox emph textit textsl textbf")
_UPRIGHT = _names(
    "text textrm textsf texttt textnormal textup textmd textsc mbox hbox mathrm mathsf mathtt operatorname"
)
_ENCLOSING = _FONTS | _ITALIC | _UPRIGHT
COLOURED = {"textcolor": 1, "colorbox": 1, "fcolorbox": 2, "scalebox": 1, "raisebox": 1, "href": 1}
"""Commands with as many arguments that say how, and one that says what."""
SILENT = _names("hspace vspace phantom hphantom vphantom label tag kern hskip mskip")
"""Commands whose argument is not seen."""
_DECLARED = _names(
    "tiny scriptsize footnotesize small normalsize large Large LARGE huge Huge displaystyle textstyle scriptstyle scriptscriptstyle"
    " bf it rm sf tt sl sc em bfseries itshape rmfamily sffamily ttfamily boldmath limits nolimits noindent strut mathstrut protect"
    " hfill nonumber centering null"
)
PRESENTATION = _ENCLOSING | _DECLARED
"""Commands that say how something looks: round an argument, or from here on."""
_FUNCTIONS = _names(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log exp lim max min gcd det dim ker deg arg sup inf"
)
_OPERATORS = _names("lcm sgn sign Re Im tr rank span lg arccot arcsec arccsc sech csch coth mod")
_COMMAND = re.compile(r"\\([A-Za-z]+)\*?")
_OPTION = re.compile(r"\s*\[[^\[\]{}]*\]")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}|[^\x00-\x7f]")
_COMMANDS = re.compile(r"\\[A-Za-z]+")
_BEGINS_AS_NUMBER = re.compile(r"\s*[-+]?\s*(?:\\?\$|[€£¥])?\s*[.]?\d")
_HOLDS_MATHEMATICS = re.compile(r"[\d=<>]")
_UNIT_LETTERS = re.compile(r"[mgshlLJNWVACKFTHkMd](?:\s*[/^*]\s*[-{}\dmgshlLJNWVACKFTH]+)*")
_AFTER_NUMBER = re.compile(r"[\d}).%](?:\s|\\[,;:! ]|~)*\Z")
_GOES_ON = re.compile(r"\s*[A-Za-z0-9(]|\s*\\(?!cdot|,|;|text|times|right|\)|\])[A-Za-z]")
_STRONG = re.compile(r"(?<![\w)}*])(\*\*|__)(?=[^\s*_])((?:(?!\1).)+?)(?<=[^\s\\])\1(?![\w({*])", re.DOTALL)
_ENCLOSED = re.compile(
    r"(?P<mark>\*{1,3}|_{1,3}|`{1,3}|\"|“|”|'|‘|’|~~)(?P<inside>(?:(?!(?P=mark)).)+?)(?:(?P=mark)|(?<=[^\s])[”’])[.。]?",
    re.DOTALL,
)
_TAGGED = re.compile(
    r"<(b|strong|i|em|u|code|span|font|mark|center|big|small|p|div)\b[^<>]{0,80}>(.*)</\1>[.。]?",
    re.DOTALL | re.IGNORECASE,
)


_ONE_CELL = re.compile(
    r"\\begin\{(?P<name>(?:aligned|align|gathered|gather|equation|split|array|multline)\*?)\}(?:\[[tbc]\])?(?:\s*\{[clr|]+\})?"
    r"(?P<inside>(?:(?!\\\\|\\begin|&).)+)\\end\{(?P=name)\}",
    re.DOTALL,
)
"""An environment that only sets one formula; a matrix of one cell keeps its brackets."""


def unwrap(text: str) -> str:
    """`text` without presentation; total, and at most quadratic in a text that is nested to no more than 50 levels."""
    text = _markdown(text)
    if match := _ONE_CELL.fullmatch(text):
        text = match["inside"].strip()
    return _markdown(_latex(text, 0))


def _markdown(text: str) -> str:
    text = text.strip()
    for _ in range(4):
        before = text
        if match := _TAGGED.fullmatch(text):
            text = match[2].strip()
        text = _STRONG.sub(r"\2", text)
        if match := _ENCLOSED.fullmatch(text):
            text = match["inside"].strip()
        if text == before:
            break
    return text


def _latex(text: str, depth: int) -> str:
    if ("\\" not in text and "{" not in text) or depth > _MAX_DEPTH:
        return text
    out: list[str] = []
    groups = _Text(text)
    position = 0
    while position < len(text):
        character = text[position]
        if character == "{":
            position = _group(groups, position, out, depth)
            continue
        match = _COMMAND.match(text, position) if character == "\\" else None
        if match is None:
            width = 2 if character == "\\" else 1
            out.append(text[position : position + width])
            position += width
            continue
        position = _command(groups, match, out, depth)
    whole = "".join(out)
    return _ungrouped(whole)


def _command(groups: _Text, match: re.Match[str], out: list[str], depth: int) -> int:
    """Write what the command shows; the position behind it."""
    text = groups.text
    name, end = match[1], match.end()
    if name in SILENT or name == "color":
        if option := _OPTION.match(text, end):
            end = option.end()
        argument = groups.argument(end)
        if argument is not None:
            out.append("" if name == "color" else " ")
            return _declared(groups, argument[1], out, depth, "mathbf") if name == "color" else argument[1]
    elif name in _DECLARED:
        return _declared(groups, end, out, depth, "text" if name in ("rm", "sf", "tt") else "mathbf")
    elif name in COLOURED or name in _ENCLOSING:
        argument = None
        for _ in range(COLOURED.get(name, 0) + 1):
            if option := _OPTION.match(text, end):
                end = option.end() if text[option.end() : option.end() + 1] == "{" else end
            argument = groups.argument(end)
            if argument is None:
                break
            end = argument[1]
        if argument is not None:
            _append(out, _shown(name, _latex(argument[0], depth + 1), "".join(out[-8:]), text[end : end + 24]))
            if text[end : end + 1].isalpha() and re.search(r"\\[A-Za-z]+\Z", "".join(out[-2:])):
                out.append(" ")
            return end
        if groups.argument(match.end()) is None and name in _ENCLOSING and text[match.end() : match.end() + 1] != "{":
            # `\mathbf 5` and `\mathbf x` take one character.
            rest = text[match.end() :].lstrip()
            if rest[:1].isalnum():
                _append(out, rest[0])
                return len(text) - len(rest) + 1
    out.append(match[0])
    return match.end()


def _declared(groups: _Text, end: int, out: list[str], depth: int, name: str) -> int:
    r"""Behind a declaration: a group that follows at once is what it was meant for (`\bf{13}`)."""
    text = groups.text
    argument = groups.argument(end)
    if argument is None or (out and out[-1] in ("^", "_")):
        return end + len(text[end:]) - len(text[end:].lstrip()) if out else end
    _append(out, _shown(name, _latex(argument[0], depth + 1), "".join(out[-8:]), text[argument[1] : argument[1] + 24]))
    return argument[1]


def _group(groups: _Text, position: int, out: list[str], depth: int) -> int:
    text = groups.text
    argument = groups.argument(position)
    if argument is None:
        out.append("{")
        return position + 1
    inside, end = argument
    match = _COMMAND.match(inside.lstrip())
    if match and match[1] in ("rm", "sf", "tt") and not (out and out[-1] in ("^", "_")):
        content = _latex(inside.lstrip()[match.end() :], depth + 1)
        _append(out, _shown("text", content, "".join(out[-8:]), text[end : end + 24]))
    elif (
        match and (match[1] in _DECLARED or match[1] == "color") and not (out and out[-1][:1] in ("^", "_", "\\", "}"))
    ):
        _append(out, _latex(inside, depth + 1))
    else:
        # The argument of another command, or an exponent: its braces are needed.
        out.append("{" + _latex(inside, depth + 1) + "}")
    return end


def _shown(name: str, content: str, before: str, behind: str) -> str:
    r"""What stands for `\name{content}`; `before` and `behind` are what surrounds it."""
    inside = content.strip()
    if not inside:
        return " "
    if inside[0] in "*_`\"“'‘<" and (plain := _markdown(inside)) != inside:
        inside = content = plain
    letters = _COMMANDS.sub(" ", inside)
    if before[-1:] in ("^", "_") and "\\" not in before[-2:-1]:
        return "{" + inside + "}"
    if name in ("mathord", "mathbin", "mathrel", "ensuremath", "smash"):
        return content
    if _BEGINS_AS_NUMBER.match(inside):
        return content
    if inside in _FUNCTIONS and (name in ("operatorname", "mathop") or not _AFTER_NUMBER.search(before)):
        return rf"\{inside} " if behind or name == "operatorname" else rf"\text{{{content}}}"
    if inside in _OPERATORS and behind:
        return rf"\operatorname{{{inside}}}"
    words = _WORD.search(letters) is not None
    behind_number = (
        _AFTER_NUMBER.search(before) and name in _UPRIGHT | {"textbf", "textit", "emph"} and not _GOES_ON.match(behind)
    )
    if behind_number and (words or _UNIT_LETTERS.fullmatch(inside)):
        return rf"\text{{{content}}}"
    if not words or (_HOLDS_MATHEMATICS.search(letters) and r"\text" not in inside):
        return content
    return content if r"\text{" in inside else rf"\text{{{content}}}"


def _append(out: list[str], shown: str) -> None:
    """Put it behind what is there, so that it does not become part of a command's name."""
    before = "".join(out[-2:])
    if shown[:1].isalpha() and re.search(r"\\[A-Za-z]+\Z", before):
        out.append(" ")
    out.append(shown)


class _Text:
    """A text that knows where its groups end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._ends: dict[int, int] = {}
        opened: list[int] = []
        position = 0
        while position < len(text):
            character = text[position]
            if character == "\\":
                position += 2
                continue
            if character == "{":
                opened.append(position)
            elif character == "}" and opened:
                self._ends[opened.pop()] = position
            position += 1

    def argument(self, position: int) -> tuple[str, int] | None:
        """The content of the group at `position`, spaces skipped, and where it ends; None when there is none or it does not close."""
        while position < len(self.text) and self.text[position].isspace():
            position += 1
        end = self._ends.get(position)
        return None if end is None else (self.text[position + 1 : end], end + 1)


def _ungrouped(text: str) -> str:
    """Without braces that enclose everything."""
    for _ in range(4):
        stripped = text.strip()
        argument = _Text(stripped).argument(0) if stripped.startswith("{") and stripped.endswith("}") else None
        if argument is None or argument[1] != len(stripped):
            return text
        text = argument[0]
    return text
