"""The sampler of a served model: requests in flight while there is work, every response handed over as it comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from counterpoise.endpoint import Endpoint, Failure, HttpRequest
from counterpoise.rollouts.served.dialect import Ask, Dialect
from counterpoise.rollouts.served.reply import Drawn, read_reply
from counterpoise.rollouts.served.server import Server
from counterpoise.streams import stream
from counterpoise.text import counted
from counterpoise.types import SamplingSettings

__all__ = ["ServedDraw", "ServedSampler"]

_SEEDS = 2**31
"""Servers hold seeds in as little as 32 bits."""
_TRIED = 3
"""Problems with which the first request is tried."""
_REFUSED = 100
"""Refusals of the first request at most: more than there are fields to give up."""
_ANNOUNCED = 3
"""Names of models and ends of responses that are said."""


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
class _Work:
    ask: Ask
    samples: tuple[int, ...]
    """Consecutive."""
    body: Mapping[str, Any]


class ServedSampler:
    """Draws responses from a server.

    A request asks for up to `server.per_request` consecutive draws of one problem with the seed `(s + first) mod 2^31`, where
    s is `stream(seed, "served", problem id)`: the draws of a problem have different seeds however they were split into requests, also where
    the server gives its i-th choice the seed + i. No server promises the same responses for the same seed.

    The first request goes out alone: what the server does not take of it is given up (`Dialect`) before the others follow.

    Args:
        server: where.
        settings: how responses are drawn.
        seed: seed of the evaluation.
        say: called with what the server does not take, once for each.
    """

    def __init__(self, server: Server, settings: SamplingSettings, *, seed: int, say: Callable[[str], None]) -> None:
        self._server, self._settings, self._seed, self._say = server, settings, seed, say
        self.dialect = Dialect(server.model, settings, per_request=server.per_request)
        """What the server has not refused so far."""
        self.answered_as: dict[str, None] = {}
        """What the server called the model that answered."""
        self.failed: dict[str, Failure] = {}
        """Why the problems of which draws are lacking have no more."""
        self.paths: set[str] = set()
        """Endpoints that were asked."""
        self._ends: dict[str, None] = {}
        self._answered = self._too_many = False
        self._work: deque[tuple[Ask, tuple[int, ...]]] = deque()

    def draw(
        self, wanted: Sequence[tuple[Ask, Sequence[int]]], receive: Callable[[Sequence[ServedDraw]], None]
    ) -> None:
        """ServedDraw the sample indices that are wanted of each prompt; what could not be drawn is in `failed`, with its reason.

        Never raises for what the server does. What `receive` raises ends it.

        Args:
            wanted: prompts, each with ascending sample indices.
            receive: gets the responses of a request as they come, one request at a time.
        """
        self._work = deque((ask, run) for ask, samples in wanted for run in _runs(samples))

        def received(request: HttpRequest, reply: dict[str, Any] | Failure) -> Failure | None:
            return self._received(request.about, reply, receive)

        endpoint = self._server.endpoint
        for _ in range(_TRIED):
            self._first(endpoint, receive)
            if self._answered or not self._refused_one():
                break
        if self._answered:
            endpoint.exchange(self._more, received, say=self._say)
        for ask, _ in self._work:  # none, where the server answered
            self.failed.setdefault(ask.problem_id, next(reversed(self.failed.values())))

    def _first(self, endpoint: Endpoint, receive: Callable[[Sequence[ServedDraw]], None]) -> None:
        """Ask alone, until it is answered or nothing more can be given up."""
        before, dialect = self.dialect.copy(), self.dialect
        waiting: deque[HttpRequest | None] = deque([self._more()])
        trials: list[list[str]] | None = None
        first: Failure | None = None
        said: list[str] = []
        guessed: list[str] = []

        def received(request: HttpRequest, reply: dict[str, Any] | Failure) -> Failure | None:
            nonlocal trials, first
            work: _Work = request.about
            if isinstance(reply, Failure):
                given_up = None if trials else self.dialect.concede(reply, dict(work.body))
                if given_up is None and trials is None:
                    first, trials = reply, self.dialect.trials(reply, dict(work.body))
                said.extend(given_up or ())
                if given_up is None and trials:
                    self.dialect = dialect.copy()
                    guessed[:] = given_up = self.dialect.give_up(trials.pop(0))
                if given_up is not None:
                    self._work.appendleft((work.ask, work.samples))
                    waiting.append(self._more())
                    return None
                self.dialect = before  # it was something else: nothing is known to be refused
                return self._received(work, first or reply, receive)
            for line in (*said, *guessed):
                self._say(line)
            return self._received(work, reply, receive)

        alone = replace(endpoint, patience=_REFUSED)
        alone.exchange(lambda: waiting.popleft() if waiting else None, received, say=self._say)

    def _refused_one(self) -> bool:
        """Whether the failure may be of one problem, such as a prompt that is too long, and not of the server."""
        last = next(reversed(self.failed.values()), None)
        return bool(self._work) and last is not None and last.status in (400, 413, 422)

    def _more(self) -> HttpRequest | None:
        while self._work:
            ask, samples = self._work.popleft()
            if ask.problem_id in self.failed:
                continue
            now, later = samples[: self.dialect.per_request], samples[self.dialect.per_request :]
            if later:
                self._work.appendleft((ask, later))
            body = self.dialect.body(ask, len(now), self._seed_of(ask, now[0]))
            # A token is a few letters, and a kilobyte of JSON where its log-probability stands beside it.
            most = min(2**20 + len(now) * self._settings.max_tokens * 2**10, 2**28)
            what = "a completion" if ask.messages is None else "a chat completion"
            work = _Work(ask=ask, samples=now, body=body)
            self.paths.add(ask.path)
            return HttpRequest(path=ask.path, body=body, expects=what, most=most, about=work)
        return None

    def _received(
        self, work: _Work, reply: dict[str, Any] | Failure, receive: Callable[[Sequence[ServedDraw]], None]
    ) -> Failure | None:
        if isinstance(reply, Failure):
            given_up = self.dialect.concede(reply, dict(work.body)) if self._answered else None
            if given_up is None:
                self.failed.setdefault(work.ask.problem_id, reply)
                return None
            for told in given_up:
                self._say(told)
            self._work.appendleft((work.ask, work.samples))
            return None
        read = read_reply(reply, chat=work.ask.messages is not None, stop=self._settings.stop)
        # By its place: of a server whose i-th choice has the seed + i, a draw that is lacking would come again under another index.
        found = {sample: one for sample, one in zip(work.samples, read.drawn, strict=False) if one is not None}
        if not found:
            failure = Failure(reason=read.fault or "bad reply", passing=False)
            self.failed.setdefault(work.ask.problem_id, failure)
            return failure
        self._answered = True
        seed, name = self._seed_of(work.ask, work.samples[0]), work.ask.problem_id
        receive([ServedDraw(problem_id=name, sample=sample, seed=seed, drawn=one) for sample, one in found.items()])
        lacking = [sample for sample in work.samples if sample not in found]
        self._work.extendleft((work.ask, run) for run in _runs(lacking))
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
            if model != self._server.model:
                self._say(f"the server answers as the model '{model}'")
        for finish in (one.finish for one in drawn if one.finish not in ("stop", "length")):
            if finish not in self._ends and len(self._ends) < _ANNOUNCED:
                self._ends[finish] = None
                how = f"with finish_reason {finish[:40]!r}" if finish else "without a finish_reason"
                self._say(f"a response ended {how}: it is judged as it stands")

    def _seed_of(self, ask: Ask, sample: int) -> int:
        return (stream(self._seed, "served", ask.problem_id) + sample) % _SEEDS


def _runs(samples: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Ascending indices as runs without a gap."""
    breaks = [place for place, (one, two) in enumerate(pairwise(samples), start=1) if two != one + 1]
    for start, end in pairwise((0, *breaks, len(samples))):
        if end > start:
            yield tuple(samples[start:end])
