"""The token microscope on a terminal: a strip of tokens, a table for each chosen one, what to read out of it, and the quadrants."""

from __future__ import annotations

import math

from rich.panel import Panel
from rich.text import Text

from counterpoise.cli import console
from counterpoise.diagnostics.explanation import Explanation, Move, Quadrant, RuleStep, TokenView
from counterpoise.diagnostics.kind_moves import read_kinds
from counterpoise.diagnostics.reading import chance, decisive, quoted_token, read_step, read_token
from counterpoise.text import counted

__all__ = ["show"]

# The surer, the quieter.
_SHADES = ((0.99, "grey50"), (0.9, "white"), (0.5, "cyan"), (0.1, "yellow"), (0.0, "bold red"))

_VISIBLE = 1e-4
"""Rarer alternatives are left to the page and to JSON."""


def show(found: Explanation, *, tokens: int) -> None:
    """Print an explanation: the first rule in full, the others beside it."""
    _head(found)
    console.stdout.print(_strip(found))
    for token in decisive(found.tokens, tokens):
        _token(found, token)
    _rules(found)
    for step in found.rules:
        _quadrants(found, step)
    for step in found.rules:
        _kinds(step)


def _head(found: Explanation) -> None:
    out = console.stdout
    verdict = found.verdict.replace("_", " ")
    out.print(Text.assemble(("explain ", "bold"), f"{found.model} on {found.task}, problem {found.problem_id[:8]}"))
    out.print(Text.assemble(("question  ", "dim"), found.question.strip()), soft_wrap=True)
    out.print(
        Text.assemble(
            ("response  ", "dim"),
            found.response.strip(),
            ("   ", ""),
            (verdict, "bold green" if found.verdict == "correct" else "bold red"),
            (f"  (judged: {found.answer!r}; {found.chosen_as})", "dim"),
        ),
        soft_wrap=True,
    )
    right = sum(member.verdict == "correct" for member in found.group)
    out.print(
        Text.assemble(
            ("group     ", "dim"),
            f"{right} of {len(found.group)} right; ",
            "one AdamW step from a fresh optimiser at learning rate ",
            f"{found.settings['learning_rate']:g}, temperature {found.settings['temperature']:g}",
        ),
        soft_wrap=True,
    )
    out.print()


def _strip(found: Explanation) -> Panel:
    """Tokens coloured by probability, underlined and signed where the first rule gives credit."""
    text = Text()
    for token in found.tokens:
        move = token.moves[0]
        style = next(style for least, style in _SHADES if token.probability >= least)
        text.append(quoted_token(token.text)[1:-1], style=f"{style} underline" if move.credit else style)
        text.append(_mark(move), style="green" if move.credit > 0 else "red")
    legend = Text(
        "grey p>=.99  white >=.9  cyan >=.5  yellow >=.1  red below; + - credit of " + found.rules[0].rule, style="dim"
    )
    return Panel(Text.assemble(text, "\n", legend), title="response", title_align="left", expand=False)


def _mark(move: Move) -> str:
    return "" if not move.credit else "⁺" if move.credit > 0 else "⁻"


def _token(found: Explanation, token: TokenView) -> None:
    move = token.moves[0]
    title = f"token {token.index} {quoted_token(token.text)} under {move.rule}"
    numbers = ("before", "predicted", "after", "change", "gradient", "prob. form")
    table = console.table("token", *numbers, title=title, numbers=numbers)
    for v in move.alternatives:
        if not v.chosen and max(v.probability, v.realised) < _VISIBLE:
            continue
        change = v.realised - v.probability
        table.add_row(
            Text(("▸ " if v.chosen else "  ") + quoted_token(v.text), style="bold" if v.chosen else ""),
            chance(v.probability),
            chance(v.predicted),
            chance(v.realised),
            Text(f"{100 * change:+.2f}", style="green" if change > 5e-5 else "red" if change < -5e-5 else "dim"),
            f"{v.gradient:+.4f}",
            f"{v.gradient_probability:+.4f}",
        )
    console.stdout.print(table)
    for line in read_token(found, token, move):
        console.stdout.print(Text(f"  {line}"))
    console.stdout.print()


