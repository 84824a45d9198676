"""What trains, watches and keeps the policy: model, optimiser, diagnostics, guards, checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from counterpoise.columns import find_scored
from counterpoise.config.base import STORED, Compiling, Section
from counterpoise.errors import ConfigError
from counterpoise.ranges import AboveZero, Count, NonNegative, Positive

__all__ = ["CheckpointConfig", "DiagnosticsConfig", "GuardsConfig", "LearnerConfig", "LoraConfig", "ModelConfig"]

_Decay = Annotated[float, Field(ge=0.0, lt=1.0)]


class LoraConfig(Section):
    """Low-rank adapters instead of full fine-tuning (extra `lora`)."""

    rank: Count = 0
    """0 trains all weights."""
    alpha: NonNegative = 32.0
    """Scale numerator: the update is multiplied by alpha / rank."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Dropout on the adapters' input."""
    target_modules: str | list[str] = "all-linear"
    """Module names, or `all-linear`."""


class ModelConfig(Section):
    """The policy."""

    name: str = "lab"
    """`lab`, `lab:weak`, `lab:graded`, `lab:paths`, `smollm2`; a directory, a GGUF file (`model.gguf`) or a run's checkpoint
    (`RUN@STEP`), relative to the run file; or a Hugging Face id."""
    dtype: Literal["float32", "bfloat16", "auto"] = "float32"
    """Precision of the stored weights that the optimiser updates."""
    revision: str | None = None
    """Commit, branch or tag of a model of the hub; None takes its newest."""
    attn_implementation: Literal["eager", "sdpa", "flash_attention_2", "flash_attention_3"] | None = None
    """How attention is computed; None leaves it to transformers."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model. It can be switched on at the command line only, and no run file keeps it."""
    lora: LoraConfig = LoraConfig()
    """Adapters."""


class LearnerConfig(Section):
    """The optimiser."""

    steps: Positive = 100
    """Training steps; each samples, credits and updates."""
    learning_rate: AboveZero = 1e-6
    """AdamW's peak rate."""
    betas: tuple[_Decay, _Decay] = (0.9, 0.999)
    """AdamW's moments."""
    epsilon: AboveZero = 1e-8
    """AdamW's epsilon."""
    weight_decay: NonNegative = 0.01
    """AdamW's decoupled decay."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """After warm-up, by training steps."""
    warmup_steps: Count = 0
    """Optimiser updates of linear warm-up."""
    gradient_clip: AboveZero | None = 1.0
    """Largest global gradient norm; None switches clipping off."""
    minibatch: Positive | None = None
    """Prompts per optimiser update, at most; None makes one update a step."""
    minibatch_unit: Literal["prompts", "rows"] = "prompts"
    """`prompts`: an update takes `minibatch` prompts that kept any row; `rows`: `minibatch * rollout.group_size` rows that are trained on,
    so that a rule that drops rows makes fewer updates, and not smaller ones. Refused without a `minibatch`."""
    epochs: Positive = 1
    """Passes over each batch."""
    tokens_per_microbatch: Positive = 2048
    """Padded tokens in one forward pass at most: what a CPU's caches hold; an accelerator wants 16,384 or more."""
    chunk_tokens: Positive | None = None
    """Response tokens whose logits exist at one time; None keeps float32 logits under 128 MiB."""
    share_prompts: bool = True
    """Compute each prompt once for all its responses, where the model is proven to allow it; false computes it with each."""
    products: Literal["auto", "torch", "onednn"] = "auto"
    """Who multiplies float32 matrices on a CPU: `auto` takes oneDNN where a product is measured to be 1.4 times as fast as torch's own,
    as on processors with AVX-512 that are not Intel's."""
    compiled: Compiling = "auto"
    """Compile norms, gates and attention of float32 on a CPU at the first update, where the model's layers are Llama's: `auto` where there
    is a C++ compiler and the model is proven to have the same numbers; true refuses the run where there is no compiler."""
    old_log_probs: Literal["sampler", "learner"] = "sampler"
    """Who says what the sampling policy's log-probabilities were."""
    mixed_precision: Literal["no", "bf16", "auto"] = "no"
    """bf16 autocast where the device has it; `auto` takes it where a product in bf16 is measured to be 1.75 times as fast as in float32
    when training begins, and keeps what it took in the run."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass."""

    @model_validator(mode="before")
    @classmethod
    def _begun_before(cls, data: Any, info: ValidationInfo) -> Any:
        # A run that was begun before prompts were shared, multiplied by another library, or operators compiled, goes on as it was, to the
        # last bit.
        if (info.context or {}).get(STORED) and isinstance(data, Mapping):
            return {"share_prompts": False, "products": "torch", "compiled": False, **data}
        return data

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> LearnerConfig:
        # A run that was begun so goes on so: it makes one update a step.
        if self.minibatch_unit == "rows" and self.minibatch is None and not (info.context or {}).get(STORED):
            raise ValueError(
                "minibatch_unit=rows says what minibatch counts, and minibatch is not set, so that a step makes one update of all its "
                "rows; set minibatch too, or drop minibatch_unit"
            )
        return self


class DiagnosticsConfig(Section):
    """Measurements that cost passes or room of their own, taken every so many steps from the first on."""

    every: Count = 50
    """Steps between two looks at the signs' gradients and at how far the update moved responses and anchors; 0 is never."""
    rollouts: Positive = 48
    """Correct rollouts, wrong rollouts and anchors read at such a look, at most, each."""
    samples_every: Count = 25
    """Steps between two that leave a few of their rollouts in samples.jsonl; 0 is never."""


class GuardsConfig(Section):
    """What watches over a run, and what it may do (docs/guards.md)."""

    names: list[str] = Field(
        default_factory=lambda: [
            "success",
            "entropy",
            "likelihood",
            "truncation",
            "repetition",
            "gradients",
            "nothing_right",
            "unscored",
        ]
    )
    """The guards that watch."""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of guards by name, e.g. `{entropy = {factor = 1.5}}`."""
    act: bool = False
    """Whether they may change the run; otherwise they only say what they see."""
    together: Positive = 2
    """Guards that must fire at once for a return to the last good checkpoint."""
    rollbacks: Count = 3
    """Returns at most; then the run stops."""
    hold: Count = 50
    """Steps of full relief after a guard's last alarm."""
    fade: Count = 50
    """Steps over which the relief is then taken back."""
    backoff: Annotated[float, Field(ge=1.0)] = 2.0
    """Factor on both with every alarm after the first."""
    floor: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Least positive share of the credit by tokens at every step; 0 leaves it to rule and controller."""

    @model_validator(mode="after")
    def _check(self) -> GuardsConfig:
        if self.floor and not self.act:
            raise ValueError(
                f"guards.floor={self.floor:g} changes the credit, and guards.act=false; set guards.act=true"
            )
        return self


class CheckpointConfig(Section):
    """What survives a kill."""

    every_steps: Count = 25
    """0 switches the step rule off."""
    every_minutes: AboveZero | None = 10.0
    """None switches the time rule off."""
    keep: Positive = 2
    """Newest checkpoints kept."""
    best_by: str | None = "success_rate"
    """Column of metrics.jsonl whose best checkpoint is kept as well: the highest or the lowest, as `columns` says; None keeps none."""

    @field_validator("best_by")
    @classmethod
    def _scored(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A run's own file must stay readable whatever was accepted when it was made; training asks again.
        if value is not None and not (info.context or {}).get(STORED):
            try:
                find_scored(value)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        return value
