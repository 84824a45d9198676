"""A reward function of the user's own under verl, with a limit: a call that does not return is unscored, and never holds the run up."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import inspect
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from counterpoise.engines.verl.rewards import unscored_score
from counterpoise.engines.verl.settings import verl_settings
from counterpoise.engines.watch import GRACE, Due, Watch, is_own, shortened

__all__ = ["limited", "limited_of"]

_LOG = logging.getLogger(__name__)
_AT_ONCE: Final = min(32, (os.cpu_count() or 1) + 4)
"""Calls of a plain function at a time, as in the threads that verl calls it in."""

_WATCH: Final = Watch()


class _TooLate(BaseException):
    """Raised within a call that nobody waits for any more."""


def limited_of(function: Any, table: Mapping[str, Any] | None, *, name: str) -> Any:
    """The reward function that verl has loaded, with the limit of `algorithm.counterpoise.reward_timeout`; ours have limits of their own.

    Args:
        function: verl's partial of it.
        table: `algorithm.counterpoise`.
        name: as it is said to people.
    """
    asked = verl_settings(table)
    own = function.args[0] if isinstance(function, partial) and function.args else function
    if asked.reward_timeout is None or not is_own(own):
        return function
    return limited(function, name=name, seconds=asked.reward_timeout, wrong=asked.low)


def limited(
    function: Callable[..., Any], *, name: str, seconds: float, wrong: float, grace: float = GRACE
) -> Callable[..., Awaitable[Any]]:
    """The function with a limit for each call; what it returns, or raises, in time is what it returned or raised.

    A call that takes longer is `scored: False` with the reason `timeout`. A coroutine is cancelled then. A plain function runs in a thread,
    where a loop of Python's is ended and what sleeps or waits for somebody is left alone. Code outside of Python that holds the
    interpreter, as a regular expression does that backtracks, lets nobody act: so much later the process is ended, by another one, with
    a line that names function and problem; the run stops and goes on from its checkpoint.

    Args:
        function: verl's, with its `reward_kwargs`; called by names.
        name: as it is said to people.
        seconds: limit.
        wrong: score of a response that is unscored.
        grace: seconds beyond the limit until the process is ended.
    """
    waits = inspect.iscoroutinefunction(function)
    gate = asyncio.Semaphore(_AT_ONCE)
    reason = f"timeout: {name} has not returned in {seconds:g} s"

    async def asked(given: dict[str, Any]) -> Any:
        what = (
            f"{reason} on the response {shortened(given.get('solution_str', ''))} to a problem of {given.get('data_source')} "
            f"(gold {shortened(given.get('ground_truth'), 40)})"
        )
        held = Due(
            after=seconds + grace,
            signal=signal.SIGKILL,
            line=f"counterpoise: {what}, and holds the interpreter of its process, which is ended; the run stops",
        )
        with _WATCH.call([held]):
            if waits:
                task: asyncio.Future[Any] = asyncio.ensure_future(function(**given))
                stop: Callable[[], Any] = task.cancel
            else:
                task, stop = _in_thread(partial(function, **given))
            await asyncio.wait({task}, timeout=seconds)
            if task.done():
                return task.result()
            stop()
        _LOG.warning("%s; it is unscored", what)
        return unscored_score(reason, wrong=wrong)

    async def compute_score(**given: Any) -> Any:
        if waits:
            return await asked(given)
        async with gate:
            return await asked(given)

    return compute_score


def _in_thread(call: Callable[[], Any]) -> tuple[asyncio.Future[Any], Callable[[], None]]:
    """What a call of its own thread comes to, and what ends a loop in it. No process waits for the thread when it ends."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def set_now(set_it: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            set_it(value)

    def tell(set_it: Callable[[Any], None], value: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(set_now, set_it, value)

    def run() -> None:
        try:
            found = call()
        except _TooLate:
            return
        except BaseException as error:  # raised again where it is awaited
            own = RuntimeError("StopIteration") if isinstance(error, StopIteration) else error  # a future takes none
            tell(future.set_exception, own)
        else:
            tell(future.set_result, found)

    thread = threading.Thread(target=run, daemon=True, name="counterpoise reward")
    thread.start()

    def stop() -> None:
        future.cancel()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_TooLate))

    return future, stop
