"""A run that is sized to a number of hours takes no longer at the pace that was measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.jobs.sizing import Pace, size_to, times_of
from counterpoise.runfile import parse_config

PLAIN = ["rollout.prompts_per_step=64", "rollout.group_size=8", "evaluation.problems=128", "evaluation.n=256"]


def config(*overrides):
    return parse_config({}, [*PLAIN, "learner.steps=100", *overrides])


def sized(own, pace, hours):
    choices = {choice.key: choice.value for choice in size_to(own, pace, hours=hours)}
    words = [f"{key}={value}" for key, value in choices.items()]
    return parse_config(own.model_dump(mode="json"), words), choices


def test_the_time_of_a_run_is_that_of_its_rows():
    times = times_of(config("learner.epochs=2"), Pace(draw=0.01, update=0.005, read=0.005 / 3))
    # 512 rows x (0.01 + 2 x 0.005); 100 such steps; two evaluations of 128 x 256 at 0.01
    assert (times.step, times.training, times.evaluations) == pytest.approx((10.24, 1024.0, 655.36))
    assert str(times) == "about 10.2 s a step, 17:04 min of training and 10:55 min of evaluations: 27:59 min in all"


def test_a_base_that_is_read_is_part_of_the_time_once_a_step():
    pace = Pace(draw=0.01, update=0.005, read=0.002)
    # 512 rows x (0.01 + 2 x 0.005 + 0.002)
    assert times_of(config("learner.epochs=2", "loss.kl=0.1"), pace).step == pytest.approx(11.264)
    without, leashed = (sized(config(*kl), pace, 1.0)[0].learner.steps for kl in ((), ("loss.kl=0.1",)))
    assert leashed < without


GUARDED = ["guards.names=['narrowing']", "guards.settings.narrowing={problems=128, n=32, every=25}"]


def test_what_a_guard_draws_is_part_of_the_time():
    times = times_of(config(*GUARDED), Pace(draw=0.01, update=0.005, read=0.005 / 3))
    # 512 rows x (0.01 + 0.005), and 128 x 32 draws at 0.01 every 25 steps
    assert (times.step, times.training) == pytest.approx((7.68, 100 * (7.68 + 40.96 / 25)))
    own, choices = sized(config(*GUARDED), Pace(draw=0.001, update=0.001, read=0.001 / 3), 10)
    # 35934.464 s as without it, less the first 4.096 s; a step of 1.024 s and 4.096 s every 25 steps
    assert choices == {"learner.steps": 30248}
    assert times_of(own, Pace(draw=0.001, update=0.001, read=0.001 / 3)).total <= 36000


@pytest.mark.parametrize(("guards", "told"), [((), False), (GUARDED, True)])
def test_a_size_says_what_its_guard_takes(guards, told):
    choices = size_to(config(*guards), Pace(draw=0.1, update=0.1, read=0.1 / 3), hours=1)
    assert choices
    # 128 x 32 draws at 0.1 s
    assert all(("; each look of guard narrowing takes 6:50 min" in choice.why) is told for choice in choices)


@pytest.mark.parametrize("hours", [0.05, 0.2, 1, 3])
def test_a_guard_draws_of_every_task_type_and_in_the_first_step(hours):
    own, pace = config(*GUARDED), Pace(draw=0.001, update=0.001, read=0.001 / 3)
    choices = {choice.key: choice.value for choice in size_to(own, pace, hours=hours, kinds=3)}
    after = parse_config(own.model_dump(mode="json"), [f"{key}={value}" for key, value in choices.items()])
    times = times_of(after, pace, kinds=3)
    draws = -(-after.learner.steps // 25)  # steps 1, 26, ...
    assert times.training == pytest.approx(after.learner.steps * times.step + draws * 3 * 128 * 32 * 0.001)
    # evaluated are so many problems of each type, before and after
    assert times.evaluations == pytest.approx(2 * 3 * after.evaluation.problems * after.evaluation.n * 0.001)
    assert 0.8 * 3600 * hours < times.total <= 3600 * hours


def test_evaluations_get_fewer_rollouts_and_then_fewer_problems():
    # 1 h: evaluations may have 1080 s, 540 s each; at 0.1 s that is 5,400 rollouts: 32 for each of 128 problems
    own, choices = sized(config(), Pace(draw=0.1, update=0.1, read=0.1 / 3), 1)
    assert (choices["evaluation.n"], own.evaluation.problems) == (32, 128)
    # 3600 - 2 x 128 x 32 x 0.1 = 2780.8 s left, 1.6 s a prompt: 1,738 prompts, 34 in each of 51 steps
    assert (choices["rollout.prompts_per_step"], choices["learner.steps"]) == (34, 51)
    own, choices = sized(config(), Pace(draw=1.0, update=1.0, read=1.0 / 3), 1)
    # 540 rollouts: 16 for each of 33 problems
    assert (own.evaluation.n, own.evaluation.problems) == (16, 33)


def test_a_long_time_gives_more_steps_and_leaves_the_rest():
    own, choices = sized(config(), Pace(draw=0.001, update=0.001, read=0.001 / 3), 10)
    # 36000 - 2 x 128 x 256 x 0.001 = 35934.464 s, 1.024 s a step
    assert choices == {"learner.steps": 35092}
    assert own.rollout.prompts_per_step == 64


def test_the_largest_k_is_kept():
    own, _ = sized(config("evaluation.k=[1,100]"), Pace(draw=1.0, update=1.0, read=1.0 / 3), 1)
    assert own.evaluation.n == 100


def test_evaluations_on_the_way_stay_as_many():
    own, _ = sized(config("evaluation.every=25"), Pace(draw=0.001, update=0.001, read=0.001 / 3), 10)
    assert own.evaluation.every == -(-own.learner.steps // 4)


@given(
    hours=st.floats(0.01, 100),
    draw=st.floats(1e-5, 5.0),
    update=st.floats(1e-5, 5.0),
    every=st.sampled_from([0, 7, 50]),
    epochs=st.integers(1, 3),
    minibatch=st.sampled_from(["none", "16"]),
)
def test_it_takes_no_longer_than_it_may(hours, draw, update, every, epochs, minibatch):
    own = config(f"evaluation.every={every}", f"learner.epochs={epochs}", f"learner.minibatch={minibatch}")
    pace = Pace(draw=draw, update=update, read=update / 3)
    try:
        after, _ = sized(own, pace, hours)
    except UsageError as error:
        assert "hours are not enough" in str(error)
        # a single prompt and the least evaluations of it would not fit
        assert 8 * (draw + epochs * update) > 0.1 * 3600 * hours
        return
    assert times_of(after, pace).total <= 3600 * hours * (1 + 1e-9)


def test_too_little_time_is_said_with_what_it_would_take():
    with pytest.raises(
        UsageError, match=r"0.01 hours are not enough: the 8 responses to one prompt take 1:20 min here"
    ):
        size_to(config(), Pace(draw=5.0, update=5.0, read=5.0 / 3), hours=0.01)
