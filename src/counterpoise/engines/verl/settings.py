"""`algorithm.counterpoise` of verl's configuration: the table `[credit]` of a run file, and what verl needs beside it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from counterpoise.build.credit import alone_in_group
from counterpoise.config import CreditConfig, RunConfig
from counterpoise.credit import RULES, Needs, needs_of
from counterpoise.engines.arguments import check_reward_range, check_timeout, is_number
from counterpoise.engines.outside import OutsideCredit, compose
from counterpoise.errors import ConfigError, UsageError, nearest
from counterpoise.runfile import setting_places

__all__ = [
    "VerlSettings",
    "adds_terms",
    "as_written",
    "check_config",
    "check_whole",
    "column_kinds",
    "is_ours",
    "verl_settings",
]

_OWN = ("denominator", "max_unscored", "remove_rows", "reward_range", "reward_timeout", "task_key")
_ENGINE = "verl's trainer"
_TABLE = "algorithm.counterpoise"
_PATIENCE = 600.0
"""Seconds for a response in which a reward function of the user's own has hung and does not only take long."""
_CORRECTION = "algorithm.rollout_correction"
_SCALED = ("token-mean", "token-sum")
_PLACES = (
    "", "actor_rollout_ref", "actor_rollout_ref.actor", "actor_rollout_ref.model", "actor_rollout_ref.ref", "actor_rollout_ref.rollout",
    "critic", "data", "reward", "trainer", "trainer.v1",
)  # fmt: skip
_LOSSES = ("cispo", "dppo_kl", "dppo_tv", "gpg", "gspo", "vanilla")
"""Losses of verl's that only reduce by `loss_agg_mode`, so that an advantage is a token's weight in the update."""
_BOUNDED = ("dppo_kl", "dppo_tv", "vanilla")
"""Those that read `clip_ratio_c`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerlSettings:
    """What stands below `algorithm.counterpoise`."""

    credit: Mapping[str, Any]
    """The table `[credit]` of a run file."""
    denominator: str | None
    """A name of `losses.DENOMINATORS`; None is `tokens_signed`."""
    remove_rows: bool
    """Rows without credit are taken out before the update, so that there are fewer updates, as in the code of arXiv 2506.01347."""
    max_unscored: float
    """Share of a step's rollouts that may be lost or unscored; more end the run. `verification.max_unscored` of a run file."""
    low: float
    """Reward of a wrong response."""
    high: float
    """Reward of a right one."""
    reward_timeout: float | None
    """Seconds that a call of the user's own reward function may take; more is unscored. None waits for ever, as verl does."""
    task_key: str | None
    """Field of the data that names a prompt's kind of task, e.g. `data_source`; None is one kind."""

    def compose(self, *, steps: int, length: int, kinds: Sequence[str] = (), terms: bool = False) -> OutsideCredit:
        """Rule, emphasis, controller and denominator; `terms` says whether verl's loss has a KL or entropy term.

        Raises:
            ConfigError, UnknownNameError: a name or a setting is unknown or out of range.
            UsageError: verl cannot give what the rule needs.
        """
        with as_written():
            return compose(
                self.credit,
                engine=_ENGINE,
                steps=steps,
                length=length,
                denominator=self.denominator,
                kinds=kinds,
                token_weights=True,
                verdicts=True,
                terms=terms,
            )


@contextmanager
def as_written() -> Iterator[None]:
    """Have messages name the keys that a user of verl has written, and not those of a run file."""
    try:
        yield
    except UsageError as error:
        said = str(error).removeprefix("credit: ")
        said = re.sub(r"(?<![\w.])credit\.(?=[a-z])", f"{_TABLE}.", said)
        said = re.sub(r"(?<![\w.])loss\.denominator", f"{_TABLE}.denominator", said)
        error.args = (said,)
        raise


