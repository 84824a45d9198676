"""A reward function of the user's own that never returns: unscored under verl, and where nobody can act in its process that is ended."""

import asyncio
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest
import torch

from counterpoise.engines.arguments import check_timeout
from counterpoise.engines.trl.own_rewards import watched
from counterpoise.engines.verl import own_rewards
from counterpoise.engines.verl.own_rewards import limited, limited_of
from counterpoise.engines.verl.rewards import compute_score
from counterpoise.engines.verl.settings import verl_settings
from counterpoise.engines.watch import Due, Watch, shortened
from counterpoise.errors import ConfigError, TrainingError

ROW = {"data_source": "d", "ground_truth": "7", "extra_info": None}


def own(data_source, solution_str, ground_truth, extra_info=None):
    """As the response says."""
    if solution_str == "sleep":
        time.sleep(1000)
    if solution_str == "raise":
        raise ZeroDivisionError("asked for")
    if solution_str == "own timeout":
        raise TimeoutError("of the function itself")
    while solution_str == "loop":
        pass
    return {"score": float(solution_str == ground_truth), "thread": threading.get_ident()}


async def waiting(data_source, solution_str, ground_truth, extra_info=None):
    if solution_str == "sleep":
        await asyncio.sleep(1000)
    return float(solution_str == ground_truth)


def scores(function, *responses, seconds=0.3):
    held = limited(function, name="own of r.py", seconds=seconds, wrong=-1.0)

    async def one_of(response):
        if asyncio.iscoroutinefunction(held):
            return await held(solution_str=response, **ROW)
        # as verl's managers do
        return await asyncio.get_running_loop().run_in_executor(None, partial(held, solution_str=response, **ROW))

    async def all_of():
        return await asyncio.gather(*map(one_of, responses), return_exceptions=True)

    return asyncio.run(all_of())


def test_what_returns_or_raises_in_time_does_so():
    right, wrong, raised, late = scores(own, "7", "8", "raise", "own timeout", seconds=60)
    assert (right["score"], wrong["score"]) == (1.0, 0.0)
    assert isinstance(raised, ZeroDivisionError) and isinstance(late, TimeoutError)  # verl leaves those rollouts out
    assert scores(waiting, "7", "8", seconds=60) == [1.0, 0.0]


@pytest.mark.parametrize(("function", "hangs"), [(own, "sleep"), (own, "loop"), (waiting, "sleep")])
def test_what_does_not_return_is_unscored_and_holds_nobody_up(function, hangs, caplog):
    before = time.monotonic()
    *late, fine = scores(function, hangs, hangs, "7", seconds=2)
    assert time.monotonic() - before < 60
    for one in late:
        assert (one["score"], one["scored"], one["reason"]) == (
            -1.0,
            False,
            "timeout: own of r.py has not returned in 2 s",
        )
    assert (fine["score"] if function is own else fine) == 1.0
    assert f"on the response '{hangs}' to a problem of d (gold '7'); it is unscored" in caplog.text


def test_a_loop_that_nobody_waits_for_ends():
    def rewards():
        return [one for one in threading.enumerate() if one.name == "counterpoise reward"]

    before = len(rewards())
    [late] = scores(own, "loop")
    assert late["scored"] is False
    deadline = time.monotonic() + 30
    while len(rewards()) > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_more_calls_that_hang_than_run_at_a_time_hold_nobody_up():
    found = scores(own, *["sleep"] * 40, "7", seconds=0.5)
    assert found[-1]["score"] == 1.0 and not any(one["scored"] for one in found[:-1])


async def blocking(data_source, solution_str, ground_truth, extra_info=None):
    await asyncio.sleep(0)
    time.sleep(0.05)  # as many do that are async by name
    await asyncio.sleep(0)
    return 1.0


def test_coroutines_that_block_are_late_by_their_own_time_alone():
    # 40 of 0.05 s each take 2 s, one after the other, and each of them its 0.05 s: the limit is 1 s, the process's end 0.3 s later
    held = limited(blocking, name="blocking of r.py", seconds=1.0, wrong=0.0, grace=0.3)

    async def all_of():
        return await asyncio.gather(*(held(solution_str="7", **ROW) for _ in range(40)))

    before = time.monotonic()
    assert asyncio.run(all_of()) == [1.0] * 40
    assert time.monotonic() - before >= 2.0


def test_a_coroutine_that_waits_is_late_though_others_block():
    async def either(data_source, solution_str, ground_truth, extra_info=None):
        return await (waiting if solution_str == "sleep" else blocking)(data_source, solution_str, ground_truth)

    late, *fine = scores(either, "sleep", *["7"] * 20, seconds=0.5)
    assert late["reason"] == "timeout: own of r.py has not returned in 0.5 s" and fine == [1.0] * 20


def test_so_many_coroutines_run_at_a_time(monkeypatch):
    running, most = 0, 0

    async def counting(data_source, solution_str, ground_truth, extra_info=None):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return 1.0

    monkeypatch.setattr(own_rewards, "_AT_ONCE", 3)
    assert scores(counting, *["7"] * 10, seconds=60) == [1.0] * 10
    assert most == 3


