"""Every guard on made-up traces: when it fires, when it does not, when it ends, and that its state is all there is to it."""

import json
import math

import pytest

from counterpoise import columns
from counterpoise.config import GuardsConfig
from counterpoise.diagnostics.guards.registry import GUARDS, make_guards
from counterpoise.errors import CheckpointError, ConfigError, UnknownNameError


def _fires(guard, column, values):
    return [guard.look({column: value}) is not None for value in values]


def _one(name, **settings):
    return make_guards([name], {name: settings})[name]


def test_entropy_fires_after_three_steps_above_twice_its_beginning_and_ends_below_one_and_a_half():
    # H_0 = (0.1 + 0.2 + 0.3 + 0.2 + 0.2) / 5 = 0.2, so the limit is 0.4 and the end 0.3
    guard = _one("entropy")
    beginning = [0.1, 0.2, 0.3, 0.2, 0.2]
    trace = [0.41, 0.5, 0.39, 0.41, 0.41, 0.41, 0.35, 0.31, 0.29, 0.35]
    assert _fires(guard, "entropy_sampled", beginning + trace) == [False] * 5 + [False] * 5 + [True] * 3 + [False] * 2


def test_entropy_says_what_it_saw():
    guard = _one("entropy", patience=1)
    for _ in range(5):
        guard.look({"entropy_sampled": 0.2})
    alarm = guard.look({"entropy_sampled": 0.53})
    assert alarm.message == "entropy_sampled is 0.53 nats per token, the run began with 0.2 (limit: 2 times that)"
    assert alarm.seen == pytest.approx({"entropy_sampled": 0.53, "start": 0.2})
    assert (alarm.relief.share, alarm.relief.minus) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("name", "column", "rise"), [("truncation", "truncated_share", 0.3), ("repetition", "repetition", 0.2)]
)
def test_rates_fire_above_their_beginning_and_end_within_half_of_the_rise(name, column, rise):
    guard = _one(name)
    above, band, back = 0.1 + 1.01 * rise, 0.1 + 0.6 * rise, 0.1 + 0.4 * rise
    trace = [above, above, band, above, above, above, band, back, band]
    assert _fires(guard, column, [0.1] * 5 + trace) == [False] * 10 + [True, True, False, False]


def test_unscored_holds_each_kind_of_reason_against_its_own_beginning():
    guard = _one("unscored", rise=0.05, patience=3)
    steady = {"unscored_other": 0.3}  # unreadable golds from the start: none of the policy's doing
    for _ in range(8):
        assert guard.look({**steady, "unscored_timeout": 0.0}) is None
    told = [guard.look({**steady, "unscored_timeout": 0.06}) for _ in range(3)]
    assert told[:2] == [None, None]
    assert told[2].message == "unscored_timeout is 6.0%, the run began with 0.0% (limit: 5.0% more)"
    assert guard.look({**steady, "unscored_timeout": 0.0}) is None and guard.calm


def test_unscored_watches_answers_that_were_blamed():
    told = _fires(_one("unscored", patience=1), "intractable_share", [0.0] * 5 + [0.04, 0.2])
    assert told == [False] * 6 + [True]


def test_success_fires_when_a_third_of_its_best_average_is_lost():
    guard = _one("success", smoothing=0.0)
    # best 0.6, limit 0.42, end 0.51; the first nine steps are never the best, however good
    trace = [0.9] * 9 + [0.6, 0.43, 0.41, 0.41, 0.41, 0.5, 0.52, 0.41]
    assert _fires(guard, "success_rate", trace) == [False] * 13 + [True, True, False, False]


def test_success_averages_plainly_until_the_average_is_as_long_as_its_memory():
    guard = _one("success", smoothing=0.75)
    for value in (0.2, 0.4, 0.6, 0.8):
        guard.look({"success_rate": value})
    assert guard.state_dict()["average"] == pytest.approx(0.5)
    guard.look({"success_rate": 0.9})
    assert guard.state_dict()["average"] == pytest.approx(0.75 * 0.5 + 0.25 * 0.9)


def test_likelihood_needs_ten_steps_running_and_a_quarter_of_the_beginning():
    def last(values):
        return _fires(_one("likelihood", smoothing=0.0), "entropy_sampled_correct", [0.2] * 5 + values)

    rising = [0.2 + 0.006 * step for step in range(1, 11)]  # 0.26 at the tenth: 30% more than 0.2
    assert last(rising) == [False] * 14 + [True]
    assert last([0.2 + 0.004 * step for step in range(1, 11)])[-1] is False  # 20% more
    assert last([*rising[:9], 0.2, *rising[:9]])[-1] is False  # not running
    # it goes on through two steps that do not rise, and ends with the third
    assert last([*rising, 0.25, 0.24, 0.23])[-4:] == [True, True, True, False]


