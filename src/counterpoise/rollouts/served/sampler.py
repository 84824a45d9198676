"""The sampler of a served model: one server, or several that share the work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from counterpoise.endpoint import Failure, run_exchange
from counterpoise.rollouts.served.dialect import Ask
from counterpoise.rollouts.served.lane import Lane, ServedDraw
from counterpoise.rollouts.served.queue import WorkQueue
from counterpoise.rollouts.served.server import Server
from counterpoise.rollouts.served.words import words
from counterpoise.text import counted
from counterpoise.types import SamplingSettings
from counterpoise.waiting import Company, Partner

__all__ = ["ServedSampler"]


class ServedSampler:
    """Draws responses from servers of one model.

    A request asks for up to `server.per_request` consecutive draws of one problem with the seed `(s + first) mod 2^31`, where
    s is `stream(seed, "served", problem id)`: the draws of a problem have different seeds however they were split into requests and
    whichever server drew them, also where the server gives its i-th choice the seed + i. No server promises the same responses for the same
    seed.

    The first request to a server goes out alone: what it does not take of it is given up (`Dialect`) before the others follow.

    Several servers take requests from one queue, each as many at a time as its own settings say, so that a faster one does more. What one
    could not do the others are asked for; one whose first request fails, or whose requests fail `Endpoint.patience` times in a row, is left
    out.

    Args:
        servers: where; one at least.
        settings: how responses are drawn.
        seed: seed of the evaluation.
        say: called with what a server does not take, once for each, and with each that is left out.
    """

    def __init__(
        self, servers: Sequence[Server], settings: SamplingSettings, *, seed: int, say: Callable[[str], None]
    ) -> None:
        self._say, self._retries = say, max(server.retries for server in servers)
        self.lanes = [
            Lane(server, settings, seed=seed, say=say if len(servers) == 1 else partial(_said_of, server, say))
            for server in servers
        ]
        """One for each server."""
        self._left_out: list[Lane] = []
        self.failed: dict[str, Failure] = {}
        """Why the problems of which draws are lacking have no more."""

    @property
    def answered_as(self) -> list[str]:
        """What the servers called the model that answered."""
        return list(dict.fromkeys(name for lane in self.lanes for name in lane.answered_as))

    @property
    def refused(self) -> list[str]:
        """Fields that are no longer sent to one of them or more."""
        return sorted({name for lane in self.lanes for name in lane.dialect.refused})

    @property
    def paths(self) -> set[str]:
        """Endpoints that were asked."""
        return {path for lane in self.lanes for path in lane.paths}

    def draw(
        self, wanted: Sequence[tuple[Ask, Sequence[int]]], receive: Callable[[Sequence[ServedDraw]], None]
    ) -> None:
        """Draw the sample indices that are wanted of each prompt; what could not be drawn is in `failed`, with its reason.

        Never raises for what a server does. What `receive` raises ends it.

        Args:
            wanted: prompts, each with ascending sample indices.
            receive: gets the responses of a request as they come, one request at a time.
        """
        queue = WorkQueue(wanted, {taker: lane.failed for taker, lane in enumerate(self.lanes)}, retries=self._retries)
        run_exchange(self._draw(queue, receive))
        failures = [failure for lane in self.lanes for failure in lane.failed.values()]
        queue.close(failures[-1] if failures else None)
        self.failed = queue.lost
        for lane in self.lanes:
            done = [failure for name, failure in lane.failed.items() if name not in queue.lost]
            if done and lane not in self._left_out:
                others = "another server" if len(self.lanes) > 2 else "the other server"
                problems = counted(len(done), "problem")
                self._say(
                    f"{lane.server.url} failed for {problems} ({words(done[-1])}), of which {others} drew what is lacking"
                )

    async def _draw(self, queue: WorkQueue, receive: Callable[[Sequence[ServedDraw]], None]) -> None:
        company = Company()

        def leave(taker: int, why: str) -> None:
            queue.leave(taker)
            self._left_out.append(self.lanes[taker])
            if queue.takers:
                others = "the other server" if queue.takers == 1 else f"the {counted(queue.takers, 'other server')}"
                self._say(f"{self.lanes[taker].server.url} is left out: {why}; what it was asked for goes to {others}")

        # All are in it before the first asks.
        partners = [
            Partner(company, partial(leave, taker)) if len(self.lanes) > 1 else None for taker in range(len(self.lanes))
        ]
        await asyncio.gather(
            *(
                lane.draw(queue, taker, receive, partner)
                for taker, (lane, partner) in enumerate(zip(self.lanes, partners, strict=True))
            )
        )


def _said_of(server: Server, say: Callable[[str], None], line: str) -> None:
    say(f"{server.endpoint.host}: {line}")
