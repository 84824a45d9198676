import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UnknownNameError
from counterpoise.learner.schedules import SCHEDULES, learning_rate
from counterpoise.learner.settings import LearnerSettings


def test_warmup_rises_by_equal_parts_and_spends_no_step_at_zero():
    settings = LearnerSettings(learning_rate=4.0, warmup_steps=3)
    assert [learning_rate(settings, step) for step in range(5)] == [1.0, 2.0, 3.0, 4.0, 4.0]  # 4 * (step + 1) / 4


def test_linear_falls_to_zero_at_the_last_step():
    settings = LearnerSettings(learning_rate=2.0, schedule="linear", total_steps=4)
    assert [learning_rate(settings, step) for step in range(6)] == [2.0, 1.5, 1.0, 0.5, 0.0, 0.0]


def test_cosine_is_half_way_at_half_time():
    settings = LearnerSettings(learning_rate=2.0, schedule="cosine", warmup_steps=1, total_steps=5)
    rates = [learning_rate(settings, step) for step in range(6)]  # 1 warm-up step, then cos at 0, 1/4, 1/2, 3/4, 1
    assert rates == pytest.approx([1.0, 2.0, 1 + 0.5**0.5, 1.0, 1 - 0.5**0.5, 0.0])


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(0, 20), st.integers(1, 50), st.integers(0, 100))
def test_rate_never_leaves_zero_to_peak(name, warmup, span, step):
    settings = LearnerSettings(learning_rate=1.0, schedule=name, warmup_steps=warmup, total_steps=warmup + span)
    assert 0.0 <= learning_rate(settings, step) <= 1.0


def test_unknown_schedule_names_the_nearest():
    settings = LearnerSettings(schedule="cosin", total_steps=9)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="unknown schedule 'cosin'; did you mean 'cosine'"):
        learning_rate(settings, 0)
