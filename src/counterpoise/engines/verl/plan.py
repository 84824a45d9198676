"""`counterpoise launch verl`: a run file to the command, the data and the checks of verl's trainer. Nothing of verl's is imported."""

from __future__ import annotations

import itertools
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from counterpoise.build.checks import check_policy
from counterpoise.build.evaluation import first_problems
from counterpoise.engines.verl.checks import check_entry_point, check_environment
from counterpoise.engines.verl.data import check_parquet, rows_of, write_parquet
from counterpoise.engines.verl.hydra import compose_config, overrides, with_own
from counterpoise.engines.verl.inputs import check_numbers
from counterpoise.engines.verl.launch import TABLE
from counterpoise.engines.verl.options import ACTOR, REFERENCE, ROLLOUT, has_critic
from counterpoise.errors import UsageError
from counterpoise.files import read_json
from counterpoise.launch.directory import RUN_FILE, begin_directory, check_launched
from counterpoise.launch.machine import check_gpus, check_memory, check_python, check_reachable, gpus_here
from counterpoise.launch.plan import (
    LaunchPlan,
    LaunchRequest,
    check_positions,
    engine_model,
    load_of,
    parameters_of,
)
from counterpoise.launch.prompts import fitting_prompts
from counterpoise.launch.sizes import GIB, sampler_ranks, shape_of, trainer_bytes
from counterpoise.launch.translation import Surroundings, has_terms, translate, updates_per_step
from counterpoise.models.load import load_tokenizer
from counterpoise.runs.engine_checkpoints import newest_of_verl
from counterpoise.runs.engine_logs import EARLIER_LOG
from counterpoise.text import counted
from counterpoise.types import Problem

__all__ = ["verl_plan"]

_ENGINE: Final = "verl"
_FREE: Final = (
    "ray_kwargs.", "transfer_queue.", "global_profiler.", "trainer.total_", "trainer.save_", "trainer.test_", "trainer.val_",
    "trainer.log", "trainer.max_", "trainer.resume_", "data.val_", "data.dataloader_num_workers", "reward.num_workers",
    f"{ROLLOUT}.agent.num_workers", f"{ROLLOUT}.gpu_memory_utilization", f"{ROLLOUT}.max_num_", f"{ROLLOUT}.val_kwargs.",
    f"{ROLLOUT}.log_prob_", f"{REFERENCE}.log_prob_", f"{ACTOR}.ppo_micro_batch_size_per_gpu", f"{ACTOR}.ppo_max_token_len_per_gpu",
)  # fmt: skip
"""Options that leave a run what it is: how far it goes, what it says, and how its work is cut up; as `runs.identity.RESUMABLE`."""
_CARD: Final = 80 * GIB
"""Memory that is reckoned with where no card is seen."""


def verl_plan(request: LaunchRequest) -> LaunchPlan:
    """Everything that can be refused without starting anything, and the command.

    Raises:
        UsageError: the run file says what verl cannot do, or this machine lacks something (in a dry run the plan says what).
        DataError, ModelError, ConfigError: prompts, model or directory are not fit.
    """
    plan, config = LaunchPlan(), request.config
    model = engine_model(config.model.name, engine=_ENGINE)
    memory = _look(request, plan)
    plan.ask(lambda: check_policy(config.model), dry_run=request.dry_run)
    gpus = request.gpus or (1 if request.cpu else max(1, len(gpus_here())))
    facts = Surroundings(
        nodes=request.nodes, gpus=gpus, cpu=request.cpu, model=model, problems=len(request.problems.train),
        tests=len(request.problems.test), prompt_tokens=config.prompt.max_tokens or 1, directory=config.path,
    )  # fmt: skip
    translate(TABLE, config, facts)  # refuses what cannot be done before a tokenizer is read
    check_launched(config, request.problems, engine=_ENGINE, own=request.own, free=_FREE)
    sides = _sides(request, plan, model)
    if sides is not None:
        longest = max(side.longest for side in sides.values())
        facts = replace(
            facts,
            problems=len(sides["train"].rows),
            tests=len(sides["test"].rows),
            prompt_tokens=config.prompt.max_tokens or longest,
        )
    found = translate(TABLE, config, facts)
    _measure(request, plan, facts, memory)
    words = overrides(with_own({**_fixed(request, facts, memory), **found.options}, request.own))
    if find_spec("hydra") is not None and find_spec("verl") is not None:
        composed = compose_config(words)
        check_numbers(composed)
        from counterpoise.engines.verl.settings import check_whole  # with torch, which no refusal above needs

        check_whole(composed)
    plan.remarks += [*found.left, *_remarks(request)]
    plan.command = _command(request, words)
    _writes(request, plan, sides)
    return plan


