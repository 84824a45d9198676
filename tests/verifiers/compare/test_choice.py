import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.verifiers.compare.choice import ChoiceVerifier

QUESTION = "Which is a metal?\nA. argon\nB. iron\nC. sulfur\nD. neon\nAnswer with the letter of one option."


def found(response):
    extraction = ChoiceVerifier().extract(response)
    return extraction.answer, extraction.basis


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
        ("The correct answer is:\n\nJ. mutation, genetic drift", "J", "phrase"),
        ("The correct answer is:\n\n**J. mutation, genetic drift**", "J", "phrase"),
        ("The correct answer is:\n(C) iron\n\nIt conducts.", "C", "phrase"),
        ("The correct answer is:\n\nJ. mutation\n\nIt conducts.", "J", "phrase"),
        ("The correct answer is:\n\n  (J)  mutation\n\nIt conducts.", "J", "phrase"),
        ("**Answer:**\n\nC) iron", "C", "phrase"),
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
        ("<answer>The answer is B.</answer>", "B", "tagged"),
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
        ("The answer is (C)? No. It is D.", "none"),
        ("The answer is (C). No, wait, it is D.", "phrase_retracted"),
        ("The answer is C. Hmm, let me check.", "phrase_retracted"),
        ("If the answer is (B), iron is a gas.", "none"),
        ("The answer is not (B).", "none"),
        ("It cannot be (B).", "none"),
        ("Could it be (B)?", "none"),
        ("Is option B correct?", "none"),
        ("Option B is not correct.", "none"),
        ("Option B is incorrect.", "none"),
        ("Option A or option C is correct.", "none"),
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
        (r"\boxed{P(x)}", "boxed_several"),
        ("The answer is H2O.", "none"),
        ("The answer is F = ma.", "none"),
        ("The answer is B12.", "none"),
        ("The answer is X-ray.", "none"),
        ("The answer is U.S.", "none"),
        ("The answer is (B) or maybe (C).", "phrase_several"),
        ("Answer: A through D", "none"),
        ("Answer: I don't know", "none"),
        ("Answer: I think so", "none"),
        ("The answer is a", "none"),
        ("The correct answer is:\nA. argon\nB. iron", "none"),
        ("The correct answer is:\n\nA metal.", "none"),
        ("A. It is a gas.\nSo no.\nD. It is wrong too.", "none"),
        ("A. It is a gas.\nSo no.\nD. It is a metal.", "none"),
        ("It was written by\nJ. K. Rowling", "none"),
        ("答案是A或B", "phrase_several"),
        ("答案不是B", "none"),
        ("不选B", "none"),
        ("答案是A还是B？", "none"),
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
    assert (judgement.value, judgement.basis) == (value, rule)


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


NEXT_LINE = [
    "J. mutation, genetic drift",
    "J) mutation",
    "(J) mutation",
    "J: mutation",
    "**J.** mutation",
    "**(J) mutation**",
    "J",
    "(J)",
    "**J**",
    r"$\text{J}$",
    r"\[ \mathbf{J} \]",
    "$$\n\\text{J}\n$$",
    "Option J: mutation",
    "(J",
    "j) mutation",
    "> J. mutation",
]
ANNOUNCED = [
    "The correct answer is:",
    "The correct answer is",
    "**The correct answer is:**",
    "Answer:",
    "### Final Answer:",
    "Therefore, the correct option is:",
    "So the best choice would be:",
    "正确答案是：",
]


@pytest.mark.parametrize("announced", ANNOUNCED)
def test_the_letter_stands_on_the_line_behind_the_phrase(announced):
    for gap, line in itertools.product(("\n", "\n\n", " \n \n\n"), NEXT_LINE):
        text = f"Drift and mutation are random.\n\n{announced}{gap}{line}"
        assert (found(text)[0], text) == ("J", text)
    assert found(f"{announced}\n\nJ. mutation") == ("J", "phrase")


WRAPPED = [
    "B",
    "b",
    "(B)",
    "B.",
    "B)",
    "**B**",
    "**B.**",
    "**(B)**",
    "*B*",
    "__B__",
    "`B`",
    '"B"',
    "“B”",
    "$B$",
    r"\(B\)",
    r"\text{B}",
    r"\mathbf{B}",
    r"\mathrm{(B)}",
    r"\textbf{B.}",
    r"\boldsymbol{B}",
    r"\text{Option B}",
    "{B}",
    "[B]",
    "【B】",
    "（B）",
    "Ｂ",
    "Option B",
    "option (B)",
    r"\boxed{B}",
    r"\boxed{\text{B}}",
    r"\large B",
    r"\displaystyle \mathbf{B}",
]
SENTENCES = [
    "<answer>{}</answer>",
    "<answer> {} </answer>\n",
    "<answer>\n{}\n</answer>",
    "The answer is {}.",
    "Answer: {}",
    "**Answer:** {}",
    "The correct option is {}",
    "The answer must be {}.",
    "Answer seems to be {}",
    "the answer appears to be {}.",
    "The answer is most likely {}.",
    "It conducts.\n{}",
    "{}",
    r"So $\boxed{{{}}}$.",
    "答案是{}。",
    "正确答案：{}",
]


