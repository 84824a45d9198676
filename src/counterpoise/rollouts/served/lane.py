"""One of the servers that draw: its first request alone, then as many as there may be, every response handed over as it comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from counterpoise.endpoint import Endpoint, Failure, HttpRequest
from counterpoise.rollouts.served.dialect import Dialect
from counterpoise.rollouts.served.queue import Work, WorkQueue
from counterpoise.rollouts.served.reply import Drawn, read_reply
from counterpoise.rollouts.served.server import Server
from counterpoise.rollouts.served.words import words
from counterpoise.streams import stream
from counterpoise.text import counted
from counterpoise.types import SamplingSettings
from counterpoise.waiting import Partner

__all__ = ["Lane", "ServedDraw"]

_SEEDS = 2**31
"""Servers hold seeds in as little as 32 bits."""
_TRIED = 3
"""Problems with which the first request is tried."""
_REFUSED = 100
"""Refusals of the first request at most: more than there are fields to give up."""
_ANNOUNCED = 3
"""Names of models, and ends of responses, that are reported at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedDraw:
    """One response and which draw it is."""

    problem_id: str
    """Problem it answers."""
    sample: int
    """Index of the draw among the problem's draws."""
    seed: int
    """Seed of the request that brought it."""
    drawn: Drawn
    """The response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    work: Work
    body: Mapping[str, Any]


class Lane:
    """Draws from one server what a queue has.

    Args:
        server: where.
        settings: how responses are drawn.
        seed: seed of the evaluation.
        say: called with what the server does not take, once for each.
    """

    def __init__(self, server: Server, settings: SamplingSettings, *, seed: int, say: Callable[[str], None]) -> None:
        self.server, self._settings, self._seed, self._say = server, settings, seed, say
        self.dialect = Dialect(server.model, settings, per_request=server.per_request)
        """What the server has not refused so far."""
        self.answered_as: dict[str, None] = {}
        """What the server called the model that answered."""
        self.failed: dict[str, Failure] = {}
        """Why the server gave a problem no (more) draws."""
        self.paths: set[str] = set()
        """Endpoints that were asked."""
        self._ends: dict[str, None] = {}
        self._too_many = False
        self.answered = False
        """Whether the server drew anything."""

    async def draw(
        self,
        queue: WorkQueue,
        taker: int,
        receive: Callable[[Sequence[ServedDraw]], None],
        company: Partner | None,
    ) -> None:
        """Ask until the queue has nothing more for this server; never raises for what it does. What `receive` raises ends it.

        Args:
            queue: the work; what the server fails to do is put back.
            taker: who this is to the queue.
            receive: gets the responses of a request as they come, one request at a time.
            company: those who take from the same queue, which it leaves where its first request fails; None where there is no other.
        """
        self._queue, self._taker, self._receive = queue, taker, receive
        drew = False
        while not drew:
            with company.asking() if company else nullcontext():
                for _ in range(_TRIED):
                    drew = await self._first(company)
                    if drew or not self._refused_one():
                        break
                if self.failed and not drew:
                    if company:
                        company.leave(words(self._last))
                    return
            if not drew and (company is None or not await company.more_may_come()):
                return
        await self.server.endpoint.exchanging(self._more, self._received, say=self._say, company=company)

    @property
    def _last(self) -> Failure:
        return next(reversed(self.failed.values()))

    async def _first(self, company: Partner | None) -> bool:
        """Ask alone, until it is answered or nothing more can be given up; whether it was answered."""
        endpoint: Endpoint = self.server.endpoint
        before, dialect = self.dialect.copy(), self.dialect
        waiting: deque[HttpRequest | None] = deque([self._more()])
        trials: list[list[str]] | None = None
        first: Failure | None = None
        said: list[str] = []
        guessed: list[str] = []

        def received(request: HttpRequest, reply: dict[str, Any] | Failure) -> Failure | None:
            nonlocal trials, first
            sent: _Sent = request.about
            if isinstance(reply, Failure):
                given_up = None if trials else self.dialect.concede(reply, dict(sent.body))
                if given_up is None and trials is None:
                    first, trials = reply, self.dialect.trials(reply, dict(sent.body))
                said.extend(given_up or ())
                if given_up is None and trials:
                    self.dialect = dialect.copy()
                    guessed[:] = given_up = self.dialect.give_up(trials.pop(0))
                if given_up is not None:
                    self._queue.put_back(sent.work)
                    waiting.append(self._more())
                    return None
                self.dialect = before  # it was something else: nothing is known to be refused
                return self._received(request, first or reply)
            for line in (*said, *guessed):
                self._say(line)
            return self._received(request, reply)

        alone = replace(endpoint, patience=_REFUSED)
        await alone.exchanging(
            lambda: waiting.popleft() if waiting else None,
            received,
            say=self._say,
            company=company and company.apart(),
        )
        return self.answered

    def _refused_one(self) -> bool:
        """Whether the failure may be of one problem, such as a prompt that is too long, and not of the server."""
        return bool(self._queue) and bool(self.failed) and self._last.status in (400, 413, 422)

    def _more(self) -> HttpRequest | None:
        work = self._queue.take(self._taker, self.dialect.per_request)
        if work is None:
            return None
        ask, count = work.ask, len(work.samples)
        body = self.dialect.body(ask, count, self._seed_of(work))
        # A token is a few letters, and a kilobyte of JSON where its log-probability stands beside it.
        most = min(2**20 + count * self._settings.max_tokens * 2**10, 2**28)
        what = "a completion" if ask.messages is None else "a chat completion"
        self.paths.add(ask.path)
        return HttpRequest(path=ask.path, body=body, expects=what, most=most, about=_Sent(work=work, body=body))

    def _received(self, request: HttpRequest, reply: dict[str, Any] | Failure) -> Failure | None:
        sent: _Sent = request.about
        work, name = sent.work, sent.work.ask.problem_id
        if isinstance(reply, Failure):
            given_up = self.dialect.concede(reply, dict(sent.body)) if self.answered else None
            for told in given_up or ():
                self._say(told)
            if given_up is None:
                self.failed.setdefault(name, reply)
            self._queue.put_back(work)
            return None
        read = read_reply(reply, chat=work.ask.messages is not None, stop=self._settings.stop)
        # By its place: of a server whose i-th choice has the seed + i, a draw that is lacking would come again under another index.
        found = {sample: one for sample, one in zip(work.samples, read.drawn, strict=False) if one is not None}
        if not found:
            failure = Failure(reason=read.fault or "bad reply", passing=False)
            self.failed.setdefault(name, failure)
            self._queue.put_back(work)
            return failure
        self.answered = True
        seed = self._seed_of(work)
        self._receive(
            [ServedDraw(problem_id=name, sample=sample, seed=seed, drawn=one) for sample, one in found.items()]
        )
        self._queue.put_back(work, [sample for sample in work.samples if sample not in found])
        if len(read.drawn) < len(work.samples) and (line := self.dialect.fewer(len(read.drawn), len(work.samples))):
            self._say(line)
        if len(read.drawn) > len(work.samples) and not self._too_many:
            self._too_many = True
            asked = counted(len(work.samples), "response")
            self._say(f"the server gave {len(read.drawn)} for {asked} asked for; what is too many is left out")
        self._remark(read.model, list(found.values()))
        return None

    def _remark(self, model: str | None, drawn: Sequence[Drawn]) -> None:
        if model is not None and model not in self.answered_as and len(self.answered_as) < _ANNOUNCED:
            self.answered_as[model] = None
            if model != self.server.model:
                self._say(f"the server answers as the model '{model}'")
        for finish in (one.finish for one in drawn if one.finish not in ("stop", "length")):
            if finish not in self._ends and len(self._ends) < _ANNOUNCED:
                self._ends[finish] = None
                how = f"with finish_reason {finish[:40]!r}" if finish else "without a finish_reason"
                self._say(f"a response ended {how}: it is judged as it stands")

    def _seed_of(self, work: Work) -> int:
        return (stream(self._seed, "served", work.ask.problem_id) + work.samples[0]) % _SEEDS
