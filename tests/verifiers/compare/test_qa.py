import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.errors import ConfigError, UnknownNameError
from counterpoise.types import Problem
from counterpoise.verifiers.compare.qa import QaVerifier
from counterpoise.verifiers.judge import Judge

QA = QaVerifier()
GOLD = '["14 December 1972 UTC", "December 1972"]'


@pytest.mark.parametrize(
    ("gold", "answer", "value", "rule"),
    [
        (GOLD, "december, 1972.", "correct", "exact"),
        (GOLD, "1972", "wrong", "different"),
        (GOLD, "December 1972 or December 1971", "wrong", "different"),
        (GOLD, "I don't know", "abstained", "abstention"),
        ('["unknown"]', "unknown", "correct", "exact"),
        ("Paris", "London Paris Rome Bonn Bern Oslo Riga Kiev Lima Cairo Sofia Dakar Minsk Quito Doha Male Baku", "wrong", "too_long"),
        ("one two three four five six seven eight nine ten eleven twelve thirteen fourteen x y zed", "x", "wrong", "different"),
        ('["Paris"', "Paris", "unscored", "gold"),
        ('["times", "*"]', "*", "correct", "exact"),
        ('["times", "*"]', "+", "wrong", "different"),
        ('[")"]', "7", "unscored", "gold"),
        ('["---", "."]', "340", "unscored", "gold"),
        ("", "Paris", "unscored", "gold"),
    ],
)  # fmt: skip
def test_verdicts(gold, answer, value, rule):
    judgement = QA.judge(gold, answer)
    assert (judgement.value, judgement.basis) == (value, rule)


def test_parts():
    # tokens 14 december 1972 utc | december 1972, answer december 1972 gmt: 2*2/(4+3) and 2*2/(2+3)
    assert QA.judge(GOLD, "December 1972 GMT").parts == {
        "f1": 0.8,
        "squad_exact": 0.0,
        "squad_f1": 0.8,
    }
    assert QA.judge("Beyoncé", "Beyonce").parts == {"f1": 1.0, "squad_exact": 0.0, "squad_f1": 0.0}
    # SQuAD deletes the decimal point: right for it, wrong here
    assert QA.judge("3.5", "35").parts == {"f1": 0.0, "squad_exact": 1.0, "squad_f1": 1.0}
    assert QA.judge("Paris", "no idea").parts == {"f1": 0.0, "squad_exact": 0.0, "squad_f1": 0.0}
    assert QA.judge("Paris", "Paris and " * 9).parts["f1"] == 0.0


def test_the_longest_gold_raises_the_limit():
    gold = " ".join(f"w{i}" for i in range(30))
    assert QA.judge(gold, gold.upper()).value == "correct"
    assert QA.judge(gold, gold + " more").basis == "too_long"


@pytest.mark.parametrize(
    ("response", "answer", "rule"),
    [
        ("The answer is R. H. Thomson. He acts.", "R. H. Thomson", "statement"),
        ("The answer is vitamin C. It is sour.", "vitamin C", "statement"),
        ("The answer is St. Louis, Missouri.", "St. Louis, Missouri.", "statement"),
        ("Final answer: Paris, because it is the capital", "Paris", "statement"),
        ("The answer is Since U Been Gone since you ask", "Since U Been Gone", "statement"),
        ("The answer is 3.5 million. In words", "3.5 million", "statement"),
        ("Paris? No.\n**Rome**\n\n", "Rome", "last_line"),
        (r"The answer is Rome. \boxed{\text{Paris}}", r"\text{Paris}", "boxed"),
        ("<think>Rome</think>Paris", "Paris", "last_line"),
        ("<think>Paris", None, "unclosed_think"),
        (r"Paris \boxed{", None, "boxed_unclosed"),
        ("Paris\nThe answer is", None, "statement_empty"),
        ("", None, "none"),
        ("\n \n", None, "none"),
        ("x" * 5000, None, "last_line_too_long"),
    ],
)
def test_extraction(response, answer, rule):
    extraction = QA.extract(response)
    assert (extraction.answer, extraction.basis) == (answer, rule)


def test_a_declined_question_is_told_apart_in_a_verdict():
    problem = Problem(problem_id="1", task_type="qa", question="Where?", gold='["Paris"]', verifier="qa")
    with Judge() as judge:
        verdicts = judge.verify([problem] * 3, ["I don't know.", r"\boxed{paris}", ""])
    assert [v.value for v in verdicts] == ["abstained", "correct", "no_answer"]
    assert [v.basis for v in verdicts] == ["last_line/abstention", "boxed/exact", "none/none"]


