"""How functions of three signatures are called, and what becomes of what they return."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from counterpoise.errors import ConfigError
from counterpoise.plugins import ForeignPart
from counterpoise.plugins.adopt import call_fault, what_is
from counterpoise.types import Judgement, Problem, Verdict, VerdictValue
from counterpoise.verifiers.isolate.pool import unscored

__all__ = ["FunctionSettings", "arguments_of", "form_of", "judgement_of", "unread"]

_PLAIN: Final = ("response", "gold")
_OPTIONAL: Final = ("question", "meta")
_VERL: Final = ("data_source", "solution_str", "ground_truth")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings:
    """What the numbers of a function mean.

    Raises:
        ConfigError: bounds in the wrong order.
    """

    low: float = 0.0
    """Smallest number it returns."""
    high: float = 1.0
    """Largest number it returns."""
    right: float | None = None
    """From which number on a response is right; None is `high`."""
    chat: bool = False
    """Give TRL's functions each completion as a list of messages, as TRL does for chat-shaped prompts."""

    where: ClassVar[str]

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(f"{self.where}: low = {self.low:g} and high = {self.high:g}; expected low below high")
        if self.right is not None and not self.low < self.right <= self.high:
            raise ConfigError(
                f"{self.where}: right = {self.right:g}; expected a number in ({self.low:g}, {self.high:g}]"
            )


def form_of(where: str, loaded: ForeignPart) -> str:
    """Which of the three signatures a function has; a prefix of the import path goes before what its parameters are called.

    Raises:
        ConfigError: it is not a function, or cannot be called in that way.
    """
    function = loaded.found
    if not callable(function):
        raise ConfigError(
            f"{where} is {what_is(function)}; expected a function of (response, gold, *, question, meta), or a class with extract "
            "and judge"
        )
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        kind = "async" if inspect.iscoroutinefunction(function) else "a generator"
        raise ConfigError(f"{where} is {kind}, so a call gives no value; write it with a plain def and return")
    form = loaded.reference.form or _recognised(function)
    if form == "trl":
        fault = _trl_fault(function)
    elif form == "verl":
        fault = call_fault(function, (), optional=(*_VERL, "extra_info"))
    else:
        fault = call_fault(function, _PLAIN, optional=_OPTIONAL)
    if fault:
        raise ConfigError(f"{where}: {fault}")
    return form


def _recognised(function: Callable[..., Any]) -> str:
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return "plain"
    if set(_VERL) <= set(names):
        return "verl"
    return "trl" if "completions" in names else "plain"


def _trl_fault(function: Callable[..., Any]) -> str | None:
    parameters = inspect.signature(function).parameters
    packed = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    if "completions" not in parameters and not packed:
        return f"it takes ({', '.join(parameters)}) and no completions, so it is not a reward function of TRL's"
    return call_fault(function, (), optional=_trl_names(function))


def _trl_names(function: Callable[..., Any]) -> list[str]:
    """Every parameter that can be given by its name: which of them the records have is seen with the first problem."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [one.name for one in inspect.signature(function).parameters.values() if one.kind in named]


def unread(function: Callable[..., Any], form: str, problem: Problem) -> list[str]:
    """Columns that a function of TRL's signature takes and a problem has not."""
    if form != "trl":
        return []
    parameters = inspect.signature(function).parameters
    has = {"completions", "prompts", "gold", *problem.meta, *problem.record}
    return [name for name in _trl_names(function) if name not in has and parameters[name].default is inspect._empty]


def arguments_of(
    function: Callable[..., Any], form: str, stated: Mapping[str, Any], response: str, marks: FunctionSettings
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and named arguments for one response; those that the function does not take are left out."""
    gold, question, meta = stated["gold"], stated["question"], stated["meta"]
    if form == "verl":
        source = meta.get("data_source", stated["task_type"])
        extra = meta.get("extra_info")
        extra = extra if isinstance(extra, dict) else {**meta, "question": question}
        named = {"data_source": source, "solution_str": response, "ground_truth": gold, "extra_info": extra}
        return (), _taken(function, named)
    if form == "trl":
        completion: Any = [{"role": "assistant", "content": response}] if marks.chat else response
        prompt: Any = [{"role": "user", "content": question}] if marks.chat else question
        columns = {name: [value] for name, value in {"gold": gold, **meta}.items()}
        return (), _taken(function, {**columns, "completions": [completion], "prompts": [prompt]})
    return (response, gold), _taken(function, {"question": question, "meta": meta})


def _taken(function: Callable[..., Any], named: Mapping[str, Any]) -> dict[str, Any]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return dict(named)
    return {name: value for name, value in named.items() if name in parameters}


def judgement_of(value: Any, marks: FunctionSettings) -> Judgement:
    """What a returned value says of a response; whatever is none of what may be returned is UNSCORED, with the reason."""
    if isinstance(value, Judgement):
        return value
    if isinstance(value, Verdict):
        return Judgement(value=value.value, basis=value.basis, reason=value.reason, parts=value.parts)
    if isinstance(value, VerdictValue):
        return Judgement(value=value, basis="function")
    if isinstance(value, dict) and "score" in value:
        return judgement_of(value["score"], marks)
    if value is None:
        return unscored("none: the function returned None")
    if not isinstance(value, (bool, int, float)) and getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()  # a number of numpy or torch
    if isinstance(value, bool):
        return Judgement(value=VerdictValue.CORRECT if value else VerdictValue.WRONG, basis="function")
    if isinstance(value, (int, float)) and marks.low <= value <= marks.high:  # false for NaN
        right = value >= (marks.high if marks.right is None else marks.right)
        return Judgement(
            value=VerdictValue.CORRECT if right else VerdictValue.WRONG,
            basis="function",
            parts={"score": (float(value) - marks.low) / (marks.high - marks.low)},
        )
    return unscored(
        f"nonsense: the function returned {what_is(value)}; expected true, false, none, a verdict or a number in "
        f"[{marks.low:g}, {marks.high:g}]"
    )
