import ast
import operator
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.types import VerdictValue
from counterpoise.verifiers.compare.countdown import CountdownVerifier

VERIFIER = CountdownVerifier()
GOLD = "3,7,9=30"


def judge(answer, gold=GOLD):
    judgement = VERIFIER.judge(gold, answer)
    return judgement.value.value, judgement.basis


@pytest.mark.parametrize(
    "answer",
    [
        "3*7+9",
        "9+7*3",
        "(3*7)+9",
        "((9))+(3*(7))",
        " 3 * 7 + 9 ",
        "3*7+9=30",
        "3*7+9 = 30",
        "3 × 7 + 9",
        "3\\times7+9",
        "\\left(3 \\cdot 7\\right)+9",
    ],
)
def test_right(answer):
    assert judge(answer) == ("correct", "expression")


def test_values_are_exact():
    assert judge("8/(3-8/3)", "3,3,8,8=24") == ("correct", "expression")  # 8/(1/3); floats give 23.999999999999989
    assert judge("8÷(3−8÷3)", "3,3,8,8=24") == ("correct", "expression")
    assert judge("007*3+9") == ("correct", "expression")


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("3*7-9", "value"),
        ("3*7+9=31", "value"),
        ("30", "numbers"),
        ("3*7+9+0", "numbers"),
        ("3*7+9*1", "numbers"),
        ("3*7+9+7-7", "numbers"),
        ("37-9", "numbers"),
        ("3/(7-7)+9", "division_by_zero"),
        ("9/(3-3)", "division_by_zero"),
        ("", "syntax"),
        ("3*7+", "syntax"),
        ("3*7 9", "syntax"),
        ("3(7)+9", "syntax"),
        ("-3*7+9", "syntax"),
        ("3--7+9", "syntax"),
        ("3**7+9", "syntax"),
        ("3//7+9", "syntax"),
        ("3*7.0+9", "syntax"),
        ("3e0*7+9", "syntax"),
        ("0x3*7+9", "syntax"),
        ("3_*7+9", "syntax"),
        ("3*7+9;", "syntax"),
        ("3*7+9#", "syntax"),
        ("30=3*7+9", "syntax"),
        ("3*7+9=30=30", "syntax"),
        ("(3*7+9", "syntax"),
        ("3*7+9)", "syntax"),
        ("()3*7+9", "syntax"),
        ("3*7\n+9", "syntax"),
        ("٣*٧+٩", "syntax"),
        ("３*７+９", "syntax"),
        ("²*7+9", "syntax"),
        ("3*7+9\x00", "syntax"),
        ("\\timesx3*7+9", "syntax"),
        ("__import__('os').system('true')", "syntax"),
        ("3*7+9 if 1 else 0", "syntax"),
        ("True*3*7+9", "syntax"),
    ],
)
def test_wrong(answer, rule):
    assert judge(answer) == ("wrong", rule)


def closeness(answer, gold=GOLD):
    return VERIFIER.judge(gold, answer).parts["closeness"]


def test_closeness_is_one_for_a_right_answer_alone_and_falls_with_the_distance():
    assert closeness("3*7+9") == closeness("9+7*3=30") == 1.0
    # values 34, 19, 12, 54 and 3/7 + 9: 10/14, 10/21, 10/28, 10/34, 10/(10 + 144/7)
    found = [closeness(answer) for answer in ("3*9+7", "3+7+9", "3*7-9", "9*7-3*3", "3/7+9")]
    assert found[:3] == pytest.approx([10 / 14, 10 / 21, 10 / 28]) and found[3] == 0.0  # 3 twice
    assert found[4] == pytest.approx(10 / (10 + 144 / 7))


def test_a_false_claim_is_as_far_as_the_farther_of_the_two():
    assert closeness("3*7+9=31") == pytest.approx(10 / 11)
    assert closeness("3*9+7=30") == closeness("3*9+7=34") == pytest.approx(10 / 14)


@pytest.mark.parametrize("answer", ["", "3*7+", "30", "3*7", "9/(3-3)", "3/(7-7)+9", "(" * 999])
def test_other_faults_have_no_closeness(answer):
    assert closeness(answer) == 0.0


def test_closeness_of_a_wrong_answer_stays_below_one_when_floats_cannot_tell():
    assert closeness("1+1/(999999999*999999999)", "1,1,999999999,999999999=1") == 1.0 - 2.0**-53


