r"""The one field of a prompt's text, `{question}`, and what is not a field though it stands in braces.

`{name}` is a field, `{{name}}` the same letters meant literally. Whatever else stands in braces is text: `{}`, `{1, 2}`, `{"answer": 4}`,
and the arguments of LaTeX's commands, `\boxed{answer}` and `\frac{a}{b}`, but for `{question}` itself.
"""

from __future__ import annotations

import re
from typing import Final

from counterpoise.errors import ConfigError, nearest

__all__ = ["SLOT", "check_slots", "filled", "refuse_slot"]

SLOT: Final = "{question}"

_FIELD: Final = re.compile(r"\{([^\W\d]\w*)\}")
_ESCAPED: Final = re.compile(r"\{(\{[^\W\d]\w*\})\}|\{question\}")
_LATEX: Final = re.compile(r"\\[A-Za-z]+(?:\[[^\[\]]*\])?(?:\{[^{}]*\})+")


def filled(text: str, question: str) -> str:
    """The text with the question in its place; braces of the question are its own."""
    return _ESCAPED.sub(lambda match: match[1] or question, text)


def check_slots(setting: str, text: str) -> None:
    """See that a text asks the question, and names nothing else.

    Raises:
        ConfigError: an unknown field, or none at all.
    """
    bare = _ESCAPED.sub("", text)
    for name in _FIELD.findall(_LATEX.sub("", bare)):
        raise ConfigError(
            f"{setting}: unknown field '{{{name}}}'{nearest(name, ['question'])}; the only field is {SLOT} "
            f"(letters in braces that are meant as they stand: {{{{{name}}}}})"
        )
    if all(match[1] for match in _ESCAPED.finditer(text)):
        raise ConfigError(
            f"{setting}: no {SLOT} in it, so every problem would be the same prompt; put it in: {text[:60]!r}"
        )


def refuse_slot(setting: str, text: str) -> None:
    """See that a text that is the same for every problem does not ask for the question.

    Raises:
        ConfigError: it does.
    """
    if SLOT in text:
        raise ConfigError(
            f"{setting}: {SLOT} has no place there, it is the same for every problem; put it into prompt.user or prompt.text"
        )
