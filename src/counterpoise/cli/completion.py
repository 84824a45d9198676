"""Tab completion of what stands on a command line: `key=value` of a run file, and settings of a task."""

from __future__ import annotations

import typer

from counterpoise.errors import CounterpoiseError

__all__ = ["overrides", "task_settings"]


def overrides(ctx: typer.Context, incomplete: str) -> list[str]:
    """Settings of the run file that begin like this, for tab completion: keys, then the names and values behind `=`."""
    from counterpoise.config.complete import complete_override
    from counterpoise.models.registry import MODELS

    run, target, task = (ctx.params.get(name) for name in ("run", "target", "task"))
    before = [str(word) for word in (run, target) if word]
    before += [f"tasks.name={task}"] if task else []
    try:
        return complete_override(
            incomplete, [*before, *(ctx.params.get("overrides") or ())], also={"model.name": list(MODELS)}
        )
    except CounterpoiseError:  # nothing of use can be said in a prompt
        return []


def task_settings(ctx: typer.Context, incomplete: str) -> list[str]:
    """Settings of the task that was named, for tab completion."""
    from counterpoise.config.complete import complete_setting
    from counterpoise.tasks.registry import TASKS

    part = TASKS.get(str(ctx.params.get("name")))
    return [] if part is None else complete_setting(part, incomplete)
