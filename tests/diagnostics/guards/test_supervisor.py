import json
import math

import pytest

from counterpoise.diagnostics.guards.base import Alarm, Relief
from counterpoise.diagnostics.guards.narrowing import Narrowing
from counterpoise.diagnostics.guards.supervisor import Supervisor
from counterpoise.errors import CheckpointError


class _Scripted:
    """Fires where its column is 1, and is not calm where it is 0.5."""

    def __init__(self, column, relief):
        self.column, self.relief, self.value, self.excess = column, relief, 0.0, 1.0

    def look(self, record):
        self.value = record.get(self.column, 0.0)
        self.excess = record.get("excess", 1.0)
        alarm = Alarm(message="seen", seen={"x": 1.0}, excess=self.excess, relief=self.relief)
        return alarm if self.value == 1.0 else None

    @property
    def calm(self):
        return self.value == 0.0

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


def _supervisor(**changes):
    settings = {"act": True, "together": 2, "rollbacks": 1, "hold": 2, "fade": 3} | changes
    guards = {"a": _Scripted("a", Relief(share=0.5)), "b": _Scripted("b", Relief(share=0.2, minus=0.5))}
    return Supervisor(guards=guards, **settings)


def test_relief_is_full_while_a_guard_fires_is_held_and_fades():
    supervisor = _supervisor()
    assert not supervisor.relief.active
    shares = []
    for fires in (1.0, 0, 0, 0, 0, 0, 0):
        supervisor.look({"a": fires})
        shares.append(supervisor.relief.share)
    # the alarm's own step, two steps held, three that fade by quarters, none
    assert shares == pytest.approx([0.5, 0.5, 0.5, 0.375, 0.25, 0.125, 0.0])
    assert supervisor.relief == Relief()


def test_another_alarm_starts_the_relief_anew_and_both_wishes_are_met():
    supervisor = _supervisor()
    for record in ({"a": 1.0}, {}, {}, {}, {"b": 1.0}):
        supervisor.look(record)
    assert supervisor.relief == Relief(share=0.5, minus=0.5)


def test_firing_and_ending_are_told_once_each():
    supervisor = _supervisor()
    told = [supervisor.look({"a": fires}).firings for fires in (1.0, 1.0, 0.5, 0.0)]
    assert [[(one.guard, one.action) for one in firings] for firings in told] == [
        [("a", "relieved")], [], [("a", "ended")], [],
    ]  # fmt: skip
    assert told[0][0].message == "a: seen; the positive share is held at 0.5 or more"
    assert told[0][0].seen == {"x": 1.0}
    assert told[2][0].message == "a: back within its limits; its relief is taken back over 3 steps after 2 more"


def test_a_guard_that_asks_for_no_relief_is_told_of_none():
    supervisor = _supervisor()
    supervisor.guards["a"].relief = Relief()
    supervisor.good = 7
    (began,) = supervisor.look({"a": 1.0}).firings
    assert (began.action, began.message) == ("watched", "a: seen; the credit stays as it is")
    while (decision := supervisor.look({"a": 1.0})).roll_back is None:
        assert not decision.firings and not supervisor.relief.active
    assert supervisor.returned(supervisor.state_dict()) == "a fired for 3 steps (return 1 of 1 at most)"
    supervisor.look({"a": 1.0})
    (ended,) = supervisor.look({}).firings
    assert ended.message == "a: back within its limits"


def test_without_leave_to_act_it_only_says():
    supervisor = _supervisor(act=False)
    for _ in range(20):
        decision = supervisor.look({"a": 1.0, "b": 1.0})
        assert (decision.roll_back, decision.stop, supervisor.relief, supervisor.healthy) == (
            None,
            None,
            Relief(),
            False,
        )
    (first, _) = _supervisor(act=False).look({"a": 1.0, "b": 1.0}).firings
    assert (
        first.message
        == "a: seen; nothing is done about it (guards.act=true would: the positive share is held at 0.5 or more)"
    )


def test_a_checkpoint_is_good_when_all_guards_are_calm_and_no_relief_is_in_force():
    supervisor = _supervisor()
    healthy = []
    for fires in (0.0, 0.5, 1.0, 0, 0, 0, 0, 0, 0):
        supervisor.look({"a": fires})
        healthy.append(supervisor.healthy)
    assert healthy == [True, False, False, False, False, False, False, False, True]


def test_several_at_once_go_back_and_in_the_end_stop():
    supervisor = _supervisor()
    supervisor.look({})
    supervisor.good, state = 7, supervisor.state_dict()
    assert supervisor.look({"a": 1.0, "b": 1.0}).roll_back == 7
    assert supervisor.returned(state) == "a, b fired at once (return 1 of 1 at most)"
    assert supervisor.relief == Relief(share=0.5, minus=0.5)  # it stays, and so does the count
    assert supervisor.look({"a": 1.0}).roll_back is None
    assert supervisor.look({"a": 1.0, "b": 1.0}).stop == "a, b fired at once, after 1 of 1 returns"


