"""The processes of one run (`torchrun`, `accelerate launch`): which is the main one, and what it does for all."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeVar

from counterpoise.errors import CounterpoiseError

if TYPE_CHECKING:
    import torch
    from accelerate import PartialState

__all__ = ["Processes", "anywhere", "is_main", "on_main", "own_device", "usable_cores", "use_threads"]

T = TypeVar("T")

# The others wait while the main process evaluates or saves; the usual ten minutes would end a healthy run there.
_PATIENCE = timedelta(days=1)


class Processes:
    """The processes that this run was launched as: a `World` on accelerate."""

    @property
    def rank(self) -> int:
        """This process."""
        return int(_processes().process_index)

    @property
    def size(self) -> int:
        """All of them."""
        return int(_processes().num_processes)

    def gather(self, own: list[T]) -> list[T]:
        """Every process's list, in order of rank."""
        from accelerate.utils import gather_object

        _processes()
        gathered: list[T] = gather_object(own)
        return gathered


def is_main() -> bool:
    """Whether this process writes files and talks to the user."""
    return bool(_processes().is_main_process)


def own_device() -> torch.device:
    """The device that this process computes on."""
    device: torch.device = _processes().device
    return device


def anywhere(flag: bool) -> bool:
    """Whether the flag is set in any process, so that all of them take the same branch; every process must call it."""
    return any(Processes().gather([flag]))


def on_main(action: Callable[[], T]) -> T:
    """Do something in the main process alone and give its result, or its error, to every process.

    Every process must call it; the others wait. The result must be picklable.

    Raises:
        CounterpoiseError: what the action raised, in every process.
    """
    if _processes().num_processes == 1:
        return action()
    from accelerate.utils import broadcast_object_list

    outcome: list[T | None] = [None]
    failure: tuple[type[CounterpoiseError], str] | None = None
    if is_main():
        try:
            outcome = [action()]
        except CounterpoiseError as error:
            broadcast_object_list([None, (type(error), str(error))])
            raise
    result, failure = broadcast_object_list([*outcome, failure])
    if failure is not None:
        kind, message = failure
        # Not `kind(message)`: several of these classes build their message from other arguments.
        raise kind.__new__(kind, message)
    return result  # type: ignore[no-any-return]


def use_threads(threads: int | Literal["auto"] | None) -> None:
    """Give torch so many CPU threads in this process; None, and `auto` where nothing is trained, leave its own choice."""
    if isinstance(threads, int):
        import torch

        torch.set_num_threads(threads)


def _processes() -> PartialState:
    import torch
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    # Without `cpu`, accelerate takes two processes started on a machine without an accelerator for two runs of one.
    cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    return PartialState(cpu=cpu, timeout=_PATIENCE)


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
