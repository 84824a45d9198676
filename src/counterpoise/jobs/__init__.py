"""What a command does, put together from stages and the local engine: evaluate, advise, explain, study, grade again, import."""

from collections.abc import Callable

__all__ = ["OnStage"]

OnStage = Callable[[int, int, str], None]
"""(done, of how many, what is being done), for jobs that have stages."""
