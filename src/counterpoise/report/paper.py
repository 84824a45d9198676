"""The curves that the paper published (arXiv 2506.01347), to lay under one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from counterpoise.errors import UnknownNameError

__all__ = ["PublishedCurves", "find_published", "published_curves"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCurves:
    """pass@k of the paper's methods with one model on one benchmark."""

    key: str
    """Name on the command line, e.g. `qwen2.5-math-7b:MATH`."""
    label: str
    """Model and benchmark."""
    source: str
    """Table or figure, and how was sampled."""
    ks: tuple[int, ...]
    """Numbers of tries."""
    methods: Mapping[str, tuple[float, ...]]
    """pass@k in [0, 1] of each method."""


def published_curves() -> list[PublishedCurves]:
    """All of them, in the paper's order; figures are data/paper_curves.json."""
    text = resources.files("counterpoise.report").joinpath("data/paper_curves.json").read_text(encoding="utf-8")
    data = json.loads(text)
    return [
        PublishedCurves(
            key=f"{name}:{benchmark}",
            label=f"{model['label']}, {benchmark}",
            source=f"arXiv 2506.01347, {model['where']} ({model['sampling']})",
            ks=tuple(model["k"]),
            methods={method: tuple(round(value / 100, 6) for value in row) for method, row in methods.items()},
        )
        for name, model in data["models"].items()
        for benchmark, methods in model["benchmarks"].items()
    ]


def find_published(name: str) -> PublishedCurves:
    """The curves called `MODEL:BENCHMARK`; a model alone means its first benchmark, MATH. Case does not matter.

    Raises:
        UnknownNameError: the paper has no such model or benchmark.
    """
    curves = published_curves()
    for curve in curves:
        if name.lower() in (curve.key.lower(), curve.key.partition(":")[0].lower()):
            return curve
    raise UnknownNameError("published curves", name, [curve.key for curve in curves])
