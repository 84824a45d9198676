"""Capitals: what `facts` knows of them, asked in words of a model that speaks, which answers in a sentence.

The control beside `ranks` and `letters`: drawn colder a small instruction-tuned model does what training would make of it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar, Final

from counterpoise.ranges import Share
from counterpoise.settings import settings
from counterpoise.tasks.generators.fact_tables import CAPITALS
from counterpoise.tasks.generators.facts import pairs
from counterpoise.tasks.shared.aliases import alias_gold
from counterpoise.tasks.shared.identity import Split
from counterpoise.tasks.shared.splits import content_id, in_drawn_order, on_side
from counterpoise.types import Problem

__all__ = ["Capitals"]

_FORMS: Final = (
    "{capital}",
    "The capital of {country} is {capital}",
    "The capital city of {country} is {capital}",
    "{capital} is the capital of {country}",
    "{capital} is the capital city of {country}",
    "It is {capital}",
)
"""A right answer, all of it: a sentence that goes on might go on to another city."""


@settings("task capitals")
class Capitals:
    """Name the capital of a country, e.g. `What is the capital of France?` -> `Paris`, or `The capital of France is Paris.`

    131 countries, the table of `facts`; the gold lists the name and the sentences that say no more than it, so that `qa` compares whole
    answers. Its part `f1` counts the words of such a sentence, too: not a measure of nearness here. Made for `smollm2` with the template
    `chat` and 16 tokens, which hold every such sentence.

    Raises:
        ConfigError: a setting is out of range; the message names it.
    """

    test_fraction: Share = 0.2
    """Expected share of problems on the test side."""
    seed: int = 0
    """Order of the problems (not which ones, nor their side): the first n of a split are a random sample of it."""

    name: ClassVar[str] = "capitals"
    template: ClassVar[str] = "chat"

    def problems(self, split: Split) -> list[Problem]:
        """Every problem of one side, in the order given by `seed`.

        Raises:
            DataError: the side is empty.
        """
        made = (_problem(country, names) for country, names in pairs(CAPITALS))
        # On the side where `facts` has the question: a run of one is no leak for the other.
        items = ((content_id("facts", problem.question), problem) for problem in made)
        chosen = on_side(items, split, task=self.name, test_fraction=self.test_fraction)
        return in_drawn_order(chosen, task=self.name, seed=self.seed)


def _problem(country: str, names: tuple[str, ...]) -> Problem:
    question = f"What is the capital of {country}?"
    answers = [form.format(country=country, capital=name) for name in names for form in _FORMS]
    return Problem(
        problem_id=content_id("capitals", question),
        task_type="capitals",
        question=question,
        gold=alias_gold(answers, question=question, verifier="qa"),
        verifier="qa",
        demonstration=f"The capital of {country} is {names[0]}.",
        meta=MappingProxyType({"country": country}),
    )
