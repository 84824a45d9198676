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


def test_progress_goes_by_the_run_and_not_by_the_updates_taken():
    # 8 steps of 4 planned updates; a filter left 2 in each: 16 of 32 were taken, and the last step has 7/8 and 7.5/8 of the run behind it
    settings = LearnerSettings(learning_rate=1.0, schedule="linear", total_steps=32)
    assert learning_rate(settings, 14) == pytest.approx(18 / 32)
    assert learning_rate(settings, 14, progress=7 / 8) == pytest.approx(1 / 8)
    assert learning_rate(settings, 15, progress=7.5 / 8) == pytest.approx(1 / 16)
    assert learning_rate(settings, 16, progress=1.0) == 0.0


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(0, 6), st.integers(1, 10), st.integers(1, 5))
def test_where_every_planned_update_is_taken_progress_changes_nothing(name, warmup, steps, updates):
    total = steps * updates
    if total <= warmup:
        return
    settings = LearnerSettings(learning_rate=3e-5, schedule=name, warmup_steps=warmup, total_steps=total)
    for update in range(total):
        step, index = divmod(update, updates)
        progress = step / steps + index / updates / steps
        assert learning_rate(settings, update, progress=progress) == pytest.approx(
            learning_rate(settings, update), abs=1e-12
        )


def test_a_warm_up_that_comes_late_is_cut_by_the_decay():
    # 4 updates of warm-up were planned for the first half of 8; only 1 was taken when 3/4 of the run are done: min(2/5, 1 - 1/2) of the
    # peak, then min(3/5, 1 - 3/4)
    settings = LearnerSettings(learning_rate=1.0, schedule="linear", warmup_steps=4, total_steps=8)
    assert learning_rate(settings, 1, progress=0.75) == pytest.approx(0.4)
    assert learning_rate(settings, 2, progress=0.875) == pytest.approx(0.25)
