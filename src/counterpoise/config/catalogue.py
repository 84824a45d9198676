"""Everything that a run file can name, and every column of its metrics, with a line of each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.errors import UnknownNameError
from counterpoise.plugins import Parts

__all__ = ["CATALOGUE", "Listed", "PartKind", "kind_called"]

_COMPARISON = "for comparison only"
"""What the docstring says of a part that is there for others to be measured against."""

_LONGEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One name."""

    name: str
    """As a run file or a command line has it."""
    said: str
    """The first line of its documentation."""
    comparison: bool = False
    """Whether it is there for comparison only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartKind:
    """One sort of names."""

    key: str
    """Where a name of it is given; empty where none is."""
    load: Callable[[], Sequence[Listed]]
    """Imports the registry: all of them together take half a second."""


def kind_called(name: str) -> PartKind:
    """The kind of this name, e.g. `rules`.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in CATALOGUE:
        raise UnknownNameError("kind of names", name, CATALOGUE)
    return CATALOGUE[name]


def _entries(registry: Mapping[str, Any], of: Callable[[Any], Any] = lambda part: part) -> list[Listed]:
    found = []
    for name, part in registry.items():
        text = inspect.getdoc(of(part)) or ""
        comparison = _COMPARISON in " ".join(text.split()).lower()
        found.append(Listed(name=name, said=text.partition("\n")[0], comparison=comparison))
    return [*found, *_added(registry)]


def _added(registry: Mapping[str, Any]) -> list[Listed]:
    """Names that installed packages add; they are not imported for their documentation."""
    added = registry.added() if isinstance(registry, Parts) else {}
    return [Listed(name=name, said=f"added by an installed package: {path}") for name, path in added.items()]


def _rules() -> list[Listed]:
    from counterpoise.credit import RULES

    return _entries(RULES)


def _losses() -> list[Listed]:
    from counterpoise.losses import LOSSES

    return _entries(LOSSES)


def _denominators() -> list[Listed]:
    from counterpoise.losses.denominators import DENOMINATORS

    return _entries(DENOMINATORS)


def _filters() -> list[Listed]:
    from counterpoise.credit import FILTERS

    return _entries(FILTERS)


def _templates() -> list[Listed]:
    from counterpoise.prompts.templates import TEMPLATES, ChatTemplate

    entries = []
    for name, template in TEMPLATES.items():
        chat = isinstance(template, ChatTemplate)
        text = template.user if isinstance(template, ChatTemplate) else getattr(template, "text", "")
        shown = text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
        entries.append(Listed(name=name, said=f"{'the chat format of the model around ' if chat else ''}{shown!r}"))
    return [*entries, *_added(TEMPLATES)]


def _tasks() -> list[Listed]:
    from counterpoise.tasks.registry import TASKS

    return _entries(TASKS)


def _verifiers() -> list[Listed]:
    from counterpoise.verifiers.registry import VERIFIERS

    return _entries(VERIFIERS)


def _rewards() -> list[Listed]:
    from counterpoise.rewards.registry import REWARDS

    return _entries(REWARDS)


def _controllers() -> list[Listed]:
    from counterpoise.credit.controllers.registry import CONTROLLERS

    return _entries(CONTROLLERS)


def _emphases() -> list[Listed]:
    from counterpoise.credit import EMPHASES

    return _entries(EMPHASES)


def _token_weights() -> list[Listed]:
    from counterpoise.credit.token_weights import TOKEN_WEIGHTS

    return _entries(TOKEN_WEIGHTS)


def _guards() -> list[Listed]:
    from counterpoise.diagnostics.guards.registry import GUARDS

    return _entries(GUARDS)


def _estimators() -> list[Listed]:
    from counterpoise.evaluation.estimators.registry import ESTIMATORS

    return _entries(ESTIMATORS, lambda estimator: estimator.function)


def _columns() -> list[Listed]:
    from counterpoise.columns import COLUMNS

    better = {"higher": "; higher is better", "lower": "; lower is better", None: ""}
    return [
        Listed(name=name, said=f"{column.meaning} ({column.unit}){better[column.better]}")
        for name, column in COLUMNS.items()
    ]


CATALOGUE: Mapping[str, PartKind] = {
    "rules": PartKind(key="credit.rule", load=_rules),
    "losses": PartKind(key="loss.name", load=_losses),
    "denominators": PartKind(key="loss.denominator", load=_denominators),
    "filters": PartKind(key="credit.filter", load=_filters),
    "templates": PartKind(key="prompt.template", load=_templates),
    "tasks": PartKind(key="tasks.name", load=_tasks),
    "verifiers": PartKind(key="verification.settings", load=_verifiers),
    "rewards": PartKind(key="credit.reward", load=_rewards),
    "controllers": PartKind(key="credit.controller", load=_controllers),
    "emphases": PartKind(key="credit.emphasis", load=_emphases),
    "token-weights": PartKind(key="credit.token_weights", load=_token_weights),
    "guards": PartKind(key="guards.names", load=_guards),
    "estimators": PartKind(key="eval --metric", load=_estimators),
    "columns": PartKind(key="checkpoint.best_by", load=_columns),
}
"""Kinds by the word that `counterpoise list` takes."""
