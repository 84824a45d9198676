"""Small words: texts of others made safe to look at, on a page or a terminal, counts with their noun, and times."""

from __future__ import annotations

import unicodedata

__all__ = ["counted", "ends_of", "lasting", "visible"]


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 problem`, `2 problems`, `1,024 rollouts`: a count before its noun; `plural` where that is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def ends_of(text: str, head: int, tail: int) -> str:
    """The text; of a longer one its first `head` and last `tail` characters, ` … ` between them."""
    return text if len(text) <= head + tail else f"{text[:head]} … {text[-tail:]}"


def lasting(seconds: float) -> str:
    """`8.4 s`, `2:05 min` or `1:02:05 h`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d} h"


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