def _rules(found: Explanation) -> None:
    numbers = ("credit", "gradient norm", "correlation", "same sign", "logit step", "correlation (batch)")
    table = console.table("rule", *numbers, title="what each rule's step did to this group", numbers=numbers)
    for step in found.rules:
        fitted, batch = step.fit, step.batch_fit
        table.add_row(
            step.rule,
            f"{step.advantage:+.3f}",
            _number(step.gradient_norm, ".3f"),
            _number(fitted.correlation if fitted else math.nan, ".2f"),
            chance(fitted.same_sign if fitted else math.nan),
            _number(fitted.step if fitted else math.nan, ".3g"),
            _number(batch.correlation if batch else math.nan, ".2f"),
        )
    console.stdout.print(table)
    console.stdout.print(Text(read_step(found.rules[0])), style="dim")
    console.stdout.print()


def _quadrants(found: Explanation, step: RuleStep) -> None:
    if math.isnan(step.batch_gradient_norm):
        console.stdout.print(Text(f"{step.rule}: no rollout of the batch has credit, so nothing moves"))
        return
    title = (
        f"{step.rule}: one step on {counted(found.rollouts, 'rollout')} of {counted(found.problems, 'problem')} "
        f"(sure: p >= {found.confident_probability:g})"
    )
    numbers = (
        "tokens",
        "share",
        "credit",
        "p",
        "surprise",
        "dp x 1e3",
        "predicted dp",
        "dH x 1e3 [95%]",
        "predicted dH",
    )
    table = console.table("rollouts", "policy", *numbers, title=title, numbers=numbers)
    for quadrant in step.quadrants:
        table.add_row(*_row(quadrant))
    console.stdout.print(table)


def _row(quadrant: Quadrant) -> tuple[str, ...]:
    values = quadrant.values
    entropy = values["entropy_change"]
    return (
        "right" if quadrant.right else "wrong",
        "sure" if quadrant.confident else "unsure",
        str(quadrant.tokens),
        chance(values["token_share"].value),
        chance(values["credit_share"].value),
        _number(values["probability"].value, ".3f"),
        _number(values["surprise"].value, ".2f"),
        _number(1e3 * values["probability_change"].value, "+.2f"),
        _number(1e3 * values["predicted_probability_change"].value, "+.2f"),
        f"{_number(1e3 * entropy.value, '+.2f')} [{_number(1e3 * entropy.low, '+.2f')}, {_number(1e3 * entropy.high, '+.2f')}]",
        _number(1e3 * values["predicted_entropy_change"].value, "+.2f"),
    )


def _kinds(step: RuleStep) -> None:
    if not step.kinds:
        return
    numbers = ("right", "share %", "tokens", "shared", "on shared x 1e3", "on the others x 1e3", "all x 1e3 [95%]")
    title = (
        f"{step.rule}: what the step on the batch did to right responses of each kind (log-probability of the response)"
    )
    table = console.table("kind", *numbers, title=title, numbers=numbers)
    for move in step.kinds:
        table.add_row(
            Text(move.kind),
            f"{move.right:,}",
            f"{100 * move.share:.1f}",
            f"{move.tokens:.1f}",
            f"{move.shared_tokens:.1f}",
            f"{1e3 * move.shared_change:+.2f}",
            f"{1e3 * move.own_change:+.2f}",
            f"{1e3 * move.change.value:+.2f} [{_number(1e3 * move.change.low, '+.2f')}, {_number(1e3 * move.change.high, '+.2f')}]",
        )
    console.stdout.print(table)
    console.stdout.print(Text(read_kinds(step.kinds), style="dim"), soft_wrap=True)
    console.stdout.print()


def _number(value: float, spec: str) -> str:
    return "-" if math.isnan(value) else f"{value:{spec}}"
