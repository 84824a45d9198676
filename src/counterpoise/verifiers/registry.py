"""Verifiers by name. To add one: a file with its class, a line here, a test."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from counterpoise.errors import UnknownNameError, UsageError, nearest
from counterpoise.types import Verifier
from counterpoise.verifiers.countdown import CountdownVerifier
from counterpoise.verifiers.exact import ExactVerifier
from counterpoise.verifiers.math import MathVerifier
from counterpoise.verifiers.numeric import NumericVerifier

__all__ = ["VERIFIERS", "make_verifier"]

VERIFIERS: dict[str, Callable[..., Verifier]] = {
    "countdown": CountdownVerifier,
    "exact": ExactVerifier,
    "math": MathVerifier,
    "numeric": NumericVerifier,
}


def make_verifier(name: str, **settings: Any) -> Verifier:
    """The verifier `name` with its settings, e.g. `make_verifier("math", literal=True)`.

    Raises:
        UnknownNameError: no such verifier.
        UsageError: a setting it does not have, or a bad value.
    """
    if name not in VERIFIERS:
        raise UnknownNameError("verifier", name, VERIFIERS)
    known = sorted(inspect.signature(VERIFIERS[name]).parameters)
    for setting in settings:
        if setting not in known:
            raise UsageError(
                f"verifier '{name}' has no setting '{setting}'{nearest(setting, known)}; it has: {', '.join(known) or 'none'}"
            )
    return VERIFIERS[name](**settings)
