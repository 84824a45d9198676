"""A run up to its first step, and no further: everything that can be refused is asked, nothing is written."""

from __future__ import annotations

from contextlib import suppress

from counterpoise.build.judge import judge_of
from counterpoise.build.problems import Problems
from counterpoise.engines.local.assemble import assemble
from counterpoise.engines.local.guarding import make_supervisor, saved_guards
from counterpoise.engines.local.measured import measured_lines, prove_precision, settle
from counterpoise.engines.local.messages.header import header
from counterpoise.engines.local.ready import make_ready
from counterpoise.engines.local.trackers import make_accelerator
from counterpoise.errors import CheckpointError
from counterpoise.learner.checkpoint import Checkpoint, CheckpointStore
from counterpoise.processes import Processes, on_main
from counterpoise.runs.directory import RunDirectory

__all__ = ["dry_run"]


def dry_run(run: RunDirectory, *, problems: Problems | None = None) -> list[str]:
    """What `train` would say before the first step of a run that is planned, or goes on: a line each.

    A run in use by another process is not asked for its lock. A damaged checkpoint is passed over and stays where it is.

    Args:
        run: `RunDirectory.planned` or `RunDirectory.open`.
        problems: what `check_run` has read of this very configuration.

    Raises:
        ConfigError, DataError, ModelError, UsageError: the run cannot start as configured.
        CheckpointError: it goes on under other guards than its checkpoint was written with.
    """
    checkpoint = on_main(lambda: _newest(run))
    assembly = assemble(run.config, problems, started=checkpoint is not None, world=Processes())
    guards = make_supervisor(run.config.guards)
    if checkpoint is not None:
        guards.load_state_dict(saved_guards(checkpoint.state(), guards))
    chosen = run.config.learner.mixed_precision == "auto"
    measured = settle(run, keep=False) or measured_lines(run)
    accelerator = make_accelerator(run, tracked=False)
    on_main(lambda: run.compare(assembly.train, assembly.test, checkpoint.path if checkpoint else None))
    with judge_of(run.config.verification):
        ready = make_ready(run.config, assembly, accelerator, saved=checkpoint.policy if checkpoint else None)
        if chosen:
            prove_precision(run.config, ready)
    step = 0 if checkpoint is None else checkpoint.step
    goes_on = [f"goes on after step {step} of {run.config.learner.steps}"] if step else []
    return [
        *goes_on,
        *header(run, ready, guards, accelerator, step=step),
        *measured,
        *assembly.notices,
        *ready.remarks,
    ]


def _newest(run: RunDirectory) -> Checkpoint | None:
    """The newest intact checkpoint; `CheckpointStore.latest` would set damaged ones aside."""
    store = CheckpointStore(run.checkpoints, keep=run.config.checkpoint.keep, say=lambda line: None)
    for step in reversed(store.steps()):
        with suppress(CheckpointError):
            return store.at(step)
    return None