def test_likelihood_says_what_it_saw():
    guard = _one("likelihood", smoothing=0.0)
    alarms = [
        guard.look({"entropy_sampled_correct": value}) for value in [0.2] * 5 + [0.2 + 0.01 * n for n in range(1, 11)]
    ]
    assert alarms[-1].message == (
        "the log-probability of correct responses fell for 10 steps running, from -0.2 to -0.3 nats a token "
        "(limit: 10 steps and 25% of the -0.2 of the beginning)"
    )


def test_gradients_ask_for_the_weight_that_brings_the_ratio_back():
    guard = _one("gradients", patience=1)
    assert guard.look({"gradient_norm_plus": 0.1, "gradient_norm_minus": 1.9}) is None
    alarm = guard.look({"gradient_norm_plus": 0.1, "gradient_norm_minus": 8.0})
    assert alarm.relief.minus == pytest.approx(20 / 80)
    assert guard.look({}) is not None  # most steps measure nothing
    assert guard.look({"gradient_norm_plus": 0.1, "gradient_norm_minus": 1e6}).relief.minus == 0.05
    assert guard.look({"gradient_norm_plus": 0.1, "gradient_norm_minus": 0.9}) is None
    assert guard.look({"gradient_norm_plus": 0.0, "gradient_norm_minus": 8.0}) is None  # nsr has no ratio


def test_nothing_right_fires_after_ten_steps_without_a_success_and_ends_with_one():
    guard = _one("nothing_right")
    trace = [0.0] * 9 + [0.01] + [0.0] * 12 + [0.5, 0.0]
    # nine are not enough; the tenth of the second row fires, and so do the two after it
    assert _fires(guard, "success_rate", trace) == [False] * 10 + [False] * 9 + [True] * 3 + [False] * 2


def test_nothing_right_says_what_it_saw_and_asks_that_nothing_be_pushed_down():
    guard = _one("nothing_right", patience=2)
    guard.look({"success_rate": 0.0})
    alarm = guard.look({"success_rate": 0.0})
    assert alarm.message == (
        "no response of the last 2 steps was right; if none ever was, the prompt, the verifier or the length limit do not fit the model "
        "(counterpoise advise)"
    )
    assert alarm.seen == {"success_rate": 0.0, "steps": 2.0}
    assert (alarm.relief.share, alarm.relief.minus) == (0.5, 1.0)
    assert guard.look({"success_rate": 0.0}).seen["steps"] == 3.0
    assert not guard.calm
    assert guard.look({"success_rate": 0.1}) is None
    assert guard.calm


def test_narrowing_fires_ten_points_below_the_best_of_two_running_and_ends_within_five():
    guard = _one("narrowing")
    # the first stands alone: best 0.6; 0.9 and 0.71 running are 0.805, so the limit is 0.705 and the end 0.755
    trace = [0.6, 0.9, 0.71, 0.69, 0.71, 0.69, 0.69, 0.74, 0.76, 0.69]
    assert _fires(guard, "held_out_pass_k", trace) == [False] * 6 + [True] * 2 + [False] * 2
    # steps between measurements go on as they were
    assert (
        _fires(_one("narrowing", patience=1), "held_out_pass_k", [0.8, math.nan, 0.5, math.nan])
        == [False] * 2 + [True] * 2
    )


def test_narrowing_says_what_it_saw_and_asks_for_no_relief_of_its_own():
    guard = _one("narrowing", patience=1)
    guard.look({"held_out_pass_k": 0.8})
    alarm = guard.look({"held_out_pass_k": 0.5})
    assert alarm.message == "held_out_pass_k is 50.0% on held-out problems, it was 80.0% (limit: 10% less)"
    assert (alarm.relief.active, alarm.excess) == (False, -0.5)
    assert not guard.calm
    asking = _one("narrowing", patience=1, share=0.4)
    asking.look({"held_out_pass_k": 0.8})
    assert asking.look({"held_out_pass_k": 0.5}).relief.share == 0.4
    with pytest.raises(ConfigError, match=r"guards narrowing: k = 9"):
        _one("narrowing", k=9, n=8)


def test_narrowing_that_finishes_is_calm_after_a_measurement_within_its_budget_alone():
    guard = _one("narrowing", finish=True, drop=0.1)
    seen = []
    for value in [0.8, math.nan, 0.71, 0.69, math.nan, 0.69]:  # the limit is 0.7
        alarm = guard.look({"held_out_pass_k": value})
        seen.append((guard.calm, None if alarm is None else alarm.finish))
    assert seen == [(True, None), (False, None), (True, None), (False, None), (False, None), (False, True)]


