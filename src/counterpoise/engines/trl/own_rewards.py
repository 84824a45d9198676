"""Reward functions of the user's own under TRL, with a limit: one that does not return ends the run in a line that says how it goes on."""

from __future__ import annotations

import asyncio
import inspect
import signal
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Final

from counterpoise.engines.watch import GRACE, Due, Watch, shortened
from counterpoise.errors import TrainingError

__all__ = ["WATCH", "stopped", "watched"]

WATCH: Final = Watch()
"""Of all trainers of this process."""


def watched(
    function: Callable[..., Any], *, name: str, seconds: float, watch: Watch, grace: float = GRACE
) -> Callable[..., Any]:
    """The function, which ends the run where a call takes longer than so many seconds.

    It gets all completions of a step at once, and stays in the thread that TRL calls it in, so that nobody knows which of them it hangs
    at: the thread is interrupted, and the process ended where that does not help, by another one.

    Args:
        function: takes prompts, completions and columns by name; may be async.
        name: TRL's name of it.
        seconds: limit of a call.
        watch: whose process interrupts this one.
        grace: seconds between the interruption and the end.

    Raises:
        TrainingError: it was interrupted.
    """

    def due(given: Any) -> list[Due]:
        prompts: Sequence[Any] = given.get("prompts") or ("",)
        line = (
            f"the reward function {name} has not returned in {seconds:g} s on {len(prompts)} completions, the first of them to "
            f"{shortened(prompts[0])}"
        )
        ended = f"counterpoise: {line}, and cannot be interrupted; its process is ended"
        return [
            Due(after=seconds, signal=signal.SIGINT, line=f"counterpoise: {line}"),
            Due(after=seconds + grace, signal=signal.SIGKILL, line=ended),
        ]

    if inspect.iscoroutinefunction(function) or asyncio.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004

        @wraps(function)
        async def awaited(**given: Any) -> Any:
            with watch.call(due(given)):
                return await function(**given)

        return awaited

    @wraps(function)
    def called(**given: Any) -> Any:
        with watch.call(due(given)):
            try:
                return function(**given)
            except KeyboardInterrupt as error:
                raise stopped(watch, error) from error

    return called


def stopped(watch: Watch, error: BaseException) -> BaseException:
    """What an interruption was: a late reward function's end, or somebody's Ctrl-C, which stays what it is."""
    line = watch.late
    if line is None:
        return error
    watch.forget()  # a coroutine in TRL's own loop goes on waiting, and whoever catches this would be killed with it
    return TrainingError(
        f"{line.removeprefix('counterpoise: ')}; fix it or give a longer reward_timeout=, and start again with "
        "resume_from_checkpoint=True, which goes on from the last checkpoint"
    )
