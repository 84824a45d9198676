"""A server's reply, read as responses; every field of it may be missing, of another type, or untrue."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.thought import TAGS
from counterpoise.types import StopReason

__all__ = ["Drawn", "Reply", "read_reply"]

_UNFINISHED = frozenset(("abort", "error", "cancelled"))
"""Ends of a response that the server broke off: no draw of the policy."""
_NO_SCORE = -9998.0
"""vLLM and others write -9999 for minus infinity."""
_ROUNDED = 1e-3
"""How far above 0 rounding may put a logarithm of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One response."""

    text: str
    """What was drawn; a thought that the server gives apart stands before it, in tags."""
    tokens: int | None
    """Its tokens, where the server says."""
    stop_reason: StopReason | None
    """Why it ended; None where the server says something else than we have words for, or nothing."""
    mean_log_prob: float | None
    """Mean log-probability of its tokens in nats as the server gives them, at whatever temperature that is; None where it gives none."""
    finish: str
    """The server's own word for its end; empty where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What one request brought."""

    drawn: Sequence[Drawn | None]
    """The choices in the order of their index; None for one that could not be read."""
    fault: str | None
    """What is wrong with the reply, or with the first choice that could not be read."""
    model: str | None
    """What the server calls the model that answered."""


def read_reply(reply: Mapping[str, Any], *, chat: bool, stop: Sequence[str]) -> Reply:
    """Read a reply of `/chat/completions` or `/completions`.

    Args:
        reply: the JSON object.
        chat: which of them.
        stop: the strings that end a response; servers leave them away, and where one says which it was it is put back.
    """
    choices = reply.get("choices")
    name = reply.get("model")
    model = name if isinstance(name, str) and name else None
    if not isinstance(choices, list) or not choices:
        what = "no choices" if choices == [] or choices is None else "choices that are not a list"
        return Reply(drawn=(), fault=f"bad reply: {what}", model=model)
    places = [_get(choice, "index") for choice in choices]
    if sorted(place for place in places if type(place) is int) == list(range(len(choices))):
        choices = [choices[places.index(place)] for place in range(len(choices))]
    drawn: list[Drawn | None] = []
    fault = None
    tokens = _count(_get(reply.get("usage"), "completion_tokens")) if len(choices) == 1 else None
    for choice in choices:
        try:
            drawn.append(_drawn(choice, chat=chat, stop=stop, tokens=tokens))
        except ValueError as error:
            drawn.append(None)
            fault = fault or f"bad reply: {error}"
    return Reply(drawn=drawn, fault=fault, model=model)


def _drawn(choice: Any, *, chat: bool, stop: Sequence[str], tokens: int | None) -> Drawn:
    if not isinstance(choice, dict):
        raise ValueError("a choice is not an object")
    reason = choice.get("finish_reason")
    finish = reason if isinstance(reason, str) else ""
    if finish in _UNFINISHED:
        raise ValueError(f"the server broke a response off (finish_reason {finish})")
    log_probs = _log_probs(choice.get("logprobs"), chat=chat)
    counted = tokens if log_probs is None else len(log_probs)
    scored = log_probs is not None and log_probs and all(p is not None for p in log_probs)
    text = _chat_text(choice, finish) if chat else choice.get("text")
    if not isinstance(text, str):
        raise ValueError("a choice has no text")
    text, stop_reason = _end(text, finish, choice, stop)
    return Drawn(
        text=text.encode("utf-8", "replace").decode(),  # a lone surrogate cannot be written
        tokens=counted,
        stop_reason=stop_reason,
        mean_log_prob=math.fsum(p for p in log_probs or () if p is not None) / len(log_probs or ()) if scored else None,
        finish=finish,
    )


def _chat_text(choice: Mapping[str, Any], finish: str) -> str:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise ValueError("a choice has no message")
    thought = message.get("reasoning_content") or message.get("reasoning")
    content = message.get("content")
    if isinstance(content, list):  # parts, as some servers have them
        content = "".join(part["text"] for part in content if isinstance(_get(part, "text"), str))
    if content is None and "content" in message and finish:  # nothing was said, and the response ended all the same
        refusal = message.get("refusal")
        content = refusal if isinstance(refusal, str) else ""
    if not isinstance(content, str):
        raise ValueError("a choice has no message.content")
    if not isinstance(thought, str) or not thought:
        return content
    opening, closing = TAGS[0]
    # A thought that was cut off stays open, and whatever stands in it is not an answer.
    return (
        f"{opening}\n{thought}"
        if finish == "length" and not content
        else f"{opening}\n{thought}\n{closing}\n\n{content}"
    )


def _end(text: str, finish: str, choice: Mapping[str, Any], stop: Sequence[str]) -> tuple[str, StopReason | None]:
    if finish == "length":
        return text, StopReason.LENGTH
    if finish != "stop":
        return text, None
    said = choice.get("stop_reason")
    if isinstance(said, str) and said in stop:
        return text if text.endswith(said) else text + said, StopReason.STOP_STRING
    if text.endswith(tuple(stop)) and stop:
        return text, StopReason.STOP_STRING
    # With strings to stop at, only a server that says which it was lets the end of the sequence be distinguished from them.
    return text, StopReason.EOS if not stop or "stop_reason" in choice else None


def _log_probs(found: Any, *, chat: bool) -> list[float | None] | None:
    """The log-probability of each token, None for one that is not a finite number; None where there are none."""
    if chat:
        tokens = _get(found, "content")
        values = [_get(token, "logprob") for token in tokens] if isinstance(tokens, list) else None
    else:
        values = _get(found, "token_logprobs")
    if not isinstance(values, list) or not values:
        return None
    return [_log_prob(value) for value in values]


def _log_prob(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return min(0.0, float(value)) if number and _NO_SCORE < value < _ROUNDED else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
