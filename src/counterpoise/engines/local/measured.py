"""What a run measures before it begins: its threads (`speed`), and with `learner.mixed_precision=auto` its precision.

The precision is chosen once. From then on `no` or `bf16` stands in the run's configuration and identity, so that it goes on as it began on
whatever machine, is evaluated in the same precision, and cannot be given another one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import torch

from counterpoise.config import RunConfig
from counterpoise.engines.contract import PARITY_HALF
from counterpoise.engines.local.assemble import sampling_settings
from counterpoise.engines.local.ready import Ready
from counterpoise.engines.local.speed import (
    Precision,
    chosen_precision,
    kept_event,
    precision_rates,
    product_shape,
    settle_threads,
    told_rates,
)
from counterpoise.errors import ConfigError
from counterpoise.processes import on_main, own_device
from counterpoise.prompts import make_prompts
from counterpoise.runs.directory import MEASURED, RunDirectory
from counterpoise.streams import stream

__all__ = [
    "measured_lines",
    "prove_measured",
    "prove_precision",
    "settle",
    "with_precision",
]

_PRECISION = MEASURED[1]
_PROVED, _TOKENS = 4, 32
"""Responses that prove a precision, and tokens of each at most."""


def settle(run: RunDirectory, *, keep: bool = True) -> list[str]:
    """Give torch the run's threads and the run its precision, where `auto` leaves them to a measurement; what there is to say about it.

    `run.config` has `no` or `bf16` afterwards, which `run.record` writes. Of several processes the main one measures. With `keep` false
    nothing is written.
    """
    said = [settle_threads(run, keep=keep)]
    if run.config.learner.mixed_precision == "auto":
        found, line = on_main(lambda: _kept(run) or _measured(run, keep))
        run.config = _with(run.config, found)
        said.append(line)
    return _line([line for line in said if line])


def measured_lines(run: RunDirectory) -> list[str]:
    """One line on all that the run measured when it began; none where nothing was."""
    events = [kept_event(run.path, kind) for kind in MEASURED]
    return _line([str(event["message"]) for event in events if event is not None])


def with_precision(config: RunConfig, device: torch.device | None = None) -> RunConfig:
    """The configuration with a precision for whoever trains nothing that is kept.

    Args:
        config: a run's; one that has a precision is returned as it is.
        device: what a run would begin on, and is measured; None computes in float32, so that the number of a machine changes no result.
    """
    if config.learner.mixed_precision != "auto":
        return config
    return _with(config, "no" if device is None else chosen_precision(_rates(config, device)))


def prove_measured(run: RunDirectory, ready: Ready, *, begun: bool) -> None:
    """`prove_precision` where the run has its precision from a measurement, and has not `begun`.

    Raises:
        ConfigError: as `prove_precision`.
    """
    if not begun and _kept(run) is not None:
        prove_precision(run.config, ready)


def prove_precision(config: RunConfig, ready: Ready) -> None:
    """See that sampler and learner are one policy under the bf16 that was measured to be faster.

    Up to four responses to the first prompts are drawn; with `a` the sampler's and `b` the learner's log-probabilities of their T tokens,

        (1 / T) sum_t |a_t - b_t|  <=  PARITY_HALF    nats.

    Raises:
        ConfigError: they are not.
    """
    if config.learner.mixed_precision != "bf16":
        return
    prompts = make_prompts(ready.order.at(0)[:_PROVED], ready.policy.tokenizer, template=ready.assembly.template)
    settings = sampling_settings(config)
    groups = ready.sampler.sample(
        prompts,
        group_size=1,
        settings=replace(settings, max_tokens=min(settings.max_tokens, _TOKENS)),
        seed=stream(config.run.seed, "precision"),
    )
    drawn = [group[0] for group in groups]
    pairs = zip(drawn, ready.learner.log_probs(drawn), strict=True)
    gaps = np.concatenate([np.abs(rollout.log_probs[rollout.mask] - own) for rollout, own in pairs])
    gap = float(gaps.mean()) if gaps.size else 0.0
    if not gap <= PARITY_HALF:
        raise ConfigError(
            f"learner.mixed_precision=auto took bf16, which is faster here, and under it sampler and learner are {gap:.3g} nats a token "
            f"apart (largest {gaps.max():.3g}), where {PARITY_HALF:g} is rounding; set learner.mixed_precision=no"
        )


def _line(said: list[str]) -> list[str]:
    return [f"measured: {'; '.join(said)}"] if said else []


def _with(config: RunConfig, precision: Precision) -> RunConfig:
    learner = config.learner.model_copy(update={"mixed_precision": precision})
    return config.model_copy(update={"learner": learner})


def _rates(config: RunConfig, device: torch.device) -> dict[str, float]:
    rows, width = product_shape(config)
    return precision_rates(device, rows=rows, width=width, products=config.learner.products)


def _measured(run: RunDirectory, keep: bool) -> tuple[Precision, str]:
    device: Any = own_device()
    rates = _rates(run.config, device)
    found = chosen_precision(rates)
    line = f"learner.mixed_precision=auto: {found} ({told_rates(rates)})"
    if keep:
        run.note(_PRECISION, 0, line, precision=found)
    return found, line


def _kept(run: RunDirectory) -> tuple[Precision, str] | None:
    """What was chosen before the configuration was recorded; None for a run that begins."""
    event = kept_event(run.path, _PRECISION)
    if event is None or event.get("precision") not in get_args(Precision):
        return None
    return event["precision"], str(event["message"])
