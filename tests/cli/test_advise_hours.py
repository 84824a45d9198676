"""A run that `advise --hours` sizes takes no longer, whatever guard its size gets it or takes from it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.cli.commands.advise import _size
from counterpoise.cli.views.advise import followed
from counterpoise.diagnostics.advice.decide import advise as decide
from counterpoise.diagnostics.advice.profile import PassAt, Plan, Profile
from counterpoise.diagnostics.explanation import Measured
from counterpoise.jobs.advise import Advised
from counterpoise.jobs.sizing import Pace
from counterpoise.runfile import parse_config

HALF = Measured(value=0.5, low=0.45, high=0.55)
MOST = Measured(value=0.95, low=0.9, high=1.0)
STRONG = Profile(
    name="all",
    problems=64,
    group_size=8,
    rollouts=512,
    pass_rate=HALF,
    coverage=MOST,
    pass_at=(PassAt(k=1, share=HALF, extrapolated=False), PassAt(k=8, share=MOST, extrapolated=False)),
    all_right=0.1,
    all_wrong=0.05,
    mixed=0.85,
    truncated=0.0,
    no_answer=0.0,
    no_answer_cut=math.nan,
    unscored=0.0,
    response_tokens=9.0,
    entropy=0.5,
    surprisal_right=0.4,
    surprisal_wrong=0.6,
)


def asked(problems, pace, *, kinds=1, steps=100, prompts=64):
    """What was measured on so many problems of each task type, and the run file."""
    config = parse_config(
        {"model": {"name": "lab"}},
        [
            f"learner.steps={steps}",
            f"rollout.prompts_per_step={prompts}",
            "rollout.group_size=8",
            "evaluation.problems=128",
        ],
    )
    plan = Plan(
        parameters=800_000,
        adapters=False,
        prompts_per_step=prompts,
        group_size=8,
        max_tokens=20,
        truncated_is="wrong",
        learning_rate=3e-5,
        steps=steps,
        guards_act=False,
        problems={f"kind_{kind}": problems for kind in range(kinds)},
        held_out=1000,
        guards=("success",),
    )
    found = Advised(
        model="lab",
        task="countdown",
        settings={},
        profile=STRONG,
        kinds=(),
        plan=plan,
        advice=decide(STRONG, plan),
        reasons={},
        pace=pace,
    )
    return config, found


def has_guard(sized):
    return any(choice.key == "guards.names" for choice in sized.found.advice.choices)


@pytest.mark.parametrize(
    ("problems", "steps", "prompts", "draw", "update", "hours", "least"),
    [
        # the whole plan gets the guard, a run sized with it is too short for it, and one sized without gets it again
        (50, 100, 64, 0.3, 0.2, 1.337, 0.9),
        (50, 100, 64, 0.02, 0.01, 0.079, 0.9),
        (100, 100, 64, 0.3, 0.2, 3.0, 0.8),
        (200, 100, 64, 0.3, 0.2, 5.0, 0.9),
        # the whole plan has none, a run sized without gets it, and there is no time for a prompt beside it
        (20, 1, 8, 0.8494, 0.1744, 1.063, 0.9),
        (20, 10, 16, 0.06239, 0.01559, 0.09977, 0.8),
        # the same, and there is time for a few
        (20, 10, 16, 0.0899, 0.0446, 0.1464, 0.9),
        (100, 100, 16, 0.0138, 0.0029, 0.0803, 0.9),
        # a step of all prompts would get the guard by itself, and look at every other one
        (10, 100, 256, 0.1, 0.05, 0.1, 0.4),
        (10, 100, 256, 0.1, 0.05, 0.3, 0.45),
        (10, 100, 256, 0.2196, 0.2086, 0.97, 0.6),
        (30, 100, 128, 0.457, 0.146, 2.178, 0.5),
        # all that can be drawn without the guard, 128 times each: more would need it, and does not fit
        (50, 100, 64, 0.001665, 0.000352, 0.0106, 0.5),
    ],
)
def test_a_guard_that_comes_and_goes_with_the_size_costs_no_more_than_there_is(
    problems, steps, prompts, draw, update, hours, least
):
    config, found = asked(problems, Pace(draw=draw, update=update, read=update / 3), steps=steps, prompts=prompts)
    sized = _size(config, found, hours)
    assert sized.late is None and least * hours < sized.times.total / 3600 <= hours


@given(
    problems=st.sampled_from([20, 50, 100, 200, 500]),
    kinds=st.integers(1, 3),
    steps=st.sampled_from([1, 100, 2000]),
    prompts=st.sampled_from([4, 64, 256]),
    draw=st.floats(1e-4, 0.5),
    update=st.floats(1e-4, 0.5),
    hours=st.floats(0.03, 20),
)
def test_it_takes_no_longer_whatever_it_is(problems, kinds, steps, prompts, draw, update, hours):
    config, found = asked(
        problems, Pace(draw=draw, update=update, read=update / 3), kinds=kinds, steps=steps, prompts=prompts
    )
    sized = _size(config, found, hours)
    if sized.late is not None:
        assert "hours are not enough" in str(sized.late)
        return
    assert sized.times.total <= 3600 * hours * (1 + 1e-9)
    written = followed(config, sized.found, sizes=sized.sizes)
    assert ("narrowing" in written.guards.names) == has_guard(sized)
    said = [finding.text for finding in sized.found.advice.findings if "recommended here" in finding.text]
    assert bool(said) == has_guard(sized)
