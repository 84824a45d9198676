"""How bad an alarm says it is: more where the run is worse, whatever the guard measures."""

import pytest

from counterpoise.diagnostics.guards.registry import make_guards

CALM = {
    "success_rate": 0.5,
    "entropy_sampled": 1.0,
    "entropy_sampled_correct": 1.0,
    "truncated_share": 0.0,
    "repetition": 0.0,
    "gradient_norm_plus": 1.0,
    "gradient_norm_minus": 1.0,
}
BAD_AND_WORSE = {
    "success": [{"success_rate": 0.1}, {"success_rate": 0.0}],
    "entropy": [{"entropy_sampled": 3.0}, {"entropy_sampled": 4.0}],
    "truncation": [{"truncated_share": 0.6}, {"truncated_share": 0.9}],
    "repetition": [{"repetition": 0.6}, {"repetition": 0.9}],
    "gradients": [{"gradient_norm_minus": 30.0}, {"gradient_norm_minus": 60.0}],
}


@pytest.mark.parametrize("name", BAD_AND_WORSE)
def test_it_is_larger_where_the_run_is_worse(name):
    excesses = []
    for record in BAD_AND_WORSE[name]:
        (guard,) = make_guards([name], {}).values()
        alarms = [guard.look(CALM | change) for change in [{}] * 12 + [record] * 40]
        assert alarms[11] is None
        excesses.append(alarms[-1].excess)
    assert excesses[0] < excesses[1]


def test_a_fall_in_likelihood_is_worse_the_longer_it_lasts():
    (guard,) = make_guards(["likelihood"], {}).values()
    alarms = [guard.look({"entropy_sampled_correct": 1.0 + 0.1 * max(0, step - 5)}) for step in range(40)]
    assert alarms[8] is None
    assert alarms[30].excess < alarms[39].excess
