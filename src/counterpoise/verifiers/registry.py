"""Verifiers by name. To add one: a file with its class, a line here, a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from counterpoise.plugins import ENVIRONMENT, Parts
from counterpoise.settings import construct
from counterpoise.types import Verifier
from counterpoise.verifiers.compare.choice import ChoiceVerifier
from counterpoise.verifiers.compare.countdown import CountdownVerifier
from counterpoise.verifiers.compare.exact import ExactVerifier
from counterpoise.verifiers.compare.last_number import LastNumberVerifier
from counterpoise.verifiers.compare.math import MathVerifier
from counterpoise.verifiers.compare.numeric import NumericVerifier
from counterpoise.verifiers.compare.qa import QaVerifier
from counterpoise.verifiers.compare.quantity import QuantityVerifier
from counterpoise.verifiers.compare.steps import StepsVerifier
from counterpoise.verifiers.guests.code import CodeVerifier
from counterpoise.verifiers.guests.environment import environment_verifier
from counterpoise.verifiers.guests.llm import LlmVerifier
from counterpoise.verifiers.guests.own import own_verifier
from counterpoise.verifiers.guests.reasoning_gym import ReasoningGymVerifier
from counterpoise.verifiers.guests.stdio import StdioVerifier

__all__ = ["VERIFIERS", "make_verifier"]

_OWN: dict[str, Callable[..., Verifier]] = {
    "code": CodeVerifier,
    "choice": ChoiceVerifier,
    "countdown": CountdownVerifier,
    "exact": ExactVerifier,
    "last_number": LastNumberVerifier,
    "llm": LlmVerifier,
    "math": MathVerifier,
    "numeric": NumericVerifier,
    "qa": QaVerifier,
    "quantity": QuantityVerifier,
    "reasoning_gym": ReasoningGymVerifier,
    "stdio": StdioVerifier,
    "steps": StepsVerifier,
}

VERIFIERS: Parts[Callable[..., Verifier]] = Parts(
    "verifier",
    _OWN,
    lambda loaded: (environment_verifier if loaded.reference.form == ENVIRONMENT else own_verifier)(loaded),
)
"""Verifiers by name; any other name is one of a package or an import path to a class or a function (`guests.own`)."""


def make_verifier(name: str, **settings: Any) -> Verifier:
    """The verifier `name` with its settings, e.g. `make_verifier("math", literal=True)`.

    Raises:
        UnknownNameError: no such verifier.
        ConfigError: a setting it does not have. UsageError: a bad value.
    """
    return construct("verifier", VERIFIERS, name, settings)
