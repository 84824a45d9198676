"""Procedural puzzles from reasoning-gym (Stojanovski et al. 2025, arXiv:2505.24760), a hundred kinds, split by content."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final

from counterpoise.errors import ConfigError, DataError, MissingExtraError, UnknownNameError
from counterpoise.ranges import Seed, Share, Size
from counterpoise.settings import settings
from counterpoise.tasks.shared.identity import Split, split_of
from counterpoise.tasks.shared.splits import Loaded, content_id, unique
from counterpoise.types import Problem

__all__ = ["EXCLUDED", "ReasoningGym", "generator_names"]

EXCLUDED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ab": "the right answer may be empty",
        "advanced_geometry": "its scorer reads the first two numbers, whatever follows",
        "boxnet": "it has no worked answer, so its scorer cannot be checked",
        "coin_flip": "its scorer accepts 0 for every probability below 0.0001",
        "composite": "it mixes other generators; name those",
        "fraction_simplification": "its scorer reads the first fraction, whatever follows",
        "game_of_life_halting": "its scorer accepts any answer",
        "graph_color": "answers of other items are often right, which a check without a model cannot tell from a fault",
        "gsm_symbolic": "its scorer reads the first number, whatever follows",
        "intermediate_integration": "some worked answers are unsolved integrals, and some wrong answers take its scorer seconds",
        "letter_jumble": "its scorer gives full marks to some answers with words added",
        "list_functions": "it draws from the global random state, so that every run gets other items",
        "number_sorting": "its scorer accepts numbers that are off by one",
        "polynomial_equations": "its scorer accepts any text where there is no real solution",
        "propositional_logic": "its scorer accepts a premise joined with itself",
        "puzzle24": "its scorer does not ask for the given numbers",
        "rush_hour": "it has no worked answer, so its scorer cannot be checked",
        "sokoban": "its scorer picks the moves out of any text",
        "time_intervals": "its scorer reads the first part, whatever follows",
        "word_sorting": "its scorer gives full marks to the right list with words added",
    }
)
"""Generators that are left out, and why: a scorer that accepts a wrong answer teaches it."""

_SLOW: Final = frozenset(("knight_swap",))
"""Generators that take a second for an item: `all` does not mean them."""

_WORKED: Final = {"rubiks_cube": "example_correct_answer"}
"""Where the metadata hold a right answer that the item itself leaves out."""


@settings("task reasoning_gym")
class ReasoningGym:
    """Procedural puzzles of reasoning-gym: logic, grids, graphs, arithmetic and more (extra `procedural`).

    Raises:
        ConfigError: a setting is out of range, or a generator is left out on purpose; the message says why.
    """

    generators: str | Sequence[str] = "all"
    """Names with commas between them, or `all` that are not left out (and `knight_swap`, which is slow, by name only)."""
    size: Size = 10
    """Items of each generator, both sides together, before equal ones are dropped."""
    options: Mapping[str, Any] | None = None
    """Options of the generator, e.g. `{max_terms = 4}`; needs a single generator."""
    test_fraction: Share = 0.2
    """Expected share of problems on the test side."""
    seed: Seed = 0
    """Which items are made. Seeds 0 and 1 share most of them, but an item is on the same side under both."""

    name: ClassVar[str] = "reasoning_gym"
    template: ClassVar[str] = "answer_tags_chat"

    def __post_init__(self) -> None:
        for name in self._names():
            if name in EXCLUDED:
                raise ConfigError(
                    f"task reasoning_gym: generator '{name}' is left out: {EXCLUDED[name]}; choose another"
                )
        if self.options and (self.generators == "all" or len(self._names()) != 1):
            raise ConfigError("task reasoning_gym: options belong to one generator; give generators=NAME beside them")

    def loaded(self, split: Split) -> Loaded:
        """One side with the count of duplicates of both."""
        options = json.dumps(dict(self.options or {}), sort_keys=True)
        whole = unique(problem for name in self._resolved() for problem in _items(name, self.seed, self.size, options))
        chosen = tuple(p for p in whole.problems if split_of(p.problem_id, test_fraction=self.test_fraction) == split)
        return Loaded(problems=chosen, duplicates=whole.duplicates, conflicts=whole.conflicts)

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """One side, generator by generator.

        Raises:
            MissingExtraError: reasoning-gym is not installed.
            UnknownNameError: it has no such generator. ConfigError: it refuses an option.
            DataError: the side is empty.
        """
        problems = self.loaded(split).problems
        if not problems:
            raise DataError(
                f"task 'reasoning_gym' has no {split} problems with size={self.size} and test_fraction={self.test_fraction}; "
                "raise size, or move test_fraction away from 0 and 1"
            )
        return problems

    def _names(self) -> tuple[str, ...]:
        if self.generators == "all":
            return ()
        names = self.generators.split(",") if isinstance(self.generators, str) else self.generators
        return tuple(dict.fromkeys(str(name).strip() for name in names))

    def _resolved(self) -> Sequence[str]:
        known = generator_names()
        for name in self._names():
            if name not in known:
                raise UnknownNameError("reasoning-gym generator", name, known)
        return self._names() or tuple(name for name in known if name not in _SLOW)


@functools.cache
def generator_names() -> tuple[str, ...]:
    """The generators of the installed version that are not left out, in alphabetical order.

    Raises:
        MissingExtraError: reasoning-gym is not installed.
    """
    return tuple(sorted(set(_factory().DATASETS) - set(EXCLUDED)))


@functools.lru_cache(maxsize=256)
def _items(generator: str, seed: int, size: int, options: str) -> tuple[Problem, ...]:
    """All items, made once for both sides."""
    given = json.loads(options)
    with _quietly():
        try:
            dataset = _factory().create_dataset(generator, seed=seed, size=size, **given)
        except (TypeError, AssertionError, ValueError) as error:
            raise ConfigError(f"task reasoning_gym: {generator} refuses the options {given} ({error})") from error
        return tuple(_problem(generator, dataset[index], given) for index in range(size))


def _problem(generator: str, item: Mapping[str, Any], options: Mapping[str, Any]) -> Problem:
    metadata = {
        key: value
        for key, value in item["metadata"].items()
        if key not in ("difficulty", "source_dataset", "source_index")
    }
    worked = item["answer"] if item["answer"] is not None else metadata.get(_WORKED.get(generator, ""))
    text = worked if isinstance(worked, str) else json.dumps(worked)
    task_type = f"reasoning_gym/{generator}"
    return Problem(
        problem_id=content_id(task_type, item["question"]),
        task_type=task_type,
        question=item["question"],
        gold=json.dumps(
            {"generator": generator, "options": dict(options), "answer": item["answer"], "metadata": _freeze(metadata)},
            ensure_ascii=False,
        ),
        verifier="reasoning_gym",
        demonstration=None if worked is None else f"<answer>\n{text}\n</answer>",
    )


def _freeze(value: Any) -> Any:
    """What JSON can hold and the verifier turns back: scorers compare tuples with tuples and look up numbers as keys."""
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value if isinstance(value, bool) or value is None else _plain(value)
    if isinstance(value, tuple):
        return {"__tuple__": [_freeze(item) for item in value]}
    if isinstance(value, list):
        return [_freeze(item) for item in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {str(key): _freeze(item) for key, item in value.items()}
        return {"__pairs__": [[_freeze(key), _freeze(item)] for key, item in value.items()]}
    return str(value)


def _plain(value: str | int | float) -> str | int | float:
    """Without the subclasses of numpy, enumerations and the like."""
    return next(kind(value) for kind in (str, int, float) if isinstance(value, kind))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what the package prints, and without its dependencies' warnings of syntax and of files they leave open."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _factory() -> Any:
    try:
        with _quietly():
            return importlib.import_module("reasoning_gym.factory")
    except ImportError as error:
        raise MissingExtraError("reasoning-gym", extra="procedural", purpose="the task 'reasoning_gym'") from error
