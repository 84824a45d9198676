"""What a run file may say: one pydantic model per section (`runfile` reads and writes the file itself).

Combinations that cannot train are refused at load. Names of rules, losses, tasks and models are checked where their
registries live, before the model is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from counterpoise.config_base import Count, NonNegative, Positive, Probability, Section

__all__ = [
    "CheckpointConfig",
    "CreditConfig",
    "CriticConfig",
    "DiagnosticsConfig",
    "EvaluationConfig",
    "GuardsConfig",
    "LearnerConfig",
    "LoraConfig",
    "LossConfig",
    "ModelConfig",
    "PromptConfig",
    "RolloutConfig",
    "RunConfig",
    "RunSection",
    "TasksConfig",
    "TrackingConfig",
    "VerificationConfig",
]

MEAN_BASELINE_RULES = ("grpo", "dr_grpo", "rloo", "maxrl", "gdpo")
RULES_WITH_CRITIC = ("ppo",)


class RunSection(Section):
    """Where the run lives and what seeds it."""

    name: str = "run"
    """Directory name under `directory`."""
    directory: Path = Path("runs")
    """Parent of all runs."""
    seed: int = 0
    """Every random draw comes from named streams of this seed."""
    threads: Positive | None = None
    """CPU threads of torch; None keeps torch's choice. Tiny models are fastest with 1, on a busy machine by far."""


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
    """`lab`, `lab:weak`, `lab:graded`, `smollm2`, a directory, or a Hugging Face id."""
    dtype: Literal["float32", "bfloat16", "auto"] = "float32"
    """Precision of the stored weights that the optimiser updates."""
    lora: LoraConfig = LoraConfig()
    """Adapters."""


class TasksConfig(Section):
    """Where problems come from."""

    name: str = "countdown"
    """Registry name: `counterpoise tasks list` prints them."""
    train: Path | None = None
    """File of training problems, for tasks that read files."""
    test: Path | None = None
    """File of test problems, for tasks that read files."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Further settings of the task."""
    max_train: Positive | None = None
    """Use at most this many training problems (the first by identity hash)."""
    weights: dict[str, Annotated[float, Field(gt=0.0)]] = Field(default_factory=dict)
    """How often each task type is drawn in training, relative to the others; empty draws every problem equally often."""


class PromptConfig(Section):
    """From problem to prompt."""

    template: str | None = None
    """Template name; None takes the task's own default."""
    max_tokens: Positive | None = None
    """Longer prompts are refused, with the problem's id."""


class RolloutConfig(Section):
    """How training responses are drawn."""

    prompts_per_step: Positive = 64
    """Problems per training step, over all processes."""
    group_size: Positive = 8
    """Rollouts per problem."""
    temperature: Annotated[float, Field(gt=0.0)] = 1.0
    """Training samples at this temperature and trains that distribution."""
    top_p: Probability = 1.0
    """Nucleus; below 1 the proposal differs from the trained policy."""
    top_k: Count = 0
    """0 switches it off."""
    max_tokens: Positive = 256
    """Response tokens at most, EOS included."""
    stop: list[str] = Field(default_factory=list)
    """Strings that end a response."""
    max_rows: Positive = 512
    """Rows decoded together at most."""


