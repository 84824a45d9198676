"""What a run file may say: one pydantic model per section (`runfile` reads and writes the file itself).

Combinations that cannot train are refused at load. Names of rules, losses, tasks and models are checked where their
registries live, before the model is read.
"""

from counterpoise.config.credit import CreditConfig, CriticConfig, LossConfig
from counterpoise.config.data import RolloutConfig, TasksConfig, VerificationConfig
from counterpoise.config.evaluation import EvaluationConfig, TrackingConfig
from counterpoise.config.learner import (
    CheckpointConfig,
    DiagnosticsConfig,
    GuardsConfig,
    LearnerConfig,
    LoraConfig,
    ModelConfig,
)
from counterpoise.config.prompt import PromptConfig
from counterpoise.config.run import RunConfig, RunSection

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