def test_a_coroutine_is_what_it_was_in_all_else():
    """Its values and errors come through, what cancels it does, and asyncio's own limits work within."""
    seen = []

    async def whole(data_source, solution_str, ground_truth, extra_info=None):
        try:
            async with asyncio.timeout(0.05):
                await asyncio.sleep(1000)
        except TimeoutError:
            seen.append("inner")
        if solution_str == "raise":
            raise ZeroDivisionError("asked for")
        try:
            await asyncio.sleep(1000 if solution_str == "sleep" else 0)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        return await asyncio.gather(asyncio.sleep(0, 1.0), asyncio.sleep(0, 2.0)) and 1.0

    fine, raised, late = scores(whole, "7", "raise", "sleep", seconds=1)
    assert fine == 1.0 and isinstance(raised, ZeroDivisionError) and late["scored"] is False
    assert sorted(seen) == ["cancelled", "inner", "inner", "inner"]


def test_a_plain_function_stays_plain_and_goes_to_other_processes():
    held = limited(own, name="own of r.py", seconds=60, wrong=0.0)
    assert not asyncio.iscoroutinefunction(held)  # verl's remote manager takes no other
    assert pickle.loads(pickle.dumps(held))(solution_str="7", **ROW)["score"] == 1.0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("good", "the score 'good'"),
        ([1.0], "the score '[1.0]'"),
        (None, "the score 'None'"),
        ({"score": "1"}, "the score '1'"),
        ({"acc": 1.0}, "no score"),
    ],
)
@pytest.mark.parametrize("seconds", [None, 60.0])
def test_what_is_no_reward_is_unscored_with_its_reason(given, says, seconds):
    async def waited(**_):
        return given

    for function in (lambda **_: given, waited):
        [found] = scores(function, "7", seconds=seconds)
        assert (found["score"], found["scored"]) == (-1.0, False)
        assert found["reason"] == (
            f"own of r.py gave {says}, not a number or a dict with one as score; scored: False is for what cannot be judged"
        )


@pytest.mark.parametrize("given", [1, True, np.float32(0.5), np.bool_(True), np.array([1.0]), torch.tensor(1.0)])
def test_a_number_of_any_kind_is_a_reward(given):
    for found in (given, {"score": given}):
        assert scores(lambda found=found, **_: found, "7", seconds=60) == [found]


HOLDING = """
import ctypes
from counterpoise.engines.verl.own_rewards import limited

def holding(data_source, solution_str, ground_truth, extra_info=None):
    ctypes.PyDLL(None).sleep(1000)  # as a regular expression that backtracks: no other thread has the interpreter meanwhile

limited(holding, name="holding of r.py", seconds=0.3, wrong=0.0, grace=0.3)(
    data_source="d", solution_str="an answer", ground_truth="7")
"""


ASYNC = """
import asyncio, time
from counterpoise.engines.verl.own_rewards import limited

async def holding(data_source, solution_str, ground_truth, extra_info=None):
    await asyncio.sleep(0)
    time.sleep(1000)

asyncio.run(limited(holding, name="holding of r.py", seconds=0.3, wrong=0.0, grace=0.3)(
    data_source="d", solution_str="an answer", ground_truth="7"))
"""


@pytest.mark.parametrize(("program", "held"), [(HOLDING, "interpreter"), (ASYNC, "event loop")])
def test_what_lets_nobody_act_ends_its_process_in_a_line_that_names_function_and_problem(program, held):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == -signal.SIGKILL
    assert done.stderr.strip().splitlines()[-1] == (
        "counterpoise: timeout: holding of r.py has not returned in 0.3 s on the response 'an answer' to a problem of d (gold '7'), and "
        f"holds the {held} of its process, which is ended; the run stops"
    )


def test_ours_have_limits_of_their_own_and_null_is_none():
    ours = partial(lambda raw, **given: raw(**given), compute_score)
    assert limited_of(ours, None, name="ours") is ours
    theirs = partial(lambda raw, **given: raw(**given), own)
    without = limited_of(theirs, {"reward_timeout": None}, name="own")
    assert without(solution_str="7", **ROW) == {"score": 1.0, "thread": threading.get_ident()}  # nobody waits beside it
    held = limited_of(theirs, {"reward_timeout": 60, "reward_range": [-1, 1]}, name="own")
    assert held(solution_str="7", **ROW)["score"] == 1.0
    assert held(solution_str="7", **ROW)["thread"] != threading.get_ident()
    assert verl_settings(None).reward_timeout == 600.0


@pytest.mark.parametrize("value", [0, -1, True, "60", float("nan"), 1e9])
def test_a_limit_that_cannot_be(value):
    with pytest.raises(
        ConfigError, match=r"algorithm\.counterpoise\.reward_timeout=.*: give seconds in \[0\.1, 86400\]"
    ):
        verl_settings({"reward_timeout": value})


