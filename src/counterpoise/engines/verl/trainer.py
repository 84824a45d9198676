"""verl's synchronous trainer with our credit, registered as `trainer.v1.trainer_mode=counterpoise`."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from counterpoise.build.credit import reward_of
from counterpoise.credit import Needs, needs_of
from counterpoise.engines.outside import OutsideCredit, counted_rows, rollout_columns, with_verdicts
from counterpoise.engines.state import read_state, write_state
from counterpoise.engines.verl.batch import Sessions, recorded, session_batch, sessions_of, verdicts_of
from counterpoise.engines.verl.chat_format import give_back
from counterpoise.engines.verl.estimator import giving
from counterpoise.engines.verl.lost import refuse_lost
from counterpoise.engines.verl.options import PASS_THROUGH
from counterpoise.engines.verl.settings import adds_terms, as_written, check_config, column_kinds, verl_settings
from counterpoise.engines.verl.updates import Updates, fitting_micro, plan_updates, shares_of, tokens_of_updates
from counterpoise.errors import DataError, MissingExtraError, TrainingError, error_line
from counterpoise.models.load import load_tokenizer
from counterpoise.types import Batch, Credit, Verdict

try:
    import ray
    import transfer_queue as tq
    from omegaconf import OmegaConf, open_dict
    from tensordict import TensorDict
    from transfer_queue import KVBatchMeta
    from verl.trainer.ppo.v1.trainer_base import register_trainer
    from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
    from verl.workers.utils.padding import response_to_nested
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "verl", extra="verl", purpose="the trainer of verl") from error

__all__ = ["SignedPPOTrainer"]

_LOG = logging.getLogger(__name__)


@register_trainer("counterpoise")  # type: ignore[untyped-decorator,unused-ignore]
class SignedPPOTrainer(PPOTrainerSync):  # type: ignore[misc,unused-ignore]
    """verl's `PPOTrainerSync` with a rule, emphasis and controller of counterpoise in the place of its advantages.

    The driver computes the credit of the whole batch once, so that processes need not agree on it. Rewards go to the rule as they are;
    padding rows are in no count. The loss is verl's own (`policy_loss.loss_mode`), summed over tokens (or their mean, which the
    advantages undo), and our denominator, counted over each mini-batch, is in the advantages. Columns of the credit stand in verl's
    metrics under `credit/`.

    Rows without credit are not sent to the actor (`filter`). Where the credit can be had without the policy's log-probabilities, it is
    computed before them, so that no pass at all is made over those rows: neither the old log-probabilities nor the reference's. Token
    weights and what reads the surprisal (`fade`, controllers that hold entropy) get the old log-probabilities of every row first.

    Args:
        config: verl's configuration; `algorithm.counterpoise` says which credit.

    Raises:
        ConfigError, UnknownNameError: a name or a setting is unknown or out of range.
        UsageError: a setting of verl's would change the objective, or the rule needs what verl has not.
    """

    def __init__(self, config: Any) -> None:
        check_config(config)
        table = config.algorithm.get("counterpoise", None)
        self._asked = verl_settings(None if table is None else OmegaConf.to_container(table, resolve=True))
        self._length = int(config.data.max_response_length)
        self._terms = adds_terms(config)
        self._kinds: tuple[str, ...] = ()
        self._compose(steps=1)  # refuses what is wrong before a model is loaded
        self._parts: OutsideCredit | None = None
        self._restored: Mapping[str, Any] | None = None
        self._updates = Updates(number=torch.zeros(0, dtype=torch.int64), rows=[], size=0)
        self._weighing: tuple[torch.Tensor, list[str]] | None = None
        with open_dict(config):
            config.trainer.v1.trainer_mode = "sync"  # verl looks up settings of a mode by that name
        super().__init__(config)
        credit = self._asked.credit
        print(f"counterpoise: credit of this run is {json.dumps(dict(credit) or 'the default')}", flush=True)

    def _compose(self, *, steps: int) -> OutsideCredit:
        return self._asked.compose(steps=steps, length=self._length, kinds=self._kinds, terms=self._terms)

    def _init_dataloader(self) -> None:
        super()._init_dataloader()
        rows = getattr(self.train_dataset, "dataframe", None)  # verl's own data set has it
        if self._asked.task_key is not None and rows is not None:
            self._kinds = column_kinds(rows, self._asked.task_key)

    @property
    def signed_credit(self) -> OutsideCredit:
        """Rule, emphasis, controller and denominator of this run, with the state they have now."""
        if self._parts is None:
            self._parts = self._compose(steps=self.total_training_steps)
            if self._restored is not None:
                for name, part in self._parts.step.states.items():
                    part.load_state_dict(self._restored.get(name))
        return self._parts

    def _compute_old_log_prob(self, batch: Any, metrics: dict[str, Any]) -> Any:
        actor, rollout = self.config.actor_rollout_ref.actor, self.config.actor_rollout_ref.rollout
        self._weighing = self._credited(batch, metrics, "rollout_log_probs") if self._credit_first() else None
        passed = batch if self._weighing is None else self._sent(batch, rollout.log_prob_micro_batch_size_per_gpu)
        if not passed.keys:
            return batch
        usual = actor.loss_agg_mode
        with open_dict(self.config):
            try:
                actor.loss_agg_mode = "token-mean"  # of actor/entropy, which a sum would make nats a step
                done = super()._compute_old_log_prob(passed, metrics)
            finally:
                actor.loss_agg_mode = usual
        return done if self._weighing is None else batch

    def _compute_ref_log_prob(self, batch: Any, metrics: dict[str, Any]) -> Any:
        if self._weighing is None:
            return super()._compute_ref_log_prob(batch, metrics)
        own = self.config.actor_rollout_ref["rollout" if self.ref_in_actor else "ref"]
        passed = self._sent(batch, own.log_prob_micro_batch_size_per_gpu)
        if passed.keys:
            super()._compute_ref_log_prob(passed, metrics)
        return batch

    def _compute_advantage(self, batch: Any, metrics: dict[str, Any]) -> Any:
        weighing, self._weighing = self._weighing, None
        if weighing is None:
            with giving(*self._credited(batch, metrics, "old_log_probs")):
                return super()._compute_advantage(batch, metrics)
        advantages, uids = weighing
        passed, rows = self._sent(batch), self._updates.rows
        if rows:
            with giving(advantages[rows], [uids[row] for row in rows]):
                super()._compute_advantage(passed, metrics)
        left = sorted(set(range(len(uids))) - set(rows))
        if left:  # verl's metrics are of all rows
            keys = [batch.keys[row] for row in left]
            mask = tq.kv_batch_get(keys=keys, partition_id=batch.partition_id, select_fields=["response_mask"])
            nothing = response_to_nested(torch.zeros((len(left), advantages.shape[1])), mask["response_mask"])
            fields = TensorDict({"advantages": nothing, "returns": nothing}, batch_size=len(left))
            tq.kv_batch_put(keys=keys, partition_id=batch.partition_id, fields=fields)
        return batch

    def _credit_first(self) -> bool:
        """Whether the credit is known before any log-probability of the policy's, and leaves rows out."""
        section = self.signed_credit.config.credit
        return section.filter != "none" and section.token_weights == "none" and not self.signed_credit.needs_surprisal

    def _sent(self, batch: Any, micro: int | None = None) -> Any:
        """The rows of the step's updates; a pass over them is cut into microbatches of `micro` rows at most."""
        rows = self._updates.rows
        extra = dict(batch.extra_info)
        if micro:
            extra["micro_batch_size_per_gpu"] = fitting_micro(len(rows) // self._processes(), micro)
        return KVBatchMeta(
            partition_id=batch.partition_id,
            keys=[batch.keys[row] for row in rows],
            tags=[batch.tags[row] for row in rows],
            extra_info=extra,
        )

    def _credited(self, batch: Any, metrics: dict[str, Any], log_probs: str) -> tuple[torch.Tensor, list[str]]:
        """(B, T) advantages and the groups of a step's rows, from the verdicts and the field that has log-probabilities, if it is there.

        What the actor gets is planned on the way.
        """
        by_token = self.signed_credit.config.credit.token_weights != "none"
        fields = ["uid", "response_mask", "rm_scores", log_probs, "extra_fields"]
        fields += [] if self._asked.task_key is None else [self._asked.task_key]
        fields += ["responses", "entropy"] if by_token else []
        data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=fields)
        uids = [str(uid) for uid in data.pop("uid").tolist()]
        infos = [_info(one) for one in data.pop("extra_fields").tolist()]
        kinds = (
            None if self._asked.task_key is None else [str(kind) for kind in data.pop(self._asked.task_key).tolist()]
        )
        padded = data.to_padded_tensor()
        mask, drawn = padded["response_mask"].bool(), padded.get(log_probs, None)
        sessions = sessions_of(batch.keys, [bool(tag.get("is_padding", False)) for tag in batch.tags])
        rollouts = (
            recorded(
                sessions,
                responses=padded["responses"],
                mask=mask,
                log_probs=drawn,
                entropy=padded.get("entropy", None),
                temperature=float(self.config.actor_rollout_ref.rollout.temperature),
                version=self.global_steps,
            )
            if by_token
            else ()
        )
        ours = session_batch(
            sessions,
            scores=padded["rm_scores"].sum(dim=1),
            lengths=mask.sum(dim=1),
            uids=uids,
            infos=infos,
            parts=self._part_names(),
            kinds=kinds,
            surprisal=None if drawn is None else -(drawn.double() * mask).sum(dim=1),
            low=self._asked.low,
            high=self._asked.high,
            rollouts=rollouts,
        )
        metrics["credit/lost"] = refuse_lost(
            [infos[row] for row in sessions.final.tolist()],
            ours.scored.tolist(),
            expected=self._expected(),
            limit=self._asked.max_unscored,
        )
        ours = self._rewarded(ours, verdicts_of(sessions, infos))
        with as_written():
            credit, columns = self.signed_credit.step(ours)
        columns |= rollout_columns(ours)
        metrics.update({f"credit/{name}": one.mean for name, one in columns.items() if not math.isnan(one.mean)})
        advantages = self._weighed(credit, ours, sessions, mask.sum(dim=1), batch)
        metrics["credit/tokens_saved"] = float(mask.sum() - mask[self._updates.rows].sum())
        wide = torch.zeros(mask.shape, dtype=torch.float64)
        # By rollout it holds for every token; by token the table ends with the longest response.
        wide[:, : mask.shape[1] if credit.advantages.ndim == 1 else advantages.shape[1]] = advantages
        return wide, uids

    def _part_names(self) -> list[str]:
        section = self.signed_credit.config.credit
        return list(section.settings.get("dimensions", {})) if needs_of(section.rule) & Needs.PARTS else []

    def _rewarded(self, batch: Batch, verdicts: list[Verdict] | None) -> Batch:
        """The batch with the reward that the run file's `credit.reward` makes of our verdicts, where they are ours."""
        section = self.signed_credit.config.credit
        if verdicts is not None:
            return with_verdicts(batch, verdicts, reward_of(self.signed_credit.config), limit=self._length)
        if section.reward != "binary":
            raise DataError(
                f"algorithm.counterpoise.reward={section.reward} is what a verdict of ours is worth, and the reward function gave none; "
                "give what counterpoise.engines.verl.rewards.compute_score returns, or leave the reward out"
            )
        return batch

    def _weighed(
        self, credit: Credit, batch: Batch, sessions: Sessions, tokens: torch.Tensor, kept: Any
    ) -> torch.Tensor:
        """(B, T) or (B, 1) advantages such that verl's sum, or mean, over the tokens of an update is a sum divided by our denominator.

        (B,) `tokens` are those of each row's response, `kept` is verl's batch. What the actor gets is planned on the way.
        """
        actor, processes = self.config.actor_rollout_ref.actor, self._processes()
        counted, trained = counted_rows(self.signed_credit.step, credit, batch)
        self._updates = plan_updates(
            sessions.spread(trained),
            [int(tag.get("seq_len", 0)) for tag in kept.tags],
            processes=processes,
            minibatch=int(actor.ppo_mini_batch_size * self.config.actor_rollout_ref.rollout.n),
            multiple=processes * (1 if actor.use_dynamic_bsz else actor.ppo_micro_batch_size_per_gpu or 1),
            whole=self.signed_credit.config.credit.filter == "none",
            anew=self._asked.remove_rows,
        )
        number = self._updates.number[sessions.final]
        shares = shares_of(self.signed_credit.divide, credit, batch, number, counted)
        values = credit.advantages if credit.advantages.ndim == 2 else credit.advantages.unsqueeze(1)
        weighed = sessions.spread(values * shares.unsqueeze(1))
        if actor.loss_agg_mode == "token-mean":
            weighed = weighed * tokens_of_updates(self._updates.sent, tokens).unsqueeze(1)
        return weighed

    def _expected(self) -> int:
        return int(
            self.config.data.train_batch_size // self.parameter_sync_step * self.config.actor_rollout_ref.rollout.n
        )

    def _update_actor(self, batch: Any, metrics: dict[str, Any]) -> Any:
        actor, rollout = self.config.actor_rollout_ref.actor, self.config.actor_rollout_ref.rollout
        updates = self._updates
        metrics["credit/updates"] = len(updates) * actor.ppo_epochs
        if not updates:
            return batch
        usual = actor.ppo_mini_batch_size, rollout.n
        with open_dict(self.config):
            try:
                actor.ppo_mini_batch_size, rollout.n = updates.size, 1  # verl multiplies the two
                super()._update_actor(self._sent(batch), metrics)
            finally:
                actor.ppo_mini_batch_size, rollout.n = usual
        return batch

    def _processes(self) -> int:
        return int(max(self.actor_rollout_wg._dispatch_info["actor"])) + 1

    def _save_checkpoint(self) -> None:
        folder = Path(self.config.trainer.default_local_dir) / f"global_step_{self.global_steps}"
        write_state(folder, self.signed_credit)  # before verl names this the latest
        super()._save_checkpoint()
        model = self.config.actor_rollout_ref.model
        if model.custom_chat_template == PASS_THROUGH:
            tokenizer = load_tokenizer(model.path, trust_remote_code=model.trust_remote_code)
            own = getattr(tokenizer, "chat_template", None)
            give_back(folder / "actor" / "huggingface", own if isinstance(own, str) else None)

    def _load_checkpoint(self) -> None:
        super()._load_checkpoint()
        if self.global_steps:
            folder = Path(self.config.trainer.default_local_dir) / f"global_step_{self.global_steps}"
            if self.config.trainer.resume_mode == "resume_path":
                folder = Path(self.config.trainer.resume_from_path)
            self._restored = read_state(
                folder,
                self._compose(steps=1).config.credit,
                writer="this trainer",
                setting="",
                afresh="trainer.resume_mode=disable, actor_rollout_ref.model.path=…",
            )

    def fit(self, agent_loop_manager: Any) -> None:
        """Verl's loop; a worker that died, or rollouts that nothing can be learned from, end it in one line that says how to go on.

        Raises:
            TrainingError: a worker died, or too many rollouts of a step were lost or unscored.
        """
        again = (
            "start the same command again, which goes on from the last checkpoint in "
            f"{self.config.trainer.default_local_dir}"
        )
        try:
            super().fit(agent_loop_manager)
        except ray.exceptions.RayActorError as error:
            raise TrainingError(
                f"a worker of the run died in step {self.global_steps}; {again} (Ray said: {error_line(error)})"
            ) from error
        except TrainingError as error:
            raise TrainingError(f"step {self.global_steps}: {error}; then {again}") from error
        except RuntimeError as error:
            if "no materializable trajectories" not in str(error):
                raise
            try:
                refuse_lost([], [], expected=self._expected(), limit=self._asked.max_unscored)
            except TrainingError as lost:
                raise TrainingError(f"step {self.global_steps}: {lost}; then {again}") from error


def _info(extra: Any) -> Mapping[str, Any]:
    found = extra.get("reward_extra_info") if isinstance(extra, Mapping) else None
    return found if isinstance(found, Mapping) else {}
