import ast
import itertools
import operator
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.tasks.generators.countdown import Countdown, solutions

SMALL = Countdown(count=3, largest=4)
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def value_of(node):
    """Independent oracle: walks Python's own syntax tree."""
    if isinstance(node, ast.Constant):
        return Fraction(node.value)
    return OPERATORS[type(node.op)](value_of(node.left), value_of(node.right))


def parse(text):
    return ast.parse(text, mode="eval").body


def numbers_in(text):
    return Counter(node.value for node in ast.walk(parse(text)) if isinstance(node, ast.Constant))


def all_values(numbers):
    """Independent oracle of what three numbers reach: all orders, both shapes, all operators."""
    found = set()
    for a, b, c in itertools.permutations(map(Fraction, numbers)):
        for f, g in itertools.product(OPERATORS.values(), repeat=2):
            for shape in (lambda a=a, b=b, c=c, f=f, g=g: g(f(a, b), c), lambda a=a, b=b, c=c, f=f, g=g: f(a, g(b, c))):
                try:
                    found.add(shape())
                except ZeroDivisionError:
                    continue
    return found


def test_enumeration_is_complete():
    expected = {
        (numbers, int(value))
        for numbers in itertools.combinations_with_replacement(range(1, 5), 3)
        for value in all_values(numbers)
        if value.denominator == 1 and 0 <= value <= 100
    }
    got = [(p.meta["numbers"], p.meta["target"]) for split in ("train", "test") for p in SMALL.problems(split)]
    assert (len(got), set(got)) == (len(expected), expected)


def test_default_sizes():
    assert [len(Countdown().problems(split)) for split in ("train", "test")] == [2747, 291]


def test_splits_are_disjoint_and_do_not_depend_on_seed_style_or_order():
    ids = {p.problem_id for p in SMALL.problems("test")}
    assert not ids & {p.problem_id for p in SMALL.problems("train")}
    words = Countdown(count=3, largest=4, style="words", seed=5)
    assert {p.problem_id for p in words.problems("test")} == ids


def test_seed_orders_and_nothing_else():
    a, b = SMALL.problems("train"), Countdown(count=3, largest=4, seed=1).problems("train")
    assert [p.gold for p in a] == [p.gold for p in SMALL.problems("train")] != [p.gold for p in b]
    assert Counter(p.gold for p in a) == Counter(p.gold for p in b)


def test_every_demonstration_solves_its_problem():
    for problem in Countdown(count=3, largest=6).problems("train"):
        assert value_of(parse(problem.demonstration)) == problem.meta["target"]
        assert numbers_in(problem.demonstration) == Counter(problem.meta["numbers"])


def test_compact_question_is_the_gold():
    problem = SMALL.problems("train")[0]
    assert problem.question == problem.gold == f"{','.join(map(str, problem.meta['numbers']))}={problem.meta['target']}"
    assert (SMALL.template, problem.verifier, problem.task_type) == ("plain", "countdown", "countdown")


def test_words_question_asks_for_a_box():
    task = Countdown(count=3, largest=10, style="words")
    problem = next(p for p in task.problems("train") if p.gold == "3,7,9=30")
    assert problem.question == (
        "Using each of the numbers 3, 7 and 9 exactly once, together with the operators +, -, *, / and parentheses, "
        "write an arithmetic expression that equals 30. Put only the expression inside \\boxed{}."
    )
    assert (task.template, problem.demonstration) == ("chat", "\\boxed{3*7+9}")


def test_solutions_by_hand():
    assert solutions((3, 7, 9), 30) == ["3*7+9", "7*3+9", "9+3*7", "9+7*3"]
    # 8/(3-8/3) = 24 needs exact fractions
    assert solutions((3, 3, 8, 8), 24) == ["8/(3-8/3)"]
    assert solutions((9, 7, 3), 30) == solutions((3, 7, 9), 30)
    assert solutions((1, 1, 1), 50) == []


def test_operators_restrict():
    assert solutions((3, 7, 9), 30, "+-") == []
    assert solutions((1, 2, 3), 6, "+") == ["".join(f"{a}+{b}+{c}") for a, b, c in itertools.permutations((1, 2, 3))]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=3, max_size=3), st.integers(0, 30))
def test_every_solution_is_right_and_needs_its_parentheses(numbers, target):
    found = solutions(tuple(numbers), target)
    assert bool(found) == (target in all_values(numbers))
    for text in found:
        assert value_of(parse(text)) == target and numbers_in(text) == Counter(numbers)
        if "(" in text:
            assert ast.dump(parse(text.replace("(", "").replace(")", ""))) != ast.dump(parse(text))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 10), min_size=4, max_size=4), st.integers(0, 30))
def test_four_numbers(numbers, target):
    for text in solutions(tuple(numbers), target)[:200]:
        assert value_of(parse(text)) == target and numbers_in(text) == Counter(numbers)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"count": 1}, r"task countdown: count = 1; expected an integer in \[2, 5\]"),
        ({"largest": 0}, r"largest = 0; expected an integer in \[1, 100\]"),
        ({"largest_target": -1}, "largest_target = -1"),
        ({"operators": "+%"}, "operators = '\\+%'; expected distinct"),
        ({"style": "prose"}, "style = 'prose'; expected one of: compact, words"),
        ({"test_fraction": 2.0}, "test_fraction = 2.0"),
    ],
)
def test_bad_settings_are_refused(setting, message):
    with pytest.raises(UsageError, match=message):
        Countdown(**setting)


def test_bad_split_is_refused():
    with pytest.raises(UsageError, match="split is 'validation', expected 'train' or 'test'"):
        SMALL.problems("validation")
