"""`counterpoise eval URL…`: pass@k of a model that one server or several have, without torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from counterpoise.cli import console
from counterpoise.cli.evaluated import evaluation_folder, sections_of, show_result
from counterpoise.errors import UsageError
from counterpoise.text import counted

__all__ = ["evaluate_addresses", "is_address"]

_NEEDLESS = ("model.", "prompt.max_tokens", "prompt.too_long")
_SEVERAL = re.compile(r"[,;]\s*(?=https?://)", re.IGNORECASE)
_ENDPOINT = re.compile(r"/(chat/)?completions/?$")


def is_address(target: str) -> bool:
    """Whether the target of `eval` is the address of a server."""
    return re.match(r"https?://", target, re.IGNORECASE) is not None


def evaluate_addresses(
    urls: Sequence[str],
    serving: Mapping[str, Any],
    *,
    task: str | None,
    given: Mapping[str, object],
    settings: Sequence[str],
    out: Path | None,
    metrics: Sequence[str],
) -> None:
    """Evaluate a served model and show the result.

    Args:
        urls: the base addresses of servers that have the same model.
        serving: options of the server.
        task: name of the task.
        given: settings that came by a flag.
        settings: `key=value` as typed.
        out: directory of the evaluation; `runs/served-MODEL-TASK` otherwise.
        metrics: other estimators to show.

    Raises:
        UsageError: there is no task, or what was asked for is not the server's to do.
    """
    from counterpoise.build.problems import task_and_template
    from counterpoise.cli.live import LazyProgress
    from counterpoise.jobs.served import evaluate_served, named_servers
    from counterpoise.rollouts.served.server import Server
    from counterpoise.runfile import parse_config

    if task is None:
        raise UsageError(f"{urls[0]} is a server, so a task is needed: --task countdown (see: counterpoise tasks list)")
    for url in urls:
        if _SEVERAL.search(url):
            raise UsageError(f"{url}: give several servers with a space between: {_SEVERAL.sub(' ', url)}")
        if _ENDPOINT.search(url):
            raise UsageError(f"{url}: give the base address, {_ENDPOINT.sub('', url)}")
    for key in (override.partition("=")[0].strip() for override in settings):
        if key.startswith(_NEEDLESS):
            raise UsageError(f"{key}: the model and its tokenizer are with the server; leave {key} away")
    config = parse_config(sections_of(given), settings, source="command line")
    task_and_template(config)  # a typo is reported before anybody is asked
    servers = named_servers([Server(url=url, **serving) for url in urls], console.note)
    model = servers[0].model
    directory = out or evaluation_folder(model, config, kind="served")
    where = servers[0].endpoint.host if len(servers) == 1 else counted(len(servers), "server")
    label = f"{model} at {where}"
    with LazyProgress(f"evaluating {label}") as show:
        result = evaluate_served(config, servers, directory=directory, on_progress=show, say=console.note)
    show_result(result, directory, label, metrics)
