"""`python -m counterpoise.engines.verl`: what is wrong is one line, before Ray starts."""

import subprocess
import sys

import pytest
from command import command, environment

MODULE = "counterpoise.engines.verl"


def run(*arguments, **changed):
    return subprocess.run(
        [sys.executable, "-m", MODULE, *arguments],
        env=environment() | changed,
        capture_output=True,
        text=True,
        timeout=280,
    )


def test_it_says_that_the_plugin_is_loaded():
    done = run()
    assert done.returncode == 0, done.stderr[-2000:]
    assert "verl 0.9.1 has loaded the plugin of counterpoise" in done.stdout


def test_an_importable_trl_is_named_before_verl_is_imported(tmp_path):
    (tmp_path / "trl").mkdir()
    done = run(PYTHONPATH=f"{environment()['PYTHONPATH']}:{tmp_path}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"error: trl can be imported (from {tmp_path}/trl), and verl 0.9.1")


def test_a_plugin_that_is_switched_off():
    done = run(VERL_USE_EXTERNAL_PLUGINS="none")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: verl did not load the plugin counterpoise; unset VERL_USE_EXTERNAL_PLUGINS, or add counterpoise to the names in it"
    )


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("+algorithm.counterpoise.rule=ppo", "needs a critic, and verl's trainer trains none"),
        ("+algorithm.counterpoise.rule=nrs", "did you mean 'nsr'"),
        ("actor_rollout_ref.actor.shuffle=True", "actor_rollout_ref.actor.shuffle=True: the denominator"),
    ],
)
def test_credit_that_cannot_be_is_one_line_before_ray_starts(tmp_path, override, says):
    done = run(*command(tmp_path)[3:], override)
    assert done.returncode == 2
    assert says in done.stderr.splitlines()[-1] and "ray init" not in done.stdout
