"""The embedded engine: one loop from problems to a trained policy, on accelerate, resumable at every checkpoint."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from accelerate import Accelerator

from counterpoise.build.evaluation import first_problems
from counterpoise.build.judge import judge_of
from counterpoise.build.problems import Problems
from counterpoise.diagnostics.guards.supervisor import Supervisor
from counterpoise.engines.local.assemble import Assembly, assemble, make_pipeline, with_base
from counterpoise.engines.local.base_evidence import BaseEvidence
from counterpoise.engines.local.best import score_by
from counterpoise.engines.local.diagnose import Diagnose, UpdateMeasures, saved_tokens
from counterpoise.engines.local.evaluation import evaluate_policy
from counterpoise.engines.local.guarding import guarded, make_supervisor
from counterpoise.engines.local.held_out import HeldOut
from counterpoise.engines.local.interrupt import Interrupt, RunInterruptedError, watching_interrupts
from counterpoise.engines.local.learning import kl_weights
from counterpoise.engines.local.measured import measured_lines, prove_measured, settle
from counterpoise.engines.local.messages.header import header
from counterpoise.engines.local.messages.outlook import Outlook
from counterpoise.engines.local.messages.remarks import remark_on_evaluation, remark_on_step, remark_on_truncation
from counterpoise.engines.local.observer import Observer, Silent, Unfailing, unfailing
from counterpoise.engines.local.policy import restore_policy
from counterpoise.engines.local.ready import make_ready
from counterpoise.engines.local.refused import save_evidence
from counterpoise.engines.local.saving import Saves
from counterpoise.engines.local.step_record import intensity, step_record
from counterpoise.engines.local.trackers import Trackers, make_accelerator
from counterpoise.errors import CounterpoiseError, StoreError, TrainingError
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.files import append_json_lines
from counterpoise.learner.checkpoint import Checkpoint, CheckpointStore
from counterpoise.learner.report import RefusedStepError, UpdateReport
from counterpoise.pipeline import Experience, Pipeline
from counterpoise.processes import Processes, anywhere, is_main, on_main
from counterpoise.prompts import make_prompts
from counterpoise.rollouts.stopping import decode_rows
from counterpoise.runs.anchors import draw_anchors, load_anchors
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.ended import write_ended
from counterpoise.streams import stream
from counterpoise.types import Problem, Prompt, Rollout
from counterpoise.verifiers.judge import Judge

__all__ = ["TrainResult", "train"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a finished run leaves."""

    run: RunDirectory
    """Its directory."""
    checkpoint: Checkpoint
    """The final weights."""
    base: EvaluationResult | None
    """pass@k before training, where it was asked for."""
    final: EvaluationResult | None
    """pass@k after training, where it was asked for."""


def train(run: RunDirectory, *, observer: Observer | None = None, problems: Problems | None = None) -> TrainResult:
    """Train the run to its last step, from its newest intact checkpoint if it has one.

    `problems` are what `check_run` has read of this very configuration before torch was imported. Of several processes all train; the
    main one alone writes, evaluates and tells the observer.

    Raises:
        ConfigError, DataError, ModelError: the run cannot start as configured; nothing was changed.
        TrainingError: a step was refused (NaN loss, all rollouts unscored), the batch and all checkpoints are kept; or guards stopped it.
        RunInterruptedError: Ctrl-C, SIGTERM, SIGHUP or SIGUSR1; the run saved itself.
        StoreError: the disk is full.
    """
    watcher = unfailing(observer if is_main() else None, lost=lambda step, line: run.note("output_lost", step, line))
    with run.locked(), watching_interrupts(watcher.said) as interrupt:
        run.reread()
        # Names and files are checked before the model is read: a spelling mistake should cost a second.
        started = on_main(lambda: any(run.checkpoints.glob("step-*")))
        assembly = assemble(run.config, problems, started=started, world=Processes())
        guards = make_supervisor(run.config.guards)
        settle(run)
        accelerator = make_accelerator(run)
        with judge_of(run.config.verification) as judge:
            return _Run(run, accelerator, assembly, guards, judge, watcher, interrupt).train()


class _EvaluationStopped(Exception):
    """Leaves an evaluation whose store is complete up to the last block."""


