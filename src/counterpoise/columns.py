"""The columns of metrics.jsonl, described once: name, unit, meaning, label, how values are written, and which direction is better.

Charts, `watch`, the progress line, guards and `checkpoint.best_by` name columns and read the rest here. docs/engines.md has the same
tables for readers; a test holds the two and a run's own columns together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from counterpoise.errors import ConfigError, UnknownNameError, nearest

__all__ = ["BY_TYPE", "COLUMNS", "STAND_INS", "Column", "column", "columns", "find_scored"]

Direction = Literal["higher", "lower"]

_FORMS: Final[Mapping[str, str]] = {
    "share": ".1%",
    "reward": "+.3f",
    "nats per token": ".3f",
    "weight": ".3f",
    "answers": ".2f",
    "kinds": ".2f",
    "tokens/s": ",.0f",
    "GiB": ".2f",
}
"""How values of a unit are written; others have three digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One number of a step."""

    name: str
    """Name in metrics.jsonl."""
    unit: str
    """What it is measured in."""
    meaning: str
    """What it is, in a phrase; columns that are explained together share it."""
    label: str
    """What it is called where it stands alone."""
    line: str
    """What its line is called in a chart, whose title says the rest."""
    form: str
    """How a value is written, as `format` takes it."""
    better: Direction | None = None
    """Which values are better; None where neither is, or where it depends on the run."""
    critic: bool = False
    """Whether only runs with a critic have it."""

    @property
    def heading(self) -> str:
        """The label and what it is measured in, unless the label says that itself: `success rate %`, `peak memory, GiB`."""
        if self.form.endswith("%"):
            return f"{self.label} %"
        return self.label if self.unit in self.label else f"{self.label}, {self.unit}"

    def of(self, record: Mapping[str, float]) -> float:
        """Its value in one step's record; NaN where it was not measured."""
        return record.get(self.name, math.nan)


def _row(
    names: str,
    unit: str,
    meaning: str,
    *,
    label: str = "",
    lines: str = "",
    form: str = "",
    better: Direction | None = None,
    critic: bool = False,
) -> Iterator[Column]:
    """Columns that are explained together, of one unit: `names` parted by spaces, `lines` by bars, one for each or one for all.

    A label is what `label` says and then the line, unless it holds that; or else the name in words. A line that is not said is the label.
    """
    own, said = names.split(), lines.split("|")
    for name, line in zip(own, said if len(said) > 1 else said * len(own), strict=True):
        words = label if line == "all" or line in label else f"{label} {line}"
        called = words if label else name.replace("_", " ")
        yield Column(
            name=name,
            unit=unit,
            meaning=meaning,
            label=called,
            line=line or called,
            form=form or _FORMS.get(unit, ".3g"),
            better=better,
            critic=critic,
        )


_VERDICTS: Final = "all|correct|wrong"
_SIGNS: Final = "all|pushed up|pushed down"
_UP_DOWN: Final = "pushed up|pushed down"
_RATIOS: Final = "01%|50%|99%|largest"

