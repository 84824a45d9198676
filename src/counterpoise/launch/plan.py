"""What a launcher is asked for, and what it would do: a command, the files beside it, and what there is to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from counterpoise.build.problems import Problems
from counterpoise.config import RunConfig
from counterpoise.errors import ModelError, UsageError
from counterpoise.launch.sizes import Decoder, Load, parameters_named, shape_of
from counterpoise.models.layout import is_adapter
from counterpoise.models.registry import resolve_model

__all__ = ["LaunchPlan", "LaunchRequest", "check_positions", "engine_model", "load_of", "parameters_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """A command line of `counterpoise launch`."""

    config: RunConfig
    """The run file, its paths absolute."""
    problems: Problems
    """Both sides of its task."""
    nodes: int = 1
    """Machines."""
    gpus: int | None = None
    """GPUs of each, processes where there are none; None is all that are found."""
    cpu: bool = False
    """Train without GPUs."""
    ray: str | None = None
    """Address of a Ray cluster; None starts one on this machine."""
    head: str | None = None
    """HOST:PORT where the processes of several machines meet (torchrun)."""
    own: Mapping[str, str] = field(default_factory=dict)
    """Options of the engine's own, which go before those that the run file makes."""
    memory_check: bool = True
    """Hold the estimate against the card."""
    dry_run: bool = False
    """Report what is missing on this machine, and refuse nothing."""


@dataclass(slots=True, kw_only=True)
class LaunchPlan:
    """What would be done."""

    command: Sequence[str] = ()
    """The words to run."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that it needs besides those that are set."""
    files: list[str] = field(default_factory=list)
    """What would be written, a line each."""
    remarks: list[str] = field(default_factory=list)
    """What there is to know, a line each."""
    missing: list[str] = field(default_factory=list)
    """What this machine lacks, a line each; refused unless it is a dry run."""
    write: Callable[[], None] = lambda: None
    """Writes the files."""

    def ask(self, check: Callable[[], object], *, dry_run: bool) -> None:
        """Refuse what a check of this machine refuses, or note it in a dry run."""
        try:
            check()
        except UsageError as error:
            if not dry_run:
                raise
            self.missing.append(str(error))


def engine_model(name: str, *, engine: str) -> str:
    """The directory or hub id of a model, as an engine reads it by itself.

    Raises:
        ModelError: there is none, or the engine cannot read what is there.
    """
    source = resolve_model(name)
    if isinstance(source, Path) and is_adapter(source):
        raise ModelError(
            f"model.name={name} is an adapter, and {engine} starts from a whole model: counterpoise model export {name} -o DIR"
        )
    return str(source.resolve()) if isinstance(source, Path) else source


def check_positions(shape: Decoder, config: RunConfig, *, prompt_tokens: int) -> None:
    """Hold the longest prompt and response against the model's positions.

    Raises:
        UsageError: they have not got enough.
    """
    tokens, most = config.rollout.max_tokens, shape.positions
    if most is None or prompt_tokens + tokens <= most:
        return
    remedy = (
        f"set rollout.max_tokens={most - prompt_tokens} or less"
        if prompt_tokens < most
        else f"leave long ones out with prompt.max_tokens={most // 2} prompt.too_long=drop, and lower rollout.max_tokens"
    )
    raise UsageError(
        f"prompts of {prompt_tokens} and responses of {tokens} tokens do not fit into the model's {most} positions; {remedy}"
    )


def parameters_of(model: str) -> int | None:
    """Parameters of a model: by its config.json, or by its name."""
    shape = shape_of(model)
    return parameters_named(Path(model).name) if shape is None else shape.parameters


def load_of(config: RunConfig, *, prompt_tokens: int, critic: bool) -> Load:
    """What a run file asks of each GPU."""
    return Load(
        prompts=config.rollout.prompts_per_step,
        group=config.rollout.group_size,
        prompt_tokens=prompt_tokens,
        response_tokens=config.rollout.max_tokens,
        microbatch=config.learner.tokens_per_microbatch,
        reference=bool(config.loss.kl) and not config.model.lora.rank,
        critic=critic,
        adapters=bool(config.model.lora.rank),
        checkpointing=config.learner.gradient_checkpointing,
    )
