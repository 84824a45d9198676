"""`RUN@STEP`: how one checkpoint, or one evaluation, of a run is named wherever a run is."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from counterpoise.errors import ModelError, UsageError

__all__ = ["policy_of", "refuse_step", "run_and_step"]


def run_and_step(target: str) -> tuple[Path, int | None]:
    """The path and the step of `RUN@STEP`; the path alone where there is no @, or the path itself has one.

    Raises:
        UsageError: it is too long for the name of a file, or names a run and something that is no step.
    """
    path = Path(target)
    try:
        os.stat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UsageError(f"{target[:60]}… ({len(target)} characters) is too long for the name of a file") from error
    chosen = re.fullmatch(r"(.+)@([0-9]{1,12})", target)  # no run has more steps, and no file a longer name
    if os.path.exists(path):
        return path, None
    if chosen:
        return Path(chosen[1]), int(chosen[2])
    run, at, step = target.rpartition("@")
    if at and os.path.isfile(os.path.join(run, "config.toml")):
        raise UsageError(f"{target}: {step!r} is not a step of {run}; write a whole number, e.g. {run}@0")
    return path, None


def refuse_step(target: str, path: Path, step: int | None) -> None:
    """Refuse the step of what is not a run.

    Raises:
        UsageError: there is one.
    """
    if step is not None:
        raise UsageError(f"{target}: @ chooses a step of a run, and {path} is not a run directory (no config.toml)")


def policy_of(target: str) -> Path | None:
    """The weights that `RUN@STEP` names, where a model is wanted: a Hugging Face directory; None where it is not such a name.

    Raises:
        ModelError: the run is there, and has no such checkpoint; or it is its step 0, which is the model that it began with.
    """
    path, step = run_and_step(target)
    if step is None or not os.path.isfile(path / "config.toml"):
        return None
    if step == 0:
        raise ModelError(
            f"{target} is the model that {path} began with; give its name, which stands in {path / 'config.toml'}"
        )
    policy = path / "checkpoints" / f"step-{step:06d}" / "policy"
    if not policy.is_dir():
        there = sorted(int(one.name[5:]) for one in path.glob("checkpoints/step-*") if one.name[5:].isdecimal())
        raise ModelError(
            f"{path} has no checkpoint of step {step}; steps there: {', '.join(map(str, there)) or 'none'}"
        )
    return policy