def test_a_watch_signals_late_calls_alone_and_ends_with_its_process():
    got = []
    before = signal.signal(signal.SIGUSR1, lambda *_: got.append(time.monotonic()))
    watch = Watch()
    try:
        for _ in range(3):
            with watch.call([Due(after=30.0, signal=signal.SIGUSR1, line="no")]):
                assert watch.late is None
        with watch.call(
            [Due(after=0.1, signal=signal.SIGUSR1, line="late"), Due(after=0.2, signal=signal.SIGUSR1, line="later")]
        ):
            deadline = time.monotonic() + 60
            while len(got) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert watch.late == "late"
        assert watch.late is None and len(got) == 2
        process = watch._process
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with watch.call([Due(after=30.0, signal=signal.SIGUSR1, line="no")]):  # another one is started
            assert watch._process.poll() is None
    finally:
        watch.close()
        signal.signal(signal.SIGUSR1, before)


def test_a_long_response_is_named_by_its_beginning():
    assert shortened("a\nb") == r"'a\nb'" and len(shortened("x" * 500)) == 80


def slow(prompts, completions, **_):
    time.sleep(1000)


def backtracking(prompts, completions, **_):
    return re.match(r"(a+)+b", "a" * 60)


@pytest.mark.parametrize("function", [slow, backtracking])
def test_trls_function_is_interrupted_in_one_line_that_says_how_to_go_on(function):
    watch = Watch()
    try:
        held = watched(function, name="slow", seconds=0.3, watch=watch, grace=250)
        with pytest.raises(TrainingError) as found:
            held(prompts=["1+1=", "2+2="], completions=["2", "5"])
        assert str(found.value) == (
            "the reward function slow has not returned in 0.3 s on 2 completions, the first of them to '1+1='; fix it or give a longer "
            "reward_timeout=, and start again with resume_from_checkpoint=True, which goes on from the last checkpoint"
        )
        quick = watched(lambda completions, **_: [1.0], name="quick", seconds=60, watch=watch)
        assert quick(completions=["2"]) == [1.0]
    finally:
        watch.close()


def test_somebodys_interruption_stays_one():
    def interrupted(**_):
        raise KeyboardInterrupt

    watch = Watch()
    try:
        with pytest.raises(KeyboardInterrupt):
            watched(interrupted, name="f", seconds=60, watch=watch)(completions=[])
    finally:
        watch.close()


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: sys.exit(3), "raised SystemExit: 3 on 2 completions"),
        (lambda: [1.0], "gave 1 reward for 2 completions; let it return one for each"),
        (lambda: [1.0] * 3, "gave 3 rewards for 2 completions"),
    ],
)
def test_trls_function_that_exits_or_gives_a_list_of_another_length_is_one_line(act, says):
    def plain(prompts, completions, **_):
        return act()

    async def awaited(prompts, completions, **_):
        return act()

    given = {"prompts": ["1+1=", "2+2="], "completions": ["2", "5"]}
    watch = Watch()
    for function in (plain, awaited):
        with pytest.raises(TrainingError, match=f"the reward function f {says}") as found:
            held = watched(function, name="f", seconds=None, watch=watch)
            asyncio.run(held(**given)) if function is awaited else held(**given)
        assert str(found.value).endswith(
            "start again with resume_from_checkpoint=True, which goes on from the last checkpoint"
        )


def test_an_async_function_of_trls_stays_async():
    async def judged(completions, **_):
        return [1.0]

    watch = Watch()
    try:
        held = watched(judged, name="judged", seconds=60, watch=watch)
        assert asyncio.iscoroutinefunction(held) and asyncio.run(held(completions=["2"])) == [1.0]
    finally:
        watch.close()


UNSTOPPABLE = """
import time
from counterpoise.engines.trl.own_rewards import watched
from counterpoise.engines.watch import Watch

def stubborn(completions, **_):
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass

watched(stubborn, name="stubborn", seconds=0.3, watch=Watch(), grace=0.3)(completions=["1"])
"""


def test_trls_function_that_cannot_be_interrupted_ends_its_process():
    done = subprocess.run([sys.executable, "-c", UNSTOPPABLE], capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .endswith(
            "and cannot be interrupted; its process is ended; fix it or give a longer reward_timeout=, and start again with "
            "resume_from_checkpoint=True, which goes on from the last checkpoint"
        )
    )


CAUGHT = """
import asyncio, threading, time
from counterpoise.engines.trl.own_rewards import stopped, watched
from counterpoise.engines.watch import Watch

async def waits(completions, **_):
    await asyncio.sleep(1000)

watch = Watch()
held = watched(waits, name="waits", seconds=0.3, watch=watch, grace=0.5)
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
try:
    asyncio.run_coroutine_threadsafe(held(completions=["1"]), loop).result()
except KeyboardInterrupt as error:
    said = stopped(watch, error)
time.sleep(1.5)
print(said)
"""


def test_whoever_catches_the_end_of_an_async_function_of_trls_is_not_killed_later():
    done = subprocess.run([sys.executable, "-c", CAUGHT], capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the reward function waits has not returned in 0.3 s on 1 completions")


@pytest.mark.parametrize("value", [0, True, "60", float("nan"), 1e9])
def test_a_limit_of_trls_that_cannot_be(value):
    with pytest.raises(ConfigError, match=r"reward_timeout=.*: give seconds in \[0\.1, 86400\], or None"):
        check_timeout(value)