_COLUMNS: Final = (
    # Rollouts and verdicts
    *_row("reward", "reward", "mean over scored rollouts", better="higher"),
    *_row("success_rate", "share", "correct among scored rollouts", better="higher", lines="correct rollouts"),
    *_row("no_answer_share", "share", "scored rollouts in which no answer was found", better="lower", label="no answer"),
    *_row("unscored", "share", "rollouts without a verdict", better="lower"),
    *_row("unscored_timeout unscored_crash unscored_memory unscored_other", "share",
        "of all rollouts, those unscored for this kind of reason", better="lower"),
    *_row("intractable_share", "share",
        "of the scored rollouts, answers called wrong because they alone made the verifier hang or crash (`verification.blame`)",
        better="lower"),
    *_row("coverage", "share", "scored groups with a success: pass@k at k = the group's scored rollouts", better="higher",
        lines="groups with a success"),
    *_row("groups_all_right", "share", "of all groups", better="higher", label="groups", lines="all right"),
    *_row("groups_all_wrong groups_unscored", "share", "of all groups", better="lower", label="groups", lines="all wrong|unscored"),
    *_row("groups_mixed", "share", "of all groups", label="groups", lines="mixed"),
    *_row("distinct_answers", "answers", "different answers (as texts) in a group, over groups with any", label="distinct answers a group",
        lines="answers"),
    *_row("kinds_kept kinds_effective", "kinds",
        "of the responses, where the task tells them apart (`kind_of`): how many occur among the step's right responses, and the "
        "exponential of the entropy of their shares", lines="that occur|as many equal ones"),
    *_row("response_tokens response_tokens_correct response_tokens_wrong", "tokens", "mean length of all, correct and wrong responses",
        lines=_VERDICTS),
    *_row("truncated_share truncated_share_correct truncated_share_wrong", "share", "of these, responses that hit `rollout.max_tokens`",
        better="lower", label="truncated", lines=_VERDICTS),
    *_row("repetition repetition_correct repetition_wrong", "share",
        "4-grams of tokens that stood earlier in the same response, mean over responses of four tokens or more", better="lower",
        label="repetition", lines=_VERDICTS),
    *_row("entropy_sampled entropy_sampled_correct entropy_sampled_wrong", "nats per token",
        "mean of -log p over the sampled tokens of all, correct and wrong responses: an unbiased estimate of the policy's entropy "
        "(without top-k and top-p), on the same rows whatever the rule", label="entropy", lines=_VERDICTS),
    *_row("surprisal_p50 surprisal_p90 surprisal_p99", "nats", "quantiles of -log p over all sampled tokens", lines="all"),
    *_row("surprisal_correct_p50 surprisal_correct_p90 surprisal_correct_p99", "nats", "over those of correct responses", lines="correct"),
    *_row("surprisal_wrong_p50 surprisal_wrong_p90 surprisal_wrong_p99", "nats", "over those of wrong responses", lines="wrong"),
    # Credit
    *_row("plus minus", "credit", "positive and negative credit per scored rollout", lines="positive|negative"),
    *_row("emphasis", "credit", "their sum: what a scored rollout counts, by rule, `credit.emphasis` and lambdas together", lines="both"),
    *_row("polarity_share_rows polarity_share_tokens", "share", "positive credit over all credit, by rollouts and weighed by tokens",
        label="polarity share", lines="by rollouts|by tokens", form=".3f"),
    *_row("zero_credit", "share", "scored rollouts without credit", lines="no credit"),
    *_row("correct_pushed_down wrong_pushed_up", "share", "of the correct, of the wrong rollouts"),
    *_row("lambda_plus lambda_minus", "weight", "what the controller gave, mean over rollouts", lines="λ plus|λ minus"),
    *_row("weight_plus weight_minus", "weight",
        "what the two signs really weigh: these times the rule's own weights (`weighted_reinforce`: lambda and 1; `psr`: 1 and 0; "
        "`asymmetric`: 1 - b and b; most rules: 1 and 1)", label="weight of", lines="right rollouts|wrong rollouts"),
    # Critic
    *_row("value_mean return_mean", "reward", "values before the critic's update, and the returns it then learns", critic=True),
    *_row("explained_variance", "share",
        "1 - Var(return - value) / Var(return), of those values: 0 is as good as a constant; undefined where all returns are equal",
        better="higher", critic=True),
    *_row("advantage_mean advantage_std", "reward", "before whitening", critic=True),
    *_row("kl_reward", "nats per token", "log pi_old - log pi_ref per token; with `credit.settings.kl`", critic=True),
    *_row("value_loss", "loss", "half the squared error, clipped, mean over the critic's optimiser steps", better="lower", critic=True),
    *_row("value_clipped", "share", "of tokens, where the clip decides", critic=True),
    *_row("value_gradient_norm", "norm", "2-norm before clipping, mean over those steps", critic=True),
    *_row("seconds_critic", "s", "values, advantages and the critic's update, mean over processes; part of `seconds_credit`",
        better="lower", critic=True),
    # Update
    *_row("loss", "loss", "divided loss, mean over optimiser steps", better="lower", lines="divided"),
    *_row("loss_plus loss_minus", "loss", "undivided loss per token that is pushed up, down", better="lower",
        lines="per token up|per token down"),
    *_row("ratio_plus ratio_minus", "ratio",
        "policy over sampling policy as the loss takes it (`gspo`: of the sequence), mean over those tokens", lines=_UP_DOWN),
    *_row("ratio_plus_p01 ratio_plus_p50 ratio_plus_p99 ratio_plus_max", "ratio",
        "of the token itself, over tokens pushed up; beyond e^±20 it counts as that", lines=_RATIOS),
    *_row("ratio_minus_p01 ratio_minus_p50 ratio_minus_p99 ratio_minus_max", "ratio", "over tokens pushed down", lines=_RATIOS),
    *_row("clipped_plus clipped_minus", "share", "of those tokens, where the loss clips", lines=_UP_DOWN),
    *_row("approx_kl", "nats per token", "mean per token of `r - 1 - log r` with `r` that ratio", lines="from the sampling policy"),
    *_row("kl_reference", "nats per token", "per token, to the base, whatever `loss.kl_focus` and `loss.kl_evidence` weigh; with `loss.kl`",
        lines="from the base"),
    *_row("entropy_bonus", "nats per token", "per token, as the bonus reads it; with `loss.entropy`"),
    *_row("entropy entropy_plus entropy_minus", "nats per token",
        "entropy of the policy at the trained tokens: all, pushed up, pushed down", label="entropy of trained tokens", lines=_SIGNS),
    *_row("entropy_p50 entropy_p90 entropy_p99", "nats", "its quantiles over all of them", lines="all"),
    *_row("entropy_plus_p50 entropy_plus_p90 entropy_plus_p99", "nats", "over those pushed up", lines="pushed up"),
    *_row("entropy_minus_p50 entropy_minus_p90 entropy_minus_p99", "nats", "over those pushed down", lines="pushed down"),
    *_row("sampler_gap sampler_gap_max", "nats",
        "mean and largest difference of the sampler's log-probability and the learner's, first mini-batch", better="lower",
        lines="mean|largest"),
    *_row("gradient_norm", "norm", "2-norm before clipping, mean over optimiser steps", label="gradient norm", lines="all"),
    *_row("gradient_clipped", "share", "optimiser steps whose gradient was clipped"),
    *_row("gradient_norm_plus gradient_norm_minus", "norm", "each sign's own gradient, first mini-batch; every `diagnostics.every` steps",
        label="gradient norm", lines=_UP_DOWN),
    *_row("gradient_cosine", "cosine", "of the angle between these two; every `diagnostics.every` steps",
        lines="positive and negative part"),
    *_row("log_prob_change_correct log_prob_change_wrong log_prob_change_anchor", "nats per token",
        "log-probability after the step's update less before it, per token; every `diagnostics.every` steps",
        lines="correct|wrong|held-out anchor"),
    *_row("held_out_pass_1 held_out_pass_k", "share",
        "pass@1 and pass@k of the held-out problems that guard `narrowing` draws every so many steps", label="held-out pass@k",
        lines="pass@1|pass@k"),
    *_row("anchor_kl", "nats per token",
        "KL(base || policy) per token, estimated on the anchors after the update (a small one can come out below 0); every "
        "`diagnostics.every` steps", lines="on anchors"),
    *_row("learning_rate", "rate", "mean over optimiser steps"),
    *_row("rows_per_update", "rows", "rollouts trained on, over all processes, mean over optimiser steps"),
    *_row("optimiser_steps", "steps", "taken in this training step"),
    *_row("epochs", "passes", "over the training problems so far", lines="passes"),
    *_row("rollouts_per_problem", "rollouts", "drawn of each training problem so far, on average", lines="of each problem"),
    # Cost
    *_row("tokens_sampled", "tokens", "response tokens drawn, over all processes", lines="sampled"),
    *_row("tokens_trained tokens_trained_plus tokens_trained_minus", "tokens",
        "that went through a forward and a backward pass: all, pushed up, pushed down; each epoch counted",
        lines="trained|pushed up|pushed down"),
    *_row("tokens_saved tokens_saved_correct tokens_saved_wrong", "tokens",
        "sampled and not trained on: all, of correct and of wrong responses", lines="saved|saved, correct|saved, wrong"),
    *_row("seconds seconds_sample seconds_verify seconds_credit seconds_update seconds_diagnostics", "s",
        "wall time of the step and its parts, main process; the distributions over trained tokens count under update", better="lower",
        lines="all|sampling|verdicts|credit|update|diagnostics"),
    *_row("tokens_per_second tokens_per_second_sample tokens_per_second_verify", "tokens/s",
        "sampled tokens over the time of the whole step, of sampling, of judging", better="higher", label="tokens/s",
        lines="tokens/s|sample|verify"),
    *_row("tokens_per_second_update", "tokens/s", "trained tokens over the time of the update", better="higher", label="tokens/s",
        lines="update"),
    *_row("peak_memory_gib", "GiB", "largest resident memory of the main process so far; memory on an accelerator is not in it",
        better="lower", label="peak memory"),
)  # fmt: skip

