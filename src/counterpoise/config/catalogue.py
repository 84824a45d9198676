"""Everything that a run file can name, and every column of its metrics, with a line of each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.errors import UnknownNameError

__all__ = ["CATALOGUE", "Entry", "Kind", "kind_called"]

_COMPARISON = "for comparison only"
"""What the docstring says of a part that is there for others to be measured against."""

_LONGEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One name."""

    name: str
    """As a run file or a command line has it."""
    said: str
    """The first line of its documentation."""
    comparison: bool = False
    """Whether it is there for comparison only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One sort of names."""

    key: str
    """Where a name of it is given; empty where none is."""
    load: Callable[[], Sequence[Entry]]
    """Imports the registry: all of them together take half a second."""


def kind_called(name: str) -> Kind:
    """The kind of this name, e.g. `rules`.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in CATALOGUE:
        raise UnknownNameError("kind of names", name, CATALOGUE)
    return CATALOGUE[name]


def _entries(registry: Mapping[str, Any], of: Callable[[Any], Any] = lambda part: part) -> list[Entry]:
    found = []
    for name, part in registry.items():
        text = inspect.getdoc(of(part)) or ""
        comparison = _COMPARISON in " ".join(text.split()).lower()
        found.append(Entry(name=name, said=text.partition("\n")[0], comparison=comparison))
    return found


def _rules() -> list[Entry]:
    from counterpoise.credit import RULES

    return _entries(RULES)


def _losses() -> list[Entry]:
    from counterpoise.losses import LOSSES

    return _entries(LOSSES)


def _denominators() -> list[Entry]:
    from counterpoise.losses.denominators import DENOMINATORS

    return _entries(DENOMINATORS)


def _filters() -> list[Entry]:
    from counterpoise.credit import FILTERS

    return _entries(FILTERS)


def _templates() -> list[Entry]:
    from counterpoise.prompts.templates import TEMPLATES, ChatTemplate

    entries = []
    for name, template in TEMPLATES.items():
        chat = isinstance(template, ChatTemplate)
        text = template.user if isinstance(template, ChatTemplate) else getattr(template, "text", "")
        shown = text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
        entries.append(Entry(name=name, said=f"{'the chat format of the model around ' if chat else ''}{shown!r}"))
    return entries


def _tasks() -> list[Entry]:
    from counterpoise.tasks.registry import TASKS

    return _entries(TASKS)


def _verifiers() -> list[Entry]:
    from counterpoise.verifiers.registry import VERIFIERS

    return _entries(VERIFIERS)


def _rewards() -> list[Entry]:
    from counterpoise.rewards.registry import REWARDS

    return _entries(REWARDS)


def _controllers() -> list[Entry]:
    from counterpoise.credit.controllers.registry import CONTROLLERS

    return _entries(CONTROLLERS)


def _emphases() -> list[Entry]:
    from counterpoise.credit import EMPHASES

    return _entries(EMPHASES)


def _token_weights() -> list[Entry]:
    from counterpoise.credit.token_weights import TOKEN_WEIGHTS

    return _entries(TOKEN_WEIGHTS)


def _guards() -> list[Entry]:
    from counterpoise.diagnostics.guards.registry import GUARDS

    return _entries(GUARDS)


def _estimators() -> list[Entry]:
    from counterpoise.evaluation.estimators.registry import ESTIMATORS

    return _entries(ESTIMATORS, lambda estimator: estimator.function)


def _columns() -> list[Entry]:
    from counterpoise.columns import COLUMNS

    better = {"higher": "; higher is better", "lower": "; lower is better", None: ""}
    return [
        Entry(name=name, said=f"{column.meaning} ({column.unit}){better[column.better]}")
        for name, column in COLUMNS.items()
    ]


CATALOGUE: Mapping[str, Kind] = {
    "rules": Kind(key="credit.rule", load=_rules),
    "losses": Kind(key="loss.name", load=_losses),
    "denominators": Kind(key="loss.denominator", load=_denominators),
    "filters": Kind(key="credit.filter", load=_filters),
    "templates": Kind(key="prompt.template", load=_templates),
    "tasks": Kind(key="tasks.name", load=_tasks),
    "verifiers": Kind(key="verification.settings", load=_verifiers),
    "rewards": Kind(key="credit.reward", load=_rewards),
    "controllers": Kind(key="credit.controller", load=_controllers),
    "emphases": Kind(key="credit.emphasis", load=_emphases),
    "token-weights": Kind(key="credit.token_weights", load=_token_weights),
    "guards": Kind(key="guards.names", load=_guards),
    "estimators": Kind(key="eval --metric", load=_estimators),
    "columns": Kind(key="checkpoint.best_by", load=_columns),
}
"""Kinds by the word that `counterpoise list` takes."""
