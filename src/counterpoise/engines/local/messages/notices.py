"""Warnings before the first step about settings that are allowed but risky."""

from __future__ import annotations

from counterpoise.config import RolloutConfig, RunConfig

__all__ = ["cut_draws", "unheld_rows"]


def cut_draws(rollout: RolloutConfig) -> str | None:
    """What training on draws from a part of the distribution means, where a run does it."""
    cuts = [f"rollout.top_p={rollout.top_p:g}"] if rollout.top_p < 1.0 else []
    cuts += [f"rollout.top_k={rollout.top_k}"] if rollout.top_k else []
    if not cuts:
        return None
    return (
        f"{' and '.join(cuts)}: responses are drawn from a part of the policy's distribution, while the importance ratio and the gradient "
        "are those of the whole of it, so the gradient is biased: nothing makes up for the tokens that are never drawn. "
        "Train with rollout.top_p=1 rollout.top_k=0; evaluation.top_p and evaluation.top_k are settings of their own"
    )


def unheld_rows(config: RunConfig) -> str | None:
    """That a filter drops rows which a KL by problem would hold, where it does."""
    keys = config.loss.kl_by_problem
    if not keys or config.credit.filter == "none":
        return None
    return (
        f"credit.filter={config.credit.filter} drops rows without credit, those of groups without a success among them, and "
        f"{' and '.join(f'loss.{key}' for key in keys)} cannot hold what is dropped; set credit.filter=none"
    )
