"""Small words about texts: those of others made safe to look at, on a page or a terminal, and counts with their noun."""

from __future__ import annotations

import unicodedata

__all__ = ["counted", "visible"]


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 problem`, `2 problems`, `1,024 rollouts`: a count before its noun; `plural` where that is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def visible(text: str) -> str:
    """The text with what a page or a terminal would hide or obey made visible: control characters, direction overrides, lone surrogates.

    ESC becomes ␛, a C1 control or an override its number, ⟨U+202E⟩. Line feeds and tabs stay. Escaping for HTML is the template's.
    """
    # The text of nearly every call is printable, and this test of it is fast.
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in "\n\t":
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        return f"⟨U+{code:04X}⟩"
    return character
