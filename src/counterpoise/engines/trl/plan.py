"""`counterpoise launch trl`: a run file to the command and the checks of TRL's trainer. Nothing of TRL's is imported."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from counterpoise.build.checks import check_policy
from counterpoise.engines.arguments import is_number
from counterpoise.engines.trl.checks import check_given
from counterpoise.engines.trl.launch import TABLE
from counterpoise.errors import UsageError
from counterpoise.files import atomic_write_text
from counterpoise.launch.directory import RUN_FILE, begin_directory, check_launched
from counterpoise.launch.machine import (
    check_gpus,
    check_memory,
    check_package,
    check_port,
    gpus_here,
)
from counterpoise.launch.plan import LaunchPlan, LaunchRequest, check_positions, engine_model, load_of
from counterpoise.launch.prompts import engine_texts, fitting_prompts
from counterpoise.launch.sizes import GIB, shape_of, trainer_bytes
from counterpoise.launch.translation import Surroundings, translate, updates_per_step
from counterpoise.models.load import load_tokenizer
from counterpoise.runs.engine_checkpoints import newest_of_trl
from counterpoise.settings import setting_value
from counterpoise.text import counted

__all__ = ["trl_plan"]

_ENGINE: Final = "trl"
_FREE: Final = (
    "max_steps", "logging_", "log_", "report_to", "save_", "eval_", "disable_tqdm", "dataloader_num_workers", "ddp_timeout",
    "vllm_gpu_memory_utilization", "vllm_server_", "vllm_group_port",
)  # fmt: skip
"""Options that leave a run what it is: how far it goes, what it says, and where its sampler is."""

_KEYS: Final = {
    "num_generations": ("rollout", "group_size"),
    "beta": ("loss", "kl"),
    "entropy_coef": ("loss", "entropy"),
}
"""Options that the table has conditions on, and the section and key of a run file that say the same."""


def trl_plan(request: LaunchRequest) -> LaunchPlan:
    """Everything that can be refused without starting anything, and the command.

    Raises:
        UsageError: the run file says what TRL cannot do, or this machine lacks something (in a dry run the plan says what).
        DataError, ModelError, ConfigError: prompts, model or directory are not fit.
    """
    plan, config = LaunchPlan(), request.config
    if request.ray is not None:
        raise UsageError("--ray is verl's; several machines of TRL meet at --head HOST:PORT")
    model = engine_model(config.model.name, engine="TRL")
    memory = _look(request, plan)
    plan.ask(lambda: check_policy(config.model), dry_run=request.dry_run)
    facts = Surroundings(
        nodes=request.nodes, gpus=request.gpus or (1 if request.cpu else max(1, len(gpus_here()))), cpu=request.cpu, model=model,
        problems=len(request.problems.train), prompt_tokens=config.prompt.max_tokens or 1, directory=config.path,
    )  # fmt: skip
    translate(TABLE, config, facts)  # refuses what cannot be done before a tokenizer is read
    check_launched(config, request.problems, engine=_ENGINE, own=request.own, free=_FREE)
    facts = _measured(request, plan, facts)
    found = translate(TABLE, config, facts)
    _hold(request, plan, facts, memory)
    own = {name: setting_value(text) for name, text in request.own.items()}
    arguments = {**_fixed(facts), **found.options, **own}
    _check_own(request, facts, own)
    check_given(arguments, denominator=config.loss.denominator)
    plan.remarks += [*found.left, *_remarks(request)]
    plan.command = _command(request, facts)
    _writes(request, plan, arguments)
    return plan


def _check_own(request: LaunchRequest, facts: Surroundings, own: Mapping[str, Any]) -> None:
    """Hold options that go before the run file's to the table's conditions, as if the run file said so."""
    for name, (section, key) in _KEYS.items():
        if name not in own:
            continue
        value, config = own[name], request.config
        whole = name == "num_generations"
        if not is_number(value) or (whole and not isinstance(value, int)):
            raise UsageError(f"--engine {name}={value}: give a {'whole ' if whole else ''}number")
        changed = getattr(config, section).model_copy(update={key: value})
        try:
            translate(TABLE, config.model_copy(update={section: changed}), facts)
        except UsageError as error:
            raise UsageError(f"--engine {name}={value}: {error}") from error


def _look(request: LaunchRequest, plan: LaunchPlan) -> float | None:
    """Ask this machine for all that a run needs; the memory of its gpus_here where there are any."""
    plan.ask(
        lambda: check_package("trl", extra="trl", low="1.15", high="1.17", purpose="training with TRL"),
        dry_run=request.dry_run,
    )
    plan.ask(
        lambda: check_package("datasets", extra="trl", low="4.7", purpose="the data of TRL"), dry_run=request.dry_run
    )
    if request.nodes > 1:
        if request.head is None:
            raise UsageError(
                f"--nodes {request.nodes}: give --head HOST:PORT where they meet, and run the command on each (docs/how-to/launch.md)"
            )
        host, _, port = request.head.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise UsageError(f"--head {request.head}: give HOST:PORT, e.g. node1:29500")
        if host in ("localhost", "127.0.0.1"):
            plan.ask(lambda: check_port(int(port), option="--head"), dry_run=request.dry_run)
        if request.gpus is None:
            raise UsageError(f"--nodes {request.nodes}: say how many GPUs each machine has with --gpus N")
    if request.cpu:
        return None
    found = gpus_here()
    plan.ask(lambda: check_gpus(found, gpus=request.gpus or 1), dry_run=request.dry_run)
    return found[0].memory if found else None


def _measured(request: LaunchRequest, plan: LaunchPlan, facts: Surroundings) -> Surroundings:
    """The facts with the longest prompt in them, and how many problems have room."""
    config = request.config
    if request.dry_run and not Path(facts.model).is_dir():
        if config.prompt.max_tokens is None:
            raise UsageError(
                f"prompt.max_tokens is not set, and {facts.model} is not on this machine, so that no prompt can be measured; set it"
            )
        plan.remarks.append(
            f"{facts.model} is not on this machine: its tokenizer was not read, and no prompt was measured"
        )
        return facts
    tokenizer = load_tokenizer(
        config.model.name, revision=config.model.revision, trust_remote_code=config.model.trust_remote_code
    )
    prompts = fitting_prompts(
        config,
        request.problems.train,
        tokenizer,
        template=request.problems.template,
        side="training",
        say=plan.remarks.append,
    )
    engine_texts(prompts, tokenizer, special=True)  # that TRL's tokens will be ours
    longest = max(len(prompt.token_ids) for prompt in prompts)
    return replace(facts, problems=len(prompts), prompt_tokens=longest)


def _hold(request: LaunchRequest, plan: LaunchPlan, facts: Surroundings, memory: float | None) -> None:
    """Hold positions against the model, and the estimate of memory against the card."""
    shape = shape_of(facts.model)
    if shape is None:
        plan.remarks.append(
            f"the config.json of {facts.model} is not on this machine: memory and positions are not checked"
        )
        return
    check_positions(shape, request.config, prompt_tokens=facts.prompt_tokens)
    load = load_of(request.config, prompt_tokens=facts.prompt_tokens, critic=False)
    needed = trainer_bytes(shape, load, ranks=facts.processes)
    found = gpus_here()
    if memory is None or not found:
        where = "" if facts.processes == 1 else f" on {facts.processes}"
        plan.remarks.append(
            f"training takes about {max(0.1, needed / GIB):.1f} GiB a process{where} (computed, not measured; docs/scaling.md)"
        )
    elif request.memory_check:
        remedy = "give more --gpus, lower learner.tokens_per_microbatch, or train adapters (model.lora.rank=16)"
        plan.ask(
            lambda: plan.remarks.append(check_memory(needed, found[0], what="training", remedy=remedy)),
            dry_run=request.dry_run,
        )


def _fixed(facts: Surroundings) -> Mapping[str, Any]:
    """Arguments that no key of the run file makes."""
    several = facts.processes > 1 and not facts.cpu
    return {
        "use_cpu": facts.cpu,
        **(
            {"fsdp": True, "fsdp_config": {"version": 2, "auto_wrap_policy": "TRANSFORMER_BASED_WRAP"}}
            if several
            else {}
        ),
    }


def _command(request: LaunchRequest, facts: Surroundings) -> list[str]:
    folder = request.config.path
    words = ["-m", "counterpoise.engines.trl", str(folder / RUN_FILE), str(folder / "arguments.json")]
    if facts.processes == 1:
        return [sys.executable, *words]
    # accelerate launch --cpu --num_processes 2 starts a single process.
    meet = ["--standalone"]
    if request.nodes > 1:
        meet = [f"--nnodes={request.nodes}", "--rdzv-backend=c10d", f"--rdzv-endpoint={request.head}"]
    return [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={facts.gpus}", *meet, *words]


def _writes(request: LaunchRequest, plan: LaunchPlan, arguments: Mapping[str, Any]) -> None:
    config = request.config
    folder, newest = config.path, newest_of_trl(config.path)
    step = newest.step
    plan.remarks += [newest.passed_over] if newest.passed_over else []
    said = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
    plan.files += [
        f"{folder / RUN_FILE}: the run file, which the trainer reads: {counted(len(request.problems.train), 'problem')}",
        f"{folder / 'arguments.json'}: GRPOConfig({said})",
        f"{folder / 'command.sh'}: the command",
        f"{folder / 'checkpoint-N'}: TRL's checkpoints" if step is None else f"{folder}: goes on after update {step}",
        f"{folder / 'final'}: the model",
    ]

    def write() -> None:
        words = [shlex.quote(word) for word in plan.command]
        begin_directory(config, request.problems, engine=_ENGINE, own=request.own, command=words)
        atomic_write_text(folder / "arguments.json", json.dumps(dict(arguments), indent=1))

    plan.write = write


def _remarks(request: LaunchRequest) -> list[str]:
    config = request.config
    said = []
    if updates_per_step(config) > 1:
        said.append(
            "a step makes several updates: TRL divides each by its share of the whole step's count, the local engine by each one's own"
        )
    if config.loss.entropy:
        said.append(
            "loss.entropy: TRL's bonus is the mean over microbatches of their means over tokens, so that it changes with "
            "learner.tokens_per_microbatch and the number of processes"
        )
    if config.learner.warmup_steps:
        said.append("TRL's first update has the rate 0: its warm-up is ours an update later")
    if config.learner.schedule != "constant" and updates_per_step(config) * config.learner.epochs > 1:
        said.append("TRL's rate falls with each update, the local engine's with each step")
    return said
