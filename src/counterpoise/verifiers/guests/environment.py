"""The rewards of an environment of the library verifiers as a verifier, in a worker: they are coroutines and run code of others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from counterpoise.plugins import ForeignPart
from counterpoise.plugins.environment import Environment
from counterpoise.plugins.source import import_part, line_of
from counterpoise.settings import adopted
from counterpoise.types import Extraction, Judgement, Problem, VerdictValue, Verifier
from counterpoise.verifiers.guests.own import Own, code_of
from counterpoise.verifiers.guests.own_call import FunctionSettings, judgement_of

__all__ = ["EnvironmentVerifier", "environment_verifier"]

_environments: dict[tuple[str, str], Environment] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentVerifier(Own):
    """The weighted sum of a task's rewards for one response; a reward that raises or gives None leaves it unscored.

    It is right from `right` on. Without settings `high` is the sum of the positive weights, `low` that of the negative ones, and a
    response is right with full marks alone.
    """

    marks: FunctionSettings | None
    """What the sum means; None where the weights say it."""
    isolated: bool = True
    """It may hang or crash, so it runs in a worker that can be ended."""

    def extract(self, response: str) -> Extraction:
        """The whole response: what is the answer in it, the rewards know."""
        return Extraction(answer=response, basis="response")

    def stated(self, problem: Problem) -> str:
        """The task as JSON, which stands in the gold's place."""
        return json.dumps(dict(problem.record), sort_keys=True, default=str)

    def judge(self, gold: str, answer: str) -> Judgement:
        """Score it; what goes wrong in that is a reason."""
        stated = json.loads(gold)
        response = "" if answer == gold else answer  # asked whether the gold alone is trouble
        try:
            environment = self._environment(stated["taskset"])
            marks = self.marks or _marks(environment.weights(stated["data"]))
            value, _ = environment.score(stated["data"], response)
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:
            cause = error.__cause__ or error
            text = f"crash: {type(cause).__name__}: {cause}{line_of(cause, str(self.prepares.source.path))}"
            return Judgement(value=VerdictValue.UNSCORED, basis="none", reason=" ".join(text.split())[:200])
        return judgement_of(value, marks)

    def _environment(self, given: dict[str, Any]) -> Environment:
        key = (self.sha256, json.dumps(given, sort_keys=True))
        if key not in _environments:
            _environments[key] = Environment(import_part(self.reference, quiet=True), given)
        return _environments[key]


def environment_verifier(loaded: ForeignPart) -> Callable[..., Verifier]:
    """What makes the verifier of an environment from its settings, those of functions."""
    where = f"verifier {loaded.name}"
    marks = adopted(where, FunctionSettings, {"where": where})

    def make(**given: Any) -> Verifier:
        checked = FunctionSettings(**asdict(marks(**given))) if given else None
        return EnvironmentVerifier(**code_of(loaded), given=given, marks=checked)

    return make


def _marks(weights: list[float]) -> FunctionSettings:
    """Bounds of the sum where every reward is in [0, 1]."""
    high = sum(weight for weight in weights if weight > 0)
    return FunctionSettings(low=min(0.0, sum(weight for weight in weights if weight < 0)), high=high)
