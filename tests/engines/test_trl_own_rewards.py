"""Reward functions of the user's own under TRL that raise, give what is no reward, or hang in a process that ignores Ctrl-C."""

import asyncio
import signal
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch

from counterpoise.engines.trl.own_rewards import watched
from counterpoise.engines.watch import Watch
from counterpoise.errors import DataError, TrainingError

TWO = {"prompts": ["1+1=", "2+2="], "completions": ["2", "5"]}


def held(function, name="own"):
    """Without a limit, so that no process is started beside this one."""
    return watched(function, name=name, seconds=None, watch=Watch())


class _Raising:
    def __call__(self, **_):
        raise KeyError("solution\nof the row")


async def _raising(**_):
    raise KeyError("solution\nof the row")


@pytest.mark.parametrize("function", [_Raising(), _raising])
def test_what_a_function_raised_is_one_line_with_the_way_on(function):
    with pytest.raises(TrainingError) as found:
        called = held(function)(**TWO)
        asyncio.run(called)
    assert str(found.value) == (
        "the reward function own raised KeyError: 'solution\\nof the row' on 2 completions, the first of them to '1+1='; fix it, or give "
        "None for what it cannot judge, and start again with resume_from_checkpoint=True, which goes on from the last checkpoint"
    )
    assert isinstance(found.value.__cause__, KeyError)


def test_an_error_of_ours_stays_what_it_is():
    def refuses(**_):
        raise DataError("no column")

    with pytest.raises(DataError, match="no column"):
        held(refuses)(**TWO)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ([1, None], [1, None]),
        ((True, 0.5), [True, 0.5]),
        (np.array([1.0, 0.0]), [1.0, 0.0]),
        (torch.tensor([1.0, 0.0]), [1.0, 0.0]),
        ([np.float32(1.0), torch.tensor(0.0)], [1.0, 0.0]),
        ([Fraction(1, 2), float("nan")], [0.5, float("nan")]),
    ],
)
def test_lists_arrays_and_tensors_are_rewards(given, taken):
    assert held(lambda **_: given)(**TWO) == pytest.approx(taken, nan_ok=True)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "gave 'None'; let it return a list with a number for each completion, or None"),
        (1.0, "gave '1.0'; let it return a list"),
        ("11", "gave '11'; let it return a list"),
        ({"score": 1.0}, "let it return a list"),
        (["1", 1.0], "gave '1' for completion 0; let it return a number, or None"),
        ([1.0, [1.0]], r"gave '\[1.0\]' for completion 1"),
        (torch.ones(2, 2), r"gave '\[1.0, 1.0\]' for completion 0"),
        (torch.tensor(1.0), "let it return a list"),
    ],
)
def test_what_is_no_reward_is_named(given, says):
    with pytest.raises(TrainingError, match=f"^the reward function own .*{says}"):
        held(lambda **_: given)(**TWO)


IGNORING = """
import os, signal, time
from counterpoise.engines.trl.own_rewards import interruptible, stopped, watched
from counterpoise.engines.watch import Watch

def hangs(prompts, **_):
    os.kill(os.getpid(), signal.SIGINT)  # whoever presses Ctrl-C does not mean a process in the background
    time.sleep(1000)

watch = Watch()
try:
    with interruptible(watch):
        watched(hangs, name="hangs", seconds=0.5, watch=watch, grace=200)(prompts=["1+1="])
except Exception as error:
    print(error)
assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
"""


def test_a_process_that_ignores_ctrl_c_is_told_how_it_goes_on_all_the_same():
    done = subprocess.run(
        [sys.executable, "-c", IGNORING],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as nohup, and a script's `&`
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the reward function hangs has not returned in 0.5 s on 1 completions")
    assert done.stdout.strip().endswith("resume_from_checkpoint=True, which goes on from the last checkpoint")
