"""What of a request a server takes.

A request begins with everything that makes the draws those that the manifest says, and gives up what is refused, where that is of no
consequence for the distribution or can be told; what the manifest says itself (temperature, top-p, top-k, limit) is never given up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from counterpoise.endpoint import Failure
from counterpoise.rollouts.served.words import blamed, message_in
from counterpoise.types import SamplingSettings

__all__ = ["Ask", "Dialect"]

_REFUSALS = frozenset((400, 404, 405, 415, 422, 500, 501))
"""Statuses with which servers say that they do not take a field, and name it."""
_UNNAMED = frozenset((400, 422, 501))
"""Statuses with which they do so without a word."""
_RENAMED = re.compile(
    r"""use ['"`]?max_completion_tokens|un(?:supported|recognized)\b.{0,60}\bmax_tokens""", re.I | re.S
)

_ALONE = ("n", "logprobs", "seed")
"""Fields that have nothing to do with the others, in the order in which they are done without."""
_LOST = {
    "n": "one response is asked for at a time",
    "seed": "the draws have no seed",
    "logprobs": "there are no log-probabilities",
    "top_k": "where it has a top-k of its own, it applies",
    "min_p": "where it has a min-p of its own, it applies",
    "repetition_penalty": "where it has a penalty of its own, it applies",
    "add_special_tokens": "it may put a second beginning-of-sequence token before a prompt that spells one out",
    "include_stop_str_in_output": "responses may lack the string that ended them",
}
"""What is different without a field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A prompt as a server gets it: chat messages, or a text to go on with."""

    problem_id: str
    """Problem it asks."""
    messages: tuple[tuple[str, str], ...] | None
    """(role, content) of each message, for `/chat/completions`; None for a text."""
    text: str = ""
    """The text, for `/completions`."""
    prefix: str = ""
    """What the response begins with; it ends the text that is sent."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the chat format."""
    special_tokens: bool = True
    """Whether the tokenizer adds its own to the text."""

    @property
    def path(self) -> str:
        """What is added to the server's address."""
        return "/completions" if self.messages is None else "/chat/completions"


class Dialect:
    """The fields of a request, fewer with each that the server refuses."""

    def __init__(self, model: str, settings: SamplingSettings, *, per_request: int) -> None:
        self._model, self._settings = model, settings
        self.per_request = per_request
        """Responses that one request asks for at most."""
        self._token_field = "max_tokens"
        self._refused: set[str] = set()

    @property
    def refused(self) -> list[str]:
        """Fields that are no longer sent."""
        return sorted(self._refused)

    def copy(self) -> Dialect:
        """The same, to go back to."""
        made = Dialect(self._model, self._settings, per_request=self.per_request)
        made._token_field, made._refused = self._token_field, set(self._refused)
        return made

    def body(self, ask: Ask, n: int, seed: int) -> dict[str, Any]:
        """The request for `n` responses."""
        drawn = self._settings
        prompt: dict[str, Any] = {"prompt": ask.text + ask.prefix}
        if ask.messages is not None:
            prompt = {"messages": [{"role": role, "content": content} for role, content in ask.messages]}
        prompt |= {"chat_template_kwargs": dict(ask.arguments)} if ask.arguments else {}
        body = {"model": self._model, **prompt, "temperature": drawn.temperature, "top_p": drawn.top_p}
        body[self._token_field] = drawn.max_tokens
        body |= {"stop": list(drawn.stop), "include_stop_str_in_output": True} if drawn.stop else {}
        body |= {"n": n} if n > 1 else {}
        # Off, and not left away: vLLM takes what is left away from the model's own generation settings, llama.cpp has defaults of its own.
        body |= {"top_k": drawn.top_k, "min_p": 0.0, "repetition_penalty": 1.0}
        body |= {} if ask.messages is not None or ask.special_tokens else {"add_special_tokens": False}
        body |= {"seed": seed, "logprobs": 1 if ask.messages is None else True}
        return {name: value for name, value in body.items() if name not in self._refused}

    def concede(self, failure: Failure, body: dict[str, Any]) -> list[str] | None:
        """Give up the fields that a refusal names; what that means, a line for each, or None where none can be given up.

        Args:
            failure: the refusal.
            body: the request that was refused; where what it names is no longer sent, asking again is all there is to do.
        """
        if failure.status not in _REFUSALS:
            return None
        if self._token_field == "max_tokens" and "max_tokens" in body and _RENAMED.search(message_in(failure.said)):
            self._token_field = "max_completion_tokens"
            return []
        fields = blamed(failure, _fields(body))
        names = [name for name in fields if name in self._optional(body)]
        return self.give_up(names) if names else None

    def trials(self, failure: Failure, body: dict[str, Any]) -> list[list[str]]:
        """Fields to do without, one guess after the other, where the refusal names none: each kind alone, then more and more."""
        if failure.status not in _UNNAMED or blamed(failure, _fields(body)):
            return []
        can = self._optional(body)
        kinds = [[name for name in can if name not in _ALONE], *([name] for name in can if name in _ALONE)]
        kinds = [kind for kind in kinds if kind]
        return [*kinds, *([name for kind in kinds[:many] for name in kind] for many in range(2, len(kinds) + 1))]

    def give_up(self, names: Sequence[str]) -> list[str]:
        """No longer send these fields; what that means, a line for each that was still sent."""
        fresh = [name for name in names if name not in self._refused]
        self._refused.update(fresh)
        if "n" in fresh:
            self.per_request = 1
        return [f"the server takes no {name}: {_LOST[name]}" for name in fresh]

    def _optional(self, body: dict[str, Any]) -> list[str]:
        return [name for name in body if name in _LOST and (name != "top_k" or not self._settings.top_k)]

    def fewer(self, given: int, asked: int) -> str | None:
        """Ask for no more than the server gave; a line about it, or None where that is known."""
        if given >= self.per_request:
            return None
        self.per_request = given
        return f"the server gave {given} of {asked} responses that were asked for at once: from now on it is asked for {given}"


def _fields(body: dict[str, Any]) -> list[str]:
    """What of a request says how to draw: whose names in a message are not everyday words."""
    return [name for name in body if name not in ("model", "messages", "prompt")]
