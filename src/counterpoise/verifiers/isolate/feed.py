"""Work that comes in while earlier work is being done, and a thread that does it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

__all__ = ["Feed", "behind"]

T = TypeVar("T")


class Feed(Generic[T]):
    """What one thread adds and another takes, in order; `Feed(items)` is whole, `Feed()` may grow until it is closed."""

    def __init__(self, items: Sequence[T] | None = None) -> None:
        self._items: list[T] = list(items or ())
        self._closed, self.cancelled = items is not None, False
        self._lock = threading.Lock()
        self.news: Future[None] = Future()
        """Done as soon as `take` has something to tell; another one after each `take`. Waited for together with what is being done."""

    def add(self, items: Sequence[T]) -> None:
        """More work."""
        with self._lock:
            self._items += items
            self._tell()

    def close(self) -> None:
        """Nothing more is added."""
        with self._lock:
            self._closed = True
            self._tell()

    def cancel(self) -> None:
        """Nobody wants what is left undone, nor what is being done."""
        with self._lock:
            self._items, self._closed, self.cancelled = [], True, True
            self._tell()

    def take(self) -> tuple[list[T], bool]:
        """What was added since it was last asked, without waiting, and whether more may come."""
        with self._lock:
            taken, self._items = self._items, []
            if self.news.done():
                self.news = Future()
            return taken, not self._closed

    def wait(self) -> list[T]:
        """What was added since it was last asked, waited for; empty once nothing more comes."""
        while True:
            news = self.news
            taken, more = self.take()
            if taken or not more:
                return taken
            news.result()

    def _tell(self) -> None:
        if not self.news.done():
            self.news.set_result(None)


def behind(work: Callable[[], T]) -> Future[T]:
    """Start `work` in a thread that no process waits for when it ends; its result or error."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # raised again where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="counterpoise judging").start()
    return future
