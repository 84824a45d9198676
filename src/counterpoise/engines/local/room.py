"""Check that prompts and responses fit the model: every prompt, once the tokenizer is there and before anything is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from counterpoise.config import RunConfig
from counterpoise.engines.local.assemble import Assembly
from counterpoise.engines.local.policy import Policy
from counterpoise.errors import ConfigError, DataError
from counterpoise.prompts.lengths import Fitted, Limit, fit_prompts
from counterpoise.prompts.wording import Wording
from counterpoise.types import Problem

__all__ = ["fit_problems", "positions_of", "with_room"]


def positions_of(model: Any) -> int | None:
    """The tokens that prompt and response may have together; None where the model has no bound."""
    text_config = model.config.get_text_config(decoder=True)
    positions = getattr(text_config, "max_position_embeddings", None)
    return None if positions is None else int(positions)


def fit_problems(
    policy: Policy,
    problems: Sequence[Problem],
    config: RunConfig,
    *,
    template: Wording,
    training: bool,
    say: Callable[[str], None],
    begun: bool = False,
) -> list[Problem]:
    """The problems whose prompts have room, and a word about those that have not, or leave little to the response.

    Args:
        policy: model and tokenizer.
        problems: all of one side.
        config: `prompt.max_tokens`, `prompt.too_long`, and the response limit of the side.
        template: how the questions are worded.
        training: whether responses are drawn as training draws them, and not as an evaluation does.
        say: called with what is left out, and what will be cut.
        begun: whether something was drawn with these settings before, by a version that did not ask: then nothing is refused, only said.

    Raises:
        DataError: a prompt is too long, with the place of its problem and the settings that help.
        ConfigError: no prompt leaves room for the whole of a response.
    """
    if not problems:
        return []
    if (remark := template.remark(problems, policy.tokenizer)) is not None:
        say(remark)
    side = "training " if training else "test "
    positions = positions_of(policy.model)
    name, tokens = _response_limit(config, training=training)
    fitted = _fitted(policy, problems, config, template, side, positions, say, begun=begun)
    if positions is None or not len(fitted.lengths):
        return list(fitted.problems)
    longest = int(fitted.lengths.max())
    if tokens >= positions and not begun:
        raise ConfigError(
            f"{name}={tokens} can never be had: the model has {positions} positions for prompt and response together, and the longest "
            f"{side}prompt takes {longest} of them; set {name}={max(1, positions - longest)} or less"
        )
    short = int((positions - fitted.lengths < tokens).sum())
    if short:
        drop = f", or leave such problems out with prompt.max_tokens={positions - tokens} prompt.too_long=drop"
        if tokens >= positions or short == len(fitted.lengths):
            drop = ""  # nothing would be left
        say(
            f"{short:,} of {len(fitted.lengths):,} {side}prompts leave a response less than {name}={tokens} of the model's {positions} "
            f"positions, the longest {positions - longest}: it is cut there, and mostly judged wrong; lower {name} to "
            f"{positions - longest}{drop}"
        )
    return list(fitted.problems)


def with_room(
    policy: Policy, assembly: Assembly, config: RunConfig, *, say: Callable[[str], None], begun: bool
) -> Assembly:
    """The same parts of a run, of whose problems those are left that `fit_problems` leaves."""
    said: set[str] = set()

    def say_once(line: str) -> None:
        if line not in said:
            said.add(line)
            say(line)

    fit = partial(fit_problems, policy, config=config, template=assembly.template, say=say_once, begun=begun)
    return replace(assembly, train=fit(assembly.train, training=True), test=fit(assembly.test, training=False))


def _fitted(
    policy: Policy,
    problems: Sequence[Problem],
    config: RunConfig,
    template: Wording,
    side: str,
    positions: int | None,
    say: Callable[[str], None],
    *,
    begun: bool,
) -> Fitted:
    limit = _prompt_limit(config, positions)
    try:
        fitted = fit_prompts(
            problems, policy.tokenizer, template=template, limit=limit, too_long=config.prompt.too_long, side=side
        )
    except DataError as error:
        if not begun:
            raise
        say(f"{error}; it ends where it comes to one")
        return fit_prompts(problems, policy.tokenizer, template=template, limit=None)
    if fitted.said is not None:
        say(fitted.said)
    return fitted


def _response_limit(config: RunConfig, *, training: bool) -> tuple[str, int]:
    if training or config.evaluation.max_tokens is None:
        return "rollout.max_tokens", config.rollout.max_tokens
    return "evaluation.max_tokens", config.evaluation.max_tokens


def _prompt_limit(config: RunConfig, positions: int | None) -> Limit | None:
    own = config.prompt.max_tokens
    if own is not None and (positions is None or own < positions):
        return Limit(tokens=own, why="which prompt.max_tokens sets", instead="raise prompt.max_tokens to {longest}")
    if positions is None:
        return None
    return Limit(
        tokens=positions - 1,
        why=f"and the model has {positions} positions for prompt and response together",
        instead="shorten them, or use a model with a longer context",
    )
