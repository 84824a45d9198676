"""Questions to a language model behind an OpenAI-compatible endpoint: bounded in time, size, number and patience."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import re
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from counterpoise.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    import httpx

__all__ = ["KEY_VARIABLE", "Chat", "Endpoint", "Failure"]

KEY_VARIABLE = "COUNTERPOISE_JUDGE_KEY_VARIABLE"
"""Environment variable in which the user names further variables that may be sent as a key, separated by commas."""
_KEY_NAMES = ("COUNTERPOISE_JUDGE_KEY", "JUDGE_KEY", "OPENAI_KEY")
"""Variables that hold the key of a language model, beside those that end in `_API_KEY`."""

_MAX_REPLY = 2**20
_LONGEST_PAUSE = 30.0
_PASSING = frozenset((408, 409, 425, 429))

Chat = tuple[str, str]
"""System message and user message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A reply that did not come."""

    reason: str
    """What happened, without any text of the server's, which might repeat the key."""
    passing: bool
    """Whether asking again may help."""
    after: float = 0.0
    """Seconds to wait first, as the server asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where to ask, and how long.

    Raises:
        ConfigError: the address is no plain http(s) URL; the key's variable is not one that holds the key of a
            language model; the key would travel in clear to another machine.
    """

    url: str
    """Base address, e.g. `http://localhost:8000/v1`; `/chat/completions` is added."""
    model: str
    """The model's name there."""
    key_variable: str
    """Environment variable that holds the key, read at each request and written nowhere; where it is unset no key is sent."""
    timeout: float
    """Seconds for one request, from connecting to the reply's last byte."""
    retries: int
    """Further attempts after a time-out, a lost connection, 429 or 5xx, with pauses of 0.5, 1, 2, … seconds."""
    concurrency: int
    """Requests at a time."""
    patience: int
    """Requests that fail in a row (after their retries) before the others of the call are given up."""
    max_tokens: int
    """Tokens of a reply; models that think aloud need many."""
    token_field: str = "max_tokens"
    """Name of that limit in the request: some servers want `max_completion_tokens`."""

    def __post_init__(self) -> None:
        where = "verifier llm"
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ConfigError(
                f"{where}: url = {_hidden(self.url)!r}; expected a base address such as http://localhost:8000/v1"
            )
        if parts.username is not None or parts.password is not None:
            raise ConfigError(
                f"{where}: url holds a user name or password; put the key into the environment variable {self.key_variable}"
            )
        self._check_key(where, parts.scheme, parts.hostname)
        if not self.model:
            raise ConfigError(f"{where}: model is empty; name the endpoint's model")

    def _check_key(self, where: str, scheme: str, host: str) -> None:
        """A run file, which may be somebody else's, chooses the variable and the address: keep it from sending any secret anywhere."""
        name = self.key_variable
        if name and name in (allowed.strip() for allowed in os.environ.get(KEY_VARIABLE, "").split(",")):
            return
        if name not in _KEY_NAMES and re.fullmatch(r"[A-Za-z0-9_]+_API_KEY", name) is None:
            raise ConfigError(
                f"{where}: key_variable = {name!r}; its value would be sent to {host}, and a variable that holds the key of a language "
                f"model ends in _API_KEY or is one of {', '.join(_KEY_NAMES)}; to send this one, set {KEY_VARIABLE}={name!r} in your "
                "environment"
            )
        if scheme == "http" and os.environ.get(name) and not _is_loopback(host):
            raise ConfigError(
                f"{where}: the key in {name} would travel in clear to {host}; use https://, unset {name} if the endpoint needs no key, "
                f"or set {KEY_VARIABLE}={name} in your environment to send it all the same"
            )

    @property
    def announcement(self) -> str:
        """Where questions go, and with which key."""
        parts = urlsplit(self.url)
        place = parts.netloc
        if not os.environ.get(self.key_variable):
            return f"questions, golds and answers go to {place}, without a key ({self.key_variable} is not set)"
        said = f"questions, golds and answers go to {place}, with the key in {self.key_variable}"
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            said += "; by plain http, so everybody on the way can read it: use https, or a tunnel to localhost"
        return said

    def ask(self, chats: Sequence[Chat]) -> list[str | Failure]:
        """The replies' texts, or why there is none, in order. Never raises for what the endpoint does.

        Raises:
            MissingExtraError: httpx is not installed.
        """
        if not chats:
            return []
        try:
            import httpx
        except ImportError as error:
            raise MissingExtraError("httpx", extra="judge", purpose="the verifier 'llm'") from error
        return _run(self._all(httpx, chats))

    async def _all(self, library: Any, chats: Sequence[Chat]) -> list[str | Failure]:
        gate, failed = asyncio.Semaphore(self.concurrency), _Streak(self.patience)
        limits = library.Limits(max_connections=self.concurrency)
        async with library.AsyncClient(limits=limits, timeout=self.timeout, follow_redirects=False) as client:

            async def one(chat: Chat) -> str | Failure:
                async with gate:
                    if failed.over:
                        return Failure(
                            reason=f"given up: {self.patience} failures in a row, the last: {failed.last}",
                            passing=True,
                        )
                    reply = await self._patiently(client, chat)
                    failed.count(reply)
                    return reply

            return list(await asyncio.gather(*map(one, chats)))

    async def _patiently(self, client: httpx.AsyncClient, chat: Chat) -> str | Failure:
        for attempt in range(self.retries + 1):
            reply = await self._once(client, chat)
            if isinstance(reply, str) or not reply.passing or attempt == self.retries:
                return reply
            await asyncio.sleep(min(_LONGEST_PAUSE, max(reply.after, 0.5 * 2**attempt)))
        raise AssertionError

    async def _once(self, client: httpx.AsyncClient, chat: Chat) -> str | Failure:
        import httpx

        key = os.environ.get(self.key_variable, "")
        if not key.isascii() or not key.isprintable():
            return Failure(
                reason=f"the key in {self.key_variable} has characters that no header may have", passing=False
            )
        # A compressed megabyte may be a gigabyte: ask for plain bytes, and count them.
        headers = {"Accept-Encoding": "identity", **({"Authorization": f"Bearer {key}"} if key else {})}
        try:
            async with asyncio.timeout(self.timeout):
                async with client.stream("POST", self._address, headers=headers, json=self._request(chat)) as response:
                    body = bytearray()
                    async for part in response.aiter_raw():
                        body += part
                        if len(body) > _MAX_REPLY:
                            return Failure(reason="bad reply: longer than a mebibyte", passing=False)
                    return _read(response.status_code, bytes(body), _after(response.headers.get("retry-after", "")))
        except (TimeoutError, httpx.TimeoutException):
            return Failure(reason=f"timeout: no reply within {self.timeout:g} s", passing=True)
        except httpx.TransportError as error:
            return Failure(reason=f"connection failed ({type(error).__name__})", passing=True)
        except Exception as error:  # its message may hold the request's headers
            return Failure(reason=f"request failed ({type(error).__name__})", passing=False)

    @property
    def _address(self) -> str:
        return self.url.rstrip("/") + "/chat/completions"

    def _request(self, chat: Chat) -> dict[str, Any]:
        system, user = chat
        return {
            "model": self.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "temperature": 0,
            self.token_field: self.max_tokens,
        }