def _look(request: LaunchRequest, plan: LaunchPlan) -> float | None:
    """Ask this machine for all that a run needs; the memory of its GPUs too, where it has any."""
    here = request.ray is None
    plan.ask(lambda: check_python(below=(3, 13), engine="verl 0.9.1"), dry_run=request.dry_run)
    plan.ask(check_environment, dry_run=request.dry_run)
    plan.ask(check_entry_point, dry_run=request.dry_run)
    plan.ask(check_parquet, dry_run=request.dry_run)
    if has_critic(request.config) and not request.cpu:
        plan.ask(_check_flash_attention, dry_run=request.dry_run)
    if request.nodes > 1 and here:
        raise UsageError(
            f"--nodes {request.nodes}: verl runs over several machines on a Ray cluster that is there; start Ray on each of them and give "
            "--ray HOST:6379 of its head (docs/how-to/launch.md)"
        )
    if request.ray is not None:
        address = request.ray
        plan.ask(lambda: check_reachable(address), dry_run=request.dry_run)
        if request.gpus is None:
            raise UsageError(f"--ray {address}: say how many GPUs each of its machines has with --gpus N")
    if not here or request.cpu:
        return None
    found = gpus_here()
    elsewhere = "give --ray ADDRESS of a cluster that has them"
    plan.ask(lambda: check_gpus(found, gpus=request.gpus or 1, elsewhere=elsewhere), dry_run=request.dry_run)
    return found[0].memory if found else None


def _check_flash_attention() -> None:
    if find_spec("flash_attn") is None:
        raise UsageError("verl builds its critic with flash attention, which is not installed: pip install flash-attn")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """The problems of one side, as verl reads them."""

    rows: list[dict[str, Any]]
    longest: int


def _sides(request: LaunchRequest, plan: LaunchPlan, model: str) -> Mapping[str, _Side] | None:
    """Both sides' rows; None in a dry run for a model that is not on this machine."""
    config, problems = request.config, request.problems
    if request.dry_run and not Path(model).is_dir():
        if config.prompt.max_tokens is None:
            raise UsageError(
                f"prompt.max_tokens is not set, and {model} is not on this machine, so that no prompt can be measured; set it"
            )
        plan.remarks.append(f"{model} is not on this machine: its tokenizer was not read, and no prompt was measured")
        return None
    tokenizer = load_tokenizer(config.model.name, trust_remote_code=config.model.trust_remote_code)

    def side(name: str, ours: Sequence[Problem]) -> _Side:
        if not ours:
            return _Side(rows=[], longest=0)
        prompts = fitting_prompts(
            config, ours, tokenizer, template=problems.template, side=name, say=plan.remarks.append
        )
        return _Side(rows=rows_of(prompts, tokenizer), longest=max(len(prompt.token_ids) for prompt in prompts))

    test = first_problems(problems.test, config.evaluation.problems)
    return {"train": side("training", problems.train), "test": side("test", test)}


def _measure(request: LaunchRequest, plan: LaunchPlan, facts: Surroundings, memory: float | None) -> None:
    """Hold positions against the model, and the estimate of memory against the card."""
    config, shape = request.config, shape_of(facts.model)
    if shape is None:
        plan.remarks.append(
            f"the config.json of {facts.model} is not on this machine: memory and positions are not checked"
        )
        return
    check_positions(shape, config, prompt_tokens=facts.prompt_tokens)
    load = load_of(config, prompt_tokens=facts.prompt_tokens, critic=has_critic(config))
    needed = trainer_bytes(shape, load, ranks=facts.processes)
    found = gpus_here()
    if memory is None or not found:
        plan.remarks.append(
            f"training takes about {max(0.1, needed / GIB):.1f} GiB a GPU on {facts.processes} (computed, not measured; docs/scaling.md)"
        )
    elif request.memory_check:
        remedy = (
            "give more --gpus or --nodes, lower learner.tokens_per_microbatch, or train adapters (model.lora.rank=16)"
        )
        plan.ask(
            lambda: plan.remarks.append(check_memory(needed, found[0], what="training", remedy=remedy)),
            dry_run=request.dry_run,
        )


