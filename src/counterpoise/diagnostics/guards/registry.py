"""Guards by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from counterpoise.diagnostics.guards.base import Guard
from counterpoise.diagnostics.guards.entropy import Entropy
from counterpoise.diagnostics.guards.gradients import Gradients
from counterpoise.diagnostics.guards.likelihood import Likelihood
from counterpoise.diagnostics.guards.narrowing import Narrowing
from counterpoise.diagnostics.guards.nothing_right import NothingRight
from counterpoise.diagnostics.guards.rates import Repetition, Truncation
from counterpoise.diagnostics.guards.success import Success
from counterpoise.diagnostics.guards.unscored import Unscored
from counterpoise.errors import UnknownNameError
from counterpoise.plugins import Parts, Shape
from counterpoise.settings import construct

__all__ = ["GUARDS", "make_guards"]

_OWN: Mapping[str, Callable[..., Guard]] = {
    "success": Success,
    "entropy": Entropy,
    "likelihood": Likelihood,
    "truncation": Truncation,
    "repetition": Repetition,
    "gradients": Gradients,
    "nothing_right": NothingRight,
    "unscored": Unscored,
    "narrowing": Narrowing,
}

GUARDS: Parts[Callable[..., Guard]] = Parts(
    "guard",
    _OWN,
    Shape(methods={"look": ("record",), "state_dict": (), "load_state_dict": ("state",)}, attributes=("calm",)),
    message="guards",
)
"""Guards by name; any other name is one of a package or an import path (`counterpoise.plugins`)."""


def make_guards(names: Sequence[str], settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Guard]:
    """The guards of these names, each with its settings, if it has any.

    Raises:
        UnknownNameError: no guard, or none of these, has that name.
        ConfigError: a setting is unknown or out of range.
    """
    for name in settings:
        if name not in names:
            raise UnknownNameError("guards.settings", name, names)
    return {name: construct("guards.names", GUARDS, name, settings.get(name, {})) for name in names}