def _is_loopback(host: str | None) -> bool:
    name = (host or "").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class _Streak:
    """Failures since the last reply."""

    def __init__(self, patience: int) -> None:
        self._patience, self._length, self.last = patience, 0, ""

    @property
    def over(self) -> bool:
        return self._length >= self._patience

    def count(self, reply: str | Failure) -> None:
        self._length = self._length + 1 if isinstance(reply, Failure) else 0
        self.last = reply.reason if isinstance(reply, Failure) else self.last


def _run(asking: Coroutine[Any, Any, list[str | Failure]]) -> list[str | Failure]:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(asking)
    # In a notebook a loop runs already, and a second one needs a thread of its own.
    with ThreadPoolExecutor(max_workers=1) as thread:
        run: Callable[[Coroutine[Any, Any, list[str | Failure]]], list[str | Failure]] = asyncio.run
        return thread.submit(run, asking).result()


def _read(status: int, body: bytes, after: float) -> str | Failure:
    if status != HTTPStatus.OK:
        known = status in set(HTTPStatus)
        phrase = f" {HTTPStatus(status).phrase}" if known else ""
        return Failure(reason=f"HTTP {status}{phrase}", passing=status in _PASSING or status >= 500, after=after)
    try:
        value = json.loads(body)
        content = value["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return Failure(reason="bad reply: not the JSON of a chat completion", passing=False)
    return content if isinstance(content, str) else Failure(reason="bad reply: its content is no text", passing=False)


def _after(header: str) -> float:
    """Seconds of a Retry-After header; a date or nonsense counts as none."""
    return float(header) if header.isascii() and header.isdigit() and len(header) < 6 else 0.0


def _hidden(url: str) -> str:
    return url if "@" not in url else "…@" + url.rpartition("@")[2]
