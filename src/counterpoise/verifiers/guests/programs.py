"""Find the program in a response: linear in the text, never raises, compiles nothing.

Rules:

- `fence`: the last fenced block that is marked as Python; without one, the last that is marked as nothing;
- `fence_open`: the same, where the block is not closed (a stop string or the end of the budget cut it);
- `completion`: there is no fence, and the text begins with an indented line: the rest of a function;
- `raw`: there is no fence, and the text begins like a program.

Only the text after the closing think tag counts.
"""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from annotated_types import Ge, Le

from counterpoise.lazy import compiled
from counterpoise.types import Extraction
from counterpoise.verifiers.text.extraction import final_text

__all__ = ["MAX_PROGRAM", "Megabytes", "Seconds", "defines", "extract_program", "first_block"]

Seconds = Annotated[int, Ge(1), Le(600)]
"""Of a program's own time."""
Megabytes = Annotated[int, Ge(64), Le(1 << 20)]
"""Of a program's address space."""

MAX_PROGRAM = 65_536
"""Characters of a program at most; a longer one is not an answer."""

# Possessive: a line of tildes, or of blanks behind a fence, that ends in a backtick would take time quadratic in its length.
_FENCE = compiled(r"[ \t]{0,12}(`{3,}+|~{3,}+)[ \t]*+([^`\n]*+)$")
_PYTHON = frozenset(("python", "py", "python3", "py3"))
_START = compiled(
    r"(?:def|class|import|from|async|for|while|if|try|with|assert|print)\b[^\n]*[(:.\w]|@\w|#|\"\"\"|'''"
    r"|[A-Za-z_][\w, .\[\]]{0,80}[-+*/]?=(?!=)"
)


class _Block(NamedTuple):
    language: str
    text: str
    closed: bool


def extract_program(response: str) -> Extraction:
    """The program in `response` and the rule that found it.

    `answer` is None with rule `none`, `unclosed_think`, `fence_empty` or `…_too_long` (over 65,536 characters).
    """
    text = final_text(response)
    if text is None:
        return Extraction(answer=None, basis="unclosed_think")
    blocks = _blocks(text)
    chosen = [block for block in blocks if block.language in _PYTHON] or [
        block for block in blocks if not block.language
    ]
    if chosen:
        program, rule = chosen[-1].text, "fence" if chosen[-1].closed else "fence_open"
    elif blocks:
        return Extraction(answer=None, basis="fence_other_language")
    else:
        program = text.lstrip("\r\n")
        rule = "completion" if program[:1] in (" ", "\t") else "raw"
        if not program.strip() or (rule == "raw" and not _START.match(program)):
            return Extraction(answer=None, basis="none")
    if not program.strip():
        return Extraction(answer=None, basis=f"{rule}_empty")
    if len(program) > MAX_PROGRAM:
        return Extraction(answer=None, basis=f"{rule}_too_long")
    return Extraction(answer=program, basis=rule)


def defines(program: str, name: str) -> bool:
    """Whether a program seems to define `name` at its top level."""
    return (
        re.search(
            rf"^(?:async[ \t]+)?(?:def|class)[ \t]+{re.escape(name)}\b|^{re.escape(name)}[ \t]*=", program, re.MULTILINE
        )
        is not None
    )


def first_block(text: str) -> str:
    """A completion up to the first line that is not indented: models go on with other functions and remarks."""
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines):
        if index and line.strip() and not line[0].isspace():
            return "".join(lines[:index])
    return text


def _blocks(text: str) -> list[_Block]:
    """Fenced blocks in order; a fence is closed by one of at least its length without a language."""
    blocks: list[_Block] = []
    marker, language, indent = "", "", 0
    lines: list[str] = []
    for line in text.split("\n"):
        match = _FENCE.match(line.rstrip("\r"))
        if not marker:
            if match:
                marker, language = match[1], match[2].strip().split(" ")[0].lower()
                indent, lines = len(line) - len(line.lstrip()), []
        elif match and match[1].startswith(marker) and not match[2].strip():
            blocks.append(_Block(language, "\n".join(lines) + "\n", True))
            marker = ""
        else:
            # A block inside a list is indented as a whole.
            lines.append(line[indent:] if not line[:indent].strip() else line)
    if marker:
        blocks.append(_Block(language, "\n".join(lines) + "\n", False))
    return blocks
