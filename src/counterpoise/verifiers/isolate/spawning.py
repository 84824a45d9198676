"""Worker processes that are started fresh and do not import the program's `__main__`, so that a script without a main guard runs once."""

from __future__ import annotations

import multiprocessing.context
from multiprocessing import popen_spawn_posix, spawn
from types import FunctionType, SimpleNamespace
from typing import Any

__all__ = ["SpawnWithoutMain"]


def _preparation_without_main(name: str) -> dict[str, Any]:
    data = spawn.get_preparation_data(name)
    return {key: value for key, value in data.items() if not key.startswith("init_main_")}


class _Popen(popen_spawn_posix.Popen):
    """The standard library's launcher with one function of one module replaced, for this launcher only."""

    _launch = FunctionType(
        popen_spawn_posix.Popen._launch.__code__,  # type: ignore[attr-defined]
        {
            **popen_spawn_posix.__dict__,
            "spawn": SimpleNamespace(**{**spawn.__dict__, "get_preparation_data": _preparation_without_main}),
        },
    )


class _Process(multiprocessing.context.SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        return _Popen(process_obj)


class SpawnWithoutMain(multiprocessing.context.SpawnContext):
    """Spawn context of one pool, which remembers what it started and can end it."""

    def __init__(self) -> None:
        super().__init__()
        self._started: list[_Process] = []
        self._ended = False

    def Process(self, *args: Any, **kwargs: Any) -> _Process:  # type: ignore[override]
        """A process that is remembered."""
        if self._ended:
            raise OSError("this pool was closed")
        self._started = [process for process in self._started if process.is_alive()]
        self._started.append(_Process(*args, **kwargs))
        return self._started[-1]

    def end(self) -> None:
        """Kill every process, those that are still booting included: they would complain that the pool's locks are gone."""
        self._ended = True
        for process in self._started:
            if process.is_alive():
                process.kill()
