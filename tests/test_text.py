import pytest

from counterpoise.text import visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\x00b\x1b[31m", "a␀b␛[31m"),
        ("gnirts\u202eevil", "gnirts⟨U+202E⟩evil"),
        ("\ud800", "⟨U+D800⟩"),
        ("two\nlines\tkept <b>", "two\nlines\tkept <b>"),
        ("ν ≤ 5 日本", "ν ≤ 5 日本"),
    ],
)
def test_what_a_page_or_a_terminal_would_hide_is_made_visible(text, seen):
    assert visible(text) == seen