def _check_keys(table: Mapping[str, Any]) -> None:
    """Refuse keys that are none, with the nearest one: the run file's own message would name a section that stands nowhere in a command."""
    known = [*CreditConfig.model_fields, *_OWN]
    for key in table:
        if key in known:
            continue
        inside = [
            place.replace("credit.", f"{_TABLE}.", 1)
            for place in setting_places(str(key), {"credit": table})
            if place.startswith("credit.settings.")
        ]
        takes = f"It takes: {', '.join(known)}"
        meant = f"; did you mean '{inside[0]}'? {takes}" if inside else nearest(str(key), known, takes)
        raise ConfigError(f"{_TABLE}.{key}: there is no such key{meant}")


def verl_settings(table: Mapping[str, Any] | None) -> VerlSettings:
    """Read `algorithm.counterpoise`.

    Raises:
        ConfigError: a value is none of those that it may be.
    """
    table = dict(table or {})
    _check_keys(table)
    own = {name: table.pop(name) for name in _OWN if name in table}
    ends = own.get("reward_range", (0.0, 1.0))
    check_reward_range(ends, name="algorithm.counterpoise.reward_range", example="[0,1]")
    remove = own.get("remove_rows", False)
    if not isinstance(remove, bool):
        raise ConfigError(f"algorithm.counterpoise.remove_rows={remove!r}: give true or false")
    if remove and table.get("filter") == "none":
        raise ConfigError(
            "algorithm.counterpoise.remove_rows=True with filter=none: one removes rows that the other keeps; leave one out"
        )
    unscored = own.get("max_unscored", RunConfig().verification.max_unscored)
    if not is_number(unscored) or not 0.0 <= unscored <= 1.0:
        raise ConfigError(f"algorithm.counterpoise.max_unscored={unscored!r}: give a share in [0, 1]")
    timeout = own.get("reward_timeout", _PATIENCE)
    check_timeout(timeout, name="algorithm.counterpoise.reward_timeout", none="null")
    for name in ("denominator", "task_key"):
        if not isinstance(own.get(name), (str, type(None))):
            raise ConfigError(f"algorithm.counterpoise.{name}={own[name]!r}: give a name")
    return VerlSettings(
        credit=table,
        denominator=own.get("denominator"),
        remove_rows=remove,
        max_unscored=float(unscored),
        low=float(ends[0]),
        high=float(ends[1]),
        reward_timeout=None if timeout is None else float(timeout),
        task_key=own.get("task_key"),
    )


def column_kinds(rows: Any, key: str) -> tuple[str, ...]:
    """Kinds of tasks of a data set (`datasets.Dataset`), sorted.

    Raises:
        ConfigError: it has no such column.
    """
    if key not in rows.column_names:
        raise ConfigError(
            f"algorithm.counterpoise.task_key={key}: the training data has no such column; name one of {', '.join(rows.column_names)}"
        )
    return tuple(sorted({str(kind) for kind in rows[key]}))


def is_ours(config: Any) -> bool:
    """Whether verl's configuration asks for anything of ours; verl's own algorithms are nobody's business here.

    Raises:
        ConfigError: a table is called nearly so, or stands elsewhere, and would be read by nobody.
    """
    algorithm = config.get("algorithm", None) or {}
    mode = ((config.get("trainer", None) or {}).get("v1", None) or {}).get("trainer_mode", None)
    for key in algorithm:
        if key != "counterpoise" and difflib.get_close_matches(str(key), ["counterpoise"], cutoff=0.75):
            raise ConfigError(f"algorithm.{key}: nobody reads that; did you mean algorithm.counterpoise?")
    for place in _PLACES:
        section: Any = config
        for name in filter(None, place.split(".")):
            section = (section.get(name, None) if isinstance(section, Mapping) else None) or {}
        for key in section if isinstance(section, Mapping) else ():
            if difflib.get_close_matches(str(key), ["counterpoise"], cutoff=0.75):
                where = f"{place}.{key}".lstrip(".")
                raise ConfigError(
                    f"{where}: nobody reads that; our table stands below algorithm, write +{_TABLE} in its place"
                )
    named = algorithm.get("adv_estimator", None), mode
    return "counterpoise" in named or algorithm.get("counterpoise", None) is not None