def test_nothing_right_is_watched_by_default():
    assert "nothing_right" in GuardsConfig().names
    assert set(GUARDS) - set(GuardsConfig().names) == {"narrowing"}  # draws what it reads


COLUMNS = (
    "entropy_sampled",
    "entropy_sampled_correct",
    "success_rate",
    "truncated_share",
    "repetition",
    "unscored_timeout",
    "unscored_crash",
    "unscored_memory",
    "unscored_other",
    "intractable_share",
)


def _record(step):
    """Fine at first; then entropy, truncation and repetition rise and success falls."""
    worse = max(0, step - 12)
    values = (
        0.2 + 0.05 * worse,
        0.2 + 0.02 * worse,
        max(0.0, 0.6 - 0.05 * worse),
        min(1.0, 0.05 * worse),
        min(1.0, 0.05 * worse),
        min(1.0, 0.02 * worse),
        0.0,
        0.0,
        0.01,
        0.0,
    )
    drawn = {
        "gradient_norm_plus": 0.1,
        "gradient_norm_minus": 0.2 * step,
        "held_out_pass_k": max(0.0, 0.8 - 0.04 * worse),
    }
    return {**dict(zip(COLUMNS, values, strict=True)), **drawn}


@pytest.mark.parametrize("name", sorted(GUARDS))
def test_the_state_is_all_there_is_and_goes_through_json(name):
    whole = _one(name)
    told = [whole.look(_record(step)) for step in range(40)]
    assert any(told)
    for cut in (3, 14, 25, 39):
        first, second = _one(name), _one(name)
        before = [first.look(_record(step)) for step in range(cut)]
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert second.calm == first.calm
        assert before + [second.look(_record(step)) for step in range(cut, 40)] == told


@pytest.mark.parametrize("name", sorted(GUARDS))
def test_what_was_not_measured_changes_nothing(name):
    guard, other = _one(name), _one(name)
    nothing = dict.fromkeys([*COLUMNS, "gradient_norm_plus", "gradient_norm_minus", "held_out_pass_k"], math.nan)
    for step in range(30):
        assert guard.look(_record(step)) == other.look(_record(step))
        assert other.look(nothing) == other.look({}) == guard.look({})


@pytest.mark.parametrize("name", sorted(GUARDS))
def test_steady_noise_fires_nothing(name):
    guard = _one(name)
    for step in range(500):
        swing = 1.0 + 0.15 * math.sin(2.3 * step)
        record = dict(zip(COLUMNS, (0.2 * swing, 0.2 * swing, 0.5 * swing, *[0.1 * swing] * 7), strict=True))
        drawn = {"gradient_norm_plus": 0.5, "gradient_norm_minus": 2.0 * swing, "held_out_pass_k": 0.25 + 0.25 * swing}
        assert guard.look({**record, **drawn}) is None


class Recorded(dict):
    """A step's record that keeps which columns were asked for."""

    def __init__(self, record):
        super().__init__(record)
        self.asked = set()

    def get(self, name, default=None):
        self.asked.add(name)
        return super().get(name, default)

    def __getitem__(self, name):
        self.asked.add(name)
        return super().__getitem__(name)


@pytest.mark.parametrize("name", sorted(GUARDS))
def test_a_guard_reads_columns_of_the_catalogue_alone(name):
    guard, asked = _one(name), set()
    for step in range(40):
        record = Recorded(_record(step))
        guard.look(record)
        asked |= record.asked
    assert asked and asked <= set(columns.COLUMNS)


def test_mistakes_are_named():
    with pytest.raises(UnknownNameError, match=r"unknown guards.names 'entropi'; did you mean 'entropy'"):
        make_guards(["entropi"], {})
    with pytest.raises(UnknownNameError, match=r"unknown guards.settings 'entropy'; known: success"):
        make_guards(["success"], {"entropy": {"factor": 3.0}})
    with pytest.raises(ConfigError, match=r"guards entropy: factor = 1.0; expected a number in \(1, inf\)"):
        make_guards(["entropy"], {"entropy": {"factor": 1.0}})
    with pytest.raises(ConfigError, match="unknown setting 'drops'; did you mean 'drop'"):
        make_guards(["success"], {"success": {"drops": 0.5}})
    with pytest.raises(CheckpointError, match="state of the guard 'success' has the keys a instead of"):
        _one("success").load_state_dict({"a": 1})
