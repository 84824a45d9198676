"""Which metrics stand in one chart. A run that lacks a column lacks a line; a column that no chart names stands under `other`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["PANELS", "Panel", "choose_panels"]


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
    main: bool = True
    """Whether it is shown at once; others stand under `other`."""


_QUANTILES = {50: "median", 90: "90% lie below", 99: "99% lie below"}


def _by_verdict(column: str, end: str = "") -> dict[str, str]:
    return {f"{column}{end}": "all", f"{column}_correct{end}": "correct", f"{column}_wrong{end}": "wrong"}


def _by_sign(column: str, end: str = "") -> dict[str, str]:
    return {f"{column}{end}": "all", f"{column}_plus{end}": "pushed up", f"{column}_minus{end}": "pushed down"}


PANELS: tuple[Panel, ...] = (
    Panel(key="reward", title="Reward", unit="reward", columns={"reward": "reward"}),
    Panel(
        key="success",
        title="Success and coverage",
        unit="share",
        columns={"success_rate": "correct rollouts", "coverage": "groups with a success"},
    ),
    Panel(
        key="entropy",
        title="Entropy by verdict",
        unit="nats per token",
        columns=_by_verdict("entropy_sampled"),
        note="Mean of -log p over sampled tokens. PSR narrows it, NSR tends to keep it.",
    ),
    Panel(
        key="polarity",
        title="Polarity share ρ",
        unit="share",
        columns={"polarity_share_tokens": "by tokens", "polarity_share_rows": "by rollouts"},
        note="Positive credit over all credit: PSR 1, NSR 0, centred rules 1/2.",
    ),
    Panel(
        key="weights",
        title="Weights of the signs",
        unit="weight",
        columns={"weight_plus": "right rollouts", "weight_minus": "wrong rollouts"},
        note="The controller's λ times the rule's own weights; λ alone for a step of an earlier version, which kept no more.",
    ),
    Panel(
        key="lambdas",
        title="λ, as the controller gave it",
        unit="weight",
        columns={"lambda_plus": "λ plus", "lambda_minus": "λ minus"},
        main=False,
    ),
    Panel(
        key="groups",
        title="Groups by outcome",
        unit="share of groups",
        columns={
            "groups_all_right": "all right",
            "groups_all_wrong": "all wrong",
            "groups_mixed": "mixed",
            "groups_unscored": "unscored",
        },
        note="Rules that compare within a group learn from mixed groups alone.",
    ),
    Panel(key="length", title="Response length by verdict", unit="tokens", columns=_by_verdict("response_tokens")),
    Panel(
        key="truncated", title="Cut off at the limit", unit="share of rollouts", columns=_by_verdict("truncated_share")
    ),
    Panel(
        key="answers",
        title="No answer, unscored",
        unit="share of rollouts",
        columns={"no_answer_share": "no answer", "unscored": "unscored"},
    ),
    Panel(
        key="ratio",
        title="Ratio to the sampling policy by sign",
        unit="ratio",
        columns={"ratio_plus": "pushed up", "ratio_minus": "pushed down"},
    ),
    Panel(
        key="clipped",
        title="Clipped tokens by sign",
        unit="share of tokens",
        columns={"clipped_plus": "pushed up", "clipped_minus": "pushed down"},
    ),
    Panel(key="gradient", title="Gradient norm", unit="norm", columns=_by_sign("gradient_norm")),
    Panel(
        key="cosine",
        title="Cosine of the two gradients",
        unit="cosine",
        columns={"gradient_cosine": "positive and negative part"},
        note="Below 0 the two signs pull against each other.",
    ),
    Panel(
        key="displacement",
        title="Log-probability change by one update",
        unit="nats per token",
        columns={
            "log_prob_change_correct": "correct",
            "log_prob_change_wrong": "wrong",
            "log_prob_change_anchor": "held-out anchor",
        },
        note="If the correct ones fall as well, the update displaces what it should keep.",
    ),
    Panel(
        key="kl",
        title="Divergence",
        unit="nats per token",
        columns={"approx_kl": "from the sampling policy", "kl_reference": "from the base", "anchor_kl": "on anchors"},
    ),
    Panel(
        key="throughput", title="Throughput", unit="sampled tokens/s", columns={"tokens_per_second": "sampled tokens/s"}
    ),
    Panel(
        key="diversity",
        title="Distinct answers in a group",
        unit="answers",
        columns={"distinct_answers": "answers"},
    ),
    Panel(
        key="credit",
        title="Credit given",
        unit="credit per rollout",
        columns={"emphasis": "both", "plus": "positive", "minus": "negative"},
        main=False,
    ),
    Panel(
        key="loss",
        title="Loss",
        unit="loss",
        columns={"loss": "divided", "loss_plus": "per token up", "loss_minus": "per token down"},
        main=False,
    ),
    *(
        Panel(
            key=f"surprisal-p{share}",
            title=f"Surprise of sampled tokens, {word}",
            unit="nats",
            columns=_by_verdict("surprisal", f"_p{share}"),
            main=False,
        )
        for share, word in _QUANTILES.items()
    ),
    Panel(
        key="trained-entropy",
        title="Entropy of trained tokens",
        unit="nats per token",
        columns=_by_sign("entropy"),
        main=False,
    ),
    *(
        Panel(
            key=f"trained-entropy-p{share}",
            title=f"Entropy of trained tokens, {word}",
            unit="nats",
            columns=_by_sign("entropy", f"_p{share}"),
            main=False,
        )
        for share, word in _QUANTILES.items()
    ),
    *(
        Panel(
            key=f"ratio-{sign}",
            title=f"Ratio of tokens pushed {word}",
            unit="ratio",
            columns={f"ratio_{sign}_p{share}": f"{share}%" for share in ("01", "50", "99")}
            | {f"ratio_{sign}_max": "largest"},
            main=False,
        )
        for sign, word in (("plus", "up"), ("minus", "down"))
    ),
    Panel(key="repetition", title="Repetition by verdict", unit="share", columns=_by_verdict("repetition"), main=False),
    Panel(
        key="against",
        title="Credit against the verdict",
        unit="share",
        columns={
            "correct_pushed_down": "correct pushed down",
            "wrong_pushed_up": "wrong pushed up",
            "zero_credit": "no credit",
        },
        main=False,
    ),
    Panel(
        key="gap",
        title="Sampler against learner",
        unit="nats",
        columns={"sampler_gap": "mean", "sampler_gap_max": "largest"},
        note="An alarm: about 1e-6 in float32.",
        main=False,
    ),
    Panel(
        key="tokens",
        title="Tokens a step",
        unit="tokens",
        columns={"tokens_sampled": "sampled", "tokens_trained": "trained", "tokens_saved": "saved"},
        main=False,
    ),
    Panel(
        key="tokens-signs",
        title="Trained and saved tokens",
        unit="tokens",
        columns={
            "tokens_trained_plus": "pushed up",
            "tokens_trained_minus": "pushed down",
            "tokens_saved_correct": "saved, correct",
            "tokens_saved_wrong": "saved, wrong",
        },
        main=False,
    ),
    Panel(
        key="speed",
        title="Throughput of the stages",
        unit="tokens/s",
        columns={f"tokens_per_second_{stage}": stage for stage in ("sample", "verify", "update")},
        main=False,
    ),
    Panel(
        key="seconds",
        title="Time of a step",
        unit="s",
        columns={
            "seconds": "all",
            "seconds_sample": "sampling",
            "seconds_verify": "verdicts",
            "seconds_credit": "credit",
            "seconds_update": "update",
            "seconds_diagnostics": "diagnostics",
        },
        main=False,
    ),
)
"""The declared charts, in the order of the page."""


def choose_panels(columns: Iterable[str]) -> list[Panel]:
    """The declared charts that have a column, each with the columns there are, then one for each family of columns nobody declared.

    A family is what shares a name up to `_plus`, `_minus`, `_correct`, `_wrong`, a percentile or the part behind a slash.
    """
    there = dict.fromkeys(columns)
    panels = []
    for panel in PANELS:
        kept = {name: label for name, label in panel.columns.items() if name in there}
        if kept:
            panels.append(
                Panel(key=panel.key, title=panel.title, unit=panel.unit, columns=kept, note=panel.note, main=panel.main)
            )
    declared = {name for panel in PANELS for name in panel.columns}
    families: dict[str, list[str]] = {}
    for name in there:
        if name not in declared:
            families.setdefault(_family(name), []).append(name)
    return panels + [
        Panel(
            key=f"other-{number}",
            title=f"{family} by task type" if any("/" in name for name in names) else family,
            unit="",
            columns={name: name for name in names},
            main=False,
        )
        for number, (family, names) in enumerate(families.items())
    ]


def _family(name: str) -> str:
    stem = name.partition("/")[0]
    return re.sub(r"(_plus|_minus|_correct|_wrong|_p\d+|_max|_min)+$", "", stem) or name
