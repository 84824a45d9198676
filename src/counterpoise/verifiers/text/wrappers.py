r"""Take the presentation off an answer: fonts, sizes, colours, boxes, Markdown. What a reader sees stays, and no mathematics is known.

`\text{27}`, `{\bf 27}`, `\textcolor{red}{27}`, `**27**` and `\large 27` become `27`. Words stay marked as words, under one command:
`27\mathrm{ apples}` becomes `27\text{ apples}`. A text that begins with a number stands as it would without the command:
`\text{27 apples}` is `27 apples`. An environment that sets one formula is its content; a matrix of one cell keeps its brackets.

The names here are the only list of wrappers: every verifier reads it through `presentation` or `normalise`.
"""

from __future__ import annotations

import re

from counterpoise.lazy import compiled

__all__ = ["ALPHABETS", "COLOURED", "DECLARED", "ENCLOSING", "ENVIRONMENTS", "SILENT", "TAG_NAMES", "unwrap"]

_MAX_DEPTH = 50
_MAX_MARKS = 12


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_FONTS = _names(
    "mathbf mathit mathnormal boldsymbol bm pmb symbf symbfit mathbfit mathord mathbin mathrel mathop mathinner mathopen mathclose"
    " ensuremath smash mathstrut vcenter rlap llap clap mathrlap mathllap mathclap"
)
_ITALIC = _names(
    "underline underbar uline uuline uwave dashuline ul hl boxed box fbox framebox makebox shadowbox ovalbox doublebox tcbox bbox"
    " circled textcircled emph textit textsl textbf uppercase MakeUppercase"
)
_UPRIGHT = _names(
    "text textrm textsf texttt textnormal textup textmd textsc textlf textin mbox hbox mathrm mathsf mathtt operatorname"
)
ENCLOSING = _FONTS | _ITALIC | _UPRIGHT
"""Commands with one argument, which is what is seen."""
ALPHABETS = _names("mathbb mathcal mathfrak mathscr mathds Bbb")
"""Alphabets of mathematics: of a letter alone another spelling, in a formula a name of its own (`\\mathbb{R}`)."""
COLOURED = {
    "textcolor": 1, "colorbox": 1, "fcolorbox": 2, "scalebox": 1, "raisebox": 1, "rotatebox": 1, "resizebox": 2, "parbox": 1,
    "href": 1, "enclose": 1, "class": 1, "style": 1, "cssId": 1, "htmlClass": 1, "htmlStyle": 1, "foreignlanguage": 1,
}  # fmt: skip
"""Commands with as many arguments that say how, and one that says what."""
SILENT = _names("hspace vspace phantom hphantom vphantom label tag kern hskip mskip")
"""Commands whose argument is not seen."""
DECLARED = _names(
    "tiny scriptsize footnotesize small normalsize large Large LARGE huge Huge displaystyle textstyle scriptstyle scriptscriptstyle"
    " bf it rm sf tt sl sc em bfseries itshape rmfamily sffamily ttfamily boldmath limits nolimits noindent strut mathstrut protect"
    " hfill nonumber notag centering null par"
)
"""Commands without an argument that change what follows, or nothing."""
_ALIGNED = _names(
    "aligned align alignat alignedat flalign gathered gather equation split multline multlined eqnarray math displaymath"
)
ENVIRONMENTS = _ALIGNED | _names("array tabular center flushleft flushright minipage quote tcolorbox framed")
"""Environments that only set their content, where it is one cell."""
TAG_NAMES = "b strong i em u code span font mark center big small p div tt kbd samp var ins pre label q h1 h2 h3 h4 h5 h6 li td a br"
"""Names of HTML tags that only present."""
_FUNCTIONS = _names(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log exp lim max min gcd det dim ker deg arg sup inf"
)
_OPERATORS = _names("lcm sgn sign Re Im tr rank span lg arccot arcsec arccsc sech csch coth mod")
_COMMAND = compiled(r"\\([A-Za-z]+)\*?")
_OPTION = compiled(r"\s*\[[^\[\]{}]*\]")
_BEGIN_OR_END = compiled(r"\\(?:(begin)|end)\s*\{\s*([A-Za-z]+\*?)\s*\}")
_COLUMNS = compiled(r"(?:\s*\[[^\[\]{}]*\])?(?:\s*\{[clr|@.\d]+\})?")
_WIDTH = compiled(r"(?:\s*\[[^\[\]{}]*\])?\s*\{[^{}]*\}")
_WORD = compiled(r"(?<![\\A-Za-z])[A-Za-z]{2,}|[^\x00-\x7f]")
_COMMANDS = compiled(r"\\[A-Za-z]+")
_BEGINS_AS_NUMBER = compiled(r"\s*[-+]?\s*(?:\\?\$|[€£¥])?\s*[.]?\d")
_HOLDS_MATHEMATICS = compiled(r"[\d=<>]")
_UNIT_LETTERS = compiled(r"[mgshlLJNWVACKFTHkMd](?:\s*[/^*]\s*[-{}\dmgshlLJNWVACKFTH]+)*")
_AFTER_NUMBER = compiled(r"[\d}).%](?:\s|\\[,;:! ]|~)*\Z")
_GOES_ON = compiled(r"\s*[A-Za-z0-9(]|\s*\\(?!cdot|,|;|text|times|right|\)|\])[A-Za-z]")
_STRONG = compiled(r"(?<![\w)}*])(\*\*|__)(?=[^\s*_])((?:(?!\1).)+?)(?<=[^\s\\])\1(?![\w({*])", re.DOTALL)
_ENCLOSED = compiled(
    r"(?P<mark>\*{1,3}|_{1,3}|`{1,3}|\"|“|”|'|‘|’|~~)(?P<inside>(?:(?!(?P=mark)).)+?)(?:(?P=mark)|(?<=[^\s])[”’])[.。]?",
    re.DOTALL,
)
_TAGGED = compiled(
    rf"<({'|'.join(TAG_NAMES.split())})\b[^<>]{{0,120}}>(.*)</\1>[.。]?",
    re.DOTALL | re.IGNORECASE,
)


