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
        ("It conducts.\n(B) iron", "B", "last_option"),
        (f"{QUESTION}\nIron is, so (B).", "B", "bracketed"),
        ("<think>(A)?</think> The answer is (C).", "C", "phrase"),
        ("The correct answer is:\n\nJ. mutation, genetic drift", "J", "last_option"),
        ("The correct answer is:\n\n**J. mutation, genetic drift**", "J", "last_option"),
        ("The correct answer is:\n(C) iron\n\nIt conducts.", "C", "phrase"),
        ("The correct answer is:\n\nJ. mutation\n\nIt conducts.", "J", "phrase"),
        ("The correct answer is:\n\n  (J)  mutation\n\nIt conducts.", "J", "phrase"),
        ("**Answer:**\n\nC) iron", "C", "last_option"),
        ("The final answer is:\n$\\text{B}$\nIt conducts.", "B", "phrase"),
        ("The answer is (A", "A", "phrase"),
        ("It conducts, so the correct choice is (C", "C", "phrase"),
        ("It conducts.\nX) twelve", "X", "last_option"),
        ("It conducts.\n(C) iron", "C", "last_option"),
        ("It conducts.\nC. iron", "C", "last_option"),
        ("It conducts.\n**C. iron**", "C", "last_option"),
        (f"{QUESTION}\nIron conducts.\n\nB. iron", "B", "last_option"),
        ("B. iron", "B", "last_option"),
        ("Option C is correct.", "C", "claim"),
        ("It conducts. Therefore, option (C) is correct", "C", "claim"),
        ("Hence, C is the correct answer.", "C", "claim"),
        ("So A is the right choice because it conducts.", "A", "claim"),
        ("It conducts. **Option D** is the best answer.", "D", "claim"),
        ("Thus (B) is correct.", "B", "claim"),
        ("Choice E is the most appropriate answer.", "E", "claim"),
        ("<answer>B</answer>", "B", "tagged"),
        ("<think>(A)?</think><answer> (B) iron </answer>", "B", "tagged"),
        ("<answer>\nB. iron\n</answer>", "B", "tagged"),
        ("<answer>**B**</answer>", "B", "tagged"),
        (r"<answer>\boxed{B}</answer>", "B", "boxed"),
        ("<answer>The answer is B.</answer>", "B", "phrase"),
        ("The answer is (A).\n<answer>B</answer>", "B", "tagged"),
        ("答案是B", "B", "phrase"),
        ("所以选B。", "B", "phrase"),
        ("故选：D", "D", "phrase"),
        ("正确答案：C", "C", "phrase"),
        ("正确答案是（Ｃ）。", "C", "phrase"),
        ("答案为 **A**。", "A", "phrase"),
        ("因此，选项C正确。", "C", "claim"),
        ("Die Antwort ist B.", "B", "phrase"),
        ("La respuesta correcta es C.", "C", "phrase"),
        ("La réponse est D.", "D", "phrase"),
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
        ("The answer is (C)? No. It is D.", "phrase_no_letter"),
        ("The answer is (C). No, wait, it is D.", "phrase_no_letter"),
        ("The answer is C. Hmm, let me check.", "phrase_no_letter"),
        ("If the answer is (B), iron is a gas.", "phrase_no_letter"),
        ("The answer is not (B).", "bracketed_no_letter"),
        ("It cannot be (B).", "bracketed_no_letter"),
        ("Could it be (B)?", "bracketed_no_letter"),
        ("Is option B correct?", "none"),
        ("Option B is not correct.", "none"),
        ("Option B is incorrect.", "none"),
        ("Option A or option C is correct.", "claim_several"),
        ("Option A is correct. Option B is correct.", "claim_several"),
        ("Vitamin C is the correct answer.", "none"),
        ("Option B is correct that iron conducts.", "none"),
        ("C is the best conductor.", "none"),
        ("<answer>A or B or C</answer>", "tagged_several"),
        ("<answer>A, B</answer>", "tagged_several"),
        ("<answer>A B</answer>", "tagged_several"),
        ("<answer>iron</answer>", "tagged_no_letter"),
        ("<answer>a metal</answer>", "tagged_no_letter"),
        ("<answer>I do not know</answer>", "tagged_no_letter"),
        ("<answer>B", "tagged_no_letter"),
        ("The answer is (B).\n<answer></answer>", "tagged_no_letter"),
        (r"\boxed{a car}", "boxed_no_letter"),
        (r"\boxed{E = mc^2}", "boxed_no_letter"),
        (r"\boxed{H_2O}", "boxed_no_letter"),
        (r"\boxed{P(x)}", "boxed_no_letter"),
        ("The answer is H2O.", "none"),
        ("The answer is F = ma.", "none"),
        ("The answer is B12.", "none"),
        ("The answer is X-ray.", "none"),
        ("The answer is U.S.", "none"),
        ("The answer is (B) or maybe (C).", "phrase_several"),
        ("Answer: A through D", "phrase_several"),
        ("Answer: I don't know", "none"),
        ("Answer: I think so", "none"),
        ("The answer is a", "none"),
        ("The correct answer is:\nA. argon\nB. iron", "phrase_several"),
        ("The correct answer is:\n\nA metal.", "none"),
        ("A. It is a gas.\nSo no.\nD. It is wrong too.", "none"),
        ("A. It is a gas.\nSo no.\nD. It is a metal.", "none"),
        ("It was written by\nJ. K. Rowling", "none"),
        ("答案是A或B", "phrase_several"),
        ("答案不是B", "none"),
        ("不选B", "none"),
        ("答案是A还是B？", "phrase_no_letter"),
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


LETTER_WRAPPERS = [
    "{}",
    "({})",
    "{}.",
    "{})",
    "**{}**",
    "*{}*",
    "__{}__",
    "`{}`",
    '"{}"',
    "$ {} $",
    "${}$",
    r"\({}\)",
    r"\text{{{}}}",
    r"$\text{{{}}}$",
    r"\textbf{{{}}}",
    r"\mathbf{{{}}}",
    r"\mathrm{{{}}}",
    r"\boldsymbol{{{}}}",
    r"\underline{{{}}}",
    r"\large {}",
    r"\textcolor{{red}}{{{}}}",
    r"\text{{({})}}",
    r"\text{{Option {}}}",
    r"\boxed{{\text{{{}}}}}",
    "<b>{}</b>",
    "（{}）",
]
PLACES = [
    "The answer is {}",
    "Answer: {}",
    "**Answer:** {}",
    "The correct option is:\n\n{}",
    "It conducts.\n{}",
    r"\boxed{{{}}}",
    "<answer>{}</answer>",
    "<think>(D)?</think>\n<answer>\n{}\n</answer>",
    "答案是{}",
]


@pytest.mark.parametrize("wrapper", LETTER_WRAPPERS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("letter", ["A", "B", "I"])
def test_a_wrapper_never_changes_the_letter(place, wrapper, letter):
    assert found(place.format(wrapper.format(letter)))[0] == letter


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
