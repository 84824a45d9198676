"""Verifiers by name. To add one: a file with its class, a line here, a test.

Each is imported when it is asked for: together they take as long as all else behind a message about a mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from counterpoise.plugins import ENVIRONMENT, ForeignPart, Parts
from counterpoise.settings import construct
from counterpoise.types import Verifier

__all__ = ["VERIFIERS", "make_verifier"]

_OWN = {
    "code": "counterpoise.verifiers.guests.code:CodeVerifier",
    "choice": "counterpoise.verifiers.compare.choice:ChoiceVerifier",
    "countdown": "counterpoise.verifiers.compare.countdown:CountdownVerifier",
    "exact": "counterpoise.verifiers.compare.exact:ExactVerifier",
    "last_letter": "counterpoise.verifiers.compare.last_letter:LastLetterVerifier",
    "last_number": "counterpoise.verifiers.compare.last_number:LastNumberVerifier",
    "llm": "counterpoise.verifiers.guests.llm:LlmVerifier",
    "math": "counterpoise.verifiers.compare.math:MathVerifier",
    "numeric": "counterpoise.verifiers.compare.numeric:NumericVerifier",
    "qa": "counterpoise.verifiers.compare.qa:QaVerifier",
    "quantity": "counterpoise.verifiers.compare.quantity:QuantityVerifier",
    "reasoning_gym": "counterpoise.verifiers.guests.reasoning_gym:ReasoningGymVerifier",
    "stdio": "counterpoise.verifiers.guests.stdio:StdioVerifier",
    "steps": "counterpoise.verifiers.compare.steps:StepsVerifier",
}


def _adopted(loaded: ForeignPart) -> Callable[..., Verifier]:
    if loaded.reference.form == ENVIRONMENT:
        from counterpoise.verifiers.guests.environment import environment_verifier

        return environment_verifier(loaded)
    from counterpoise.verifiers.guests.own import own_verifier

    return own_verifier(loaded)


VERIFIERS: Parts[Callable[..., Verifier]] = Parts("verifier", _OWN, _adopted)
"""Verifiers by name; any other name is one of a package or an import path to a class or a function (`guests.own`)."""


def make_verifier(name: str, **settings: Any) -> Verifier:
    """The verifier `name` with its settings, e.g. `make_verifier("math", literal=True)`.

    Raises:
        UnknownNameError: no such verifier.
        ConfigError: a setting it does not have. UsageError: a bad value.
    """
    return construct("verifier", VERIFIERS, name, settings)
