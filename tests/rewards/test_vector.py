import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import ConfigError, DataError, UnknownNameError
from counterpoise.rewards.binary import binary
from counterpoise.rewards.registry import make_reward
from counterpoise.types import Verdict, VerdictValue


def verdict(truth: VerdictValue = VerdictValue.WRONG, /, **parts: float) -> Verdict:
    return Verdict(value=truth, answer="x", basis="r", seconds=0.0, verifier="quantity", version="1", parts=parts)


def reward(aggregator: str, judged: Verdict, /, **dimensions: dict[str, float]) -> float:
    value: float = make_reward("vector", dimensions=dimensions, aggregator=aggregator)(judged).value
    return value


def test_and_or_needs_all_to_push_up_and_takes_the_worst_to_push_down() -> None:
    dimensions: dict[str, dict[str, float]] = {"value": {}, "unit": {"weight": 0.5}}
    assert reward("and_or", verdict(value=1.0, unit=1.0), **dimensions) == 1.0
    # value right, unit wrong: max(0, 0.5 * 1)
    assert reward("and_or", verdict(value=1.0, unit=0.0), **dimensions) == -0.5
    assert reward("and_or", verdict(value=0.0, unit=0.0), **dimensions) == -1.0
    # g+ = 0.5 and 1: 0.5^1 * 1^0.5
    assert reward("and_or", verdict(value=0.75, unit=1.0), **dimensions) == 0.5


def test_weighted_sum_lets_dimensions_make_up_for_one_another() -> None:
    # (3 * 1 - 1 * 1) / 4
    assert reward("weighted_sum", verdict(value=1.0, unit=0.0), value={"weight": 3.0}, unit={}) == 0.5


def test_gate_counts_the_others_only_where_the_first_is_good() -> None:
    dimensions: dict[str, dict[str, float]] = {"verdict": {}, "short": {}}
    assert reward("gate", verdict(VerdictValue.CORRECT, short=0.0), **dimensions) == 0.0
    assert reward("gate", verdict(VerdictValue.WRONG, short=1.0), **dimensions) == -1.0


def test_veto_cannot_be_made_up_for() -> None:
    dimensions: dict[str, dict[str, float]] = {"verdict": {}, "format": {"weight": 2.0}}
    # format 0.4: g- = 0.1 / 0.5 = 0.2, twice
    assert reward("veto", verdict(VerdictValue.CORRECT, format=0.4), **dimensions) == pytest.approx(-0.4)
    assert reward("veto", verdict(VerdictValue.CORRECT, format=1.0), **dimensions) == 1.0


@pytest.mark.parametrize("aggregator", ["and_or", "weighted_sum", "gate", "veto"])
@pytest.mark.parametrize("value", [value for value in VerdictValue if value is not VerdictValue.ABSTAINED])
def test_the_verdict_alone_is_the_binary_reward(aggregator: str, value: VerdictValue) -> None:
    judged = verdict(value)
    found = reward(aggregator, judged, verdict={})
    assert found == binary(judged).value or (math.isnan(found) and not judged.scored)


def test_missing_dimensions_are_left_out() -> None:
    dimensions: dict[str, dict[str, float]] = {"value": {}, "unit": {}}
    assert reward("and_or", verdict(value=1.0), **dimensions) == 1.0
    assert reward("weighted_sum", verdict(value=0.75), **dimensions) == 0.5
    assert reward("and_or", verdict(), **dimensions) == -1.0


def test_a_right_answer_without_any_dimension_is_a_mistake_of_the_run_file() -> None:
    with pytest.raises(
        DataError, match=r"'quantity' called an answer right and gave none of the dimensions unit \(it gave: value\)"
    ):
        reward("and_or", verdict(VerdictValue.CORRECT, value=1.0), unit={})


def test_abstaining_is_neutral_and_no_answer_is_wrong() -> None:
    assert reward("and_or", verdict(VerdictValue.ABSTAINED), verdict={}) == 0.0
    assert reward("and_or", verdict(VerdictValue.NO_ANSWER), verdict={}) == -1.0


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'and_or'"):
        make_reward("vector", dimensions={"value": {}}, aggregator="andor")
    with pytest.raises(ConfigError, match=r"dimensions = \{\}; expected a table"):
        make_reward("vector", dimensions={})
    with pytest.raises(ConfigError, match=r"dimensions.value = \{'power': 2\}; expected a table with tau and weight"):
        make_reward("vector", dimensions={"value": {"power": 2}})
    with pytest.raises(ConfigError, match=r"dimensions.value.tau = 1.0; expected a number in \(0, 1\)"):
        make_reward("vector", dimensions={"value": {"tau": 1}})
    with pytest.raises(DataError, match=r"part 'value' of the verifier 'quantity' is 1.5"):
        reward("and_or", verdict(value=1.5), value={})


@given(st.lists(st.booleans(), min_size=1, max_size=5), st.data())
def test_on_parts_of_0_and_1_veto_is_and_or(marks: list[bool], data: st.DataObject) -> None:
    weights = [1.0, *(data.draw(st.floats(0.01, 3)) for _ in marks[1:])]
    dimensions = {f"p{i}": {"weight": weight} for i, weight in enumerate(weights)}
    judged = verdict(**{f"p{i}": float(mark) for i, mark in enumerate(marks)})
    assert reward("veto", judged, **dimensions) == reward("and_or", judged, **dimensions)
