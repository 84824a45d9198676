import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.verifiers.choice import ChoiceVerifier

QUESTION = "Which is a metal?\nA. argon\nB. iron\nC. sulfur\nD. neon\nAnswer with the letter of one option."


def found(response):
    extraction = ChoiceVerifier().extract(response)
    return extraction.answer, extraction.rule


@pytest.mark.parametrize(
    ("response", "letter", "rule"),
    [
        (r"\boxed{B}", "B", "boxed"),
        (r"so $\boxed{\text{(B)}}$.", "B", "boxed"),
        (r"\boxed{b}", "B", "boxed"),
        (r"\boxed{B. 12 m}", "B", "boxed"),
        (r"\boxed{(B)\ 12\text{ m}}", "B", "boxed"),
        (r"\boxed{\textbf{C}}", "C", "boxed"),
        (r"The answer is $\boxed{D}$.", "D", "boxed"),
        ("The answer is (B).", "B", "phrase"),
        ("the answer is (b)", "B", "phrase"),
        ("The answer is B.", "B", "phrase"),
        ("**Answer: (C)**", "C", "phrase"),
        ("Answer: **C**", "C", "phrase"),
        ("Answer: C) 12 m", "C", "phrase"),
        ("The correct option is therefore option D, 12 m.", "D", "phrase"),
        ("The answer to this question is B because iron conducts.", "B", "phrase"),
        ("The answer is A because argon is a gas.", "A", "phrase"),
        ("The answer is (D), since (A) ignores friction.", "D", "phrase"),
        ("The answer is (A) and not (B).", "A", "phrase"),
        ("The answer is (A). No, wait.\nThe answer is (C).", "C", "phrase"),
        (r"The answer is (A). No, \boxed{C}", "C", "boxed"),
        (r"\boxed{A}" "\nOn reflection the answer is (C).", "C", "phrase"),
        ("It conducts.\nB", "B", "last_letter"),
        ("It conducts.\n\n(B).\n", "B", "last_letter"),
        ("B", "B", "last_letter"),
        ("b", "B", "last_letter"),
        ("(A) is a gas. So it must be (B).", "B", "bracketed"),
        ("It conducts.\n(B) iron", "B", "bracketed"),
        (f"{QUESTION}\nIron is, so (B).", "B", "bracketed"),
        ("<think>(A)?</think> The answer is (C).", "C", "phrase"),
    ],
)
def test_found(response, letter, rule):
    assert found(response) == (letter, rule)


@pytest.mark.parametrize(
    ("response", "rule"),
    [
        ("", "none"),
        ("I think it is iron.", "none"),
        ("I think it is B", "none"),
        ("The answer is iron.", "none"),
        ("The answer is A metal ball.", "none"),
        ("the answer is a metal", "none"),
        ("The answer is Beta", "none"),
        (QUESTION, "none"),
        (QUESTION.replace("A. ", "(A) ").replace("B. ", "(B) ").replace("C. ", "(C) ").replace("D. ", "(D) "), "none"),
        (rf"\boxed{{{QUESTION}}}", "boxed_no_letter"),
        (r"\boxed{A car goes 12 m}", "boxed_no_letter"),
        (r"\boxed{iron}", "boxed_no_letter"),
        (r"\boxed{Be}", "boxed_no_letter"),
        (r"\boxed{}", "boxed_no_letter"),
        (r"The answer is (B). \boxed{", "boxed_no_letter"),
        (r"\boxed{A, B}", "boxed_several"),
        (r"\boxed{A \text{ or } C}", "boxed_several"),
        (r"\boxed{B = C}", "boxed_several"),
        (r"\boxed{AB}", "boxed_no_letter"),
        ("The answer is A or B.", "phrase_several"),
        ("The answer is (A), (B) and (C).", "phrase_several"),
        ("Either (A) or (B)", "bracketed_several"),
        ("(A) argon (B) iron (C) sulfur", "bracketed_several"),
        ("<think>The answer is (B).", "unclosed_think"),
    ],
)
def test_nothing_is_guessed(response, rule):
    assert found(response) == (None, rule)


@pytest.mark.parametrize(
    ("gold", "answer", "value", "rule"),
    [
        ("B of 4", "B", "correct", "letter"),
        ("B of 4", "C", "wrong", "letter"),
        ("B of 4", "E", "no_answer", "outside_options"),
        ("E of 5", "E", "correct", "letter"),
        ("B of 4", "ß", "no_answer", "outside_options"),
        ("B of 4", "", "no_answer", "outside_options"),
        ("B", "B", "unscored", "gold"),
        ("E of 4", "E", "unscored", "gold"),
        ("A of 27", "A", "unscored", "gold"),
        ("A of 0", "A", "unscored", "gold"),
    ],
)
def test_judgement(gold, answer, value, rule):
    judgement = ChoiceVerifier().judge(gold, answer)
    assert (judgement.value, judgement.rule) == (value, rule)


@given(st.text(max_size=400))
def test_total(text):
    extraction = ChoiceVerifier().extract(text)
    assert extraction.answer is None or len(extraction.answer) == 1


PIECES = [
    "(A)",
    "(B)",
    "C.",
    " answer is ",
    "\\boxed{",
    "}",
    "\n",
    "option ",
    "or ",
    "A",
    "{",
    "\\text{",
    "\x00",
    "\u202e",
    "<think>",
    "</think>",
]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_a_letter_that_is_found_was_written(text):
    extraction = ChoiceVerifier().extract(text)
    assert extraction.answer is None or extraction.answer in "ABC"


def test_long_responses_take_linear_time():
    noise = random.Random(0)
    start = time.perf_counter()
    for piece in (*PIECES, "answer is (A) or ", "answer to ", "(A) x\n", " ", "*", "answer:"):
        ChoiceVerifier().extract(piece * (200_000 // len(piece)))
    ChoiceVerifier().extract("".join(noise.choices(PIECES, k=50_000)))
    assert time.perf_counter() - start < 10.0