@pytest.mark.parametrize(
    "answer",
    [
        "(" * 100_000,
        "(" * 250 + "3" + ")" * 250,
        "9" * 100_000,
        "1234567890",
        "9*" * 100_000 + "9",
        "9/7+" * 127 + "9",
        "3" + "=3" * 250,
        " " * 500 + "3",
        "\\left" * 100,
    ],
)
def test_hostile_sizes_are_wrong_at_once(within, answer):
    found = []
    assert within(0.5, lambda: found.append(judge(answer)[0]))
    assert set(found) == {"wrong"}


def test_depth_limit_is_generous():
    assert judge("(" * 32 + "3*7+9" + ")" * 32) == ("correct", "expression")
    assert judge("(" * 33 + "3*7+9" + ")" * 33) == ("wrong", "syntax")


@pytest.mark.parametrize(
    "gold", ["", "30", "3,7,9", "3,,9=30", "3,7,9=-1", "3 7 9 = 30", "3,7,9=30\n", "9" * 10 + "=1"]
)
def test_bad_gold_is_ours_not_the_models(gold):
    judgement = VERIFIER.judge(gold, "3*7+9")
    assert (judgement.value, judgement.basis) == (VerdictValue.UNSCORED, "gold")
    assert "expected a form like '3,7,9=30'" in judgement.reason


@pytest.mark.parametrize(
    ("response", "answer", "rule"),
    [
        ("3*7+9", "3*7+9", "last_line"),
        ("try 3+7+9\n3*7+9 = 30\n\n", "3*7+9 = 30", "last_line"),
        ("so \\boxed{3*7+9}.", "3*7+9", "boxed"),
        ("\\boxed{1} no, \\boxed{3*7+9}", "3*7+9", "boxed"),
        ("\\boxed{\\text{a}{b}}", "\\text{a}{b}", "boxed"),
        ("\\boxed{3*7+9} or \\boxed{3*7", None, "boxed"),
        ("\\boxed{ }", None, "boxed"),
        ("", None, "last_line"),
        (" \n\t\n", None, "last_line"),
    ],
)
def test_extraction(response, answer, rule):
    extraction = VERIFIER.extract(response)
    assert (extraction.answer, extraction.basis) == (answer, rule)


def test_extraction_reads_the_end_of_a_long_response():
    assert VERIFIER.extract("x" * 1_000_000 + "\n3*7+9").answer == "3*7+9"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300) | st.text(alphabet="0123456789+-*/()= \\boxed{}\n", max_size=300))
def test_total_on_any_text(text):
    extraction = VERIFIER.extract(text)
    assert extraction.answer is None or extraction.answer.strip()
    assert VERIFIER.judge(GOLD, text).value in (VerdictValue.CORRECT, VerdictValue.WRONG)


OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def oracle(node):
    if isinstance(node, ast.Constant):
        return Fraction(node.value), Counter([node.value])
    (left, used_left), (right, used_right) = oracle(node.left), oracle(node.right)
    return OPERATORS[type(node.op)](left, right), used_left + used_right


EXPRESSIONS = st.recursive(
    st.integers(0, 20).map(str),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner, st.booleans()).map(
        lambda t: f"({t[0]}{t[1]}{t[2]})" if t[3] else f"{t[0]}{t[1]}{t[2]}"
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS)
def test_agrees_with_pythons_own_syntax_tree(text):
    try:
        value, used = oracle(ast.parse(text, mode="eval").body)
    except ZeroDivisionError:
        assert judge(text) == ("wrong", "division_by_zero")
        return
    numbers = ",".join(str(n) for n in used.elements())
    if value.denominator == 1 and value >= 0:
        assert judge(text, f"{numbers}={value}") == ("correct", "expression")
        assert judge(text, f"{numbers}={value + 1}") == ("wrong", "value")
        assert judge(text, f"{numbers},1={value}") == ("wrong", "numbers")
    else:
        assert judge(text, f"{numbers}=0") == ("wrong", "value")
    targets = sorted(range(0, 200, 7), key=lambda target: abs(value - target))
    assert_falling([closeness(text, f"{numbers}={target}") for target in targets])


def assert_falling(values):
    assert values == sorted(values, reverse=True) and all(0.0 < value <= 1.0 for value in values)
