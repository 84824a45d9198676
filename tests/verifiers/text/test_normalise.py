import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.verifiers.text.normalise import balanced, normalise, over_cap, unwrap_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("−5", "-5"),
        ("1{,}000", "1000"),
        (r"1\,000\,000", "1000000"),
        (r"12,\!345", "12345"),
        ("1,234,567.5", "1234567.5"),
        ("(1,234)", "(1,234)"),
        ("1,23", "1,23"),
        ("1 000 000", "1000000"),
        (r"\dfrac{1}{2}", r"\frac{1}{2}"),
        (r"\left( 1 , 2 \right)", "( 1 , 2 )"),
        (r"\leftarrow", r"\leftarrow"),
        ("$x$", "x"),
        (r"\$18", "18"),
        (r"\(x\)", "x"),
        ("x²", "x^{2}"),
        ("√3", r"\sqrt{3}"),
        ("√(x+1)", r"\sqrt{x+1}"),
        ("½", r"\frac{1}{2}"),
        (r"\mathrm{e}", "e"),
        (r"50\%", "50%"),
        ("50 percent", "50%"),
        ("72.", "72"),
        ("2 or -2", "2,-2"),
        (r"2 \text{ or } -2", "2 , -2"),
        ("٣٤", "34"),
        ("１２", "12"),
        ("\u202e7\u200b2\x00", "72"),
        (r"\varnothing", r"\emptyset"),
        ("two\n words", "two words"),
        (r"\ne 3", r"\ne 3"),
    ],
)
def test_spellings(text, expected):
    assert normalise(text) == expected


@given(st.text(max_size=300))
def test_normalisation_is_total(text):
    assert isinstance(normalise(text), str)


@pytest.mark.parametrize(
    "bomb", ["1," * 2048, "1 000" * 800, "√(" * 2000, r"\left" * 800, "{" * 4096, "\\text{" * 600, "0" * 4096]
)
def test_capped_texts_are_quick(within, bomb):
    assert within(0.5, lambda: normalise(bomb))


def test_caps():
    assert over_cap("(" * 50) is None
    assert over_cap("(" * 51) == "nesting"
    assert over_cap("1" * 1000) is None
    assert over_cap("1" * 1001) == "digits"
    assert over_cap("x " * 2049) == "length"


def test_balanced_skips_escaped_braces():
    assert [balanced(text) for text in (r"\{1", "{1}", "{1", "}{", "{\\")] == [True, True, False, False, False]


def test_text_wrappers():
    assert unwrap_text(r"\text{ Evelyn }") == ("Evelyn", True)
    assert unwrap_text(r"\text{a}+\text{b}") == (r"\text{a}+\text{b}", False)
