"""How many threads a run computes with, where `run.threads=auto`: measured once, kept in the run, and taken from there when it goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from counterpoise.config import RunConfig
from counterpoise.files import read_json, read_json_lines
from counterpoise.models.registry import resolve_model
from counterpoise.processes import on_main, usable_cores, use_threads
from counterpoise.runs.directory import RunDirectory

__all__ = ["candidates", "chosen_threads", "product_rate", "settle_threads"]

KIND = "threads"
"""Kind of the event that keeps the number."""

_SECONDS = 0.05
"""Length of one measurement."""
_WORTH = 1.15
"""Ratio of rates from which more threads are taken: a product is the part of a step that they help most."""
_ROWS = 512
_WIDTH = 1024
"""Width of a model that is not on this machine yet."""


def settle_threads(run: RunDirectory, *, keep: bool = True) -> None:
    """Give torch the threads that `[run]` says; with `auto` those that the run began with, or the fastest here, which are kept.

    A run that goes on computes with the number it began with, since another one changes the last digits. Of several processes the main
    one measures. With `keep` false nothing is written.
    """
    threads = run.config.run.threads
    if threads == "auto":
        threads = on_main(lambda: _kept(run.path) or _measured(run, keep))
    use_threads(threads)


def chosen_threads(rates: dict[int, float]) -> int:
    """The fewest threads that no other number is `_WORTH` times as fast as.

    Args:
        rates: GFLOP/s by number of threads.
    """
    return next(few for few in sorted(rates) if max(rates.values()) <= _WORTH * rates[few])


def product_rate(threads: int, *, rows: int, width: int, dtype: torch.dtype = torch.float32) -> float:
    """GFLOP/s, by the clock, of (rows, width) x (width, 4 width) in about 50 ms; torch's number of threads is as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        left, right = torch.ones(rows, width, dtype=dtype), torch.ones(width, 4 * width, dtype=dtype)
        left @ right  # the first one starts the threads
        started, done = time.perf_counter(), 0
        while (taken := time.perf_counter() - started) < _SECONDS or not done:
            left @ right
            done += 1
        return done * 8 * rows * width**2 / taken / 1e9 if taken else 0.0
    finally:
        torch.set_num_threads(before)


def candidates() -> Sequence[int]:
    """One, two and all of the usable cores."""
    cores = usable_cores()
    return sorted({1, min(2, cores), cores})


def _measured(run: RunDirectory, keep: bool) -> int:
    rows = min(_ROWS, run.config.rollout.prompts_per_step * run.config.rollout.group_size)
    rates = {threads: product_rate(threads, rows=rows, width=_width(run.config)) for threads in candidates()}
    found = chosen_threads(rates)
    if keep:
        said = ", ".join(f"{threads}: {rate:.0f}" for threads, rate in rates.items())
        run.note(KIND, 0, f"run.threads=auto: {found} (GFLOP/s by threads: {said})", threads=found)
    return found


def _kept(path: Path) -> int | None:
    """The number that the run began with; None for one that begins."""
    events = path / "events.jsonl"
    if not events.is_file():
        return None
    found = [
        event.get("threads") for event in read_json_lines(events, on_damage=lambda _: None) if event.get("kind") == KIND
    ]
    first = found[0] if found else None
    return first if isinstance(first, int) and not isinstance(first, bool) and first > 0 else None


def _width(config: RunConfig) -> int:
    source = resolve_model(config.model.name)
    try:
        said = read_json(Path(source) / "config.json")
    except (OSError, ValueError):
        return _WIDTH
    inner = said.get("text_config")
    width = (inner if isinstance(inner, dict) else said).get("hidden_size")
    return width if isinstance(width, int) and 0 < width <= 2**16 else _WIDTH