class VerificationConfig(Section):
    """How responses are judged."""

    timeout: Annotated[float, Field(gt=0.0)] = 5.0
    """Seconds for one judgement; later it is unscored, never wrong."""
    workers: Positive = 1
    """Killable worker processes, for verifiers that need isolation."""
    truncated: Literal["wrong", "unscored"] = "wrong"
    """What a response without an answer is that hit `max_tokens`."""
    max_unscored: Probability = 0.5
    """A step with a larger unscored share stops the run."""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of verifiers by name, e.g. `{qa = {max_words = 8}}`."""


class CreditConfig(Section):
    """Which rule, and how it is weighed."""

    rule: str = "weighted_reinforce"
    """Registry name, e.g. `psr`, `nsr`, `weighted_reinforce`, `grpo`."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the rule, e.g. `{lambda = 0.1}`."""
    reward: str = "binary"
    """From verdict to reward."""
    reward_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the reward."""
    emphasis: str = "none"
    """Group weight d(p), on both signs."""
    emphasis_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the emphasis, e.g. `{gamma = 1.0}`."""
    token_weights: str = "none"
    """How a response's credit is shared out to its tokens: `none`, `probability`, `unlikelihood`, `entropy_top`, …"""
    token_weight_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the token weights, e.g. `{a = 0.5, normalise = false}`."""
    controller: str = "constant"
    """What sets the two lambdas each step."""
    controller_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the controller, e.g. `{lambda_plus = 1.0, lambda_minus = 1.0}`."""
    filter: str = "zero_credit"
    """Rows that are trained on: `zero_credit`, `none` or `zero_variance`; a group that loses all its rows makes no update."""
    all_wrong_cap: Probability | None = None
    """Largest share of the negative mass that all-wrong groups may carry."""


class CriticConfig(Section):
    """The critic of `credit.rule = "ppo"`; refused with any other rule."""

    trunk: Literal["separate", "policy"] = "separate"
    """What the value head reads: a copy of the policy's decoder that it trains, or the policy's own, which it leaves alone."""
    learning_rate: NonNegative = 1e-5
    """AdamW's constant rate; betas and epsilon are the learner's. 0 keeps every value at 0, which makes the advantage the return."""
    weight_decay: NonNegative = 0.01
    """AdamW's decoupled decay."""
    gradient_clip: Annotated[float, Field(gt=0.0)] | None = 1.0
    """Largest gradient norm; None switches clipping off."""
    value_clip: Annotated[float, Field(gt=0.0)] | None = 0.5
    """Largest move of a value in one batch that is rewarded, in units of the reward; None is plain squared error."""
    epochs: Positive = 1
    """Passes over each batch, in mini-batches of `learner.minibatch` prompts."""
    warmup_steps: Count = 0
    """First training steps that teach the critic alone; the policy stands still."""


class LossConfig(Section):
    """The surrogate and what divides it."""

    name: str = "ppo_clip"
    """Registry name: `reinforce`, `ppo_clip`, `cispo`, `gspo`, `topr`."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the loss, e.g. `{clip_low = 0.2, clip_high = 0.2}`."""
    denominator: str = "tokens_signed"
    """What a mini-batch's sum is divided by."""
    constant: Annotated[float, Field(gt=0.0)] | None = None
    """Tokens per sequence of the `constant` denominator; None takes `rollout.max_tokens`."""
    kl: NonNegative = 0.0
    """Coefficient of KL to the reference (the base); 0 is off and costs nothing."""
    kl_estimator: Literal["k1", "k3"] = "k3"
    """`k1` or `k3`."""
    entropy: NonNegative = 0.0
    """Coefficient of the entropy bonus; 0 is off."""


class LearnerConfig(Section):
    """The optimiser."""

    steps: Positive = 100
    """Training steps; each samples, credits and updates."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-6
    """AdamW's peak rate."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's moments."""
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-8
    """AdamW's epsilon."""
    weight_decay: NonNegative = 0.01
    """AdamW's decoupled decay."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """After warm-up."""
    warmup_steps: Count = 0
    """Optimiser updates of linear warm-up."""
    gradient_clip: Annotated[float, Field(gt=0.0)] | None = 1.0
    """Largest global gradient norm; None switches clipping off."""
    minibatch: Positive | None = None
    """Prompts per optimiser update; None makes one update a step."""
    epochs: Positive = 1
    """Passes over each batch."""
    tokens_per_microbatch: Positive = 2048
    """Padded tokens in one forward pass at most: what a CPU's caches hold; an accelerator wants 16,384 or more."""
    chunk_tokens: Positive | None = None
    """Response tokens whose logits exist at one time; None keeps float32 logits under 128 MiB."""
    old_log_probs: Literal["sampler", "learner"] = "sampler"
    """Who says what the sampling policy's log-probabilities were."""
    mixed_precision: Literal["no", "bf16"] = "no"
    """bf16 autocast where the device has it."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass."""


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
        default_factory=lambda: ["success", "entropy", "likelihood", "truncation", "repetition", "gradients"]
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
    every_minutes: Annotated[float, Field(gt=0.0)] | None = 10.0
    """None switches the time rule off."""
    keep: Positive = 2
    """Newest checkpoints kept."""
    best_by: str | None = "success_rate"
    """Metric whose best checkpoint is kept as well; None keeps none."""


