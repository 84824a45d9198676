"""Where a served model is, and how it is asked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any

from annotated_types import Ge, Le

from counterpoise.endpoint import Endpoint, Failure, HttpRequest
from counterpoise.errors import ModelError, ServerError, nearest
from counterpoise.rollouts.served.words import words
from counterpoise.settings import settings

__all__ = ["Server", "listed_names"]

_LONGEST_PAUSE = 600.0
_GREETING = 30.0
_LISTED = 10


@settings("server")
class Server:
    """A model behind an OpenAI-compatible server.

    Raises:
        ConfigError: a setting is out of range, the address is not a plain http(s) URL, the key's variable is not one that holds the key of
            a language model, or the key would travel in clear to another machine.
    """

    url: str
    """Base address, e.g. `http://127.0.0.1:8000/v1`; `/chat/completions` or `/completions` is added."""
    model: str = ""
    """The model's name there; empty takes the only one that the server lists."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key, one that ends in `_API_KEY` or that $COUNTERPOISE_JUDGE_KEY_VARIABLE names."""
    per_request: Annotated[int, Ge(1), Le(1024)] = 8
    """Responses of one problem that a request asks for; fewer where the server gives fewer."""
    concurrency: Annotated[int, Ge(1), Le(1024)] = 16
    """Requests at a time."""
    timeout: Annotated[float, Ge(0.05), Le(86400)] = 600.0
    """Seconds for one request, from connecting to its last byte."""
    retries: Annotated[int, Ge(0), Le(20)] = 5
    """Further attempts after a failure that may pass (time-out, lost connection, 429, 5xx), with growing pauses or the server's own."""

    def __post_init__(self) -> None:
        _ = self.endpoint

    @property
    def endpoint(self) -> Endpoint:
        """The connection: gives up when as many requests as go out together, and eight at least, have failed in a row."""
        return Endpoint(
            where="served model",
            url=self.url,
            key_variable=self.key_variable,
            timeout=self.timeout,
            retries=self.retries,
            concurrency=self.concurrency,
            patience=max(8, self.concurrency),
            longest_pause=_LONGEST_PAUSE,
            extra="served",
            purpose="a served model",
        )

    def listed(self) -> dict[str, str] | Failure:
        """The models that the server lists, by name what it was read from (empty where the server does not say).

        Asked for once; the failure where it lists none, as some do.
        """
        replies: list[dict[str, Any] | Failure] = []
        requests = iter([HttpRequest(path="/models", expects="a list of models")])

        def receive(request: HttpRequest, reply: dict[str, Any] | Failure) -> None:
            replies.append(reply)

        # No second try: of an address that is wrong, or a server that is not there, one wants to hear at once.
        endpoint = replace(self.endpoint, retries=0, timeout=min(self.timeout, _GREETING))
        endpoint.exchange(lambda: next(requests, None), receive)
        if isinstance(replies[0], Failure):
            return replies[0]
        data = replies[0].get("data")
        models = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
        found = {one["id"]: one.get("root") for one in models if isinstance(one.get("id"), str) and one["id"]}
        return {name: root if isinstance(root, str) else "" for name, root in found.items()}

    def found(self) -> tuple[Server, dict[str, str]]:
        """This server with the name of a model, and the models that it lists.

        Raises:
            ServerError: nobody answers there.
            ModelError: no name was given, and it lists none or several.
        """
        listed = self.listed()
        if isinstance(listed, Failure):
            if listed.status is None and listed.passing:
                raise ServerError(f"{self.url}: {words(listed)}; start the server, or correct the address")
            if not self.model:
                raise ModelError(f"{self.url} does not list its models ({words(listed)}); name one: --model NAME")
            return self, {}
        if not self.model and len(listed) != 1:
            raise ModelError(f"{self.url} lists {listed_names(listed)}; name one: --model NAME")
        return (self if self.model else replace(self, model=next(iter(listed)))), listed

    def unlisted_model(self, failure: Failure, listed: Collection[str]) -> ModelError:
        """That the server refuses a model which it does not list, with those that it lists."""
        return ModelError(
            f"{self.url} refuses the model '{self.model}' ({words(failure)}) and does not list it; it lists {listed_names(listed)}"
            f"{nearest(self.model, list(listed))}"
        )


def listed_names(listed: Collection[str]) -> str:
    """The names of models that a server lists, ten at most."""
    if not listed:
        return "none"
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return ", ".join(list(listed)[:_LISTED]) + more
