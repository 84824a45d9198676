"""`SignedGRPOTrainer`: TRL's `GRPOTrainer` whose advantages are our credit."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from counterpoise.engines.arguments import check_timeout
from counterpoise.engines.outside import (
    OutsideCredit,
    compose,
    counted_rows,
    rewarded_batch,
    rollout_columns,
    row_shares,
)
from counterpoise.engines.state import read_state, write_state
from counterpoise.engines.trl.checks import GLOBAL_DIVISOR, check_arguments, check_version, check_weights, remarks
from counterpoise.engines.trl.data import check_data, row_kinds
from counterpoise.engines.trl.own_rewards import WATCH, interruptible, stopped, watched
from counterpoise.engines.trl.resumed import check_resumed, resuming
from counterpoise.engines.watch import is_own
from counterpoise.errors import CheckpointError, MissingExtraError
from counterpoise.losses import counts
from counterpoise.processes import Processes
from counterpoise.runs.engine_checkpoints import TRAINER_STATE, newest_of_trl, trl_fault
from counterpoise.types import Batch, Credit

try:
    import trl
    from trl import GRPOConfig, GRPOTrainer
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "trl", extra="trl", purpose="SignedGRPOTrainer") from error

__all__ = ["SignedGRPOTrainer"]

_LOG = logging.getLogger(__name__)
_ENGINE = "TRL's GRPOTrainer"


class SignedGRPOTrainer(GRPOTrainer):  # type: ignore[misc]
    """`GRPOTrainer` with a rule, emphasis and controller of counterpoise in the place of its advantages (TRL 1.15 and 1.16).

        trainer = SignedGRPOTrainer(model, reward_funcs=verdict_reward("math"), train_dataset=rows, credit="nsr")

    Rewards go to the rule as they are, in no group normalisation of TRL's (`scale_rewards` has no effect). A reward of None is
    unscored: no advantage, no part in a baseline. Several reward functions are summed with `reward_weights`, which is unscored where one
    of a weight other than 0 gave None; each is a part for rules that read parts. With `loss_type` dapo, cispo or vespo the loss is
    divided by the denominator of `counterpoise.losses`, counted over the generation batch; the others keep TRL's divisor. Columns of the
    credit stand in TRL's log under `credit/`.

    Args:
        model: as `GRPOTrainer`'s; further arguments are passed on.
        reward_funcs: as `GRPOTrainer`'s.
        args: TRL's `GRPOConfig`.
        credit: the name of a rule, or the table `[credit]` of a run file, `{"rule": "grpo", "emphasis": "focal"}`.
        denominator: a name of `counterpoise.losses.DENOMINATORS`; None is `tokens_signed` where TRL's divisor can be set.
        reward_range: rewards of a wrong and of a right response, of several functions their weighted sums; only the larger one is right.
            None is (0, 1), of one function.
        task_column: column that names a prompt's kind of task, for rules and controllers that treat kinds apart; None is one kind.
        reward_timeout: seconds that a call of a reward function of your own may take; more ends the run in one line (as long as TRL's
            processes wait for one another, `ddp_timeout`). None waits for ever, as `GRPOTrainer` does.

    Raises:
        ConfigError, UnknownNameError: a name or a setting is unknown or out of range.
        UsageError: the rule needs what TRL has not (a critic), or an argument of TRL's would change the objective.
    """

    def __init__(
        self,
        model: Any,
        reward_funcs: Any,
        args: GRPOConfig | None = None,
        *positional: Any,
        credit: str | Mapping[str, Any] = "weighted_reinforce",
        denominator: str | None = None,
        reward_range: Sequence[float] | None = None,
        task_column: str | None = None,
        reward_timeout: float | None = 1800.0,
        **named: Any,
    ) -> None:
        args = GRPOConfig("counterpoise") if args is None else args
        said = check_version(trl.__version__)
        functions = list(reward_funcs) if isinstance(reward_funcs, (list, tuple)) else [reward_funcs]
        check_weights(args.reward_weights, functions=len(functions), ranged=reward_range is not None)
        reward_range = (0.0, 1.0) if reward_range is None else reward_range
        check_arguments(args, denominator=denominator, reward_range=reward_range)
        check_timeout(reward_timeout)
        self._asked, self._denominator = credit, denominator
        self._compose(
            steps=max(1, args.max_steps), length=args.max_completion_length
        )  # refuses what is wrong before a model is loaded
        train, evaluation = (*positional, None, None)[:2]
        check_data(
            named.get("train_dataset", train),
            named.get("eval_dataset", evaluation),
            args=args,
            task_column=task_column,
            functions=functions,
        )
        for line in [*([said] if said else []), *remarks(args)]:
            _LOG.warning("%s", line)
        self._low, self._high = (float(end) for end in reward_range)
        self._task_column = task_column
        self._parts: OutsideCredit | None = None
        self._restored: Mapping[str, Any] | None = None
        self._rewarded: tuple[torch.Tensor, list[str]] | None = None
        super().__init__(model, reward_funcs, args, *positional, **named)
        held: list[Any] = self.__dict__["reward_funcs"]
        self.__dict__["reward_funcs"] = [  # TRL keeps the caller's own list
            watched(one, name=name, seconds=reward_timeout, watch=WATCH)
            if is_own(one) and not isinstance(one, torch.nn.Module)
            else one
            for one, name in zip(held, self.reward_func_names, strict=True)
        ]

    def _compose(self, *, steps: int, length: int) -> OutsideCredit:
        return compose(self._asked, engine=_ENGINE, steps=steps, length=length, denominator=self._denominator)

    @property
    def signed_credit(self) -> OutsideCredit:
        """Rule, emphasis, controller and denominator of this run, with the state they have now."""
        if self._parts is None:
            # Schedules follow generations, and how many there will be is known once training has begun.
            per_generation = self.args.steps_per_generation * self.num_iterations
            updates = max(self.state.max_steps, self.args.max_steps, 1) * self.args.gradient_accumulation_steps
            self._parts = self._compose(steps=-(-updates // per_generation), length=self.max_completion_length)
            if self._restored is not None:
                for name, part in self._parts.step.states.items():
                    part.load_state_dict(self._restored.get(name))
        return self._parts

    def _calculate_rewards(self, inputs: Any, *rest: Any) -> Any:
        kinds = row_kinds(
            inputs, self._task_column if self.model.training else None
        )  # nothing reads them in an evaluation
        try:
            with interruptible(WATCH):
                rewards = super()._calculate_rewards(inputs, *rest)
        except KeyboardInterrupt as error:  # of an async function, which another thread runs
            raise stopped(WATCH, error) from error
        self._rewarded = (rewards, Processes().gather(kinds))
        return rewards

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        out = super()._generate_and_score_completions(inputs)
        if self.model.training:  # an evaluation moves no controller, and has no update
            self._replace_advantages(out)
        return out

    def _replace_advantages(self, out: dict[str, Any]) -> None:
        """Our credit for TRL's advantages, in the rows of this process, and our denominator for its divisor."""
        mask = out["completion_mask"] if "tool_mask" not in out else out["completion_mask"] * out["tool_mask"]
        batch = self._batch(out, mask)
        parts = self.signed_credit
        credit, columns = parts.step(batch)
        columns |= rollout_columns(batch)
        advantages, divisor = credit.advantages, None
        if self.loss_type in GLOBAL_DIVISOR:
            # TRL multiplies by 1/divisor; row_shares says what each row has to count for in the whole. A KL term is divided by it, too.
            trained = counts(credit, batch.lengths, batch.scored).tokens_signed
            divisor = max(1, int(batch.lengths.sum()) if self.beta else trained)
            counted, _ = counted_rows(parts.step, credit, batch)
            advantages = advantages * row_shares(parts.divide, credit, batch, counted) * divisor
        own, first = len(mask), self.accelerator.process_index * len(mask)
        out["advantages"] = advantages[first : first + own].to(out["advantages"])
        if divisor is not None:
            out["num_items_in_batch"] = torch.full_like(out["num_items_in_batch"], divisor)
        self._log_credit(credit, {name: column.mean for name, column in columns.items()})

    def _batch(self, out: Mapping[str, Any], mask: torch.Tensor) -> Batch:
        """The generation batch of all processes, the same in each of them, so that all come to the same credit."""
        assert self._rewarded is not None
        rewards_per_function, kinds = self._rewarded
        self._rewarded = None
        values = rewards_per_function.detach().double().cpu()
        weights = self.reward_weights.detach().double().cpu()
        # A function that could not judge leaves the sum unknown: left out of it, it would be a 0. One of weight 0 is not in the sum.
        counted = weights != 0
        total = (values[:, counted] * weights[counted]).sum(dim=1)
        groups = torch.arange(len(total)) // self.num_generations
        return rewarded_batch(
            total,
            low=self._low,
            high=self._high,
            group_ids=groups,
            lengths=self.accelerator.gather(mask.sum(dim=1)).cpu().long(),
            task_types=kinds,
            parts=dict(zip(self.reward_func_names, values.T, strict=True)) if len(self.reward_func_names) > 1 else None,
            surprisal=self._surprisal(out, mask),
        )

    def _surprisal(self, out: Mapping[str, Any], mask: torch.Tensor) -> torch.Tensor | None:
        """(N,) sum of -log p of each response, where it is known; where nobody has measured it and it is read, a forward pass does."""
        log_probs = out.get("old_per_token_logps")
        if log_probs is None and not self.signed_credit.needs_surprisal:
            return None
        if log_probs is None:
            with torch.no_grad():
                log_probs = self._get_per_token_logps_and_entropies(
                    self.model,
                    torch.cat([out["prompt_ids"], out["completion_ids"]], dim=1),
                    torch.cat([out["prompt_mask"], out["completion_mask"]], dim=1),
                    out["completion_ids"].size(1),
                    batch_size=self.args.per_device_train_batch_size,
                )[0]
        own = -(log_probs.double() * mask).sum(dim=1)
        return torch.as_tensor(self.accelerator.gather(own)).double().cpu()

    def _log_credit(self, credit: Credit, columns: Mapping[str, float]) -> None:
        for name, value in columns.items():
            self._metrics["train"][f"credit/{name}"].append(value)
        logged = self._logs["advantages"]
        row = credit.advantages.tolist()
        for _ in range(min(len(row), len(logged))):  # TRL has put its own there
            logged.pop()
        logged.extend(row)

    def train(self, resume_from_checkpoint: Any = None, *rest: Any, **named: Any) -> Any:
        """TRL's, from a whole checkpoint: True is the newest of those, where transformers takes what a killed save has left.

        Raises:
            CheckpointError: there is none, or the one that is named is not whole, damaged, or of another rule or controller.
            ModelError: its weights are damaged.
        """
        if resume_from_checkpoint is True:
            folder = Path(self.args.output_dir)
            newest = newest_of_trl(folder)
            if newest.step is None:
                lacking = f" ({newest.passed_over})" if newest.left else ""
                raise CheckpointError(
                    f"{folder} holds no whole checkpoint of SignedGRPOTrainer{lacking}; leave resume_from_checkpoint out to begin anew"
                )
            if newest.passed_over:
                _LOG.warning("%s: %s", folder, newest.passed_over)
            resume_from_checkpoint = str(folder / f"checkpoint-{newest.step}")
        elif resume_from_checkpoint and (fault := trl_fault(Path(resume_from_checkpoint))) is not None:
            raise CheckpointError(f"{resume_from_checkpoint} is no whole checkpoint: {fault}; resume from another one")
        if resume_from_checkpoint:
            check_resumed(Path(resume_from_checkpoint))
        return super().train(resume_from_checkpoint, *rest, **named)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, *rest: Any, **named: Any) -> None:
        with resuming(resume_from_checkpoint, "the weights"):
            super()._load_from_checkpoint(resume_from_checkpoint, *rest, **named)

    def _load_rng_state(self, checkpoint: Any) -> None:
        with resuming(checkpoint, "the random state"):
            super()._load_rng_state(checkpoint)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self.args.should_save:
            directory = Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}"
            # What TRL writes last says that all is there, ours too; it then removes older ones, which takes its time.
            (directory / TRAINER_STATE).unlink(missing_ok=True)
            write_state(directory, self.signed_credit)
        super()._save_checkpoint(model, trial)

    def _load_optimizer_and_scheduler(self, checkpoint: Any) -> None:
        with resuming(checkpoint, "the optimizer"):
            super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        self._restored = read_state(
            Path(checkpoint),
            self._compose(steps=1, length=self.max_completion_length).config.credit,
            writer="SignedGRPOTrainer",
            setting="credit.",
            afresh="model=CHECKPOINT",
        )
        self._parts = None
