"""Reward functions of the user's own under TRL: one that raises, or does not return, ends the run in a line that says how it goes on."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import numbers
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any, Final

from counterpoise.engines.watch import GRACE, Due, Watch, shortened
from counterpoise.errors import CounterpoiseError, TrainingError
from counterpoise.text import counted

__all__ = ["WATCH", "interruptible", "stopped", "watched"]

WATCH: Final = Watch()
"""Of all trainers of this process."""
_AGAIN: Final = "start again with resume_from_checkpoint=True, which goes on from the last checkpoint"


def watched(
    function: Callable[..., Any], *, name: str, seconds: float | None, watch: Watch, grace: float = GRACE
) -> Callable[..., Any]:
    """The function, which ends the run where it raises, gives what is no reward, or where a call takes longer than so many seconds.

    It gets all completions of a step at once, and stays in the thread that TRL calls it in, so that nobody knows which of them it hangs
    at: the thread is interrupted, and the process ended where that does not help, by another one.

    Args:
        function: takes prompts, completions and columns by name; may be async.
        name: TRL's name of it.
        seconds: limit of a call; None waits for ever.
        watch: whose process interrupts this one.
        grace: seconds between the interruption and the end.

    Raises:
        TrainingError: it was interrupted, raised, or gave no list with a number or None for each completion.
    """

    def on(given: Any) -> str:
        prompts: Sequence[Any] = given.get("prompts") or ("",)
        return f"on {len(prompts)} completions, the first of them to {shortened(prompts[0])}"

    def limit(given: Any) -> contextlib.AbstractContextManager[None]:
        if seconds is None:
            return contextlib.nullcontext()
        line = f"the reward function {name} has not returned in {seconds:g} s {on(given)}"
        ended = f"counterpoise: {line}, and cannot be interrupted; its process is ended; {_remedy()}"
        return watch.call(
            [
                Due(after=seconds, signal=signal.SIGINT, line=f"counterpoise: {line}"),
                Due(after=seconds + grace, signal=signal.SIGKILL, line=ended),
            ]
        )

    def raised(error: BaseException, given: Any) -> TrainingError:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return TrainingError(
            f"the reward function {name} raised {said} {on(given)}; fix it, or give None for what it cannot judge, and {_AGAIN}"
        )

    if inspect.iscoroutinefunction(function) or asyncio.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004

        @wraps(function)
        async def awaited(**given: Any) -> Any:
            with limit(given):
                try:
                    return _rewards(await function(**given), name, given)
                except CounterpoiseError:
                    raise
                except (Exception, SystemExit) as error:
                    raise raised(error, given) from error

        return awaited

    @wraps(function)
    def called(**given: Any) -> Any:
        with limit(given):
            try:
                return _rewards(function(**given), name, given)
            except KeyboardInterrupt as error:
                raise stopped(watch, error) from error
            except CounterpoiseError:
                raise
            except (Exception, SystemExit) as error:  # sys.exit would end the run without a word
                raise raised(error, given) from error

    return called


def _rewards(found: Any, name: str, given: Any) -> list[Any]:
    """What a function gave for what it was given, as numbers and None.

    Raises:
        TrainingError: it is something else, or of another length, of which TRL's message would name neither the function nor the place.
    """
    values = found.tolist() if hasattr(found, "tolist") else found
    if isinstance(values, (str, bytes, dict)) or not isinstance(values, Sequence):
        raise TrainingError(
            f"the reward function {name} gave {shortened(found)}; let it return a list with a number for each completion, or None for one "
            f"that it cannot judge, and {_AGAIN}"
        )
    wanted = len(given["completions"]) if "completions" in given else len(values)
    if len(values) != wanted:
        raise TrainingError(
            f"the reward function {name} gave {counted(len(values), 'reward')} for {counted(wanted, 'completion')}; let it return one for "
            f"each, None for one that it cannot judge, and {_AGAIN}"
        )
    plain = [one.item() if hasattr(one, "item") and getattr(one, "ndim", 0) == 0 else one for one in values]
    for place, one in enumerate(plain):
        if one is not None and not isinstance(one, numbers.Real):
            raise TrainingError(
                f"the reward function {name} gave {shortened(one)} for completion {place}; let it return a number, or None for one that it "
                f"cannot judge, and {_AGAIN}"
            )
    return plain


@contextlib.contextmanager
def interruptible(watch: Watch) -> Iterator[None]:
    """Let a late call be interrupted where this process ignores Ctrl-C, as one does that a script starts in the background or with nohup.

    Nothing else ends it then: an interruption that no late call has caused is ignored as before.
    """

    def interrupt(*_: object) -> None:
        if watch.late is not None:
            raise KeyboardInterrupt

    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if not ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def stopped(watch: Watch, error: BaseException) -> BaseException:
    """What an interruption was: a late reward function's end, or somebody's Ctrl-C, which stays what it is."""
    line = watch.late
    if line is None:
        return error
    watch.forget()  # a coroutine in TRL's own loop goes on waiting, and whoever catches this would be killed with it
    return TrainingError(f"{line.removeprefix('counterpoise: ')}; {_remedy()}")


def _remedy() -> str:
    return f"fix it or give a longer reward_timeout=, and {_AGAIN}"
