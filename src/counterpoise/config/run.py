"""The whole run file, and the combinations that it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import PlainValidator, ValidationInfo, model_validator

from counterpoise.config.base import Component, Folder, Section
from counterpoise.config.credit import CreditConfig, CriticConfig, LossConfig
from counterpoise.config.data import RolloutConfig, TasksConfig, VerificationConfig
from counterpoise.config.evaluation import EvaluationConfig, TrackingConfig
from counterpoise.config.learner import CheckpointConfig, DiagnosticsConfig, GuardsConfig, LearnerConfig, ModelConfig
from counterpoise.config.prompt import PromptConfig
from counterpoise.ranges import Positive

__all__ = ["RunConfig", "RunSection"]


def _threads(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError("expected an integer of at least 1, or auto")


Threads = Annotated[int | Literal["auto"], PlainValidator(_threads, json_schema_input_type=Positive | Literal["auto"])]


class RunSection(Section):
    """Where the run lives and what seeds it."""

    name: Component = "run"
    """Directory name under `directory`: one component of a path."""
    directory: Folder = Path("runs")
    """Parent of all runs; relative to the run file where it stands in one, else to the current directory."""
    seed: int = 0
    """Every random draw comes from named streams of this seed."""
    threads: Threads | None = None
    """CPU threads of torch; None keeps torch's choice, and `auto` takes the fastest of one, two and all cores, measured where training
    begins and kept in the run. Tiny models are fastest with 1, on a busy machine by far."""


class RunConfig(Section):
    """A whole run."""

    run: RunSection = RunSection()
    model: ModelConfig = ModelConfig()
    tasks: TasksConfig = TasksConfig()
    prompt: PromptConfig = PromptConfig()
    rollout: RolloutConfig = RolloutConfig()
    verification: VerificationConfig = VerificationConfig()
    credit: CreditConfig = CreditConfig()
    critic: CriticConfig = CriticConfig()
    loss: LossConfig = LossConfig()
    learner: LearnerConfig = LearnerConfig()
    diagnostics: DiagnosticsConfig = DiagnosticsConfig()
    guards: GuardsConfig = GuardsConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    tracking: TrackingConfig = TrackingConfig()

    def changed(self, **sections: Mapping[str, Any]) -> RunConfig:
        """The same run with some settings of some sections changed, checked as a run file is.

        Raises:
            pydantic.ValidationError: together they are not run.
        """
        given = {name: {**dict(getattr(self, name)), **changes} for name, changes in sections.items()}
        return RunConfig.model_validate({**dict(self), **given})

    @property
    def path(self) -> Path:
        """The run's directory."""
        return self.run.directory / self.run.name

    @property
    def minibatch_prompts(self) -> int | None:
        """Prompts behind an optimiser update; None where rows are counted, or the batch is one update."""
        return self.learner.minibatch if self.learner.minibatch_unit == "prompts" else None

    @property
    def minibatch_rows(self) -> int | None:
        """Trained rows behind an optimiser update; None where prompts are counted, or the batch is one update."""
        size = self.learner.minibatch
        return None if size is None or self.learner.minibatch_unit == "prompts" else size * self.rollout.group_size

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> RunConfig:
        size, prompts = self.learner.minibatch, self.rollout.prompts_per_step
        if size is not None and size > prompts:
            raise ValueError(f"learner.minibatch={size} is larger than rollout.prompts_per_step={prompts}; lower it")
        multiple = self.learner.epochs > 1 or (size is not None and size < prompts)
        if multiple and self.loss.name == "reinforce":
            raise ValueError(
                "loss.name=reinforce has no importance ratio, so it is wrong for more than one update on the same batch "
                "(learner.minibatch below rollout.prompts_per_step, or learner.epochs above 1); use ppo_clip, cispo, gspo or topr"
            )
        if self.learner.mixed_precision == "auto" and self.model.dtype != "float32":
            raise ValueError(
                f"learner.mixed_precision=auto chooses between float32 and bf16, and model.dtype={self.model.dtype} leaves no float32 to "
                "choose; set learner.mixed_precision=bf16 or no"
            )
        if self.rollout.compiled_decode is True and not self.rollout.flat_decode:
            raise ValueError(
                "rollout.compiled_decode is a way of the flat pass, and rollout.flat_decode=false; set rollout.flat_decode=true, or "
                "rollout.compiled_decode=auto"
            )
        if self.rollout.sampler == "vllm":
            self._check_vllm()
        if self.loss.denominator != "constant" and self.loss.constant is not None:
            raise ValueError(
                f"loss.constant is set but loss.denominator={self.loss.denominator}; set loss.denominator=constant"
            )
        return self

    def _check_vllm(self) -> None:
        rollout = self.rollout
        if rollout.top_p < 1 or rollout.top_k:
            setting = f"top_p={rollout.top_p:g}" if rollout.top_p < 1 else f"top_k={rollout.top_k}"
            raise ValueError(
                f"rollout.{setting} with rollout.sampler=vllm: vLLM gives log-probabilities of what is left of the vocabulary, and those "
                "of all of it are trained; set rollout.top_p=1 and rollout.top_k=0, or rollout.sampler=embedded"
            )
        if self.model.lora.rank:
            raise ValueError(
                "rollout.sampler=vllm is pushed whole weights, and model.lora.rank trains adapters; set model.lora.rank=0, or "
                "rollout.sampler=embedded"
            )
