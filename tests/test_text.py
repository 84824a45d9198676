import pytest

from counterpoise.text import counted, visible


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


def test_a_count_has_the_form_of_its_noun():
    assert [counted(n, "problem") for n in (0, 1, 2, 1024)] == [
        "0 problems",
        "1 problem",
        "2 problems",
        "1,024 problems",
    ]
    assert [counted(n, "more try", "more tries") for n in (1, 2)] == ["1 more try", "2 more tries"]