class EvaluationConfig(Section):
    """pass@k on the test split."""

    before: bool = True
    """Evaluate the base first, so that every run has its own baseline."""
    every: Count = 0
    """Steps between evaluations; 0 evaluates at the end only."""
    after: bool = True
    """Evaluate the final policy."""
    problems: Positive | None = 128
    """The first so many test problems of each task type by identity hash; None takes all."""
    n: Positive = 256
    """Rollouts per problem."""
    k: list[Positive] | None = None
    """ks of the curve; None takes the powers of two up to n."""
    temperature: Annotated[float, Field(ge=0.0)] = 0.6
    """The paper's evaluation: temperature 0.6, top-p 0.95."""
    top_p: Probability = 0.95
    """Nucleus."""
    top_k: Count = 0
    """0 switches it off."""
    max_tokens: Positive | None = None
    """None takes `rollout.max_tokens`."""
    confidence: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.95
    """Level of the intervals."""

    @model_validator(mode="after")
    def _check(self) -> EvaluationConfig:
        too_large = [k for k in self.k or () if k > self.n]
        if too_large:
            raise ValueError(
                f"k={too_large[0]} is larger than n={self.n}: pass@k is undefined for n < k; raise n or drop that k"
            )
        if self.temperature == 0 and self.n > 1:
            raise ValueError(
                f"temperature=0 is greedy, so all n={self.n} responses to a problem would be equal; set n=1 or a temperature above 0"
            )
        return self


class TrackingConfig(Section):
    """Where metrics go besides metrics.jsonl."""

    trackers: list[str] = Field(default_factory=list)
    """Any of accelerate's: `tensorboard`, `wandb`, `trackio`, …"""
    project: str = "counterpoise"
    """Project name for trackers that have one."""

    @field_validator("trackers", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


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

    @property
    def path(self) -> Path:
        """The run's directory."""
        return self.run.directory / self.run.name

    @model_validator(mode="after")
    def _check(self) -> RunConfig:
        size, prompts = self.learner.minibatch, self.rollout.prompts_per_step
        if size is not None and size > prompts:
            raise ValueError(f"learner.minibatch={size} is larger than rollout.prompts_per_step={prompts}; lower it")
        if self.rollout.group_size == 1 and self.credit.rule in MEAN_BASELINE_RULES:
            raise ValueError(
                f"credit.rule={self.credit.rule} compares a rollout with its group, and rollout.group_size=1 has nothing to "
                "compare: every credit would be zero; raise the group size, or use psr, nsr, weighted_reinforce or reinforce"
            )
        if self.critic != CriticConfig() and self.credit.rule not in RULES_WITH_CRITIC:
            raise ValueError(
                f"the section critic is set and credit.rule={self.credit.rule} has no critic; drop the section, or set credit.rule=ppo"
            )
        multiple = self.learner.epochs > 1 or (size is not None and size < prompts)
        if multiple and self.loss.name == "reinforce":
            raise ValueError(
                "loss.name=reinforce has no importance ratio, so it is wrong for more than one update on the same batch "
                "(learner.minibatch below rollout.prompts_per_step, or learner.epochs above 1); use ppo_clip, cispo, gspo or topr"
            )
        if self.loss.denominator != "constant" and self.loss.constant is not None:
            raise ValueError(
                f"loss.constant is set but loss.denominator={self.loss.denominator}; set loss.denominator=constant"
            )
        return self
