"""`counterpoise eval URL…`: pass@k of a model that one server or several have, without torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.cli import console
from counterpoise.cli.evaluated import evaluation_folder, sections_of, show_result
from counterpoise.cli.sweep import Sweep, SweepBars, said_once, show_sweep, swept_configs, swept_settings
from counterpoise.errors import UsageError
from counterpoise.text import counted

__all__ = ["ServedQuestion", "evaluate_addresses", "is_address"]

_NEEDLESS = ("model.", "prompt.max_tokens", "prompt.too_long")
_SEVERAL = re.compile(r"[,;]\s*(?=https?://)", re.IGNORECASE)
_ENDPOINT = re.compile(r"/(chat/)?completions/?$")


def is_address(target: str) -> bool:
    """Whether the target of `eval` is the address of a server."""
    return re.match(r"https?://", target, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedQuestion:
    """What is asked of a served model."""

    task: str | None
    """Name of the task."""
    given: Mapping[str, object]
    """Settings that came by a flag."""
    settings: Sequence[str]
    """`key=value` as typed."""
    out: Path | None
    """Directory of the evaluation; `runs/served-MODEL-TASK` otherwise."""
    metrics: Sequence[str]
    """Other estimators to show."""
    as_json: bool
    """Whether to print JSON."""


def evaluate_addresses(urls: Sequence[str], serving: Mapping[str, Any], asked: ServedQuestion, sweep: Sweep) -> None:
    """Evaluate a served model and show the result.

    Args:
        urls: the base addresses of servers that have the same model.
        serving: options of the server.
        asked: what is asked of it.
        sweep: settings of the sampling, where it is several.

    Raises:
        UsageError: there is no task, or what was asked for is not the server's to do.
    """
    from counterpoise.build.problems import task_and_template
    from counterpoise.cli.live import LazyProgress
    from counterpoise.jobs.served import evaluate_served, named_servers, sweep_served
    from counterpoise.rollouts.served.server import Server

    if asked.task is None:
        raise UsageError(f"{urls[0]} is a server, so a task is needed: --task countdown (see: counterpoise tasks list)")
    for url in urls:
        if _SEVERAL.search(url):
            raise UsageError(f"{url}: give several servers with a space between: {_SEVERAL.sub(' ', url)}")
        if _ENDPOINT.search(url):
            raise UsageError(f"{url}: give the base address, {_ENDPOINT.sub('', url)}")
    for key in (override.partition("=")[0].strip() for override in asked.settings):
        if key.startswith(_NEEDLESS):
            raise UsageError(f"{key}: the model and its tokenizer are with the server; leave {key} away")
    config, configs = swept_configs(sections_of(asked.given), asked.settings, sweep)
    task_and_template(config)  # a typo is reported before anybody is asked
    servers = named_servers([Server(url=url, **serving) for url in urls], console.note)
    model = servers[0].model
    where = servers[0].endpoint.host if len(servers) == 1 else counted(len(servers), "server")
    label = f"{model} at {where}"
    if sweep:
        arms = swept_settings(configs, model, config, asked.out, "served")
        with SweepBars(label) as bars:
            made = sweep_served(arms, servers, on_progress=bars.of, say=said_once())
        show_sweep(made, label, asked.metrics, as_json=asked.as_json)
        return
    directory = asked.out or evaluation_folder(model, config, kind="served")
    with LazyProgress(f"evaluating {label}") as show:
        result = evaluate_served(config, servers, directory=directory, on_progress=show, say=console.note)
    show_result(result, directory, label, asked.metrics, as_json=asked.as_json)
