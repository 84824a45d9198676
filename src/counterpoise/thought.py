"""Thoughts of reasoning models: where one begins and ends, and the prompts that open it, as chat formats which end with `<think>` do."""

from __future__ import annotations

import re

__all__ = ["TAGS", "final_text", "judged_text", "opens_thought"]

TAGS: tuple[tuple[str, str], ...] = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("◁think▷", "◁/think▷"),
)
"""How models mark a thought: opening and closing tag."""

_TAG = "|".join(re.escape(opening) for opening, _ in TAGS)
_FIRST = re.compile(rf"\s*+(?:{_TAG})")
_LATER = re.compile(rf"^[ \t]{{0,8}}(?:{_TAG})|(?:{_TAG})(?=[ \t]{{0,8}}\n)", re.MULTILINE)
_CLOSE = re.compile("|".join(re.escape(closing) for _, closing in TAGS))


def final_text(response: str) -> str | None:
    """What a response says outside its thought: what follows the last closing tag, up to a thought that is never closed.

    None where nothing does: the response is inside its thought to the end. A tag opens a thought where a line begins or ends with it; in
    the middle of one it is only mentioned.
    """
    closed = 0
    for match in _CLOSE.finditer(response):
        closed = match.end()
    final = response[closed:]
    if _FIRST.match(final):
        return None
    later = _LATER.search(final)
    return final if later is None else final[: later.start()]


def opens_thought(prompt: str) -> bool:
    """True when the prompt ends with an opening tag, white space aside: what the model writes first is its thought."""
    return prompt.rstrip().endswith(tuple(opening for opening, _ in TAGS))


def judged_text(response: str, *, in_thought: bool) -> str:
    """What a verifier judges: the response, after the tag that its prompt opened, so that a thought without an end gives no answer."""
    return f"{TAGS[0][0]}\n{response}" if in_thought else response