@pytest.mark.parametrize("letter", WRAPPED)
def test_a_wrapper_changes_no_letter(letter):
    for place in SENTENCES:
        text = place.format(letter)
        assert (found(text)[0], text) == ("B", text)


@pytest.mark.parametrize(
    ("response", "letter", "rule"),
    [
        ("Option C is correct.", "C", "claim"),
        ("option (C) is correct", "C", "claim"),
        ("Hence, C is the correct answer.", "C", "claim"),
        ("Therefore C is the right answer.", "C", "claim"),
        ("**C** is the best answer.", "C", "claim"),
        ("So option C. sulfur is the correct answer", "C", "claim"),
        ("(C) sulfur is the only correct option.", "C", "claim"),
        ("We conclude that C must be the correct choice.", "C", "claim"),
        ("A is correct.", "A", "claim"),
        ("I believe C is correct.", "C", "claim"),
        ("B. iron is the correct answer.", "B", "claim"),
        ("<Answer>B</Answer>", "B", "tagged"),
        ("因此，正确答案是选项C。", "C", "phrase"),
        ("Thus, choice (C) is therefore the correct one.", "C", "claim"),
        ("Option A is incorrect. Option B is not correct. Option C is correct. Option D is wrong.", "C", "claim"),
        ("Option C is wrong because option D is correct.", "D", "claim"),
        ("The answer is B. Option C is correct only for gases.", "B", "phrase"),
        ("The answer is (B). Option C is correct for gases.", "B", "phrase"),
        ("A is the correct answer? No. Hence, C is the correct answer.", "C", "claim"),
        ("If B is the correct answer, it floats. It sinks, so D is the correct answer.", "D", "claim"),
        ("I would pick B — a safe choice.", "B", "phrase"),
        ("I'd go with option D here.", "D", "phrase"),
        ("We choose (C).", "C", "phrase"),
        ("It is 42 m, which is option C.", "C", "phrase"),
        ("This corresponds to option (D).", "D", "phrase"),
        ("the answer is b", "B", "phrase"),
        ("the answer is b.", "B", "phrase"),
        ("the answer is a.", "A", "phrase"),
        ("the answer is c) iron", "C", "phrase"),
        ("The answer is (A", "A", "phrase"),
        ("It is iron. The correct answer is **(C", "C", "phrase"),
        ("The answer is B to me.", "B", "phrase"),
        ("B is our final answer.", "B", "claim"),
        ("Ans: B", "B", "phrase"),
        ("Ans.: B", "B", "phrase"),
        ("正确的是C", "C", "phrase"),
        ("B\n\nIron conducts.", "B", "first_line"),
        ("**(B)**\nBecause iron conducts.", "B", "first_line"),
        ("B. iron\n\nExplanation: iron conducts.", "B", "first_line"),
        ("C\n\nSo the answer is B.", "B", "phrase"),
        ("The answer is D, not B.", "D", "phrase"),
        ("The answer is D rather than B.", "D", "phrase"),
        ("The answer is I.", "I", "phrase"),
        ("Answer - B", "B", "phrase"),
        ("Answer = B", "B", "phrase"),
        ("The answer is (C). Wait, let me check. Yes, (C) holds.", "C", "phrase"),
        ("The answer is (C). No other option fits, neither A nor B.", "C", "phrase"),
        ("Is it (A)? It is not (A). So (B).", "B", "bracketed"),
        ("It could be (B). It cannot be (C).", "B", "bracketed"),
        ("Both float.\nB) iron", "B", "last_option"),
        ("Both float.\nB. iron", "B", "last_option"),
        ("Both float.\n**B. iron**", "B", "last_option"),
        ("A) argon\nB) iron\nC) neon\n\nOnly one is a metal.\n\nB) iron", "B", "last_option"),
        ("b) iron", "B", "last_option"),
        ("b. 4", "B", "last_option"),
        ("<answer>B. iron</answer>", "B", "tagged"),
        ("<answer>The correct option is (B) because iron conducts.</answer>", "B", "tagged"),
        ("<answer>b</answer>", "B", "tagged"),
        ("The answer is A. <answer>B</answer>", "B", "tagged"),
        ("<answer>B</answer> So the answer is C.", "C", "phrase"),
        ("<think>A or B?</think><answer>B</answer>", "B", "tagged"),
        ("选B", "B", "phrase"),
        ("故选：C。", "C", "phrase"),
        ("因此应该选择 D 选项。", "D", "phrase"),
        ("所以答案为（B）。", "B", "phrase"),
        ("本题选（A）", "A", "phrase"),
        ("答案：C、因为铁导电", "C", "phrase"),
        ("不选A，选B。", "B", "phrase"),
        ("选项B正确。选项C不正确。", "B", "claim"),
        ("因此C是正确答案。", "C", "claim"),
        ("答案不是A。答案是B。", "B", "phrase"),
        ("Q: x?\nA: The answer is B.\n\nQ: y?\nA: The answer is C.", "C", "phrase"),
    ],
)
def test_further_places(response, letter, rule):
    assert found(response) == (letter, rule)


