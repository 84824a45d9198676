"""How fast this machine multiplies, and what follows for threads (`run.threads=auto`) and precision (`learner.mixed_precision=auto`).

The number of threads is measured once, kept in the run, and taken from there when it goes on; of the precision see `measured`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch

from counterpoise.config import RunConfig
from counterpoise.files import read_json, read_json_lines
from counterpoise.learner.products import multiplying, row_block, times
from counterpoise.learner.settings import ProductsName
from counterpoise.models.registry import resolve_model
from counterpoise.processes import on_main, usable_cores, use_threads
from counterpoise.runs.directory import MEASURED, RunDirectory

__all__ = [
    "Precision",
    "candidates",
    "chosen_precision",
    "chosen_threads",
    "kept_event",
    "precision_rates",
    "product_rate",
    "product_shape",
    "settle_threads",
    "told_rates",
]

_KIND = MEASURED[0]

Precision = Literal["no", "bf16"]

_SECONDS = 0.05
"""Length of one measurement."""
_WORTH = 1.15
"""Ratio of rates from which more threads are taken: a product is the part of a step that they help most."""
_WORTH_ROUNDING = 1.75
"""Ratio of rates from which bf16 is taken: products are the part of a step that it helps, and it rounds. At 1.6, the lab's on a CPU with
a bf16 unit, its step took 1.4 times as long as in float32."""
_CPU_ROWS, _CPU_WIDTH = 128, 256
"""Largest product in which precisions are compared on a CPU: 1 to 10 ms, so that some are done undisturbed on a busy machine."""
_ROWS = 512
_WIDTH = 1024
"""Width of a model that is not on this machine yet."""


def settle_threads(run: RunDirectory, *, keep: bool = True) -> str | None:
    """Give torch the threads that `[run]` says; with `auto` those that the run began with, or the fastest here, which are kept.

    A run that goes on computes with the number it began with, since another one changes the last digits. Of several processes the main
    one measures. With `keep` false nothing is written.

    Returns:
        What there is to say of the measurement.
    """
    threads, said = run.config.run.threads, None
    if threads == "auto":
        threads, said = on_main(lambda: _kept(run.path) or _measured(run, keep))
    use_threads(threads)
    return said


def chosen_threads(rates: dict[int, float]) -> int:
    """The fewest threads that no other number is `_WORTH` times as fast as.

    Args:
        rates: GFLOP/s by number of threads.
    """
    return next(few for few in sorted(rates) if max(rates.values()) <= _WORTH * rates[few])


def product_rate(
    threads: int,
    *,
    rows: int,
    width: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    fastest: bool = False,
    products: ProductsName = "torch",
) -> float:
    """GFLOP/s, by the clock, of (rows, width) x (width, 4 width) in about 50 ms; torch's number of threads is as before afterwards.

    The left side is float32 and so is the result: another type is cast to and from, as in a step. float32 is multiplied as `products`
    says, in as many rows as the learner fills a pass up to. With `fastest` the rate is that of the fastest product in those 50 ms and not
    of all: what else runs on the machine does not show in it.

    Raises:
        RuntimeError, TypeError: the device has no such type.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with multiplying(None, products):
            rows += -rows % row_block()
            left = torch.ones(rows, width, device=device)
            right = torch.ones(width, 4 * width, dtype=dtype, device=device)
            times(left.to(dtype), right.T, rows=rows).float()  # the first one starts the threads
            _wait(left.device)
            ends = [time.perf_counter()]
            while len(ends) == 1 or ends[-1] - ends[0] < _SECONDS:
                times(left.to(dtype), right.T, rows=rows).float()
                _wait(left.device)
                ends.append(time.perf_counter())
        each = [after - before for before, after in pairwise(ends)]
        seconds = min(each) if fastest else sum(each) / len(each)
        return 8 * rows * width**2 / seconds / 1e9 if seconds else 0.0
    finally:
        torch.set_num_threads(before)


def chosen_precision(rates: Mapping[str, float]) -> Precision:
    """`bf16` where it is `_WORTH_ROUNDING` times as fast as float32, else `no`.

    Args:
        rates: GFLOP/s of `float32` and `bf16`; 0 where the device has none.
    """
    return "bf16" if rates["bf16"] > 0 and rates["bf16"] >= _WORTH_ROUNDING * rates["float32"] else "no"


def precision_rates(
    device: torch.device, *, rows: int, width: int, products: ProductsName = "auto"
) -> dict[str, float]:
    """GFLOP/s of the product of `product_rate` in both precisions, a tenth of a second together; 0 where there is no bfloat16.

    float32 is multiplied as `products` says, as the learner does.
    """
    if device.type == "cpu":
        rows, width = min(rows, _CPU_ROWS), min(width, _CPU_WIDTH)
    rate = partial(product_rate, torch.get_num_threads(), rows=rows, width=width, device=device, fastest=True)
    rates = {"float32": rate(products=products), "bf16": 0.0}
    if device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False):
        with suppress(RuntimeError, TypeError):  # a device without bfloat16
            rates["bf16"] = rate(dtype=torch.bfloat16)
    return rates


def told_rates(rates: Mapping[str, float]) -> str:
    """`GFLOP/s: float32 80, bf16 5`."""
    return "GFLOP/s: " + ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())


def candidates() -> Sequence[int]:
    """One, two and all of the usable cores."""
    cores = usable_cores()
    return sorted({1, min(2, cores), cores})


def product_shape(config: RunConfig) -> tuple[int, int]:
    """Rows and width of the product that stands for a step of this run."""
    return min(_ROWS, config.rollout.prompts_per_step * config.rollout.group_size), _width(config)


def kept_event(path: Path, kind: str) -> dict[str, Any] | None:
    """The first event of this kind in a run's directory; None where there is none."""
    events = path / "events.jsonl"
    if not events.is_file():
        return None
    found = (event for event in read_json_lines(events, on_damage=lambda _: None) if event.get("kind") == kind)
    return next(found, None)


def _measured(run: RunDirectory, keep: bool) -> tuple[int, str]:
    rows, width = product_shape(run.config)
    products = run.config.learner.products
    rates = {threads: product_rate(threads, rows=rows, width=width, products=products) for threads in candidates()}
    found = chosen_threads(rates)
    told = ", ".join(f"{threads}: {rate:.0f}" for threads, rate in rates.items())
    said = f"run.threads=auto: {found} (GFLOP/s by threads: {told})"
    if keep:
        run.note(_KIND, 0, said, threads=found)
    return found, said


def _kept(path: Path) -> tuple[int, str] | None:
    """The number that the run began with; None for one that begins."""
    event = kept_event(path, _KIND) or {}
    first = event.get("threads")
    if not isinstance(first, int) or isinstance(first, bool) or first < 1:
        return None
    return first, str(event.get("message"))


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _width(config: RunConfig) -> int:
    source = resolve_model(config.model.name)
    try:
        said = read_json(Path(source) / "config.json")
    except (OSError, ValueError):
        return _WIDTH
    inner = said.get("text_config")
    width = (inner if isinstance(inner, dict) else said).get("hidden_size")
    return width if isinstance(width, int) and 0 < width <= 2**16 else _WIDTH
