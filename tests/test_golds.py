from decimal import Decimal

import pytest

from counterpoise.golds import accepted, gold_text
from counterpoise.types import Problem
from counterpoise.verifiers.judge import Judge


@pytest.mark.parametrize(
    ("gold", "answers"),
    [
        ('["a", "b"]', ("a", "b")),
        ('["a"]', ("a",)),
        ("[1, 2]", ("[1, 2]",)),
        ('["a", 1]', ('["a", 1]',)),
        ("[]", ("[]",)),
        ("[a", ("[a",)),
        ("7", ("7",)),
    ],
)
def test_a_list_of_texts_alone_is_several_golds(gold, answers):
    assert accepted(gold) == answers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (28, "28"),
        (-2.5, "-2.5"),
        (28.0, "28.0"),
        (1e-07, "0.0000001"),
        (-1.5e-9, "-0.0000000015"),
        (1e22, "10000000000000000000000"),
        (10**22, "10000000000000000000000"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (Decimal("NaN"), None),
        ("Janet\u2019s\n#### 1,080\n", "1,080"),
        ("#### 18", "18"),
        ("#### 18\nmore", "#### 18\nmore"),
        ("##### 18", "##### 18"),
        (None, None),
        (False, None),
        (float("nan"), None),
        ({"target": 1}, None),
        (["a", None], None),
        (["a", " "], None),
    ],
)
def test_text_of_a_gold(value, text):
    assert gold_text(value) == text


@pytest.mark.parametrize(
    ("verifier", "gold", "answer", "value"),
    [
        ("numeric", '["3", "4"]', "\\boxed{4}", "correct"),
        ("math", gold_text(1e-07), "\\boxed{10^{-7}}", "correct"),
        ("math", gold_text(1e22), "\\boxed{10^{22}}", "correct"),
        ("math", gold_text(1e22), "\\boxed{10^{21}}", "wrong"),
        ("numeric", gold_text(1e-07), "\\boxed{0.0000001}", "correct"),
        ("numeric", '["3", "4"]', "\\boxed{5}", "wrong"),
        ("numeric", '["3", "??"]', "\\boxed{3}", "correct"),
        ("numeric", '["3", "??"]', "\\boxed{5}", "unscored"),
        ("numeric", '["3", "4"]', "no idea", "no_answer"),
        ("math", '["x+1", "3"]', "\\boxed{3}", "correct"),
        ("math", "[1,2]", "\\boxed{[1,2]}", "correct"),
        ("exact", '["Canberra", "x"]', "\\boxed{Canberra}", "correct"),
        ("exact", '["Canberra", "x"]', "\\boxed{y}", "wrong"),
        ("choice", '["A of 4", "B of 4"]', "\\boxed{B}", "correct"),
        ("qa", '["Canberra", "x"]', "Canberra", "correct"),
    ],
)
def test_any_of_a_list_is_right(verifier, gold, answer, value):
    problem = Problem(problem_id="p", task_type="t", question="", gold=gold, verifier=verifier)
    with Judge() as judge:
        assert judge.verify([problem], [answer])[0].value == value
