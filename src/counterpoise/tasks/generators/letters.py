"""Letters: one letter of a word, or how many it has, asked in words of a model that speaks.

What a small instruction-tuned model can do when it is shown how, and does not when it is merely asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Literal

from annotated_types import Ge, Le

from counterpoise.errors import ConfigError
from counterpoise.ranges import Share
from counterpoise.settings import settings
from counterpoise.tasks.shared.identity import Split, problem_id
from counterpoise.tasks.shared.ordinals import ORDINALS
from counterpoise.tasks.shared.splits import in_drawn_order, on_side
from counterpoise.types import Problem

__all__ = ["WORDS", "Letters"]

WORDS: Final = """
bear bird boat book cake city coat cold corn desk dish door duck dust east face farm fire fish flag food foot game
gate girl gold hand head hill home horn jump king lake lamp leaf lion milk moon neck nest note path pond rain ring
road rock roof rope salt sand ship shoe song star tree wall wave wind
apple beach bread brick brush chair chalk cheek clock cloud coast crown dance dream dress earth field flame flute
fruit ghost glass grape grass green heart honey horse house juice knife lemon light money month mouse mouth music
night ocean onion paint paper pearl piano plant plate queen river sheep shirt smile snake spoon stone storm sugar
table thumb tiger
animal autumn basket bottle branch bridge butter button camera candle castle cheese cherry church circle cotton dinner
doctor engine family farmer father finger flower forest garden ginger guitar hammer harbor island jacket jungle kettle
ladder letter lizard magnet market mirror monkey mother museum needle orange palace pencil pepper pillow planet pocket
potato rabbit ribbon school shadow silver spider spring square
balloon bedroom bicycle blanket brother cabbage captain caravan ceiling chapter chicken chimney college compass
cottage country curtain cushion diamond dolphin drawing evening factory feather fiction fireman freedom giraffe
hallway harvest history holiday journey kingdom kitchen lantern library lobster luggage machine morning mustard
network octopus orchard ostrich package painter parsley peacock pelican penguin pigment plastic popcorn pumpkin
rainbow sailing sausage shelter
airplane aquarium backpack baseball birthday blizzard bookcase broccoli building calendar campfire carnival carriage
children computer creature cucumber cupboard darkness daughter dinosaur document doorbell elephant envelope exercise
festival fireworm football fountain handbook heritage highland hospital keyboard language laughter lemonade magazine
marathon mountain mushroom necklace notebook painting pancakes passport postcard princess railroad sandwich scissors
seahorse seashore shoulder snowball squirrel starfish sunlight sunshine
"""
"""Common English words, sixty of each length from 4 to 8."""
_WORDS_OF_ONE: Final = "ai"
"""Never asked for: without quotes they are words themselves, and a response that ends in "a" may be cut off before its noun."""


@settings("task letters")
class Letters:
    """Name a letter of a word, e.g. `What is the third letter of the word garden?` -> `r`, or say how many letters it has.

    The set is enumerated: every word and every letter of it that is asked for, but a and i. All questions about a word are on one side,
    whatever they ask. Made for `smollm2` with the template `chat` and 12 tokens; the verifiers `last_letter` and `last_number` read a short
    sentence.

    Raises:
        ConfigError: a setting is out of range, or words have no such letter.
    """

    asks: Literal["letter", "number"] = "letter"
    """`letter`: which one stands in a place; `number`: how many a word has, e.g. `How many letters does the word garden have?` -> `6`."""
    position: Annotated[int, Ge(0), Le(8)] = 0
    """Place of the letter that is asked for, from 1; 0 asks for every one of a word, each in a question of its own."""
    shortest: Annotated[int, Ge(4), Le(8)] = 4
    """Letters of the shortest words."""
    longest: Annotated[int, Ge(4), Le(8)] = 8
    """Letters of the longest."""
    test_fraction: Share = 0.1
    """Expected share of words on the test side."""
    seed: int = 0
    """Order of the problems (not which ones, nor their side): the first n of a split are a random sample of it."""

    name: ClassVar[str] = "letters"
    template: ClassVar[str] = "chat"

    def __post_init__(self) -> None:
        if self.shortest > self.longest:
            raise ConfigError(
                f"task letters: shortest = {self.shortest} and longest = {self.longest}; expected at most as many"
            )
        if self.position > self.shortest:
            raise ConfigError(
                f"task letters: position = {self.position} of words of shortest = {self.shortest} letters; expected at most as many"
            )
        if self.asks == "number" and self.position:
            raise ConfigError(
                f"task letters: position = {self.position} with asks = number, which asks for no letter; leave it out"
            )
        if self.asks == "number" and self.shortest == self.longest:
            raise ConfigError(
                f"task letters: asks = number of words that all have {self.longest} letters; set longest above shortest"
            )

    def problems(self, split: Split) -> list[Problem]:
        """Every problem about the words of one side, in the order given by `seed`.

        Raises:
            DataError: the side is empty.
        """
        words = ((problem_id("letters", word), word) for word in WORDS.split())
        chosen = on_side(
            ((identity, word) for identity, word in words if self.shortest <= len(word) <= self.longest),
            split,
            task=self.name,
            test_fraction=self.test_fraction,
        )
        made = [problem for word in chosen for problem in self._asked(word)]
        return in_drawn_order(made, task=self.name, seed=self.seed)

    def _asked(self, word: str) -> Iterator[Problem]:
        if self.asks == "number":
            yield _problem(
                f"How many letters does the word {word} have?",
                str(len(word)),
                verifier="last_number",
                demonstration=f"The word {word} has {len(word)} letters.",
                word=word,
            )
            return
        for place, letter in enumerate(word, start=1):
            if letter not in _WORDS_OF_ONE and self.position in (0, place):
                what = f"{ORDINALS[place - 1]} letter of the word {word}"
                yield _problem(
                    f"What is the {what}?",
                    letter,
                    verifier="last_letter",
                    demonstration=f"The {what} is {letter}.",
                    word=word,
                )


def _problem(question: str, gold: str, *, verifier: str, demonstration: str, word: str) -> Problem:
    return Problem(
        problem_id=problem_id("letters", question),
        task_type="letters",
        question=question,
        gold=gold,
        verifier=verifier,
        demonstration=demonstration,
        meta=MappingProxyType({"word": word}),
    )
