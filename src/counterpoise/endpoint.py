"""Requests to an OpenAI-compatible server: bounded in time, size, number and patience; what it answers is never trusted."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from counterpoise.errors import ConfigError, MissingExtraError
from counterpoise.lazy import asyncio
from counterpoise.waiting import Partner, Quiet, Streak

if TYPE_CHECKING:
    import httpx

__all__ = ["KEY_VARIABLE", "Endpoint", "Failure", "HttpRequest", "Receive", "run_exchange"]

KEY_VARIABLE = "COUNTERPOISE_JUDGE_KEY_VARIABLE"
"""Environment variable in which the user names further variables that may be sent as a key, separated by commas."""
_KEY_NAMES = ("COUNTERPOISE_JUDGE_KEY", "JUDGE_KEY", "OPENAI_KEY")
"""Variables that hold the key of a language model, beside those that end in `_API_KEY`."""

_MEBIBYTE = 2**20
_LONGEST_BACKOFF = 30.0
_PASSING = frozenset((408, 409, 425, 429))


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One question to the server."""

    path: str
    """What is added to the base address, e.g. `/chat/completions`."""
    body: dict[str, Any] | None = None
    """The JSON that is posted; None for a GET."""
    expects: str = "a chat completion"
    """What the reply should be, for messages."""
    most: int = _MEBIBYTE
    """Bytes of the reply that are read at most."""
    about: Any = None
    """Whatever the caller wants to know it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A reply that did not come."""

    reason: str
    """What happened, without any text of the server's, which might repeat the key."""
    passing: bool
    """Whether asking again may help."""
    after: float = 0.0
    """Seconds to wait first, as the server asked."""
    status: int | None = None
    """HTTP status, where there was one."""
    said: Any = field(default=None, repr=False)
    """The server's own words: the JSON or the text of its answer, or what the system says of a connection. The key is taken out."""
    timed_out: bool = False
    """Whether the time for it was over."""
    handed_over: bool = False
    """Whether it would have been tried again, but for others that may do better."""


