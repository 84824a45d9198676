"""A reward function of the user's own under verl, with a limit: a call that does not return is unscored, and never holds the run up."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import inspect
import logging
import math
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from typing import Any, Final

from counterpoise.engines.verl.rewards import unscored_score
from counterpoise.engines.verl.settings import verl_settings
from counterpoise.engines.watch import GRACE, Due, Watch, is_own, shortened

__all__ = ["limited", "limited_of"]

_LOG = logging.getLogger(__name__)
_AT_ONCE: Final = 256
"""Coroutines of an async function at a time in a process: what each holds the loop for, all others wait for."""

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
    if not is_own(own):
        return function
    return limited(function, name=name, seconds=asked.reward_timeout, wrong=asked.low)


def limited(
    function: Callable[..., Any], *, name: str, seconds: float | None, wrong: float, grace: float = GRACE
) -> Callable[..., Any]:
    """The function with a limit for each call; a reward that it returns, or what it raises, in time is what it returned or raised.

    A call that takes longer is `scored: False` with the reason `timeout`; so is one that returns no reward, with that as the reason. It
    stays what it was, plain or async, because verl's reward managers ask (`remote` takes no async one, and hands it to other processes).

    A coroutine is cancelled then. Its time begins when it does, and what others hold the loop for is not its own: many that block
    are each quick, however long they wait for one another. A plain function runs in a thread, where a loop of Python's is ended and
    what sleeps or waits for somebody is left alone. Code outside of Python that holds the interpreter, as a regular expression does
    that backtracks, and a coroutine that blocks, let nobody act: so much later the process is ended, by another one, with a line that
    names function and problem; the run stops and goes on from its checkpoint.

    Args:
        function: verl's, with its `reward_kwargs`; called by names.
        name: as it is said to people.
        seconds: limit; None waits for ever.
        wrong: score of a response that is unscored.
        grace: seconds beyond the limit until the process is ended.
    """
    limit = _Limit(name=name, seconds=seconds, wrong=wrong, grace=grace)
    if not inspect.iscoroutinefunction(function):
        return _Plain(function=function, limit=limit)
    turns = _Turns()

    async def compute_score(**given: Any) -> Any:
        async with turns.gate:
            return limit.rewarded(await _awaited(function(**given), limit, turns, given), given)

    return compute_score


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limit:
    """What is known of a function, without locks and threads: it goes to other processes."""

    name: str
    seconds: float | None
    wrong: float
    grace: float

    @property
    def reason(self) -> str:
        return f"timeout: {self.name} has not returned in {self.seconds:g} s"

    def due(self, given: Mapping[str, Any], *, holds: str) -> list[Due]:
        """When its process is ended, by which line, that says what of it the call holds; never without a limit."""
        if self.seconds is None:
            return []
        line = f"counterpoise: {self.reason}{_of(given)}, and holds the {holds} of its process, which is ended; the run stops"
        return [Due(after=self.seconds + self.grace, signal=signal.SIGKILL, line=line)]

    def late(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return self._unscored(self.reason, given)

    def rewarded(self, found: Any, given: Mapping[str, Any]) -> Any:
        """What it returned, where verl can make a reward of that: else the run ends in Python's words, or the rollout is lost."""
        score = found.get("score") if isinstance(found, Mapping) else found
        if isinstance(score, Real) or (not isinstance(score, str) and math.prod(getattr(score, "shape", (0,))) == 1):
            return found  # a number, numpy's and torch's included
        what = "no score" if isinstance(found, Mapping) and "score" not in found else f"the score {shortened(score)}"
        return self._unscored(
            f"{self.name} gave {what}, not a number or a dict with one as score; scored: False is for what cannot be judged",
            given,
        )

    def _unscored(self, reason: str, given: Mapping[str, Any]) -> dict[str, Any]:
        _LOG.warning("%s%s; it is unscored", reason, _of(given))
        return unscored_score(reason, wrong=self.wrong)


def _of(given: Mapping[str, Any]) -> str:
    return (
        f" on the response {shortened(given.get('solution_str', ''))} to a problem of {given.get('data_source')} "
        f"(gold {shortened(given.get('ground_truth'), 40)})"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plain:
    """A plain function; as many run at a time as verl calls it in threads."""

    function: Callable[..., Any]
    limit: _Limit

    def __call__(self, **given: Any) -> Any:
        seconds = self.limit.seconds
        if seconds is None:
            return self.limit.rewarded(self.function(**given), given)
        with _WATCH.call(self.limit.due(given, holds="interpreter")):
            call = _Call(partial(self.function, **given))
            if not call.ended.wait(seconds):
                call.stop()
                return self.limit.late(given)
        if call.error is not None:
            raise call.error
        return self.limit.rewarded(call.found, given)


class _Call:
    """A call in a thread of its own, which no process waits for when it ends."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.ended = threading.Event()
        self.found: Any = None
        self.error: BaseException | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True, name="counterpoise reward")
        self._thread.start()

    def _run(self) -> None:
        try:
            self.found = self._call()
        except _TooLate:
            return
        except BaseException as error:  # raised again where it is waited for; a future takes no StopIteration
            self.error = RuntimeError("StopIteration") if isinstance(error, StopIteration) else error
        self.ended.set()

    def stop(self) -> None:
        """End a loop in it; what sleeps or waits for somebody never comes to know."""
        ident = ctypes.c_ulong(self._thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(_TooLate))


@dataclass(slots=True)
class _Turns:
    """The loop's time that the coroutines of a function have had, one after the other."""

    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    held: float = 0.0
    """Seconds, of all of them."""


class _Steps(Awaitable[Any]):
    """A coroutine that is watched while it has the loop, and no longer: it alone can then be what nobody gets past."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], turns: _Turns, due: list[Due]) -> None:
        self._coroutine, self._turns, self._due = coroutine, turns, due
        self.begun = asyncio.Event()
        self._begin = self._others = 0.0
        self._held = 0.0

    @property
    def taken(self) -> float:
        """Seconds since it began, without those that others held the loop for."""
        return time.monotonic() - self._begin - (self._turns.held - self._others - self._held)

    def __await__(self) -> Generator[Any, Any, Any]:
        self._begin, self._others = time.monotonic(), self._turns.held
        self.begun.set()
        step: Callable[[], Any] = partial(self._coroutine.send, None)
        while True:
            before = time.monotonic()
            try:
                with _WATCH.call(self._due) if self._due else contextlib.nullcontext():
                    awaited = step()
            except StopIteration as done:
                return done.value
            finally:
                took = time.monotonic() - before
                self._held += took
                self._turns.held += took
            try:
                step = partial(self._coroutine.send, (yield awaited))
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as error:  # its cancellation
                step = partial(self._coroutine.throw, error)


async def _awaited(coroutine: Coroutine[Any, Any, Any], limit: _Limit, turns: _Turns, given: Mapping[str, Any]) -> Any:
    if limit.seconds is None:
        return await coroutine
    steps = _Steps(coroutine, turns, limit.due(given, holds="event loop"))

    async def whole() -> Any:
        return await steps

    task = asyncio.ensure_future(whole())
    try:
        await steps.begun.wait()
        while not task.done() and (left := limit.seconds - steps.taken) > 0:
            await asyncio.wait({task}, timeout=left)
        return task.result() if task.done() else limit.late(given)
    finally:
        task.cancel()  # nothing where it is done; it is not where verl's own manager waits no longer
