"""The embedded engine: sampling and training of the same weights in one program, on accelerate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterpoise.engines.local.loop import TrainResult as TrainResult
    from counterpoise.engines.local.loop import train as train

__all__ = ["TrainResult", "train"]


def __getattr__(name: str) -> Any:
    # Torch is imported with the loop, and not with the small modules beside it that commands need to say what is wrong.
    if name in __all__:
        from counterpoise.engines.local import loop

        return getattr(loop, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
