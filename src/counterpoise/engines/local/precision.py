"""Whether bfloat16 is worth its rounding on this device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterpoise.config import RunConfig

__all__ = ["BF16_FLAGS", "cpu_flags", "slow_precision"]

BF16_FLAGS = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
"""What /proc/cpuinfo calls processors that multiply bfloat16."""


def cpu_flags(path: Path = Path("/proc/cpuinfo")) -> set[str]:
    """Instruction-set flags of the first processor; empty where /proc does not tell."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return set()
    return next(
        (set(line.partition(":")[2].split()) for line in lines if line.startswith(("flags", "Features"))), set()
    )


def slow_precision(config: RunConfig, model: Any, *, device: str) -> list[str]:
    """Warn where bfloat16 is emulated, which is 3 to 16 times slower than float32; empty elsewhere.

    Args:
        config: `learner.mixed_precision` and `model.dtype`.
        model: as loaded, since `model.dtype=auto` leaves the precision to its files.
        device: type of the device, e.g. `cpu`.
    """
    flags = cpu_flags() if device == "cpu" else set()
    if not flags or flags & BF16_FLAGS:
        return []
    slow = []
    if config.learner.mixed_precision == "bf16":
        slow.append(("learner.mixed_precision=bf16", "learner.mixed_precision=no"))
    if str(getattr(model, "dtype", "")).endswith("bfloat16"):
        slow.append((f"model.dtype={config.model.dtype}", "model.dtype=float32"))
    if not slow:
        return []
    asked, better = (" and ".join(words) for words in zip(*slow, strict=True))
    return [
        f"{asked}: this processor has no bfloat16 arithmetic and emulates it, 3 to 16 times slower than float32; set {better}"
    ]
