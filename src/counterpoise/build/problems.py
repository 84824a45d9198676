"""The problems of a run file, and the verifiers that they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.config import PromptConfig, RunConfig
from counterpoise.diagnostics.guards.registry import GUARDS
from counterpoise.errors import DataError, UnknownNameError
from counterpoise.plugins import known_as
from counterpoise.prompts.templates import PER_PROBLEM, TEMPLATES
from counterpoise.prompts.wording import Wording
from counterpoise.runfile import settled
from counterpoise.tasks.base import HasKinds, Task
from counterpoise.tasks.registry import make_task
from counterpoise.types import Problem

__all__ = ["Problems", "check_verifiers", "problems_of", "task_and_template", "wording_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problems:
    """Both sides of a run's task."""

    config: RunConfig
    """The run they are of."""
    train: Sequence[Problem]
    """Training problems, by identity; never empty."""
    test: Sequence[Problem]
    """Test problems, none of which is a training problem; empty where the run never evaluates and no guard draws."""
    template: Wording
    """How the questions are worded."""
    has_kinds: HasKinds | None = None
    """The task, where it tells kinds of responses apart."""

    def are_of(self, config: RunConfig) -> bool:
        """Whether a run is theirs, whose directory has its configuration with all paths absolute."""
        return config in (self.config, settled(self.config))


def problems_of(config: RunConfig, *, evaluates: bool = True) -> Problems:
    """Read both sides of the task, or the training side alone, and see that their verifiers can be made.

    Raises:
        UnknownNameError: no task, template or verifier has that name.
        ConfigError: a setting of the task is unknown or out of range.
        DataError: a file is missing or malformed, or a split is empty.
    """
    task, template = task_and_template(config)
    draws = any(getattr(GUARDS.get(name), "draws", False) for name in config.guards.names)
    wants_test = evaluates and (config.evaluation.before or config.evaluation.after or config.evaluation.every or draws)
    train = sorted(task.problems("train"), key=lambda problem: problem.problem_id)[: config.tasks.max_train]
    test = task.problems("test") if wants_test else []
    if not train:
        raise DataError(f"task '{config.tasks.name}' has no training problems; give a larger file")
    check_verifiers([*train, *test], config.verification.settings)
    template.check([*train, *test])
    return Problems(
        config=config,
        train=train,
        test=test,
        template=template,
        has_kinds=task if isinstance(task, HasKinds) else None,
    )


def task_and_template(config: RunConfig) -> tuple[Task, Wording]:
    """The task of a run and how its questions are worded.

    Raises:
        UnknownNameError: no task or template has that name.
        ConfigError: a setting of the task is unknown or out of range, or those of `[prompt]` do not go together.
    """
    files = {"train": config.tasks.train, "test": config.tasks.test}
    task = make_task(config.tasks.name, **{k: v for k, v in files.items() if v is not None}, **config.tasks.settings)
    return task, wording_of(config.prompt, task.template)


def wording_of(config: PromptConfig, default: str) -> Wording:
    """How questions are worded by `[prompt]`, where `default` is the task's own template.

    Raises:
        UnknownNameError: no template has that name.
        ConfigError: the settings do not go together, a file cannot be read, or a text has an unknown field.
    """
    template = config.template or default
    if template != PER_PROBLEM and template not in TEMPLATES:
        raise UnknownNameError("prompt.template", template, TEMPLATES.known())
    prompt = config.settled()
    assert not isinstance(prompt.shots, Path)
    return Wording(
        template=template,
        chosen=config.template is not None,
        system=prompt.system,
        user=prompt.user,
        text=prompt.text,
        shots=tuple((shot.question, shot.answer) for shot in prompt.shots or ()),
        chat_arguments=prompt.chat_arguments,
        response_prefix=prompt.response_prefix or "",
    )


def check_verifiers(problems: Sequence[Problem], settings: Mapping[str, Mapping[str, Any]]) -> None:
    """See that every problem's verifier can be made, before a model is read and responses are drawn for it.

    Raises:
        UnknownNameError: a problem, or one of the settings, names no known verifier.
        ConfigError: a setting that its verifier does not have, or a bad value.
    """
    from counterpoise.verifiers.registry import make_verifier

    settings = {known_as(name): given for name, given in settings.items()}
    firsts: dict[str, Problem] = {}
    for problem in problems:
        firsts.setdefault(problem.verifier, problem)
    for name in sorted(firsts.keys() | set(settings)):
        verifier = make_verifier(name, **settings.get(name, {}))
        if name in firsts:
            from counterpoise.verifiers.guests.own import OwnFunction

            if isinstance(verifier, OwnFunction):
                verifier.check(firsts[name])
