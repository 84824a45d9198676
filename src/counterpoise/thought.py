"""Responses that begin inside a thought, because the prompt opened it: chat formats of reasoning models end with `<think>`."""

from __future__ import annotations

__all__ = ["judged_text", "opens_thought"]

_OPEN = "<think>"


def opens_thought(prompt: str) -> bool:
    """True when the prompt ends with `<think>`, white space aside: what the model writes first is its thought."""
    return prompt.rstrip().endswith(_OPEN)


def judged_text(response: str, *, in_thought: bool) -> str:
    """What a verifier judges: the response, after the tag that its prompt opened, so that a thought without an end gives no answer."""
    return f"{_OPEN}\n{response}" if in_thought else response