Receive = Callable[[HttpRequest, "dict[str, Any] | Failure"], "Failure | None"]
"""Gets each request with the JSON object of its reply, or with why there is none, in the order in which they come. Returns why a reply
is of no use, or None; what comes as a failure is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where to ask, and how long.

    Raises:
        ConfigError: the address is not a plain http(s) URL; the key's variable is not one that holds the key of a
            language model; the key would travel in clear to another machine.
    """

    where: str
    """What messages begin with, e.g. `verifier llm`."""
    url: str
    """Base address, e.g. `http://localhost:8000/v1`."""
    key_variable: str
    """Environment variable that holds the key, read at each request and written nowhere; where it is unset no key is sent."""
    timeout: float
    """Seconds for one request, from connecting to the reply's last byte."""
    retries: int
    """Further attempts after a time-out, a lost connection, 429 or 5xx, with pauses of 0.5, 1, 2, … seconds, 30 at most."""
    concurrency: int
    """Requests at a time."""
    patience: int
    """Requests that fail in a row (after their retries) before the others of the call are given up."""
    longest_pause: float = 30.0
    """Seconds that a Retry-After is honoured at most."""
    extra: str
    """Extra of this package that brings httpx."""
    purpose: str
    """What needs it."""

    def __post_init__(self) -> None:
        parts = _split(self.url)
        if (
            parts is None
            or parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.query
            or parts.fragment
        ):
            raise ConfigError(
                f"{self.where}: url = {_hidden(self.url)!r}; expected a base address such as http://localhost:8000/v1"
            )
        if parts.username is not None or parts.password is not None:
            raise ConfigError(
                f"{self.where}: url holds a user name or password; put the key into the environment variable {self.key_variable}"
            )
        self._check_key(parts.scheme, parts.hostname)

    def _check_key(self, scheme: str, host: str) -> None:
        """A run file, which may be somebody else's, chooses the variable and the address: keep it from sending any secret anywhere."""
        name = self.key_variable
        if name and name in (allowed.strip() for allowed in os.environ.get(KEY_VARIABLE, "").split(",")):
            return
        if name not in _KEY_NAMES and re.fullmatch(r"[A-Za-z0-9_]+_API_KEY", name) is None:
            raise ConfigError(
                f"{self.where}: key_variable = {name!r}; its value would be sent to {host}, and a variable that holds the key of a "
                f"language model ends in _API_KEY or is one of {', '.join(_KEY_NAMES)}; to send this one, set "
                f"{KEY_VARIABLE}={name!r} in your environment"
            )
        if scheme == "http" and os.environ.get(name) and not _is_loopback(host):
            raise ConfigError(
                f"{self.where}: the key in {name} would travel in clear to {host}; use https://, unset {name} if the endpoint needs no "
                f"key, or set {KEY_VARIABLE}={name} in your environment to send it all the same"
            )

    @property
    def host(self) -> str:
        """Host and port, as the address has them."""
        return urlsplit(self.url).netloc

    def announcement(self, what: str) -> str:
        """Where `what` goes, and with which key."""
        parts = urlsplit(self.url)
        if not os.environ.get(self.key_variable):
            return f"{what} go to {parts.netloc}, without a key ({self.key_variable} is not set)"
        said = f"{what} go to {parts.netloc}, with the key in {self.key_variable}"
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            said += "; by plain http, so everybody on the way can read it: use https, or a tunnel to localhost"
        return said

    def exchange(
        self,
        more: Callable[[], HttpRequest | None],
        receive: Receive,
        *,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Send what `more` gives until it gives None, `concurrency` at a time; never raises for what the server does.

        `more` and `receive` are called by one thread, never at the same time; whoever called `receive` asks `more` next, so that it may
        have found new work. What either of them raises ends the exchange and is raised here.

        Args:
            more: the next request, or None.
            receive: gets the replies as they come.
            say: called when the server asks for a long pause.

        Raises:
            MissingExtraError: httpx is not installed.
        """
        run_exchange(self.exchanging(more, receive, say=say))

    async def exchanging(
        self,
        more: Callable[[], HttpRequest | None],
        receive: Receive,
        *,
        say: Callable[[str], None] = lambda line: None,
        company: Partner | None = None,
    ) -> None:
        """`exchange` as a coroutine, also beside other endpoints that take from the same `more`.

        In `company` a request that timed out is not tried again here while there are others, who may have it. After `patience` failures
        in a row it leaves: nothing more is asked here, and what `receive` has put back is for the others.
        """
        try:
            import httpx
        except ImportError as error:
            raise MissingExtraError("httpx", extra=self.extra, purpose=self.purpose) from error
        failed, quiet = Streak(self.patience), Quiet(say)
        limits = httpx.Limits(max_connections=self.concurrency)
        client = httpx.AsyncClient(
            limits=limits, timeout=self.timeout, follow_redirects=False, verify=_certificates(httpx)
        )

        async def work() -> None:
            while not (company and company.left):
                request = more()
                if request is None:
                    if company is None or not await company.more_may_come():
                        return
                    continue
                if failed.over:
                    reason = f"given up: {self.patience} failures in a row, the last: {failed.last}"
                    receive(request, Failure(reason=reason, passing=True))
                    continue
                with company.asking() if company else nullcontext():
                    reply = await self._patiently(client, request, quiet, company)
                    useless = receive(request, reply)
                    failure = reply if isinstance(reply, Failure) else useless
                    if failed.count(None if failure is None else failure.reason) and company:
                        company.leave(failed.last)

        async with client:
            await asyncio.gather(*(work() for _ in range(self.concurrency)))

    async def _patiently(
        self, client: httpx.AsyncClient, request: HttpRequest, quiet: Quiet, company: Partner | None
    ) -> dict[str, Any] | Failure:
        for attempt in range(self.retries + 1):
            await quiet.passed()
            reply = await self._once(client, request)
            if not isinstance(reply, Failure) or not reply.passing or attempt == self.retries:
                return reply
            if company and company.others and reply.timed_out:
                return replace(reply, handed_over=True)
            asked = min(self.longest_pause, reply.after)
            quiet.ask(asked, reply.reason)  # of all of them: the others would only be told the same
            await asyncio.sleep(max(asked, min(_LONGEST_BACKOFF, 0.5 * 2**attempt)))
        raise AssertionError

    async def _once(self, client: httpx.AsyncClient, request: HttpRequest) -> dict[str, Any] | Failure:
        import httpx

        key = os.environ.get(self.key_variable, "")
        if not key.isascii() or not key.isprintable():
            return Failure(
                reason=f"the key in {self.key_variable} has characters that no header may have", passing=False
            )
        # A compressed megabyte may be a gigabyte: ask for plain bytes, and count them.
        headers = {"Accept-Encoding": "identity", **({"Authorization": f"Bearer {key}"} if key else {})}
        content = None
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(request.body).encode()  # escaped, so that a lone surrogate of the data is not an error
        try:
            async with asyncio.timeout(self.timeout):
                method, address = "GET" if content is None else "POST", self.url.rstrip("/") + request.path
                async with client.stream(method, address, headers=headers, content=content) as response:
                    body = bytearray()
                    async for part in response.aiter_raw():
                        body += part
                        if len(body) > request.most:
                            return Failure(reason=f"bad reply: longer than {_bytes(request.most)}", passing=False)
                    after = _after(response.headers.get("retry-after", ""))
                    return _read(request, response.status_code, bytes(body), after, key)
        except (TimeoutError, httpx.TimeoutException):
            return Failure(reason=f"timeout: no reply within {self.timeout:g} s", passing=True, timed_out=True)
        except httpx.TransportError as error:
            # Of the others the text may hold a header.
            said = str(error) if isinstance(error, httpx.ConnectError) else None
            return Failure(reason=f"connection failed ({type(error).__name__})", passing=True, said=said)
        except Exception as error:  # its message may hold the request's headers
            return Failure(reason=f"request failed ({type(error).__name__})", passing=False)


@cache
def _certificates(library: Any) -> Any:
    """Reading them takes longer than a request to this machine."""
    return library.create_ssl_context()


def run_exchange(asking: Coroutine[Any, Any, Any]) -> None:
    """Run it to its end, whether or not this thread has an event loop that runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(asking)
        return
    # In a notebook a loop runs already, and a second one needs a thread of its own.
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, asking).result()


