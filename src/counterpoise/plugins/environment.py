"""Environments of the library verifiers (0.4): what their tasksets hold, and how one response is scored by a task's rewards."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.errors import ConfigError, DataError
from counterpoise.lazy import asyncio
from counterpoise.plugins.source import ForeignPart, import_source

__all__ = ["Environment", "EnvironmentTask"]

_NOT_ALONE = ("setup", "finalize", "stage_verifier")
"""Hooks of a task that get a running machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentTask:
    """One task."""

    key: str
    """Its identity, as the library has it."""
    messages: Sequence[Mapping[str, str]]
    """Its prompt: `[{"role": …, "content": …}]`, system message first where there is one."""
    data: Mapping[str, Any]
    """What the task is made of again: JSON."""


class Environment:
    """The taskset that a module exports, where each of its tasks is one prompt and one response.

    Raises:
        ConfigError: it exports none, or one that takes tools, containers, several turns or several agents; or it refuses its settings.
    """

    def __init__(self, loaded: ForeignPart, given: Mapping[str, Any]) -> None:
        self.name = str(loaded.reference)
        from verifiers.v1.utils.generic import concrete_type

        from verifiers import v1

        module = import_source(loaded.source, quiet=True)
        exported: list[Any] = [getattr(module, name, None) for name in module.__all__]
        classes = [one for one in exported if inspect.isclass(one)]
        tasksets: list[Any] = [one for one in classes if issubclass(one, v1.Taskset)]
        if len(tasksets) != 1:
            raise ConfigError(
                f"{self.name}: {loaded.source.path} exports {len(tasksets)} tasksets in __all__; expected one, of verifiers 0.4 (an "
                "environment with load_environment is of an earlier version)"
            )
        if any(issubclass(one, (v1.Env, v1.Harness)) for one in classes):
            raise self._refused("brings an agent of its own")
        self._v1, self._kind = v1, tasksets[0]
        self._task = concrete_type(self._kind, v1.Task) or v1.Task
        settings = concrete_type(self._kind, v1.TasksetConfig) or v1.TasksetConfig
        try:
            self._config = settings.model_validate({"id": loaded.source.place, **given})
        except ValueError as error:
            raise ConfigError(f"{self.name}: {' '.join(str(error).split())[:300]}") from error
        if self._kind.INFINITE:
            raise self._refused("never ends")
        if self._task.NEEDS_CONTAINER or self._overrides("toolsets") or any(map(self._overrides, _NOT_ALONE)):
            raise self._refused("takes tools or a container")

    def tasks(self) -> Iterator[EnvironmentTask]:
        """Every task, in the taskset's order.

        Raises:
            ConfigError: a task is not a single turn, or its rewards need more than the response.
            DataError: reading them fails.
        """
        try:
            listed = list(self._kind(self._config))
        except Exception as error:
            raise DataError(f"{self.name} raised {type(error).__name__}: {error}") from error
        for number, task in enumerate(listed, start=1):
            if number == 1:
                self._check(task)
            data = task.data
            if data.prompt is None or data.image is not None:
                raise self._refused("takes a container" if data.image else "has the user begin, in several turns")
            system = [{"role": "system", "content": data.system_prompt}] if data.system_prompt else []
            turns: list[dict[str, Any]] = (
                [{"role": "user", "content": data.prompt}]
                if isinstance(data.prompt, str)
                else [{"role": one.role, "content": one.content} for one in data.prompt]
            )
            plain = data.model_dump(mode="json", exclude_none=True)
            yield EnvironmentTask(key=task.key, messages=[*system, *turns], data=plain)

    def weights(self, data: Mapping[str, Any]) -> list[float]:
        """Weight of each reward of a task."""
        return [float(getattr(one, "_vf_weight", 1.0)) for one in self._made(data).hooks("reward")]

    def score(self, data: Mapping[str, Any], response: str) -> tuple[float | None, dict[str, float]]:
        """Weighted sum of the rewards that a task gives a response, and each of them; no sum where one of them is None."""
        v1, task = self._v1, self._made(data)
        from verifiers.v1.types import AssistantMessage, UserMessage

        asked = v1.MessageNode(message=UserMessage(content=task.data.prompt_text))
        said = v1.MessageNode(message=AssistantMessage(content=response), parent=0, sampled=True)
        described = v1.TraceTask(type=type(task).__name__, data=task.data, key=task.key, hash=task.hash)
        trace = v1.Trace(task=described, agent=v1.AgentInfo(config=v1.AgentConfig()), nodes=[asked, said])
        trace.is_completed = trace.ok = True
        asyncio.run(task.score(trace))
        scores = {name: None if one is None else float(one.score) for name, one in trace.rewards.items()}
        known = {name: score for name, score in scores.items() if score is not None}
        return (float(trace.reward) if scores and len(known) == len(scores) else None), known

    def _made(self, data: Mapping[str, Any]) -> Any:
        kind = self._task
        return kind(kind.data_type().model_validate(dict(data)), self._config.task)

    def _check(self, task: Any) -> None:
        rewards = task.hooks("reward")
        if task.plugged_judges():
            raise self._refused("asks a judge model")
        if not rewards:
            raise self._refused("has no reward")
        needs = [one.__name__ for one in (*rewards, *task.hooks("metric")) if _required(one, "runtime")]
        if needs:
            raise self._refused(f"scores what ran in a container ({', '.join(needs)})")
        if task.hooks("stop"):
            raise self._refused("goes on for several turns")

    def _overrides(self, name: str) -> bool:
        return inspect.getattr_static(self._task, name) is not inspect.getattr_static(self._v1.Task, name)

    def _refused(self, why: str) -> ConfigError:
        return ConfigError(
            f"{self.name} {why}; here a task is one prompt, one response and rewards of it, so train this one with prime-rl"
        )


def _required(function: Any, name: str) -> bool:
    parameter = inspect.signature(function).parameters.get(name)
    return parameter is not None and parameter.default is inspect.Parameter.empty
