"""Advice on a terminal, and as a run file."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w
from rich.text import Text

from counterpoise.cli import console
from counterpoise.columns import COLUMNS
from counterpoise.config import RunConfig
from counterpoise.config.describe import toml_value
from counterpoise.diagnostics.advice.profile import Profile
from counterpoise.diagnostics.advice.result import Choice, Status, Urgency
from counterpoise.diagnostics.advice.screen import Screen
from counterpoise.diagnostics.advice.settings import replaced_credit
from counterpoise.diagnostics.explanation import Measured
from counterpoise.jobs.advise import Advised
from counterpoise.runfile import dump_config, parse_config
from counterpoise.tables import anchored
from counterpoise.text import counted

__all__ = ["followed", "run_file", "show", "show_sizes"]

_STYLES = {Status.RECOMMENDED: "bold green", Status.POSSIBLE: "", Status.AGAINST: "red"}
_LEVELS = {Urgency.FIX: "bold red", Urgency.WARNING: "yellow", Urgency.NOTE: "dim"}
_UNDEFINED = "–"


def show(found: Advised) -> None:
    """Print what was measured, the sentence about each rule, the advice, and the lines to copy."""
    out, settings = console.stdout, found.settings
    out.print(
        f"{found.model} on {found.task}: {counted(found.profile.problems, 'training problem')} x {found.profile.group_size}, temperature "
        f"{settings['temperature']:g}, at most {counted(settings['max_tokens'], 'token')}, {found.plan.parameters:,} parameters",
        soft_wrap=True,
    )
    out.print()
    _measured(found.profile, settings["confidence"])
    if found.kinds:
        _kinds(found)
    _rules(found)
    for screen in found.screens:
        _screen(screen)
    out.print(Text.assemble(("advice  ", "bold"), found.advice.headline), soft_wrap=True)
    for finding in found.advice.findings:
        out.print(Text.assemble((f"{finding.level.value}: ", _LEVELS[finding.level]), finding.text), soft_wrap=True)
    for screen in found.screens:
        of = f" ({screen.task_type})" if len(found.screens) > 1 else ""
        out.print(Text.assemble((f"screen{of}  ", "bold"), screen.line), soft_wrap=True)
    for reason, count in sorted(found.reasons.items(), key=lambda item: -item[1])[:3]:
        out.print(Text(f"unscored: {reason} ({count})", style="dim"), soft_wrap=True)
    if found.advice.choices:
        out.print("\nlines for the run file:\n")
        out.print(Text(toml_lines(found)), soft_wrap=True)
        typed = " ".join(shlex.quote(f"{choice.key}={_typed(choice)}") for choice in found.advice.choices)
        out.print(Text(f"or on the command line: counterpoise train RUN.toml {typed}"), soft_wrap=True)


def _measured(profile: Profile, confidence: float) -> None:
    table = console.table(
        "measured", "value", f"{100 * confidence:g}% interval", "", numbers=("value", f"{100 * confidence:g}% interval")
    )

    def share(name: str, value: float | Measured, said: str = "") -> None:
        interval = _range(value) if isinstance(value, Measured) else ""
        number = value.value if isinstance(value, Measured) else value
        table.add_row(name, _percent(number), interval, Text(said, style="dim"))

    share("pass rate", profile.pass_rate, "right among the scored rollouts, mean over prompts")
    share("coverage", profile.coverage, f"prompts with a success in {profile.group_size}")
    for one in profile.pass_at:
        if one.k > 1 and (one.extrapolated or one.k < profile.group_size):
            share(f"pass@{one.k}", one.share, "extrapolated: beta-binomial" if one.extrapolated else "")
    share("groups all right", profile.all_right)
    share("groups mixed", profile.mixed)
    share("groups all wrong", profile.all_wrong)
    share("truncated", profile.truncated, "cut off at the token limit")
    share("no answer", profile.no_answer)
    share("unscored", profile.unscored)
    for name, value, said in (
        ("entropy", profile.entropy, "nats a token, mean of -log p of what was sampled"),
        ("  of right rollouts", profile.surprisal_right, ""),
        ("  of wrong rollouts", profile.surprisal_wrong, ""),
    ):
        table.add_row(name, _number(value), "", Text(said, style="dim"))
    table.add_row("response tokens", _number(profile.response_tokens, ".1f"), "", "")
    for part in profile.parts:
        table.add_row(
            f"part {part.name}",
            _number(part.mean),
            f"{part.low:.2g} … {part.high:.2g}",
            Text(
                f"mean, and range; wrong rollouts {_number(part.mean_wrong)}; differs in {_percent(part.varied)}% of the all-wrong groups",
                style="dim",
            ),
        )
    console.stdout.print(table)


def _kinds(found: Advised) -> None:
    headings = ("task type", "problems", "pass rate %", "coverage %", "all wrong %", "truncated %", "no answer %")
    table = console.table(*headings, "unscored %", "entropy", numbers=(*headings[1:], "unscored %", "entropy"))
    for kind in found.kinds:
        table.add_row(
            Text(kind.name),
            str(kind.problems),
            f"{_percent(kind.pass_rate.value)} {_range(kind.pass_rate)}",
            f"{_percent(kind.coverage.value)} {_range(kind.coverage)}",
            *(_percent(value) for value in (kind.all_wrong, kind.truncated, kind.no_answer, kind.unscored)),
            _number(kind.entropy),
        )
    console.stdout.print(table)


def _screen(screen: Screen) -> None:
    headings = ("temperature", "pass@1 %", f"pass@{screen.group_size} %", "no answer %")
    title = f"screen: {screen.task_type}, {counted(screen.problems, 'training problem')} x {screen.group_size}"
    console.stdout.print(Text(title), soft_wrap=True)
    table = console.table("asked with", *headings, numbers=headings)
    for cell in screen.cells:
        table.add_row(
            Text(counted(cell.shots, "example") if cell.shots else "no examples"),
            f"{cell.temperature:g}",
            *(f"{_percent(share.value)} {_range(share)}" for share in (cell.pass_1, cell.pass_k)),
            _percent(cell.no_answer),
        )
    console.stdout.print(table)


def _rules(found: Advised) -> None:
    shares = {rule.rule: rule for rule in found.profile.rules}
    numbers = ("pushes up %", "trains on %", "throws away %")
    table = console.table("rule", *numbers, "", "why", numbers=numbers)
    for verdict in found.advice.rules:
        share = shares.get(verdict.rule)
        cells = (
            (_percent(share.polarity_share), _percent(share.trained), _percent(share.thrown_away))
            if share
            else (_UNDEFINED,) * 3
        )
        style = _STYLES[verdict.status]
        table.add_row(verdict.rule, *cells, Text(verdict.status.value, style=style), Text(verdict.why))
    console.stdout.print(table)


def toml_lines(found: Advised) -> str:
    """The recommended settings as sections of a run file."""
    tables: dict[str, Any] = {}
    for choice in found.advice.choices:
        *sections, key = choice.key.split(".")
        table = tables
        for section in sections:
            table = table.setdefault(section, {})
        table[key] = choice.value
    return tomli_w.dumps(tables)


def followed(config: RunConfig, found: Advised, *, sizes: Sequence[Choice] = ()) -> RunConfig:
    """The configuration that follows the advice: what was set, with the recommended settings and the sizes over it.

    What belongs to a rule, controller or estimator that is replaced is dropped with it, and so is the run's name, which would be taken.
    """
    # Typed paths follow the current directory, and those of a run file would follow the file.
    kept = anchored(config.model_dump(mode="json", exclude_unset=True), Path.cwd())
    kept.get("run", {}).pop("name", None)
    changed = {choice.key: choice.value for choice in found.advice.choices}
    credit = config.credit
    rule = changed.get("credit.rule", credit.rule) != credit.rule
    controller = changed.get("credit.controller", credit.controller) != credit.controller
    constant = credit.controller == "constant"
    _drop(kept, "credit", *replaced_credit(rule=rule, controller=controller, constant=constant))
    if rule:
        kept.pop("critic", None)
        best_by = COLUMNS.get(config.checkpoint.best_by or "")
        if best_by is not None and best_by.critic:
            _drop(kept, "checkpoint", "best_by")
    if "loss.kl_estimator" in changed:
        _drop(kept, "loss", "kl_clamp")
    typed = [f"{choice.key}={_typed(choice)}" for choice in (*found.advice.choices, *sizes)]
    return parse_config(kept, typed, source="advice")


def _drop(kept: dict[str, Any], section: str, *keys: str) -> None:
    for key in keys:
        kept.get(section, {}).pop(key, None)


def run_file(config: RunConfig, found: Advised, *, sizes: Sequence[Choice] = (), times: str = "") -> str:
    """A run file of `followed`, with the reasons, and how long it takes, above it."""
    text = dump_config(followed(config, found, sizes=sizes), only_set=True)
    asked = f"counterpoise advise, {found.model} on {found.task}, {counted(found.profile.problems, 'problem')} x {found.profile.group_size}"
    reasons = [f"# {choice.key} = {_typed(choice)}: {choice.why}" for choice in (*found.advice.choices, *sizes)]
    reasons += [f"# takes {times}"] if times else []
    return "\n".join([f"# {asked}, seed {found.settings['seed']}", f"# {found.advice.headline}", *reasons, "", text])


def show_sizes(sizes: Sequence[Choice], times: str) -> None:
    """Print how long the run takes that follows the advice, and the settings that make it so long."""
    lines = [f"  {choice.key}={_typed(choice)}" for choice in sizes]
    console.stdout.print(Text("\n".join(["", f"such a run takes {times}", *lines])), soft_wrap=True)


def _typed(choice: Choice) -> str:
    value = choice.value
    if isinstance(value, tuple):
        return toml_value(value)
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _percent(share: float) -> str:
    return _UNDEFINED if math.isnan(share) else f"{100 * share:.1f}"


def _number(value: float, form: str = ".3f") -> str:
    return _UNDEFINED if math.isnan(value) else format(value, form)


def _range(estimate: Measured) -> str:
    if math.isnan(estimate.low):
        return ""
    return f"[{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
