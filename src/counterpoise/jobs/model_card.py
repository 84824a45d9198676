"""What a model that leaves says of itself: pass@k with intervals, the problems by their hashes, and the run file; pure text."""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path

import tomli_w

from counterpoise import __version__
from counterpoise.config import RunConfig
from counterpoise.config.paths import PACKAGED, paths_in
from counterpoise.evaluation.statistics.curve import PassAtK
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.runfile import dump_config
from counterpoise.runs.identity import Identity
from counterpoise.text import counted

__all__ = ["RUN_FILE", "plain_card", "run_card", "run_file"]

RUN_FILE = "run.toml"
"""Name of the run file beside the weights."""


def run_file(config: RunConfig) -> str:
    """The run file for others to read: paths are cut to their last part, so that it names no folder of this machine."""
    tables = tomllib.loads(dump_config(config))
    tables.get("run", {}).pop("directory", None)
    for place in paths_in(tables):
        if os.path.isabs(place.value):
            place.put(Path(place.value).name)
    return tomli_w.dumps(tables)


def run_card(
    config: RunConfig,
    step: int,
    *,
    base: EvaluationResult | None,
    final: EvaluationResult | None,
    identity: Identity | None,
) -> str:
    """The `README.md` of a run's weights.

    Args:
        config: the run.
        step: training steps behind the weights.
        base: evaluation of the model before training, where there is one.
        final: evaluation of these weights, where there is one.
        identity: what the run was begun with; its fingerprints of the problems are written down.
    """
    name = config.model.name
    shown = Path(name).name if os.path.isabs(name) else name
    on_hub = name.count("/") == 1 and not os.path.isabs(name) and name.partition(":")[0] not in PACKAGED
    head = {"library_name": "transformers", "pipeline_tag": "text-generation"}
    lines = ["---", *(f"{key}: {value}" for key, value in head.items())]
    lines += [f"base_model: {json.dumps(name)}"] if on_hub else []
    lines += ["tags:", "- counterpoise", "- reinforcement-learning", "- rlvr", "---", ""]
    adapters = f", as adapters of rank {config.model.lora.rank}, merged" if config.model.lora.rank else ""
    at = f" at revision {config.model.revision}" if config.model.revision else ""
    lines += [
        f"# {config.run.name}, step {step}",
        "",
        f'`{shown}`{at}, trained for {counted(step, "step")} with `credit.rule = "{config.credit.rule}"` on the task '
        f"`{config.tasks.name}`{adapters}; `{RUN_FILE}` has every setting. Made with counterpoise {__version__}.",
        "",
        "## pass@k",
        "",
        *_passk(base, final),
        "",
        "## Data",
        "",
        *_data(identity),
        "",
        "## Run file",
        "",
        "```toml",
        run_file(config).rstrip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def plain_card(name: str) -> str:
    """The `README.md` of weights that no run of ours made: it claims nothing."""
    return (
        "---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- counterpoise\n---\n\n"
        f"# {Path(name).name}\n\nWritten as a whole model by counterpoise {__version__}, adapters merged. No run of counterpoise is known "
        "behind these weights, so there are no figures here.\n"
    )


def _passk(base: EvaluationResult | None, final: EvaluationResult | None) -> list[str]:
    if final is None:
        return ["These weights were not evaluated."]
    comparable = base is not None and base.manifest.settings == final.manifest.settings
    before = {point.k: point for point in base.curve} if base is not None and comparable else {}
    rows = ["| k | before training | these weights |", "|---:|---:|---:|"]
    for point in final.curve:
        earlier = before.get(point.k)
        rows.append(f"| {point.k} | {'–' if earlier is None else _share(earlier)} | {_share(point)} |")
    settings = final.manifest.settings
    unscored = (
        f"; {final.unscored} of {final.rollouts} rollouts could not be judged and do not count"
        if final.unscored
        else ""
    )
    judges = ", ".join(f"`{name}` {version}" for name, version in final.verifiers.items())
    return [
        *rows,
        "",
        f"Per cent, with {final.confidence:.0%} bootstrap intervals over problems: {counted(len(final.counts), 'test problem')}, "
        f"n = {final.n} responses each, temperature {settings.temperature:g}, top_p {settings.top_p:g}, at most "
        f"{settings.max_tokens} tokens, judged by {judges}{unscored}. pass@k is the unbiased estimate 1 - C(n-c, k) / C(n, k). The two "
        "columns share their problems, so that their intervals do not say whether they differ.",
    ]


def _share(point: PassAtK) -> str:
    if math.isnan(point.estimate):
        return "–"
    interval = "" if math.isnan(point.low) else f" [{100 * point.low:.1f}, {100 * point.high:.1f}]"
    return f"{100 * point.estimate:.1f}{interval}"


def _data(identity: Identity | None) -> Sequence[str]:
    if identity is None or not identity.problems:
        return ["The run was made by a version that kept no fingerprints of its problems."]
    rows = ["| side | problems | SHA-256 of their ids | SHA-256 of questions and golds |", "|---|---:|---|---|"]
    return rows + [
        f"| {name} | {side.count:,} | `{side.ids}` | `{side.content}` |"
        for name, side in sorted(identity.problems.items())
    ]