class _Run:
    """The state of one run in progress."""

    def __init__(
        self,
        run: RunDirectory,
        accelerator: Accelerator,
        assembly: Assembly,
        guards: Supervisor,
        judge: Judge,
        observer: Silent | Unfailing,
        interrupt: Interrupt,
    ) -> None:
        self.run, self.config, self.accelerator, self.observer = run, run.config, accelerator, observer
        self.guards, self.judge, self.interrupt = guards, judge, interrupt
        self.trackers = Trackers(accelerator, say=self._say)
        self.checkpoints = CheckpointStore(run.checkpoints, keep=self.config.checkpoint.keep, say=self._say)
        best_by = score_by(self.config.checkpoint.best_by, assembly.train)
        self.step = 0
        checkpoint = on_main(self.checkpoints.latest)
        identity = on_main(lambda: run.compare(assembly.train, assembly.test, checkpoint.path if checkpoint else None))
        ready = make_ready(self.config, assembly, accelerator, saved=checkpoint.policy if checkpoint else None)
        self.policy, self.learner = ready.policy, ready.learner
        self.sampler, self.evaluator = ready.sampler, ready.evaluator
        self.assembly, self.order, self.remarks = ready.assembly, ready.order, ready.remarks
        identity = with_base(identity, self.policy, self.learner, self.assembly, where=run.path)
        self.saves = Saves(run, self.checkpoints, ready, guards, identity, best_by=best_by, say=self._say)
        self.pipeline: Pipeline = make_pipeline(
            self.config, self.assembly, self.sampler, judge, guarded(self.assembly.credit, guards)
        )
        self.held_out = HeldOut(guards, self.config, self.pipeline, self.assembly.test, self._prompts)
        self.evidence = BaseEvidence(
            self.config, self.pipeline, self.assembly.train, self._prompts, path=run.base_evidence
        )
        prove_measured(run, ready, begun=checkpoint is not None)
        if checkpoint is not None:
            self.guards.load_state_dict(self.saves.load(checkpoint))
            self.step = checkpoint.step
            ended = "" if self.guards.finished is None else "; its guards have ended it, so it makes no step more"
            self._say(f"resuming {run.path} after step {self.step} of {self.config.learner.steps}{ended}")
        self.diagnose = Diagnose(
            self.config.diagnostics,
            self.learner,
            on_main(self._anchors),
            process=accelerator.process_index,
            processes=accelerator.num_processes,
        )
        self.warned = False
        self.header = [*header(run, ready, guards, accelerator, step=self.step), *measured_lines(run)]
        tested = first_problems(self.assembly.test, self.config.evaluation.problems)
        self.outlook = Outlook(self.config, problems=len(tested))
        on_main(lambda: run.record(identity))  # last: what is refused above changes nothing

    @property
    def main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def train(self) -> TrainResult:
        config = self.config
        for line in self.header:  # no event of the run: what it says stands in its files
            self.observer.said(line)
        self._say_all([*self.assembly.notices, *self.remarks])
        base = self._evaluate(0) if config.evaluation.before and self.step == 0 else self._earlier(0)
        if self.guards.finished is None:
            self._say_all(self.evidence.draw(step=self.step, on_block=self._drawing))
        self.trackers.begin(config)
        self.observer.started(path=str(self.run.path), first_step=self.step, steps=config.learner.steps)
        if config.guards.act and not self.step:
            self.saves.save(0, {})  # the base is the first good checkpoint
        record: dict[str, float] = {}
        while self.step < config.learner.steps and self.guards.finished is None:
            record = self._one_step()
            if self._heed(record):
                break
            every = config.evaluation.every
            if every and self.step % every == 0 and self.step < config.learner.steps:
                self._evaluate(self.step)
            if self.saves.due(self.step) or self.held_out.keeps(self.step - 1):
                self.saves.save(self.step, record)
            self._stop_if_wanted(record)
        checkpoint = self._end(record)
        final = self._evaluate(self.step) if config.evaluation.after else None
        self.trackers.end()
        return TrainResult(run=self.run, checkpoint=checkpoint, base=base, final=final)

    def _end(self, record: Mapping[str, float]) -> Checkpoint:
        """The checkpoint of a run that makes no step more."""
        ended = self.guards.finished
        if ended is None:
            return self.saves.save(self.step, record)
        checkpoint = self.saves.save(self.step, {})  # the step's scores are not those of the weights it ends with
        on_main(lambda: write_ended(self.run.path, ended))
        return checkpoint

    def _one_step(self) -> dict[str, float]:
        started = time.perf_counter()
        self.saves.step_begins()
        seed, index = self.config.run.seed, self.step
        rank, ranks = self.accelerator.process_index, self.accelerator.num_processes
        try:
            # Every process renders all prompts, so that one that is too long stops all of them.
            prompts = self._prompts(self.order.at(index))[rank::ranks]
            experience = self.pipeline.experience(
                prompts, seed=stream(seed, "rollout", index, rank), policy_version=self.learner.updates
            )
            report, measures = self._update(experience, index)
        except Exception as error:
            self.saves.save_finished(self.step)
            if self.main and isinstance(error, CounterpoiseError):
                with suppress(StoreError):  # on a full disk too, the refusal is the news
                    self.run.note("refused", index + 1, str(error))
            raise
        self.step = index + 1
        self.saves.step_done()
        if index == 0 and not self.config.evaluation.before:
            self._say_all(remark_on_step(experience, path=self.run.path))
        samples = self.diagnose.samples(experience, index, lambda ids: decode_rows(self.policy.tokenizer, [ids])[0])
        seconds, epochs = time.perf_counter() - started, self.config.learner.epochs
        rollout, problems = self.config.rollout, len(self.assembly.train)
        record = {
            **step_record(experience, report, measures, seconds=seconds, epochs=epochs),
            **self.held_out.measure(index, policy_version=self.learner.updates),
            **intensity(self.step, prompts=rollout.prompts_per_step, group_size=rollout.group_size, problems=problems),
        }
        if self.main:
            append_json_lines(self.run.samples, samples)
            self.run.log(self.step, record)
            self.trackers.log(record, step=self.step)
            self.trackers.samples(samples, step=self.step)
        self.observer.stepped(self.step, record)
        if samples:
            self.observer.sampled(self.step, samples)
        if (outlook := self.outlook.after_step(self.step, record)) is not None:
            self.observer.said(outlook)
        if not self.warned and (said := remark_on_truncation(record, self.config, step=self.step)):
            self.warned = True
            self._say_all(said)
        return record

    def _heed(self, record: Mapping[str, float]) -> bool:
        """What the guards make of the step that was just done; whether it was the last one."""
        decision = self.guards.look(record)
        for firing in decision.firings:
            self._say(firing.message, kind="guard", guard=firing.guard, action=firing.action, seen=dict(firing.seen))
        if decision.stop is not None:
            self.saves.save(self.step, record)
            good = self.guards.good
            start = "" if good is None else f" from {self.checkpoints.at(good).policy} (as model.name)"
            message = (
                f"training stopped by its guards after step {self.step}: {decision.stop}. Everything is kept; start a new run{start} "
                f"with {' or '.join(('a smaller learning rate', *decision.remedies))}"
            )
            if self.main:
                self.run.note("guard_stopped", self.step, message)
            raise TrainingError(message)
        if decision.finish is not None and self.guards.good is not None:
            checkpoint, _ = self._go_back(self.guards.good)
            self.guards.finish(self.step, decision.finish)
            line = f"training ends after step {self.step} with the weights of step {checkpoint.step}: {decision.finish}"
            self._say(line, kind="guard_finished", good=checkpoint.step)
        if decision.roll_back is not None:
            checkpoint, state = self._go_back(decision.roll_back)
            why = self.guards.returned(state)
            line = f"back to the weights, the optimiser and the controller of step {checkpoint.step}: {why}; {self.guards.relief}"
            self._say(line, kind="guard_rollback", good=checkpoint.step)
        return self.guards.finished is not None

    def _go_back(self, step: int) -> tuple[Checkpoint, Mapping[str, Any]]:
        """Weights, optimiser and controller are those of this step's checkpoint again; it, and the guards' state in it."""
        checkpoint = self.checkpoints.at(step)
        restore_policy(self.policy, self.config.model, checkpoint.policy)
        return checkpoint, self.saves.load(checkpoint)

    def _prompts(self, problems: Sequence[Problem]) -> list[Prompt]:
        tokenizer, longest = self.policy.tokenizer, self.config.prompt.max_tokens
        return make_prompts(problems, tokenizer, template=self.assembly.template, max_prompt_tokens=longest)

    def _anchors(self) -> list[Rollout]:
        """Drawn from the base before the first step, read where a run goes on."""
        path, config = self.run.anchors, self.config
        if path.is_file():
            return load_anchors(path)
        if not config.diagnostics.every:
            return []
        if self.step:
            self._say(f"{path} is missing, and the base is gone: log_prob_change_anchor and anchor_kl stay empty")
            return []
        problems = first_problems(self.assembly.test or self.assembly.train, config.diagnostics.rollouts)
        return draw_anchors(
            path,
            self._prompts(problems),
            sampler=self.sampler,
            settings=self.pipeline.settings,
            seed=stream(config.run.seed, "anchors"),
        )

    def _update(self, experience: Experience, index: int) -> tuple[UpdateReport, UpdateMeasures]:
        rows, trained = self.assembly.credit.select(experience.batch, experience.credit)
        batch = experience.batch.rows(rows)
        steps = self.config.learner.steps
        try:
            with self.diagnose.update(experience, index) as measures:
                report = self.learner.update(
                    batch.rollouts,
                    experience.credit.rows(rows),
                    batch.scored,
                    batch.group_ids.numpy(),
                    trained=trained,
                    kl_weights=kl_weights(
                        self.config, experience.batch, rows, held=self.evidence.weights(experience.prompts)
                    ),
                    seed=stream(self.config.run.seed, "update", index),
                    measure_signs=self.diagnose.due(index),
                    observe=measures.tokens,
                    span=(index / steps, (index + 1) / steps),
                )
            measures.metrics |= saved_tokens(experience, rows[trained])
            return report, measures
        except RefusedStepError as error:
            self.saves.save_finished(self.step)
            saved = save_evidence(error, self.run.refused(index + 1, process=self.accelerator.process_index))
            last = on_main(self.checkpoints.latest)
            kept = f"the last good checkpoint is {last.path}" if last else "there is no checkpoint yet"
            raise TrainingError(f"training step {index + 1}: {error}. {saved}; {kept}") from error

    def _evaluate(self, step: int) -> EvaluationResult | None:
        """pass@k of the current weights; done once for each step, whatever happened in between."""
        try:
            result = on_main(lambda: self._evaluate_here(step))
        except Exception:
            self.saves.save_finished(self.step)
            raise
        self._stop_if_wanted({})
        return result

    def _evaluate_here(self, step: int) -> EvaluationResult | None:
        label = "base" if step == 0 else f"step {step}"

        def progress(done: int, total: int) -> None:
            self.observer.evaluating(label, done, total)
            self.outlook.evaluating(done, total)
            if self.interrupt.check():
                raise _EvaluationStopped

        with suppress(_EvaluationStopped):
            result = evaluate_policy(
                self.policy,
                first_problems(self.assembly.test, self.config.evaluation.problems),
                sampler=self.evaluator,
                judge=self.judge,
                config=self.config,
                template=self.assembly.template,
                directory=self.run.evaluation(step),
                step=step,
                on_progress=progress,
                say=self._say,
            )
            self.observer.evaluated(label, result)
            self.trackers.evaluated(result, step=step)
            if step == 0:
                self._say_all(remark_on_evaluation(result, self.run, self.assembly.test))
            return result
        return None

    def _earlier(self, step: int) -> EvaluationResult | None:
        path = self.run.evaluation(step)
        return on_main(lambda: EvaluationResult.load(path) if (path / "passk.json").is_file() else None)

    def _drawing(self, done: int, total: int) -> None:
        self.observer.evaluating("base on training problems", done, total)
        self._stop_if_wanted({})

    def _stop_if_wanted(self, record: Mapping[str, float]) -> None:
        if not anywhere(self.interrupt.check()):
            return
        self.saves.save(self.step, record)
        if self.main:
            self.run.note("interrupted", self.step, "stopped by a signal")
        raise RunInterruptedError(
            f"stopped after step {self.step}, saved; continue with: counterpoise train {self.run.path}"
        )

    def _say_all(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._say(line)

    def _say(self, line: str, *, kind: str = "said", **extra: Any) -> None:
        if self.main:
            self.run.note(kind, self.step, line, **extra)
            self.observer.said(line)
