"""`counterpoise config`: what a run file can hold, said on the terminal."""

import json

import pytest


def test_config_says_what_a_key_takes(command):
    assert "tracking" in command("config").stdout
    line = next(line for line in command("config", "rollout").stdout.splitlines() if "group_size" in line)
    assert line.split("  ")[0].strip() == "group_size"
    assert "an integer in [1, inf)" in line and "8" in line and "Rollouts per problem." in line
    assert "group_size" not in command("config", "rollout.max_tokens").stdout
    assert "nu " in command("config", "credit.rule=hinge").stdout
    assert "has no settings" in command("config", "credit.rule=nsr").stderr
    assert "factor" in command("config", "guards.settings=entropy").stdout
    assert json.loads(command("config", "--schema").stdout)["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("lerner",), "unknown section of the run file 'lerner'; did you mean 'learner'?"),
        (("learner.stepz",), "unknown key of [learner] 'stepz'; did you mean 'steps'?"),
        (("credit.rule=nrs",), "unknown credit.rule 'nrs'; did you mean 'nsr'?"),
        (("credit.role=nsr",), "did you mean 'credit.rule'?"),
        (("learner", "--schema"), "leave the section away"),
    ],
)
def test_a_slip_gets_the_nearest_name(refused, words, says):
    refused("config", *words, says=says)