def adds_terms(config: Any) -> bool:
    """Whether verl's loss has terms that act on rows without credit."""
    actor = config.actor_rollout_ref.actor
    return bool(actor.get("use_kl_loss", False)) or bool(actor.get("entropy_coeff", 0.0))


def check_whole(config: Any) -> None:
    """Hold verl's whole configuration against the credit that it asks for, where it asks for ours; nothing of verl's is imported.

    Raises:
        ConfigError, UnknownNameError: a name or a setting is unknown or out of range.
        UsageError: a setting and our credit contradict each other, or verl cannot give what the rule needs.
    """
    if not is_ours(config):
        return
    from omegaconf import OmegaConf

    table = config.algorithm.get("counterpoise", None)
    found = (
        None if table is None else OmegaConf.to_container(table, resolve=True) if OmegaConf.is_dict(table) else table
    )
    if found is not None and not isinstance(found, Mapping):
        raise ConfigError(f"algorithm.counterpoise={found!r}: give a table, +algorithm.counterpoise.rule=nsr")
    check_config(config)
    verl_settings(found).compose(steps=1, length=int(config.data.max_response_length), terms=adds_terms(config))


def check_config(config: Any) -> None:
    """Refuse settings of verl's that would make another objective of the one that was asked for; `config` is verl's whole one.

    Raises:
        UsageError: a setting and our credit contradict each other.
    """
    actor, algorithm, mode = config.actor_rollout_ref.actor, config.algorithm, config.trainer.v1.trainer_mode
    table = dict(algorithm.get("counterpoise", None) or {})
    correction, rollout = (
        algorithm.get("rollout_correction", None) or {},
        config.actor_rollout_ref.get("rollout", None) or {},
    )
    weighs, rejects = correction.get("rollout_is", None), correction.get("rollout_rs", None)
    bypass, every = bool(correction.get("bypass_mode", False)), str(table.get("filter", "")) == "none"
    manager = (config.reward.get("reward_manager", None) or {}).get("name", None)
    reward = str(table.get("reward", "binary"))
    function = config.reward.custom_reward_function.path
    terms = adds_terms(config)
    shaped = (config.reward.get("reward_kwargs", None) or {}).get("overlong_buffer_cfg", None) or {}
    loss = str((actor.get("policy_loss", None) or {}).get("loss_mode", "vanilla"))
    older = [
        f"{section}.{key}={value}"
        for section in ("custom_reward_function", "reward_model")
        for key, value in (config.get(section, None) or {}).items()
        if value is not None and (key == "reward_kwargs" or not isinstance(value, Mapping))
    ]
    bounded = float(actor.get("clip_ratio_c", 3.0))
    wanted = (
        (algorithm.adv_estimator == "counterpoise", f"algorithm.adv_estimator={algorithm.adv_estimator}",
         "no rule of ours would be called; set algorithm.adv_estimator=counterpoise, or leave algorithm.counterpoise out"),
        (mode == "counterpoise", f"trainer.v1.trainer_mode={mode}",
         "that trainer shows an estimator no verdicts; set trainer.v1.trainer_mode=counterpoise"),
        (config.trainer.get("use_v1", True), "trainer.use_v1=False", "the older trainer has no place for our credit; set True"),
        (not config.critic.get("enable", None), "critic.enable=True",
         "no rule here reads values, and a critic would be trained for nothing; leave it out, or train ppo with the local engine"),
        (actor.loss_agg_mode in _SCALED, f"actor_rollout_ref.actor.loss_agg_mode={actor.loss_agg_mode}",
         "our denominator is in the advantages; set token-sum, which divides by nothing, or token-mean"),
        (not (terms and actor.loss_agg_mode == "token-sum"), "actor_rollout_ref.actor.loss_agg_mode=token-sum",
         "verl adds the KL and entropy terms up over a mini-batch's tokens, undivided; set token-mean, which divides them"),
        (loss in _LOSSES, f"actor_rollout_ref.actor.policy_loss.loss_mode={loss}",
         "our denominator is in the advantages, and only a loss that reduces by loss_agg_mode and adds nothing of its own keeps it; set "
         f"one of {', '.join(_LOSSES)}"),
        (loss not in _BOUNDED or not bounded <= 1.0, f"actor_rollout_ref.actor.clip_ratio_c={bounded}",
         f"it bounds the ratio of what is pushed down, and verl's loss {loss} wants more than 1; set 3.0, which is verl's own, or 1e9 for "
         "no bound"),
        (not actor.shuffle, "actor_rollout_ref.actor.shuffle=True",
         "the denominator counts each mini-batch, whose rows would not be known; set False"),
        (not algorithm.use_kl_in_reward, "algorithm.use_kl_in_reward=True",
         "a reward is a verdict here; set False, and use_kl_loss=True for a KL term"),
        (not algorithm.get("use_pf_ppo", False), "algorithm.use_pf_ppo=True", "it resamples rows of other credit; set False"),
        (not (algorithm.get("filter_groups", None) or {}).get("enable", False), "algorithm.filter_groups.enable=True",
         "it drops the groups that nsr learns from; set False: rows without credit are left out of updates anyway"),
        (reward == "binary" or function is not None, f"algorithm.counterpoise.reward={reward}",
         "it is what a verdict of ours is worth; set reward.custom_reward_function.path=pkg://counterpoise.engines.verl.rewards"),
        (rejects is None, f"{_CORRECTION}.rollout_rs={rejects}",
         "it takes tokens out when our denominator has counted them, so that updates shrink with what is rejected; set null, and "
         "rollout_is=token with a threshold such as '0.5_2.0' to give tokens outside of it the weight 0"),
        (weighs is None or bool(rollout.get("calculate_log_probs", False)), f"{_CORRECTION}.rollout_is={weighs}",
         "verl leaves the weights out in silence without the sampler's log-probabilities; set "
         "actor_rollout_ref.rollout.calculate_log_probs=True"),
        (weighs is None or not bypass, f"{_CORRECTION}.rollout_is={weighs} with bypass_mode=True",
         "this trainer of verl's makes no weights then; set bypass_mode=False, or leave rollout_is out"),
        (weighs is None or every or not correction.get("rollout_is_batch_normalize", False),
         f"{_CORRECTION}.rollout_is_batch_normalize=True",
         "the mean would be that of the rows that are sent, not of all; set False, or algorithm.counterpoise.filter=none"),
        (not older, next(iter(older), ""),
         "verl's trainer reads this older key no more; write what stands below reward in its place (reward.custom_reward_function, "
         "reward.reward_manager.name, reward.reward_model, reward.reward_kwargs)"),
        (manager != "rate_limited", "reward.reward_manager.name=rate_limited",
         "it gives 0 to a response that the reward function failed at, and that would count as wrong; set naive, and hold the rate in the "
         "function"),
        (not shaped.get("enable", False), "reward.reward_kwargs.overlong_buffer_cfg.enable=True",
         "it takes from the reward of a long response, and a right one would count as wrong, or nothing would come of it; set False, and "
         "judge the length in a reward function of your own that gives it as a part"),
        (str(table.get("token_weights", "none")) == "none" or not bypass,
         "algorithm.rollout_correction.bypass_mode=True", "verl then records no entropies, which token weights read; set False"),
    )  # fmt: skip
    for fine, what, why in wanted:
        if not fine:
            raise UsageError(f"{what}: {why}")
    rule = str(table.get("rule", RunConfig().credit.rule))
    # A name that is none is refused where the rule is made, with the nearest one.
    if rollout.get("n", None) == 1 and rule in RULES and Needs.BASELINE in needs_of(rule):
        with as_written():
            raise UsageError(alone_in_group(rule, "actor_rollout_ref.rollout.n"))
