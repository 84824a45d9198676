"""Problems of an environment of the library verifiers: `tasks.name = "verifiers:ENV"`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

from counterpoise.errors import DataError
from counterpoise.plugins import ForeignPart
from counterpoise.plugins.environment import Environment, EnvironmentTask
from counterpoise.ranges import Share
from counterpoise.settings import adopted
from counterpoise.tasks.shared.conversation import CHAT_TEMPLATE, conversation
from counterpoise.tasks.shared.identity import Split, split_of
from counterpoise.tasks.shared.splits import content_id, unique
from counterpoise.types import MESSAGES, Problem

__all__ = ["environment_task"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _EnvironmentTasks:
    """The tasks of a taskset, split by content, or with settings of its own for the test side; its rewards are the verifier."""

    taskset: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the taskset."""
    test_taskset: Mapping[str, Any] | None = None
    """Those that differ on the test side, e.g. `{ split = "test" }`; without them one taskset is split by content."""
    test_fraction: Share = 0.1
    """Expected share of one taskset on the test side."""
    template: str = CHAT_TEMPLATE
    """Prompt template."""

    name: ClassVar[str]
    loaded: ClassVar[ForeignPart]

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """One side, in the taskset's order.

        Raises:
            ConfigError: the environment is not single-turn, or refuses its settings.
            DataError: it cannot be read, a prompt has another shape, or the side is empty.
        """
        own = self.test_taskset is not None
        given = {**self.taskset, **((self.test_taskset or {}) if split == "test" else {})}
        tasks = Environment(type(self).loaded, given).tasks()
        problems = unique(self._problem(number, task, given) for number, task in enumerate(tasks, start=1)).problems
        chosen = tuple(
            one for one in problems if own or split_of(one.problem_id, test_fraction=self.test_fraction) == split
        )
        if not chosen:
            raise DataError(
                f"task {self.name} has no {split} problems of {len(problems)}; give another test_fraction, or settings: "
                'taskset = { split = "train" }, test_taskset = { split = "test" }'
            )
        return chosen

    def _problem(self, number: int, task: EnvironmentTask, given: Mapping[str, Any]) -> Problem:
        where = f"task {self.name}: task {number}"
        question, before = conversation(list(task.messages), where=where, field="prompt")
        answer = task.data.get("answer")
        # The number of a task in its taskset does not identify it.
        data = {name: value for name, value in task.data.items() if name != "idx"}
        return Problem(
            problem_id=content_id("verifiers", "\n".join([*(f"{role}: {text}" for role, text in before), question])),
            task_type="verifiers",
            question=question,
            gold=str(answer) if answer not in (None, "") else task.key,
            verifier=self.name,
            meta=MappingProxyType({MESSAGES: before} if before else {}),
            record=MappingProxyType({"data": data, "taskset": dict(given)}),
            source=where,
        )


def environment_task(loaded: ForeignPart) -> Callable[..., Any]:
    """What makes the task of an environment from its settings."""
    return adopted(f"task {loaded.name}", _EnvironmentTasks, {"name": loaded.name, "loaded": loaded})
