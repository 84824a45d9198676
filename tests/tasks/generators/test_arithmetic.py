import ast
import json
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import ConfigError, DataError
from counterpoise.tasks.generators.arithmetic import Arithmetic, solve

LAB_ALPHABET = set("0123456789+-*/()=,.:;#?abcdefghijklmnopqrstuvwxyz \n")
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def value(expression: str) -> float:
    """Python's own precedence, by its own parser."""

    def walk(node: ast.expr) -> float:
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](walk(node.left), walk(node.right))
        assert isinstance(node, ast.Constant)
        return node.value

    return walk(ast.parse(expression, mode="eval").body)


def test_steps_follow_precedence() -> None:
    assert solve("7+5*3-2") == (["5*3=15", "7+15=22", "22-2=20"], 20)
    assert solve("3-9+8/4") == (["8/4=2", "3-9=-6", "-6+2=-4"], -4)
    assert solve("12") == ([], 12)


@given(st.lists(st.integers(1, 99), min_size=2, max_size=7), st.lists(st.sampled_from("+-*"), min_size=6, max_size=6))
def test_value_is_pythons_and_every_step_is_true(numbers: list[int], operators: list[str]) -> None:
    expression = str(numbers[0]) + "".join(f"{o}{n}" for o, n in zip(operators, numbers[1:], strict=False))
    steps, result = solve(expression)
    assert result == value(expression)
    assert len(steps) == len(numbers) - 1
    for step in steps:
        left, right = step.split("=")
        operation = left.lstrip("-")  # a leading minus belongs to the number
        position = next(i for i, c in enumerate(operation) if c in "+-*/") + len(left) - len(operation)
        assert OPERATORS[{"+": ast.Add, "-": ast.Sub, "*": ast.Mult}[left[position]]](
            int(left[:position]), int(left[position + 1 :])
        ) == int(right)


@pytest.mark.parametrize("bad", ["", "1+", "+1", "1++2", "1 +2", "a", "1/2", "1/0", "2**3", "²+1", "(1+2)*3"])
def test_anything_else_is_refused(bad: str) -> None:
    with pytest.raises(DataError, match="arithmetic: "):
        solve(bad)


def test_problem_to_the_letter() -> None:
    task = Arithmetic(size=500)
    problem = task.problems("train")[0]
    steps, result = solve(problem.question)
    assert problem.gold == str(result)
    assert problem.demonstration == ";".join(steps) + f"\n####{result}"
    assert (problem.task_type, problem.verifier, task.template) == ("arithmetic", "numeric", "plain")


def test_sides_are_disjoint_and_cover_the_set() -> None:
    task = Arithmetic(size=2000)
    train = {p.problem_id for p in task.problems("train")}
    test = {p.problem_id for p in task.problems("test")}
    assert not train & test
    assert len(train) + len(test) == 2000
    assert 150 < len(test) < 250  # 200 expected, standard deviation 13


def test_same_seed_same_problems_and_another_seed_never_moves_one_to_the_other_side() -> None:
    first, second = Arithmetic(size=2000, operations=2), Arithmetic(size=2000, operations=2, seed=1)
    assert first.problems("test") == Arithmetic(size=2000, operations=2).problems("test")
    train = {p.problem_id for p in first.problems("train")}
    other_train, other_test = ({p.problem_id for p in second.problems(split)} for split in ("train", "test"))
    assert train & other_train
    assert train != other_train
    assert not train & other_test


@pytest.mark.parametrize("style", ["compact", "words"])
def test_the_lab_can_read_and_write_it(style: str) -> None:
    for problem in Arithmetic(size=300, style=style, operators="+-*/").problems("train"):
        assert set(problem.question + problem.demonstration) <= LAB_ALPHABET


def test_words_hold_the_same_problem() -> None:
    compact, words = Arithmetic(size=100).problems("test"), Arithmetic(size=100, style="words").problems("test")
    assert [p.problem_id for p in compact] == [p.problem_id for p in words]
    assert words[0].question == f"what is {compact[0].question}?"
    assert words[0].demonstration.endswith(f"so the answer is {words[0].gold}")


def test_no_result_passes_the_limit() -> None:
    for problem in Arithmetic(size=300, largest=30, limit=100).problems("train"):
        assert all(abs(int(step.split("=")[1])) <= 100 for step in solve(problem.question)[0])


def test_too_large_a_size_is_refused() -> None:
    # two numbers of 1..2 and one operator: four expressions
    with pytest.raises(ConfigError, match=r"only 4 distinct problems found, and size is 5; lower size to at most 2"):
        Arithmetic(operations=1, largest=2, operators="+", size=5).problems("train")


def test_empty_side_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"task 'arithmetic' has no test problems with size=20000 and test_fraction=0\.0"
    ):
        Arithmetic(test_fraction=0.0).problems("test")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"operations": 0}, r"task arithmetic: operations = 0; expected an integer in \[1, 12\]"),
        ({"operations": "3"}, "operations = '3'; expected an integer"),
        ({"size": True}, "size = True; expected an integer"),
        ({"operators": "+^"}, r"operators = '\+\^'; expected distinct characters"),
        ({"operators": ""}, "operators = ''; expected distinct characters"),
        ({"style": "prose"}, "style = 'prose'; expected one of: compact, words"),
        ({"test_fraction": 2}, r"test_fraction = 2; expected a number in \[0, 1\]"),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Arithmetic(**settings)


def test_worked_golds_are_the_same_problems() -> None:
    plain, worked = (Arithmetic(size=200, verifier=verifier).problems("test") for verifier in ("numeric", "steps"))
    assert [p.problem_id for p in plain] == [p.problem_id for p in worked]
    for one, other in zip(plain, worked, strict=True):
        steps, value = solve(one.question)
        assert json.loads(other.gold) == {"answer": str(value), "steps": steps} and other.verifier == "steps"
    with pytest.raises(ConfigError, match="verifier = 'steps' reads the steps of style = 'compact' alone"):
        Arithmetic(verifier="steps", style="words")
