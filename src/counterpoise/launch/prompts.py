"""Prompts for an engine that tokenizes by itself: texts of which it makes the very ids that our own engine would give the policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from counterpoise.config import RunConfig
from counterpoise.errors import DataError
from counterpoise.prompts.lengths import Limit, fit_prompts
from counterpoise.prompts.wording import Wording, make_prompts, named
from counterpoise.types import Problem, Prompt

__all__ = ["engine_texts", "fitting_prompts"]


def fitting_prompts(
    config: RunConfig,
    problems: Sequence[Problem],
    tokenizer: Any,
    *,
    template: Wording,
    side: str,
    say: Callable[[str], None],
) -> list[Prompt]:
    """The prompts of all problems that are no longer than `prompt.max_tokens`, as `prompt.too_long` says.

    Raises:
        DataError: one is too long, with the place of its problem.
    """
    own = config.prompt.max_tokens
    limit = None
    if own is not None:
        limit = Limit(tokens=own, why="which prompt.max_tokens sets", instead="raise prompt.max_tokens to {longest}")
    fitted = fit_prompts(
        problems, tokenizer, template=template, limit=limit, too_long=config.prompt.too_long, side=f"{side} "
    )
    if fitted.said is not None:
        say(fitted.said)
    return make_prompts(fitted.problems, tokenizer, template=template)


def engine_texts(prompts: Sequence[Prompt], tokenizer: Any, *, special: bool) -> list[str]:
    """The texts that an engine has to be given, where it adds special tokens to them (`special`) or does not.

    A beginning-of-sequence token that our prompt has and the engine does not add is written out, and one that the engine adds besides ours
    is taken off.

    Raises:
        DataError: neither makes the ids of our prompt.
    """
    begin = tokenizer.bos_token or ""
    plain = [prompt.text for prompt in prompts]
    changed = [text.removeprefix(begin) if special else begin + text for text in plain]
    made = [tokenizer(texts, add_special_tokens=special, verbose=False)["input_ids"] for texts in (plain, changed)]
    found = []
    for row, prompt in enumerate(prompts):
        wanted = prompt.token_ids.tolist()
        fitting = [texts[row] for texts, ids in zip((plain, changed), made, strict=True) if ids[row] == wanted]
        if not fitting:
            raise DataError(
                f"{named(prompt.problem)}: the engine's tokenization of the prompt is another one than ours, with and without "
                f"{begin or 'a beginning-of-sequence token'}; take another prompt.template, or train with the local engine"
            )
        found.append(fitting[0])
    return found