def _read(request: HttpRequest, status: int, body: bytes, after: float, key: str) -> dict[str, Any] | Failure:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if status != HTTPStatus.OK:
        phrase = f" {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else ""
        passing = status in _PASSING or status >= 500
        said = _without(key, value) if value is not None else _without(key, body[:4096].decode("utf-8", "replace"))
        return Failure(reason=f"HTTP {status}{phrase}", passing=passing, after=after, status=status, said=said)
    if not isinstance(value, dict):
        return Failure(reason=f"bad reply: not the JSON of {request.expects}", passing=False)
    return value


def _without(key: str, value: Any) -> Any:
    """A server's words, in which it may have repeated the key."""
    if not key:
        return value
    if isinstance(value, str):
        return value.replace(key, "…")
    if isinstance(value, dict):
        return {_without(key, name): _without(key, inner) for name, inner in value.items()}
    return [_without(key, inner) for inner in value] if isinstance(value, list) else value


def _after(header: str) -> float:
    """Seconds of a Retry-After header, a number or a date; nonsense counts as none."""
    if header.isascii() and header.isdigit() and len(header) < 6:
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        _ = parts.port  # which is read here, so that one that is none is refused
    except ValueError:
        return None
    return parts


def _is_loopback(host: str | None) -> bool:
    name = (host or "").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _hidden(url: str) -> str:
    return url if "@" not in url else "…@" + url.rpartition("@")[2]


def _bytes(size: int) -> str:
    return "a mebibyte" if size == _MEBIBYTE else f"{size / _MEBIBYTE:,.0f} mebibytes"
