import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UnknownNameError
from counterpoise.verifiers.text.extraction import MAX_ANSWER, TAGGED_RULES, check_rules, extract, final_text


@pytest.mark.parametrize(
    ("response", "answer", "rule"),
    [
        (r"so \boxed{3}, no: \boxed{5}.", "5", "boxed"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}", "boxed"),
        (r"\boxed {\{1,2\}}", r"\{1,2\}", "boxed"),
        (r"\boxed{a = \boxed{5}}", "5", "boxed"),
        (r"\fbox{7}", "7", "boxed"),
        (r"\boxed{3} and then \boxed{4", None, "boxed_unclosed"),
        (r"\boxed{}", None, "boxed_empty"),
        (r"\boxed{\}", None, "boxed_unclosed"),
        (r"<think>\boxed{1}</think>\boxed{2}", "2", "boxed"),
        (r"\boxed{1}</think> The answer is 2.", "2", "phrase"),
        (r"<think> so \boxed{1}", None, "unclosed_think"),
        (r"I <think> that it is \boxed{1}", "1", "boxed"),
        ("The final answer is 3.5.", "3.5", "phrase"),
        ("The answer is: **$18$**.", "18", "phrase"),
        ("The answer is $18.", "$18", "phrase"),
        ("The answer is $18.\nThat is $2 more.", "$18", "phrase"),
        (r"the ANSWER is \(x+1\), as said", "x+1", "phrase"),
        ("Answer: 1. Wait. Answer: 2\nDone", "2", "phrase"),
        ("The answer to the question is 18, because 3 * 6 is 18.", "18", "phrase"),
        ("The answer is 18 since 3 * 6 is", "18", "phrase"),
        ("The answer is $18, and $2 more.", "$18, and $2 more", "phrase"),
        ("The answer is $2, and $3$", "$2, and $3$", "phrase"),
        ("**Answer:** 18", "18", "phrase"),
        ("**Answer**: 18", "18", "phrase"),
        ("The answer is x = 2, y = 3.", "x = 2, y = 3", "phrase"),
        ("answer is", None, "phrase_empty"),
        ("48/2 = 24\n#### 72", "72", "hash"),
        ("#### 3\nmore\n#### 1,000\n", "1,000", "hash"),
        ("The answer is 3 + 4 or so.\n#### 7", "7", "hash"),
        ("#### Solution\nThe answer is 7.", "7", "phrase"),
        ("The answer is 7.\n#### Check\nIt holds", "7", "phrase"),
        ("#### 18 dollars", "18 dollars", "hash"),
        ("The answer is therefore 3.", "3", "phrase"),
        ("##### 3", None, "none"),
        (r"Therefore, the final answer is $\$36$. I hope it is correct.", r"\$36", "phrase"),
        ("<answer> 48480 </answer>", "48480", "tagged"),
        (r"<answer>\boxed{5}</answer>", "5", "boxed"),
        (r"\boxed{3} <answer>5</answer>", "5", "tagged"),
        (r"<answer>3</answer> \boxed{5}", "5", "boxed"),
        ("The answer is 3. <answer>5</answer>", "5", "tagged"),
        ("<answer>The answer is 5.</answer>", "5", "tagged"),
        ("<answer>5", None, "tagged_unclosed"),
        ("I write it in <answer> tags. The answer is 5.", "5", "phrase"),
        ("<ANSWER>5</ANSWER>", "5", "tagged"),
        ("所以答案是5", "5", "phrase"),
        ("答案为：5。", "5", "phrase"),
        ("最终答案：42", "42", "phrase"),
        ("**答案：** 42", "42", "phrase"),
        ("答案是：$x=5$，其中 x>0", "x=5", "phrase"),
        ("因此，答案是 5，因为 2+3=5", "5", "phrase"),
        (r"所以答案是 \boxed{5}", "5", "boxed"),
        ("这个问题的答案 5", None, "none"),
        ("答えは5です。", "5", "phrase"),
        ("答え：5", "5", "phrase"),
        ("정답은 5입니다.", "5", "phrase"),
        ("Die Antwort ist 5.", "5", "phrase"),
        ("Antwort: 5", "5", "phrase"),
        ("La réponse finale est : 5", "5", "phrase"),
        ("La respuesta es 5.", "5", "phrase"),
        ("Ответ: 5", "5", "phrase"),
        (" 72\n", "72", "bare"),
        ("it may be 72", None, "none"),
        ("", None, "none"),
    ],
)
def test_rules(response, answer, rule):
    found = extract(response)
    assert (found.answer, found.basis) == (answer, rule)


