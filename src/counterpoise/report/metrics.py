"""Which metrics stand in one chart. A run that lacks a column lacks a line; a column that no chart names stands under `other`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from counterpoise.columns import COLUMNS, columns
from counterpoise.report.records import Run

__all__ = ["PANELS", "FlatLine", "Panel", "choose_panels", "set_flat_lines_aside"]

Rank = Literal["first", "second", "folded"]
"""`first` charts are large, `second` ones small, `folded` ones stand behind a fold."""

_STEPS = 3
"""Values from which on a column may be called constant: one or two are always equal, or nearly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One chart of training metrics; all its columns have one unit."""

    key: str
    """Name in links and files."""
    title: str
    """Heading."""
    unit: str
    """Unit of the vertical axis."""
    columns: dict[str, str]
    """Columns of metrics.jsonl and what the key calls them; the order gives the dashes."""
    note: str = ""
    """What a reader should look for."""
    rank: Rank = "second"
    """How much room it gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatLine:
    """A column that never moves in any run, which a sentence says better than a chart."""

    name: str
    """What it is called; a chart's title where the whole chart would be one flat line."""
    rank: Rank
    """Of its chart."""
    values: Mapping[str, float]
    """Its value in each run that has it, by the run's name."""


def _panel(key: str, title: str, names: str, *, note: str = "", rank: Rank = "second") -> Panel:
    """A chart of the columns `names`, parted by spaces.

    Raises:
        UnknownNameError: there is no such column.
        ValueError: they have several units.
    """
    found = columns(names)
    (unit,) = {one.unit for one in found}
    return Panel(key=key, title=title, unit=unit, columns={one.name: one.line for one in found}, note=note, rank=rank)


def _by_verdict(name: str, end: str = "") -> str:
    return f"{name}{end} {name}_correct{end} {name}_wrong{end}"


def _by_sign(name: str, end: str = "") -> str:
    return f"{name}{end} {name}_plus{end} {name}_minus{end}"


_QUANTILES = {50: "median", 90: "90% lie below", 99: "99% lie below"}

PANELS: tuple[Panel, ...] = (
    _panel("success", "Success and coverage", "success_rate coverage", rank="first"),
    _panel(
        "entropy",
        "Entropy by verdict",
        _by_verdict("entropy_sampled"),
        note="Mean of -log p over sampled tokens. PSR narrows it, NSR tends to keep it.",
        rank="first",
    ),
    _panel("length", "Response length by verdict", _by_verdict("response_tokens"), rank="first"),
    _panel("truncated", "Cut off at the limit", _by_verdict("truncated_share"), rank="first"),
    _panel("reward", "Reward", "reward"),
    _panel(
        "polarity",
        "Polarity share ρ",
        "polarity_share_tokens polarity_share_rows",
        note="Positive credit over all credit: PSR 1, NSR 0, centred rules 1/2.",
    ),
    _panel(
        "weights",
        "Weights of the signs",
        "weight_plus weight_minus",
        note="The controller's λ times the rule's own weights; λ alone for a step of an earlier version, which kept no more.",
    ),
    _panel(
        "groups",
        "Groups by outcome",
        "groups_all_right groups_all_wrong groups_mixed groups_unscored",
        note="Rules that compare within a group learn from mixed groups alone.",
    ),
    _panel("answers", "No answer, unscored", "no_answer_share unscored"),
    _panel("diversity", "Distinct answers in a group", "distinct_answers"),
    _panel(
        "kinds",
        "Kinds of right responses",
        "kinds_kept kinds_effective",
        note="Ways to an answer that the policy still has; curves of pass@k show their loss late.",
    ),
    _panel("gradient", "Gradient norm", _by_sign("gradient_norm")),
    _panel(
        "displacement",
        "Log-probability change by one update",
        "log_prob_change_correct log_prob_change_wrong log_prob_change_anchor",
        note="If the correct ones fall as well, the update displaces what it should keep.",
    ),
    _panel("lambdas", "λ, as the controller gave it", "lambda_plus lambda_minus", rank="folded"),
    _panel("ratio", "Ratio to the sampling policy by sign", "ratio_plus ratio_minus", rank="folded"),
    _panel("clipped", "Clipped tokens by sign", "clipped_plus clipped_minus", rank="folded"),
    _panel(
        "cosine",
        "Cosine of the two gradients",
        "gradient_cosine",
        note="Below 0 the two signs pull against each other.",
        rank="folded",
    ),
    _panel("kl", "Divergence", "approx_kl kl_reference anchor_kl", rank="folded"),
    _panel("throughput", "Throughput, sampled tokens", "tokens_per_second", rank="folded"),
    _panel("credit", "Credit given", "emphasis plus minus", rank="folded"),
    _panel("loss", "Loss", "loss loss_plus loss_minus", rank="folded"),
    *(
        _panel(
            f"surprisal-p{share}",
            f"Surprise of sampled tokens, {word}",
            _by_verdict("surprisal", f"_p{share}"),
            rank="folded",
        )
        for share, word in _QUANTILES.items()
    ),
    _panel("trained-entropy", "Entropy of trained tokens", _by_sign("entropy"), rank="folded"),
    *(
        _panel(
            f"trained-entropy-p{share}",
            f"Entropy of trained tokens, {word}",
            _by_sign("entropy", f"_p{share}"),
            rank="folded",
        )
        for share, word in _QUANTILES.items()
    ),
    *(
        _panel(
            f"ratio-{sign}",
            f"Ratio of tokens pushed {word}",
            " ".join(f"ratio_{sign}_{end}" for end in ("p01", "p50", "p99", "max")),
            rank="folded",
        )
        for sign, word in (("plus", "up"), ("minus", "down"))
    ),
    _panel("repetition", "Repetition by verdict", _by_verdict("repetition"), rank="folded"),
    _panel("against", "Credit against the verdict", "correct_pushed_down wrong_pushed_up zero_credit", rank="folded"),
    _panel(
        "gap",
        "Sampler against learner",
        "sampler_gap sampler_gap_max",
        note="An alarm: about 1e-6 in float32.",
        rank="folded",
    ),
    _panel("tokens", "Tokens a step", "tokens_sampled tokens_trained tokens_saved", rank="folded"),
    _panel(
        "tokens-signs",
        "Trained and saved tokens",
        "tokens_trained_plus tokens_trained_minus tokens_saved_correct tokens_saved_wrong",
        rank="folded",
    ),
    _panel(
        "speed",
        "Throughput of the stages",
        "tokens_per_second_sample tokens_per_second_verify tokens_per_second_update",
        rank="folded",
    ),
    _panel(
        "seconds",
        "Time of a step",
        "seconds seconds_sample seconds_verify seconds_credit seconds_update seconds_diagnostics",
        rank="folded",
    ),
)
"""The declared charts, in the order of the page."""


