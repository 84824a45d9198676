import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.verifiers.text.normalise import normalise
from counterpoise.verifiers.text.wrappers import unwrap


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\text{27}", "27"),
        (r"\text{27 apples}", "27 apples"),
        (r"27\mathrm{ apples}", r"27\text{ apples}"),
        (r"\mathrm{Evelyn}", r"\text{Evelyn}"),
        (r"\frac{\text{1}}{\mathbf{2}}", r"\frac{1}{2}"),
        (r"x^\text{2}", "x^{2}"),
        (r"\mathbf{\pi}r", r"\pi r"),
        (r"\sin\mathbf{x}", r"\sin x"),
        (r"2\mathbf{m}", "2m"),
        (r"2\,\mathrm{m}", r"2\,\text{m}"),
        (r"2\mathrm{x}", "2x"),
        (r"\operatorname{arcsin}(x)", r"\arcsin (x)"),
        (r"\mathrm{lcm}(2,3)", r"\operatorname{lcm}(2,3)"),
        (r"\mathbb{R}", r"\mathbb{R}"),
        (r"\color{red}{5}+1", "5+1"),
        ("2**3**4", "2**3**4"),
        ("**5** apples", "5 apples"),
        ("a*b*c", "a*b*c"),
        (r"\text{unclosed", r"\text{unclosed"),
    ],
)
def test_what_is_left(text, expected):
    assert unwrap(text) == expected


@given(st.text(st.sampled_from(list('\\{}textmathbfcolor $*_`"<b>/1.5x^')), max_size=200))
def test_unwrapping_is_total_and_comes_to_rest(text):
    once = normalise(text)
    assert isinstance(once, str)
    assert len(once) <= 4 * len(text) + 40


@pytest.mark.parametrize(
    "bomb",
    [
        r"\text{" * 580,
        "{" * 4096,
        r"\mathbf{" * 50 + "1" + "}" * 50,
        "**" * 2048,
        "$" * 4096,
        r"\color{red}" * 370,
        r"{\bf " * 800 + "}" * 80,
    ],
)
def test_hostile_wrappers_take_no_time(within, bomb):
    assert within(0.5, lambda: normalise(bomb))