def unwrap(text: str) -> str:
    """`text` without presentation; total, and at most quadratic in a text that is nested to no more than 50 levels."""
    return _markdown(_latex(_markdown(text), 0))


def _markdown(text: str) -> str:
    text = text.strip()
    for _ in range(_MAX_MARKS):
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
    if name == "begin" and (environment := groups.environment(match.start())):
        content = _one_cell(*environment[:2])
        if content is not None:
            out.append(_latex(content, depth + 1))
            return environment[2]
    if name in SILENT or name == "color":
        if option := _OPTION.match(text, end):
            end = option.end()
        argument = groups.argument(end)
        if argument is not None:
            out.append("" if name == "color" else " ")
            return _declared(groups, argument[1], out, depth, "mathbf") if name == "color" else argument[1]
    elif name in DECLARED:
        return _declared(groups, end, out, depth, "text" if name in ("rm", "sf", "tt") else "mathbf")
    elif name in COLOURED or name in ENCLOSING:
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
        if groups.argument(match.end()) is None and name in ENCLOSING and text[match.end() : match.end() + 1] != "{":
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
    elif match and (match[1] in DECLARED or match[1] == "color") and not (out and out[-1][:1] in ("^", "_", "\\", "}")):
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


def _one_cell(name: str, content: str) -> str | None:
    """What an environment shows, when it is one cell and the environment is none that means something; else None."""
    plain = name.removesuffix("*")
    if plain not in ENVIRONMENTS:
        return None
    match = (_WIDTH if plain in ("alignat", "alignedat", "minipage", "tabular") else _COLUMNS).match(content)
    content = (content[match.end() :] if match else content).strip()
    while content.endswith("\\\\"):
        content = content[:-2].rstrip()
    if plain not in _ALIGNED:
        content = content.strip("& \n")
    elif r"\begin" not in content:  # `x &= 5`: where it lines up is not seen
        content = content.replace("&", " ")
    return None if any(_outside(content.removeprefix("&"))) else content.removeprefix("&").strip()


def _outside(content: str) -> tuple[bool, bool]:
    """Whether a row ends in it, and whether a cell does, outside environments."""
    if "\\\\" not in content and "&" not in content:
        return False, False
    depth, start, outside = 0, 0, []
    for match in _BEGIN_OR_END.finditer(content):
        if depth == 0:
            outside.append(content[start : match.start()])
        depth = max(0, depth + (1 if match[1] else -1))
        start = match.end()
    text = " ".join(outside) + content[start:]
    return "\\\\" in text, "&" in text


class _Text:
    """A text that knows where its groups and environments end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._ends: dict[int, int] = {}
        self._environments: dict[int, tuple[str, int, int, int]] | None = None
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

    def environment(self, position: int) -> tuple[str, str, int] | None:
        """The name and content of the environment that begins at `position`, and where it ends; None when none does that also ends."""
        if self._environments is None:
            self._environments = {}
            opened: list[re.Match[str]] = []
            for match in _BEGIN_OR_END.finditer(self.text):
                if match[1]:
                    opened.append(match)
                elif opened and opened[-1][2] == match[2]:
                    begin = opened.pop()
                    self._environments[begin.start()] = (begin[2], begin.end(), match.start(), match.end())
        found = self._environments.get(position)
        return None if found is None else (found[0], self.text[found[1] : found[2]], found[3])

    def argument(self, position: int) -> tuple[str, int] | None:
        """The content of the group at `position`, spaces skipped, and where it ends; None when there is none or it does not close."""
        while position < len(self.text) and self.text[position].isspace():
            position += 1
        end = self._ends.get(position)
        return None if end is None else (self.text[position + 1 : end], end + 1)


def _ungrouped(text: str) -> str:
    """Without braces that enclose everything."""
    for _ in range(_MAX_MARKS):
        stripped = text.strip()
        argument = _Text(stripped).argument(0) if stripped.startswith("{") and stripped.endswith("}") else None
        if argument is None or argument[1] != len(stripped):
            return text
        text = argument[0]
    return text