def _fixed(request: LaunchRequest, facts: Surroundings, memory: float | None) -> dict[str, Any]:
    """Options that no key of the run file makes."""
    config, folder = request.config, request.config.path
    parameters = parameters_of(facts.model)
    ranks = 1 if parameters is None else sampler_ranks(parameters, gpus=facts.gpus, memory=memory or _CARD)
    test = folder / "test.parquet"
    options = {
        "data.train_files": str(folder / "train.parquet"),
        "data.val_files": str(test if facts.tests else folder / "train.parquet"),
        "reward.custom_reward_function.path": "pkg://counterpoise.engines.verl.judging",
        "reward.custom_reward_function.name": "judged_by_node",
        "+reward.custom_reward_function.reward_kwargs.run": str(folder / RUN_FILE),
        f"{ACTOR}.strategy": "fsdp2",
        f"{REFERENCE}.strategy": "fsdp2",
        f"{ROLLOUT}.name": "vllm",
        f"{ROLLOUT}.tensor_model_parallel_size": ranks,
        f"{ROLLOUT}.calculate_log_probs": True,
        "trainer.nnodes": facts.nodes,
        "trainer.n_gpus_per_node": facts.gpus,
        "trainer.resume_mode": "auto",
        "+ray_kwargs.ray_init.runtime_env.env_vars.VERL_FILE_LOGGER_PATH": str(folder / "metrics.jsonl"),
    }
    if has_critic(config):
        options |= {"+reward.custom_reward_function.reward_kwargs.wrong": -1.0, "critic.strategy": "fsdp2"}
    if not config.model.lora.rank and _is_known(facts.model):
        # Without them a checkpoint is shards alone, which nothing but verl reads; adapters it saves beside them anyway.
        options |= {f"{ACTOR}.checkpoint.save_contents": ["model", "optimizer", "extra", "hf_model"]}
    if facts.cpu:
        options |= {"trainer.device": "cpu"}
    if request.ray is None:
        # By itself Ray joins whatever cluster was last started on this machine.
        options |= {"+ray_kwargs.ray_init.address": "local"}
    elif not request.ray.startswith("http"):
        options |= {"+ray_kwargs.ray_init.address": request.ray}
    return options


def _is_known(model: str) -> bool:
    """Whether verl knows how to save this architecture whole; it ends a run at its first checkpoint where it does not."""
    path = Path(model) / "config.json"
    names = read_json(path).get("architectures") if path.is_file() else None
    return not path.is_file() or any("ForCausalLM" in str(name) for name in names or ())


def _command(request: LaunchRequest, words: list[str]) -> list[str]:
    train = ["-m", "counterpoise.engines.verl", *words]
    if request.ray is not None and request.ray.startswith("http"):
        # The head's Python, which is not that of this machine.
        return ["ray", "job", "submit", "--address", request.ray, "--", "python", *train]
    return [sys.executable, *train]


def _writes(request: LaunchRequest, plan: LaunchPlan, sides: Mapping[str, _Side] | None) -> None:
    config, problems = request.config, request.problems
    folder, step = config.path, newest_of_verl(config.path)
    for side, ours in (("train", problems.train), ("test", problems.test)):
        count = len(ours) if sides is None else len(sides[side].rows)
        if count:
            plan.files.append(
                f"{folder / f'{side}.parquet'}: {counted(count, 'problem')}, worded by {problems.template}"
            )
    plan.files += [
        f"{folder / RUN_FILE}: the run file, which the reward function reads",
        f"{folder / 'command.sh'}: the command",
        f"{folder / 'global_step_N'}: verl's checkpoints" if step is None else f"{folder}: goes on after step {step}",
        f"{folder / 'metrics.jsonl'}: verl's log, for counterpoise report and watch",
    ]

    def write() -> None:
        assert sides is not None
        words = [shlex.quote(word) for word in plan.command]
        begin_directory(config, problems, engine=_ENGINE, own=request.own, command=words)
        for name, side in sides.items():
            if side.rows:
                write_parquet(folder / f"{name}.parquet", side.rows)
        log = folder / "metrics.jsonl"
        if step is not None and log.is_file():  # verl begins its log anew with each start
            log.rename(_free(folder, f"{EARLIER_LOG}{step}"))

    plan.write = write


def _free(folder: Path, stem: str) -> Path:
    """A name that no log has: a run may go on from the same step more than once."""
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    return next(path for name in names if not (path := folder / f"{name}.jsonl").exists())


def _remarks(request: LaunchRequest) -> list[str]:
    config = request.config
    said = []
    if has_critic(config):
        said.append("credit.rule=ppo is verl's own PPO: a response that nobody could score counts as wrong there")
    elif config.credit.filter == "zero_credit" and has_terms(config):
        said.append(
            "the last mini-batch of a step is filled up with rows without credit, on which loss.kl and loss.entropy act as on the others"
        )
    if config.learner.warmup_steps:
        said.append("verl's first update has the rate 0: its warm-up is ours an update later")
    if updates_per_step(config) > 1 and config.credit.filter == "none" and config.learner.minibatch_unit == "rows":
        said.append("learner.minibatch_unit=rows: no row is removed, so that mini-batches are those of prompts")
    if request.ray is not None:
        said.append(
            "GPUs and memory of a cluster are not looked at; its machines need this directory, the model and this environment"
        )
    return said