def test_one_that_goes_on_in_spite_of_its_relief_sends_back_too():
    supervisor = _supervisor(good=3)
    assert [supervisor.look({"a": 1.0}).roll_back for _ in range(3)] == [None, None, 3]
    assert (
        supervisor.returned(supervisor.state_dict())
        == "a fired for 3 steps in spite of the relief (return 1 of 1 at most)"
    )


def test_one_that_gets_better_under_relief_is_given_as_long_again():
    supervisor = _supervisor(good=3)
    # better than three steps before at the third step, at the fifth no longer
    looks = [supervisor.look({"a": 1.0, "excess": excess}).roll_back for excess in (1.0, 1.4, 0.9, 0.8, 0.95)]
    assert looks == [None, None, None, None, 3]


def test_relief_lasts_longer_with_every_alarm():
    supervisor = _supervisor(backoff=2.0, hold=1, fade=1)
    strengths = []
    for fires in (1.0, 1.0, 0, 0, 0, 1.0, 0, 0, 0, 0, 0):
        supervisor.look({"a": fires})
        strengths.append(supervisor.relief.share)
    assert strengths[:5] == pytest.approx([0.5, 0.5, 0.5, 0.25, 0.0])  # one step held, one that fades
    assert strengths[5:] == pytest.approx([0.5, 0.5, 0.5, 1 / 3, 1 / 6, 0.0])  # two and two


def test_relief_is_a_thousand_times_as_long_at_most():
    supervisor = _supervisor(backoff=1e300, hold=1, fade=0, together=9)
    for fires in [1.0, 0.0] * 1100:
        supervisor.look({"a": fires})
    assert [supervisor.look({}) is not None and supervisor.relief.active for _ in range(999)] == [True] * 999
    supervisor.look({})
    assert not supervisor.relief.active


def test_without_a_good_checkpoint_it_stops():
    assert (
        _supervisor().look({"a": 1.0, "b": 1.0}).stop
        == "a, b fired at once, after 0 of 1 returns and there is no good checkpoint"
    )


def test_where_it_stops_it_names_what_a_new_run_may_set_instead_once_each():
    both = {"a": 1.0, "b": 1.0, "polarity_share_rows": 0.9}
    assert _supervisor().look(both).remedies == ("more positive credit (guards.floor)", "less negative credit")
    # a share is moved only where credit has both signs: positives alone, negatives alone, a step without credit, one that does not say
    for share in ({"polarity_share_rows": value} for value in (1.0, 0.0, math.nan)):
        assert _supervisor().look(both | share).remedies == ("less negative credit",)
    assert _supervisor().look({"a": 1.0, "b": 1.0}).remedies == ("less negative credit",)
    assert _supervisor(good=3).look(both).remedies == ()  # it goes back, and does not stop


@pytest.mark.parametrize("ends", [False, True])
def test_a_guard_on_pass_at_k_names_the_end_that_it_may_make_unless_it_makes_it(ends):
    guard = Narrowing(patience=1, finish=ends)
    supervisor = Supervisor(guards={"narrowing": guard}, act=True, together=1, rollbacks=0, hold=0, fade=0)
    supervisor.look({"held_out_pass_k": 0.8})
    decision = supervisor.look({"held_out_pass_k": 0.5})  # without a good checkpoint there is nothing to end with
    assert decision.stop is not None
    told = "an end where that is lost (guards.settings.narrowing.finish=true, counted from where it starts)"
    assert decision.remedies == (() if ends else (told,))


def test_the_floor_is_always_in_force():
    supervisor = _supervisor(floor=0.1)
    assert supervisor.relief == Relief(share=0.1)
    supervisor.look({})
    assert supervisor.healthy
    supervisor.look({"a": 1.0})
    assert supervisor.relief == Relief(share=0.5)


SCRIPT = [
    {},
    {"a": 0.5},
    {"a": 1.0},
    {},
    {},
    {"b": 1.0},
    {"a": 1.0},
    {"a": 1.0, "b": 1.0},
    {},
    {"a": 1.0},
    {},
    {},
    {},
    {},
]


def test_the_state_is_all_there_is_and_goes_through_json():
    def run(supervisor, records):
        return [(supervisor.look(record), supervisor.relief, supervisor.healthy) for record in records]

    told = run(_supervisor(good=4), SCRIPT)
    for cut in range(len(SCRIPT)):
        first, second = _supervisor(good=4), _supervisor()
        before = run(first, SCRIPT[:cut])
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert before + run(second, SCRIPT[cut:]) == told


def test_a_state_of_other_guards_is_refused():
    other = Supervisor(guards={}, act=True, together=2, rollbacks=1, hold=2, fade=3)
    with pytest.raises(
        CheckpointError, match=r"under other guards \(none\) than the run has \(a, b\); resume with the same"
    ):
        _supervisor().load_state_dict(other.state_dict())