def choose_panels(names: Iterable[str]) -> list[Panel]:
    """The declared charts that have a column, each with the columns there are, then one for each family of columns nobody declared.

    A family is what shares a name up to `_plus`, `_minus`, `_correct`, `_wrong`, a percentile or the part behind a slash.
    """
    there = dict.fromkeys(names)
    panels = []
    for panel in PANELS:
        kept = {name: line for name, line in panel.columns.items() if name in there}
        if kept:
            panels.append(replace(panel, columns=kept))
    declared = {name for panel in PANELS for name in panel.columns}
    families: dict[str, list[str]] = {}
    for name in there:
        if name not in declared:
            families.setdefault(_family(name), []).append(name)
    return panels + [
        Panel(
            key=f"other-{number}",
            title=_title(family, own),
            unit="share" if family in _SHARES else _unit(own),
            columns={name: name for name in own},
            rank="folded",
        )
        for number, (family, own) in enumerate(families.items())
    ]


_SHARES = {"kind": "Share of each kind among right responses", "part": "Graded parts"}
"""Families whose names after the slash are those of a task or a verifier, and no task types."""


def _title(family: str, names: Sequence[str]) -> str:
    if not any("/" in name for name in names):
        return family
    return _SHARES.get(family, f"{family} by task type")


def set_flat_lines_aside(panels: Sequence[Panel], runs: Sequence[Run]) -> tuple[list[Panel], list[FlatLine]]:
    """The charts without columns that never move in any run, and these columns; charts of nothing else are left out.

    A column is constant when each run that has it has one value throughout, and some run has it at three steps or more.
    """
    kept: list[Panel] = []
    aside: list[FlatLine] = []
    for panel in panels:
        found = {name: values for name in panel.columns if (values := _constant(name, runs)) is not None}
        moving = {name: line for name, line in panel.columns.items() if name not in found}
        if moving:
            kept.append(replace(panel, columns=moving))
        levels = list(found.values())
        if (
            not moving
            and all(set(level.values()) == set(levels[0].values()) for level in levels[1:])
            and len(set(levels[0].values())) == 1
        ):
            aside.append(FlatLine(name=panel.title, rank=panel.rank, values=levels[0]))
        else:
            for name, values in found.items():
                label = COLUMNS[name].label if name in COLUMNS else name
                aside.append(FlatLine(name=label, rank=panel.rank, values=values))
    return kept, aside


def _constant(name: str, runs: Sequence[Run]) -> dict[str, float] | None:
    values: dict[str, float] = {}
    most = 0
    for run in runs:
        known = [value for value in run.columns.get(name, ()) if value is not None]
        if known and any(value != known[0] for value in known):
            return None
        if known:
            values[run.name], most = known[0], max(most, len(known))
    return values if most >= _STEPS else None


def _family(name: str) -> str:
    stem = name.partition("/")[0]
    return re.sub(r"(_plus|_minus|_correct|_wrong|_p\d+|_max|_min)+$", "", stem) or name


def _unit(names: Iterable[str]) -> str:
    """The unit of the columns that the catalogue has, of one task type or of all, where it is one."""
    units = {COLUMNS[stem].unit for stem in (name.partition("/")[0] for name in names) if stem in COLUMNS}
    return units.pop() if len(units) == 1 else ""
