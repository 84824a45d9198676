"""When an endpoint is asked again: failures in a row, pauses that it asks for, and work that others may give back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

from counterpoise.lazy import asyncio

__all__ = ["Company", "Partner", "Quiet", "Streak"]

_SAID_FROM = 5.0
"""A pause that the server asks for is reported from this many seconds on."""


class Company:
    """Endpoints that share their work: one that has nothing to do waits for the requests of the others, which may come back."""

    def __init__(self) -> None:
        self.partners = 0
        """How many are in it."""
        self._asked = 0
        self._ended: asyncio.Event | None = None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Something that may give back work is under way inside."""
        self._asked += 1
        try:
            yield
        finally:
            self._asked -= 1
            if self._ended is not None:
                self._ended.set()
                self._ended = None

    async def more_may_come(self) -> bool:
        """Wait until something that is under way ends; False where nothing is."""
        if not self._asked:
            return False
        if self._ended is None:
            import asyncio  # a twentieth of a second, which a message about a mistake does not need

            self._ended = asyncio.Event()
        await self._ended.wait()
        return True


class Partner:
    """An endpoint in a company.

    Args:
        company: the others and itself.
        leave: called with the reason when it is given up, before the work that it had in hand counts as ended.
    """

    def __init__(self, company: Company, leave: Callable[[str], None]) -> None:
        self.company, self._leave = company, leave
        self._waits = company
        self.left = False
        """Whether it was given up."""
        company.partners += 1

    def apart(self) -> Partner:
        """The same one with work that nobody else has: it waits for none of the others."""
        one = Partner(self.company, self._leave)
        self.company.partners -= 1
        one._waits = Company()
        return one

    @property
    def others(self) -> bool:
        """Whether there is anybody else."""
        return self.company.partners > 1

    def leave(self, reason: str) -> None:
        """Nothing more is asked here; it leaves once."""
        if not self.left:
            self.left = True
            self.company.partners -= 1
            self._leave(reason)

    def asking(self) -> AbstractContextManager[None]:
        """Something that may give back work is under way inside."""
        return self._waits.asking()

    async def more_may_come(self) -> bool:
        """Wait until something that is under way ends; False where nothing is."""
        return await self._waits.more_may_come()


class Streak:
    """Failures since the last reply; `patience` of them are too many."""

    def __init__(self, patience: int) -> None:
        self._patience, self._length = patience, 0
        self.last = ""
        """Reason of the last failure."""

    @property
    def over(self) -> bool:
        """Whether they are too many."""
        return self._length >= self._patience

    def count(self, reason: str | None) -> bool:
        """Count a failure by its reason, or a reply (None); whether they are too many now."""
        self._length = 0 if reason is None else self._length + 1
        self.last = self.last if reason is None else reason
        return self.over


class Quiet:
    """Until when nothing is sent, because the server asked for it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._until = say, 0.0

    def ask(self, seconds: float, reason: str) -> None:
        """Send nothing for so long; a long pause is reported."""
        now = time.monotonic()
        if seconds >= _SAID_FROM and now >= self._until:
            self._say(f"{reason}: the server asks to wait, and gets {seconds:g} s")
        self._until = max(self._until, now + seconds)

    async def passed(self) -> None:
        """Wait until something may be sent."""
        while (left := self._until - time.monotonic()) > 0:
            import asyncio

            await asyncio.sleep(left)
