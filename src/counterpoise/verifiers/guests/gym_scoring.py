"""One item of reasoning-gym and the score of one answer; standard library alone, because it also runs where nothing else is installed."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["dataset", "outcome", "quietly", "read_item"]


def read_item(gold: str) -> tuple[str, dict[str, Any], str] | None:
    """Generator, entry as its scorer wants it (a fresh one: scorers write into it), and options as JSON; None for any other text."""
    try:
        value = json.loads(gold)
        entry = {"question": "", "answer": value["answer"], "metadata": thaw(value["metadata"])}
        return str(value["generator"]), entry, json.dumps(value["options"], sort_keys=True)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def thaw(value: Any) -> Any:
    """The task's JSON with its tuples and its keys that are not text."""
    if isinstance(value, list):
        return [thaw(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"__tuple__"}:
        return tuple(thaw(item) for item in value["__tuple__"])
    if set(value) == {"__pairs__"}:
        return {thaw(key): thaw(item) for key, item in value["__pairs__"]}
    return {key: thaw(item) for key, item in value.items()}


@functools.lru_cache(maxsize=128)
def dataset(generator: str, options: str) -> Any:
    """The generator's object, or the text why it refuses these options."""
    factory = importlib.import_module("reasoning_gym.factory")
    try:
        with quietly():
            return factory.create_dataset(generator, seed=0, size=1, **json.loads(options))
    except Exception as error:
        return f"options of {generator} refused ({type(error).__name__}: {error})"


def outcome(gold: str, answer: str) -> dict[str, Any]:
    """What the item's scorer says of an answer, in plain values.

    One of `{"score": number}`, `{"refused": why}` for a gold that cannot be read, and `{"raised": what, "own": accepts}` for a scorer
    that raised, with whether it accepts the item's own answer.

    Raises:
        MemoryError, RecursionError: the scorer's.
    """
    item = read_item(gold)
    if item is None:
        return {"refused": "expected the JSON of the task reasoning_gym"}
    generator, entry, options = item
    made = dataset(generator, options)
    if isinstance(made, str):
        return {"refused": made}
    try:
        with quietly():
            return {"score": float(made.score_answer(answer, entry))}
    except (MemoryError, RecursionError):
        raise
    except Exception as error:
        again = read_item(gold)
        return {
            "raised": f"{type(error).__name__}: {error}"[:200],
            "own": again is not None and _accepts_own(made, again[1]),
        }


def _accepts_own(made: Any, entry: dict[str, Any]) -> bool:
    try:
        with quietly():
            return entry["answer"] is None or float(made.score_answer(entry["answer"], entry)) == 1.0
    except Exception:  # others' code: a scorer that breaks on its own answer does not accept it
        return False


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without what the package prints, and without its dependencies' warnings of syntax and of files they leave open."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
