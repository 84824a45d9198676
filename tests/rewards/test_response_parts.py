import pytest

from counterpoise.rewards.registry import make_reward
from counterpoise.rewards.response_parts import with_response_parts
from counterpoise.types import Verdict, VerdictValue


def verdict(rule: str, **parts: float) -> Verdict:
    return Verdict(
        value=VerdictValue.CORRECT, answer="7", basis=rule, seconds=0.0, verifier="math", version="1", parts=parts
    )


@pytest.mark.parametrize(
    ("rule", "form"),
    [("boxed/text", 1.0), ("fence/tests", 1.0), ("hash/number", 1.0), ("last_line/text", 0.0), ("none/", 0.0)],
)
def test_format_is_whether_the_asked_form_was_kept(rule: str, form: float) -> None:
    assert with_response_parts(verdict(rule), length=0.25).parts == {"format": form, "brevity": 0.75}


def test_the_verifier_s_own_parts_stay() -> None:
    assert with_response_parts(verdict("boxed/x", value=1.0, format=0.5), length=0.0).parts == {
        "format": 0.5,
        "brevity": 1.0,
        "value": 1.0,
    }


def test_a_right_answer_out_of_form_can_be_vetoed() -> None:
    reward = make_reward("vector", dimensions={"verdict": {}, "format": {"weight": 0.25}}, aggregator="veto")
    assert reward(with_response_parts(verdict("boxed/text"), length=0.5)).value == 1.0
    assert reward(with_response_parts(verdict("last_line/text"), length=0.5)).value == -0.25