def test_an_answer_beyond_the_cap_is_none():
    assert extract(r"\boxed{%s}" % ("1" * MAX_ANSWER)).answer is not None
    assert extract(r"\boxed{%s}" % ("1" * (MAX_ANSWER + 1))).basis == "boxed_too_long"


def test_the_rules_are_a_setting():
    assert extract("The answer is 3", rules=("boxed",)).basis == "none"
    with pytest.raises(
        UnknownNameError,
        match=r"unknown extraction rule 'boxd'; did you mean 'boxed'\?.*nown: bare, boxed, hash, last_letter, last_line, last_number, p",
    ):
        check_rules(["boxd"])


def test_the_thought_is_cut_off():
    assert final_text("<think>a</think>b</think>c") == "c"


@given(st.text(st.sampled_from(list("\\{}boxed$#answer is:.\n<think/>*١ \x00\u202e1")), max_size=200))
def test_extraction_is_total(text):
    found = extract(text)
    assert found.answer is None or (0 < len(found.answer) <= MAX_ANSWER)


@pytest.mark.parametrize(
    "bomb",
    [
        r"\boxed{" * 15_000,
        "{" * 100_000,
        r"\boxed{" + "{" * 100_000,
        "answer is " * 10_000,
        "answer:" + " " * 100_000,
        "answer to " * 10_000,
        "answer to " + "a" * 100_000,
        "answer is $" + "1" * 100_000,
        "#### \n" * 16_000,
        "\x00\u202e" * 50_000,
        "<think>" * 15_000,
        "\\" * 100_001,
        " " * 100_000 + "#" * 100_000,
    ],
)
def test_a_hundred_thousand_hostile_characters_take_no_time(within, bomb):
    assert within(1.0, lambda: extract(bomb))


@pytest.mark.parametrize(
    ("response", "answer", "rule"),
    [
        ("<answer>1 2\n3 4</answer>", "1 2\n3 4", "tagged"),
        ("<answer>a</answer> no, <answer>b</answer>", "b", "tagged"),
        (r"<answer>a</answer> \boxed{b}", "b", "boxed"),
        (r"\boxed{b} <answer>a</answer>", "a", "tagged"),
        ("<answer>a</answer><answer>b", None, "tagged_unclosed"),
        ("<answer> </answer>", None, "tagged_empty"),
        ("<think><answer>a</answer></think>", None, "none"),
        ("a", None, "none"),
    ],
)
def test_tags(response, answer, rule):
    extraction = extract(response, rules=TAGGED_RULES)
    assert (extraction.answer, extraction.basis) == (answer, rule)


@pytest.mark.parametrize(
    ("box", "answer"),
    [
        ("答案是12", "12"),
        ("所以答案是12。", "12"),
        (r"\text{答案是}12", "12"),
        (r"\text{答案是12}", "12"),
        ("正解は12", "12"),
        ("정답은 12", "12"),
        ("Die Antwort ist 12", "12"),
        ("La respuesta es 12", "12"),
        (r"\text{The answer is }12", "12"),
        (r"\textbf{Answer:} 12", "12"),
        (r"$\text{The answer is } 12$", "12"),
        (r"\text{The answer is }\frac{1}{2}", r"\frac{1}{2}"),
        # No phrase that the box begins with, or nothing behind it.
        (r"5 \text{ (the answer is in cm)}", r"5 \text{ (the answer is in cm)}"),
        ("Answer:", "Answer:"),
    ],
)
def test_a_phrase_that_begins_a_box_or_a_tag_is_left_out(box, answer):
    assert extract(rf"So \boxed{{{box}}}.", rules=("boxed",)).answer == answer
    assert extract(f"<answer>{box}</answer>", rules=("tagged",)).answer == answer