COLUMNS: Final[dict[str, Column]] = {own.name: own for own in _COLUMNS}
"""Every column that a step may have, by name, but for families that a run's own names make (`part/NAME`, `kind/NAME`, `controller_…`)."""

BY_TYPE: Final = (
    *("success_rate", "coverage", "entropy_sampled", "polarity_share_rows", "polarity_share_tokens"),
    *("lambda_plus", "lambda_minus", "weight_plus", "weight_minus"),
)
"""Columns that are also kept for each task type, as `NAME/TYPE`, in runs with several."""

STAND_INS: Final[Mapping[str, str]] = {"weight_plus": "lambda_plus", "weight_minus": "lambda_minus"}
"""What is shown for a column where a step of an earlier version has none."""


def column(name: str) -> Column:
    """The column called `name`.

    Raises:
        UnknownNameError: there is none; the nearest is named.
    """
    if name not in COLUMNS:
        raise UnknownNameError("column", name, COLUMNS)
    return COLUMNS[name]


def columns(names: str) -> tuple[Column, ...]:
    """Those of these names, parted by spaces; raises as `column`."""
    return tuple(map(column, names.split()))


def find_scored(name: str, types: Sequence[str] | None = None) -> Column:
    """The column that tells good checkpoints from bad ones by `name`; `NAME/TYPE` is that of one task type, in runs with several.

    Args:
        name: as a run file has it.
        types: the run's task types, where they are known.

    Raises:
        ConfigError: there is no such column, neither direction of it is better, or the run has no such task type beside others.
    """
    base, slash, kind = name.partition("/")
    scored = [own.name for own in COLUMNS.values() if own.better is not None]
    by_type = [own for own in BY_TYPE if own in scored]
    if base not in COLUMNS or (slash and base not in by_type):
        known = [*scored, *(f"{own}/TYPE" for own in by_type)]
        raise ConfigError(
            f"'{name}' is not a column that a checkpoint can be the best by{nearest(f'{base}/TYPE' if slash else name, known, 'One of')}: "
            f"{', '.join(known)}"
        )
    if COLUMNS[base].better is None:
        raise ConfigError(
            f"neither a high nor a low '{name}' is better, so no checkpoint can be the best by it; one of: {', '.join(scored)}"
        )
    if slash and types is not None and (kind not in types or len(types) < 2):
        has = (
            f"the task types {', '.join(types)}" if len(types) > 1 else "one task type, which has no columns of its own"
        )
        raise ConfigError(f"'{name}' is the column of a task type, and this run has {has}{nearest(kind, types)}")
    return COLUMNS[base]