def test_settings():
    assert QaVerifier(max_words=3).version != QA.version
    assert QaVerifier(max_words=1).judge("Paris", "Paris France").basis == "too_long"
    with pytest.raises(ConfigError, match="verifier qa: max_words = 0; expected an integer in"):
        QaVerifier(max_words=0)
    with pytest.raises(UnknownNameError, match="unknown extraction rule 'box'"):
        QaVerifier(rules=("box",))


WRAPPERS = [
    "{}", "<answer>{}</answer>", "<answer>\n{}\n</answer>", r"\boxed{{{}}}", r"\boxed{{\text{{{}}}}}", r"\boxed{{\textbf{{{}}}}}",
    r"$\boxed{{\mathrm{{{}}}}}$", "**{}**", "*{}*", "`{}`", '"{}"', "“{}”", "The answer is {}.", "The answer is **{}**.", "Answer: {}",
    "<b>{}</b>", "#### {}", r"\text{{{}}}", r"$\text{{{}}}$", r"\(\text{{{}}}\)", r"\emph{{{}}}", r"\boxed{{\large \text{{{}}}}}",
    "<think>Rome?</think><answer>{}</answer>", "So it is:\n\n**{}**",
]  # fmt: skip


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_changes_no_verdict(wrapper):
    for answer, value in (("Paris", "correct"), ("Rome", "wrong"), ("I don't know", "abstained")):
        found = QA.extract(wrapper.format(answer))
        assert found.answer is not None
        assert (QA.judge('["Paris"]', found.answer).value, answer) == (value, answer)
        assert (QA.judge(f"\\text{{{answer}}}", answer).value, answer) == ("correct", answer)


PIECES = [
    *("\x00", "\u202e", "\ufdfa", "\ud800", "{", "[", '["', "-", "a. ", "1,234,"),
    *(r"\boxed{", "<answer>", "<think>", "</think>", "The answer is "),
]
HOSTILE = st.text(max_size=200) | st.sampled_from(PIECES).flatmap(
    lambda piece: st.integers(1, 100_000 // len(piece)).map(lambda count: piece * count)
)


@settings(max_examples=150)
@given(HOSTILE, HOSTILE)
def test_any_text_costs_little_and_is_never_right_by_accident(gold, response):
    started = time.process_time()
    answer = QA.extract(response).answer
    assert answer is None or len(answer) <= 4096
    for text in (answer or "", response):
        judgement = QA.judge(gold, text)
        assert all(0 <= part <= 1 for part in judgement.parts.values())
    assert QA.judge("Paris", response).value != "correct" or "paris" in response.casefold()
    assert time.process_time() - started < 2


def test_close_answers_are_withheld_on_request():
    # f1 = 2 * 4 / (4 + 5) = 8/9 for one word more, 2 * 2 / (4 + 2) = 2/3 for half of them
    gold = "Robert Hardy Thomson Field"
    close, half = "Robert Hardy Thomson Field Park", "Robert Hardy"
    assert [QA.judge(gold, answer).value for answer in (close, half)] == ["wrong", "wrong"]
    lenient = QaVerifier(withhold_from=0.8)
    judgement = lenient.judge(gold, close)
    assert (judgement.value, judgement.basis) == ("unscored", "close")
    assert judgement.reason == "close to a gold: token F1 from 0.8 on"
    assert lenient.judge(gold, half).value == "wrong"
    assert lenient.judge(gold, gold).value == "correct"
    assert lenient.judge(gold, "I don't know").value == "abstained"
    assert lenient.version == QA.version + "+withhold0.8"
    for bad in (0, 1.5, "0.8"):
        with pytest.raises(ConfigError, match=r"verifier qa: withhold_from = .*; expected a number in \[0.01, 1\]"):
            QaVerifier(withhold_from=bad)


@pytest.mark.parametrize(
    "response",
    [
        "<answer>Paris</answer>",
        "<think>Rome?</think>\n<answer>\nParis\n</answer>",
        r"<answer>\text{Paris}</answer>",
        "<answer>**Paris**</answer>",
        r"<answer>\boxed{Paris}</answer>",
        "<answer>The answer is Paris.</answer>",
        r"\boxed{\textbf{Paris}}",
        r"\boxed{\mathrm{Paris}}",
        r"$\text{Paris}$",
        "The answer is **Paris**.",
        "<b>Paris</b>",
        "`Paris`",
    ],
)
def test_a_wrapper_never_changes_a_verdict(response):
    answer = QA.extract(response).answer
    assert [QA.judge(gold, answer).value for gold in ("Paris", "Rome")] == ["correct", "wrong"]
