"""Check the length of all prompts before anything is drawn: one that is too long would end a run in its middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from counterpoise.errors import DataError
from counterpoise.lazy import np
from counterpoise.prompts.templates import Tokenizer
from counterpoise.prompts.wording import Wording, named, rendered
from counterpoise.text import counted
from counterpoise.types import Problem

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["BatchTokenizer", "Fitted", "Limit", "fit_prompts", "prompt_lengths"]

_BATCH = 1024
"""Texts that the tokenizer gets at once."""
_SHOWN = 60


class BatchTokenizer(Tokenizer, Protocol):
    """A tokenizer that takes many texts at once, as every transformers tokenizer does."""

    def __call__(self, text: list[str], *, add_special_tokens: bool, verbose: bool) -> Any:
        """`input_ids`: a list of token ids for each text."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The longest prompt that is of use."""

    tokens: int
    """Special tokens included."""
    why: str
    """What sets it, e.g. `prompt.max_tokens`."""
    instead: str
    """What else to do than to leave the problem out, e.g. `raise it to 300`; `{longest}` stands for the longest prompt's tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Problems whose prompts are short enough."""

    problems: Sequence[Problem]
    """Those, in their order."""
    lengths: npt.NDArray[np.int64]
    """(len(problems),) tokens of their prompts."""
    said: str | None
    """The line about the others; None where there are none."""


def prompt_lengths(
    problems: Sequence[Problem], tokenizer: BatchTokenizer, *, template: str | Wording
) -> npt.NDArray[np.int64]:
    """(N,) tokens of each problem's prompt, special tokens included: as many as `make_prompts` gives it.

    Raises:
        UnknownNameError: no such template.
        ConfigError: a chat template is wanted and the tokenizer has none.
        DataError: a prompt has no tokens.
    """
    lengths = np.zeros(len(problems), dtype=np.int64)
    texts = [rendered(problem, tokenizer, template=template) for problem in problems]
    for special in (False, True):
        rows = [row for row, (_, own) in enumerate(texts) if own == special]
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            found = tokenizer([texts[row][0] for row in batch], add_special_tokens=special, verbose=False)
            lengths[batch] = [len(ids) for ids in found["input_ids"]]
    for problem in (problems[row] for row in np.flatnonzero(lengths == 0).tolist()):
        raise DataError(f"{named(problem)}: the prompt has no tokens (question {problem.question!r}); remove it")
    return lengths


def fit_prompts(
    problems: Sequence[Problem],
    tokenizer: BatchTokenizer,
    *,
    template: str | Wording,
    limit: Limit | None,
    too_long: Literal["refuse", "drop"] = "refuse",
    side: str = "",
) -> Fitted:
    """The problems whose prompts have at most `limit.tokens` tokens.

    Args:
        problems: all of them.
        tokenizer: the policy's.
        template: a key of `TEMPLATES`, `PER_PROBLEM`, or a wording.
        limit: the longest prompt; None keeps all.
        too_long: `refuse` a longer one, or `drop` its problem.
        side: what the problems are called, e.g. `training `, with the blank after it.

    Raises:
        DataError: a prompt is too long, with the place of its problem; or all of them are.
    """
    lengths = prompt_lengths(problems, tokenizer, template=template)
    over = np.zeros(len(problems), dtype=np.bool_) if limit is None else lengths > limit.tokens
    if limit is None or not over.any():
        return Fitted(problems=list(problems), lengths=lengths, said=None)
    count, worst = int(over.sum()), int(lengths.argmax())
    all_of = "all" if count == len(problems) else f"{count:,} of {len(problems):,}"
    of = f"{all_of} {side}prompts (template {template}) are longer than {counted(limit.tokens, 'token')}, {limit.why}"
    longest = f"the longest has {lengths[worst]}: {named(problems[worst])}, {_start(problems[worst].question)}"
    instead = limit.instead.format(longest=lengths[worst])
    if count == len(problems):
        raise DataError(f"{of}; {longest}; {instead}")
    if too_long == "refuse":
        raise DataError(f"{of}; {longest}; leave such problems out with prompt.too_long=drop, or {instead}")
    return Fitted(
        problems=[problem for problem, out in zip(problems, over, strict=True) if not out],
        lengths=lengths[~over],
        said=f"{of}, and their problems are left out (prompt.too_long=drop); {longest}",
    )


def _start(question: str) -> str:
    return repr(question if len(question) <= _SHOWN else question[:_SHOWN] + "…")