@pytest.mark.parametrize(
    "response",
    [
        "The answer is (C)? No. It is D.",
        "The answer is (C). No, it is D.",
        "The answer is C. Wait, actually it is D.",
        "Option C is the correct answer. Hmm, (D) fits better.",
        "<answer>C</answer> Actually, it is (D).",
        r"\boxed{C}. No wait, (D).",
        "<answer>A or B or C</answer>",
        "<answer>A, B, C</answer>",
        "<answer>A B</answer>",
        "<answer>A/B</answer>",
        "<answer>A\nB</answer>",
        "<answer>(A)(B)</answer>",
        "<answer>A and possibly C</answer>",
        "<answer>either A or B</answer>",
        "<answer>ABC</answer>",
        "<answer>A-D</answer>",
        "<answer>A cat</answer>",
        "<answer>I do not know</answer>",
        "<answer>iron</answer>",
        "<answer></answer>",
        "<answer>B",
        r"\boxed{A} or \boxed{B}",
        r"$\boxed{A}$, $\boxed{C}$",
        r"\boxed{A-C}",
        r"\boxed{A B}",
        "The answer is A or possibly B.",
        "The answer is either A or B.",
        "The answer is A / B",
        "A\n\nNo, wait. It is (B).",
        "A metal\nis what conducts.",
        "A. argon\nIt is a gas.\nMore follows.",
        "A. argon\nBecause it is a gas, no.\nB. iron\nbecause",
        "I\n\nthink\nB) iron or\nC) neon is it",
        "The answer is B through D",
        "The answer is B to D.",
        "The answer is A & C",
        "The correct answers are A and C.",
        "The answer is a",
        "The answer is a gas",
        "The answer is I think iron",
        "Answer: I’m not sure.",
        "Answer: I don't know",
        "The answer is (I",
        "I would pick a metal.",
        "I pick A metal at random.",
        "A metal is the correct answer.",
        "I think this is the correct answer.",
        "I guess iron is correct.",
        "Is the answer (B)?",
        "Could (B) be right?",
        "If the answer is B, it floats.",
        "The wrong answer is B.",
        "One might think the answer is B.",
        "The answer is not B.",
        "Option B is not correct.",
        "B isn't the correct answer.",
        "It is not (B).",
        "(B) is wrong.",
        "(B) cannot be right.",
        "Neither (A) nor (C) is correct.",
        "Option A is correct. Option C is correct.",
        "Statement B is correct.",
        "Vitamin C is right for colds.",
        "C is correct about the weather.",
        "A. argon\nB. iron\nC. neon",
        "Let us look at each option:\nA. argon",
        "A. This is incorrect.\n\nIt is a gas.\n\nD. This is incorrect.",
        "A) It floats, which is wrong.\nMore words.\nD) It sinks.",
        "I. argon\nII. iron\nThe rest:\nV. neon",
        "Q: x?\nA: Let's think about iron.",
        "It grows.\ne. coli",
        "The correct answer is:\n\nA cat on a mat",
        "The correct answer is one of these:\n\nA. argon\nB. iron",
        "The correct answer is:\nA. argon\nB. iron\nC. neon",
        "The correct answer is:\n\niron",
        "Options: A. argon B. iron",
        "不选A",
        "答案不是B",
        "选A还是选B？",
        "选AC",
        "答案是A、C",
        "答案：A和B",
        "排除A。",
        "B不正确",
        "选项B不正确",
        "选B是错误的",
        "不应该选B",
        "A正确。C正确。",
        "I'm sorry, I cannot tell.",
        "Let's think. L is the length, V the volume.",
    ],
)
def test_doubt_is_no_answer(response):
    assert found(response)[0] is None


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


def test_long_responses_take_linear_time(within):
    noise = random.Random(0)
    pieces = (*PIECES, "answer is (A) or ", "answer to ", "(A) x\n", " ", "*", "answer:")
    texts = [*(piece * (200_000 // len(piece)) for piece in pieces), "".join(noise.choices(PIECES, k=50_000))]
    assert within(10.0, lambda: [ChoiceVerifier().extract(text) for text in texts])
