"""What of a `GRPOConfig` changes, or is ignored by, credit whose signs are held apart: refused or said before anything starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

from counterpoise.engines.arguments import check_reward_range
from counterpoise.errors import UsageError

__all__ = ["GLOBAL_DIVISOR", "check_arguments", "check_given", "check_version", "check_weights", "remarks"]

GLOBAL_DIVISOR = frozenset({"dapo", "cispo", "vespo"})
"""TRL's loss types that divide by `num_items_in_batch`, a number that the adapter sets; the others divide by what each process sees."""

_TESTED = ((1, 15), (1, 16))
_DEFAULTS: Final[Mapping[str, Any]] = {
    "loss_type": "dapo", "use_vllm": False, "top_p": 1.0, "top_k": 0, "top_entropy_quantile": 1.0,
    "multi_objective_aggregation": "sum_then_normalize", "use_liger_kernel": False,
}  # fmt: skip
"""What `check_arguments` reads of a `GRPOConfig`, as TRL has it."""


def check_version(version: str) -> str | None:
    """What to know of a version of TRL; None of the tested ones.

    Raises:
        UsageError: it is too old for the adapter.
    """
    found = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if found < _TESTED[0]:
        raise UsageError(
            f"trl {version} is installed, and the adapter needs 1.15 or 1.16: pip install 'trl>=1.15,<1.17'"
        )
    if found not in _TESTED:
        return f"trl {version}: the adapter was tested with 1.15 and 1.16; compare a step with the local engine before a long run"
    return None


def check_arguments(args: Any, *, denominator: str | None, reward_range: Sequence[float]) -> None:
    """Refuse what would make another objective of the one that was asked for.

    Args:
        args: TRL's `GRPOConfig`.
        denominator: the denominator that was asked for; None is TRL's own where it has one.
        reward_range: rewards of a wrong and of a right response.

    Raises:
        ConfigError: the range of the rewards is none.
        UsageError: the loss type cannot have the denominator, log-probabilities are not the policy's, or tokens, rewards or the loss
            would be others.
    """
    check_reward_range(reward_range)
    if args.top_entropy_quantile != 1.0:
        raise UsageError(
            f"top_entropy_quantile={args.top_entropy_quantile}: TRL takes the other tokens out of the loss, and they stay in its "
            "denominator; leave it out, or train with credit.token_weights=entropy_top of the local engine"
        )
    if args.multi_objective_aggregation != "sum_then_normalize":
        raise UsageError(
            f"multi_objective_aggregation={args.multi_objective_aggregation}: rewards reach the rule as they are, and TRL's normalisation "
            "is not done; leave it out, and take credit=gdpo for parts that are normalised each by itself"
        )
    if args.use_liger_kernel:
        raise UsageError(
            "use_liger_kernel=True: its loss divides by what it sees itself and ignores the denominator of the credit; leave it out"
        )
    if denominator is not None and args.loss_type not in GLOBAL_DIVISOR:
        raise UsageError(
            f"denominator={denominator} with loss_type={args.loss_type}: TRL divides that loss by what each process sees, not by a number "
            f"that can be set; take loss_type=dapo (the clipped loss), or leave the denominator out"
        )
    if args.use_vllm and (args.top_p < 1.0 or (args.top_k or 0) > 0):
        raise UsageError(
            f"vLLM gives log-probabilities of the truncated distribution (top_p={args.top_p:g}, top_k={args.top_k}), so that ratios to the "
            "policy are biased by the mass that is kept; train with top_p=1 and top_k=0, and truncate in evaluation only"
        )


def check_given(given: Mapping[str, Any], *, denominator: str) -> None:
    """`check_arguments` of what a `GRPOConfig` would be made of, without TRL.

    Args:
        given: arguments by name; the others are TRL's defaults.
        denominator: as there.

    Raises:
        UsageError: as there, or one is of another kind.
    """
    for name, default in _DEFAULTS.items():
        kind = (int, float) if isinstance(default, float) else type(default)
        value = given.get(name, default)
        if not isinstance(value, kind) or isinstance(value, bool) != isinstance(default, bool):
            raise UsageError(f"{name}={value!r}: TRL's is {default!r} where it is left out; give one of that kind")
    check_arguments(SimpleNamespace(**{**_DEFAULTS, **given}), denominator=denominator, reward_range=(0.0, 1.0))


def check_weights(weights: Sequence[float] | None, *, functions: int, ranged: bool) -> None:
    """Refuse several reward functions whose sum nobody has said the range of: a wrong answer in good format would be a right one.

    Args:
        weights: TRL's `reward_weights`; None is 1 for each.
        functions: how many there are.
        ranged: whether the rewards of a wrong and of a right response were given.

    Raises:
        UsageError: more than one has a weight other than 0 and no range was given, or none has.
    """
    counted = functions if weights is None else sum(weight != 0 for weight in weights)
    if functions and not counted:
        raise UsageError("reward_weights are all 0, so that nothing is judged; give the verdict a weight, as [1, 0]")
    if counted > 1 and not ranged:
        raise UsageError(
            f"{counted} reward functions are summed, and one of them alone could make a wrong response right; give "
            "reward_weights=[1, 0] to count the verdict alone, or reward_range=(wrong, right) of their weighted sum"
        )


def remarks(args: Any) -> list[str]:
    """What to know of settings that are allowed, one line each."""
    said = []
    if args.beta:
        said.append(
            f"beta={args.beta:g}: responses without credit have a KL gradient too; beta=0 trains on what carries credit alone"
        )
    if getattr(args, "entropy_coef", 0.0) or getattr(args, "use_adaptive_entropy", False):  # not in every TRL
        # TRL's bonus is no sum over a common count: a token of a short microbatch weighs more than one of a long microbatch.
        parts = args.gradient_accumulation_steps * args.world_size
        cut = f", here {parts}, so that it changes with how a batch is cut" if parts > 1 else ""
        said.append(
            f"entropy_coef: responses without credit have an entropy gradient too, and TRL's bonus is the mean over microbatches{cut} of "
            "their means over tokens; entropy_coef=0 trains on what carries credit alone"
        )
    if args.use_vllm and args.vllm_importance_sampling_correction:
        said.append(
            "vLLM's importance sampling correction weighs tokens of both signs; sampling/importance_sampling_ratio shows by how much"
        )
    if not args.mask_truncated_completions:
        said.append(
            "responses that are cut off at max_completion_length are judged by what they hold, mostly as wrong; "
            "mask_truncated_completions=True leaves them unscored"
        )
    if args.loss_type not in GLOBAL_DIVISOR:
        said.append(
            f"loss_type={args.loss_type} divides by what each process sees, responses without credit included; "
            "loss_type=dapo takes the denominator of counterpoise (tokens of responses with credit)"
        )
    return said
