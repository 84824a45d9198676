import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.tasks.generators.arithmetic import Arithmetic, solve
from counterpoise.types import Judgement, VerdictValue
from counterpoise.verifiers.compare.numeric import NumericVerifier
from counterpoise.verifiers.compare.steps import StepsVerifier

VERIFIER = StepsVerifier()
GOLD = json.dumps({"answer": "20", "steps": ["5*3=15", "7+15=22", "22-2=20"]})


def judge(response: str, gold: str = GOLD) -> Judgement | None:
    answer = VERIFIER.extract(response).answer
    return None if answer is None else VERIFIER.judge(gold, answer)


@pytest.mark.parametrize(
    ("response", "right", "share"),
    [
        ("5*3=15;7+15=22;22-2=20\n####20", True, 1.0),
        ("7 + 15 = 22 ; 5*3=15\n22−2=20\n\\boxed{20}", True, 1.0),  # other separators, order, signs and forms
        ("5*3=15;7+15=21;21-2=19\n####19", False, 1 / 3),
        ("5*3=15;7+15=22;22-2=19\n####19", False, 2 / 3),
        ("5*3=16;7+16=23;23-2=20\n####20", True, 0.0),  # a lucky number: the verdict does not read the steps
        ("####20", True, 0.0),
        ("5*3=15\n####20", True, 1 / 3),
        ("5*3=15;5*3=15;5*3=15\n####20", True, 1 / 3),  # a step counts as often as the gold has it
        ("5*3=14;5*3=15;5*3=16;7+15=22;22-2=20;1=1\n####20", True, 3 / 6),  # guesses dilute
        ("so 5*3=15;7+15=22;22-2=20\n####20", True, 2 / 3),  # words are not a step
        ("5*3=15;7+15=22;22-2=20\n####2x", False, 1.0),
    ],
)
def test_the_share_of_the_steps_beside_the_verdict(response: str, right: bool, share: float) -> None:
    judgement = judge(response)
    assert judgement is not None
    assert judgement.value is (VerdictValue.CORRECT if right else VerdictValue.WRONG)
    assert judgement.parts == {"steps": pytest.approx(share)}


def test_without_a_final_number_there_is_no_answer() -> None:
    assert judge("5*3=15; 7+15=22; 22-2=20") is None
    assert judge("5*3=15;7+15=22;22-2=20\n####") is None
    assert VERIFIER.extract("5*3=15\n####").basis == "hash_empty"


def test_more_steps_than_are_read_count_for_nothing() -> None:
    full = judge("5*3=15;7+15=22;22-2=20;" * 30 + "\n####20")
    assert full is not None and full.parts == {"steps": 0.0} and full.value is VerdictValue.CORRECT


@given(st.text(alphabet="0123456789+-*/=;# \n\\boxed{}", max_size=80))
@settings(max_examples=300, deadline=None)
def test_the_verdict_is_that_of_numeric_whatever_the_steps(text: str) -> None:
    numeric, found = NumericVerifier(), VERIFIER.extract(text)
    plain = numeric.extract(text)
    assert found.basis == plain.basis and (found.answer is None) == (plain.answer is None)
    if plain.answer is not None and found.answer is not None:
        judgement = VERIFIER.judge(GOLD, found.answer)
        assert judgement.value is numeric.judge("20", plain.answer).value
        assert 0.0 <= judgement.parts["steps"] <= 1.0


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.data())
def test_every_right_step_adds_the_same(numbers: list[int], data: st.DataObject) -> None:
    signs = data.draw(st.lists(st.sampled_from("+-*"), min_size=len(numbers) - 1, max_size=len(numbers) - 1))
    steps, value = solve(str(numbers[0]) + "".join(f"{s}{n}" for s, n in zip(signs, numbers[1:], strict=True)))
    broken = data.draw(st.sets(st.integers(0, len(steps) - 1)))
    # 99999 is not a result of these operands
    written = [f"{step.split('=')[0]}=99999" if i in broken else step for i, step in enumerate(steps)]
    judgement = judge(";".join(written) + f"\n####{value}", json.dumps({"answer": str(value), "steps": steps}))
    assert judgement is not None and judgement.value is VerdictValue.CORRECT
    assert judgement.parts["steps"] == pytest.approx(1 - len(broken) / len(steps))


@pytest.mark.parametrize(
    "gold", ["20", "{}", '{"answer": 20, "steps": ["1+1=2"]}', '{"answer": "2", "steps": []}', '{"answer": "2", "steps": ["1+1"]}',
             '{"answer": "x", "steps": ["1+1=2"]}', '{"answer": "2", "steps": [2]}', "[1]"],
)  # fmt: skip
def test_a_gold_that_is_no_worked_answer_is_ours(gold: str) -> None:
    judgement = judge("1+1=2\n####2", gold)
    assert judgement is not None and (judgement.value, judgement.basis) == (VerdictValue.UNSCORED, "gold")


def test_every_demonstration_of_the_task_is_right_in_full() -> None:
    for problem in Arithmetic(size=300, verifier="steps").problems("train"):
        assert problem.demonstration is not None
        judgement = judge(problem.demonstration, problem.gold)
        assert judgement == Judgement(value=VerdictValue.CORRECT, basis="number", parts={"steps": 1.0})
