"""Questions that are conversations, `[{"role": "user", "content": "…"}]`, as other trainers' files have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from counterpoise.errors import DataError, nearest

__all__ = ["CHAT_TEMPLATE", "conversation"]

CHAT_TEMPLATE: Final = "chat"
"""A conversation says itself how its answer is to look: nothing is added to it."""

_ROLES: Final = ("system", "user", "assistant")
_MEANT: Final = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "developer": "system"}


def conversation(value: list[Any], *, where: str, field: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The last message, which is the question, and those before it as (role, text).

    Args:
        value: list of messages.
        where: file and line, for messages.
        field: its field.

    Raises:
        DataError: no message, one of another form, roles that do not alternate after an optional system message, or no user at the end.
    """
    place = f"{where}: field '{field}'"
    if not value:
        raise DataError(f"{place}: no message in it; a conversation ends with the user's question")
    messages = [_message(one, f"{place}, message {number}") for number, one in enumerate(value, start=1)]
    turns = messages[1:] if messages[0][0] == "system" else messages
    skipped = len(messages) - len(turns)
    for number, (role, _) in enumerate(turns):
        wanted = ("user", "assistant")[number % 2]
        if role != wanted:
            raise DataError(
                f"{place}, message {number + 1 + skipped}: role '{role}', expected '{wanted}': after an optional system message user and "
                "assistant take turns"
            )
    if messages[-1][0] != "user":
        raise DataError(
            f"{place}: the last message is the {messages[-1][0]}'s, and a prompt ends with the user's; drop the answer, or name "
            "another field"
        )
    return messages[-1][1], tuple(messages[:-1])


def _message(value: Any, place: str) -> tuple[str, str]:
    if not isinstance(value, Mapping) or "role" not in value or "content" not in value:
        raise DataError(f'{place}: expected {{"role": "user", "content": "…"}}, found {str(value)[:60]!r}')
    role, content = value["role"], value["content"]
    if role not in _ROLES:
        meant = (
            f"; did you mean '{_MEANT[role]}'?"
            if isinstance(role, str) and role in _MEANT
            else nearest(str(role), _ROLES)
        )
        raise DataError(f"{place}: role {role!r}, expected one of: {', '.join(_ROLES)}{meant}")
    if not isinstance(content, str) or not content.strip():
        raise DataError(f"{place}: expected text as content, found {str(content)[:40]!r}")
    return role, content.strip()
