"""The header before training: device, model, problems, the first prompt, rollouts to come."""

from __future__ import annotations

import torch
from accelerate import Accelerator

from counterpoise.build.evaluation import first_problems
from counterpoise.config import RunConfig
from counterpoise.diagnostics.guards.supervisor import Supervisor
from counterpoise.engines.local.assemble import DecodingSampler
from counterpoise.engines.local.evaluation import is_evaluated
from counterpoise.engines.local.held_out import draws_to_come
from counterpoise.engines.local.messages.outlook import evaluations_to_come
from counterpoise.engines.local.ready import Ready
from counterpoise.prompts import make_prompts
from counterpoise.runs.directory import RunDirectory
from counterpoise.text import counted, ends_of

__all__ = ["header"]

_SHOWN = 5
_HEAD, _TAIL = 160, 160


def header(run: RunDirectory, ready: Ready, guards: Supervisor, accelerator: Accelerator, *, step: int) -> list[str]:
    """A line each on device, model, problems, first prompt and rollouts to come of a run that has done `step` steps.

    Raises:
        DataError: the first prompt is empty.
        UsageError: `rollout.compiled_decode=true`, and the compiler refuses.
    """
    config, assembly = run.config, ready.assembly
    chosen = first_problems(assembly.test, config.evaluation.problems)
    test = f"{len(chosen):,} of {counted(len(assembly.test), 'test problem')}" if chosen else "no test problems"
    verifiers = sorted({problem.verifier for problem in (*assembly.train, *chosen)})
    held_out = draws_to_come(guards, config, assembly.test, step=step)
    to_come = (
        f"{_to_come(config, step, len(chosen))}{_evidence(config, step, len(assembly.train))}{_guarding(*held_out)}"
    )
    if guards.finished is not None:
        to_come = "no step: the guards of the run have ended it"
        if config.evaluation.after and chosen and not is_evaluated(run, step, len(chosen)):
            to_come += f"; its last evaluation{_drawn(config, len(chosen))}"
    more = f" and {len(verifiers) - _SHOWN} more" if len(verifiers) > _SHOWN else ""
    return [
        f"device: {_device(accelerator, config.run.threads)}",
        f"model: {_model(config, ready)}",
        f"problems: {config.tasks.name}, {counted(len(assembly.train), 'training problem')}, {test}, judged by "
        f"{', '.join(verifiers[:_SHOWN])}{more}",
        f"prompt: {_prompt(config, ready, step)}",
        f"to come: {to_come}",
    ]


def _device(accelerator: Accelerator, threads: int | str | None) -> str:
    device = accelerator.device
    if device.type == "cuda":
        name = f"{device} ({torch.cuda.get_device_name(device)})"
    else:
        measured = " (the fastest, by measurement)" if threads == "auto" else ""
        name = f"{device}, {counted(torch.get_num_threads(), 'thread')}{measured}"
    processes = accelerator.num_processes
    return name if processes == 1 else f"{name}, {processes} processes"


def _model(config: RunConfig, ready: Ready) -> str:
    parameters = [*ready.policy.model.parameters()]
    total = sum(parameter.numel() for parameter in parameters)
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    of_these = "" if trained == total else f", {trained:,} of them trained"
    kinds = " and ".join(sorted({str(parameter.dtype).removeprefix("torch.") for parameter in parameters}))
    mixed = "" if config.learner.mixed_precision == "no" else f" under {config.learner.mixed_precision} autocast"
    decoded = f"; decoded by {ready.sampler.way()}" if isinstance(ready.sampler, DecodingSampler) else ""
    return f"{config.model.name}, {counted(total, 'parameter')}{of_these}, {kinds}{mixed}{decoded}; trained by {ready.learner.way()}"


def _prompt(config: RunConfig, ready: Ready, step: int) -> str:
    """The first prompt of the next step as the model gets it, on one line, with its control characters written out."""
    template = ready.assembly.template
    problem = ready.order.at(step)[0]
    first = make_prompts([problem], ready.policy.tokenizer, template=template)[0]
    own = template.name_for(problem)
    name = str(template) if own == template.template else f"{template} ({own})"
    return f"{name}, the first one has {counted(len(first.token_ids), 'token')}: {ends_of(first.text, _HEAD, _TAIL)!r}"


def _to_come(config: RunConfig, step: int, problems: int) -> str:
    rollout, left = config.rollout, max(0, config.learner.steps - step)
    total = left * rollout.prompts_per_step * rollout.group_size
    training = (
        f"{counted(left, 'step')} x {counted(rollout.prompts_per_step, 'prompt')} x {rollout.group_size} = "
        f"{counted(total, 'rollout')} of at most {counted(rollout.max_tokens, 'token')}"
    )
    times = evaluations_to_come(config, step)
    if not times or not problems:
        return training
    return f"{training}; {counted(times, 'evaluation')}{_drawn(config, problems, times=times)}"


def _drawn(config: RunConfig, problems: int, *, times: int = 1) -> str:
    """What evaluations draw."""
    n = config.evaluation.n
    return f" of {counted(problems, 'problem')} x {n} = {counted(times * problems * n, 'rollout')}"


def _evidence(config: RunConfig, step: int, problems: int) -> str:
    """What `loss.kl_evidence` draws of the base before the first step."""
    n = config.loss.kl_evidence
    if step or not n:
        return ""
    return f"; the base {counted(problems, 'training problem')} x {n} = {counted(problems * n, 'rollout')}"


def _guarding(times: int, problems: int, evaluated: int, n: int) -> str:
    if not times:
        return ""
    drawn = counted(times * problems * n, "rollout")
    both = f", {evaluated} of them evaluated as well, for the task has no others" if evaluated else ""
    return f"; guard narrowing {counted(times, 'time')} {counted(problems, 'held-out problem')} x {n} = {drawn}{both}"
