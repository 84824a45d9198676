"""The local engine: its pipeline on given rollouts and verdicts, and its learner."""

import copy
from types import SimpleNamespace

import torch
from accelerate import Accelerator
from driving import KINDS, LENGTH, SIZE, STEP, STEPS, load_policy, load_tokenizer, masked_later, weighed_rewards

from counterpoise.build.credit import credit_of, reward_of
from counterpoise.build.loss import loss_of
from counterpoise.credit.groups import group_statistics
from counterpoise.credit.rules import grpo
from counterpoise.engines.contract import Answer, parity_gap
from counterpoise.engines.outside import row_shares
from counterpoise.learner.forward import response_log_probs
from counterpoise.learner.settings import LearnerSettings
from counterpoise.learner.update import Learner
from counterpoise.losses import counts
from counterpoise.pipeline import Pipeline
from counterpoise.processes import Processes
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.runfile import parse_config
from counterpoise.types import Credit, Problem, Prompt, SamplingSettings, Verdict, VerdictValue

_VALUES = {1.0: VerdictValue.CORRECT, 0.0: VerdictValue.WRONG, None: VerdictValue.UNSCORED}


class Driver:
    takes = frozenset({"token_weights", "parts"})
    loss, variants = None, (None,)

    def __init__(self, folder):
        self.policy = load_policy(folder)
        self.tokenizer = load_tokenizer(folder)

    def close(self):
        pass

    def answer(self, credit, *, denominator=None, shift=None, mistake=None, variant=None):
        table = {"rule": credit} if isinstance(credit, str) else credit
        tables = {
            "credit": table,
            "learner": {"steps": STEPS},
            "rollout": {"max_tokens": LENGTH},
            "loss": {} if denominator is None else {"denominator": denominator},
        }
        config = parse_config(tables, source="contract")
        assign = credit_of(config, kinds=KINDS, world=Processes())
        loss, divide = loss_of(config)
        pipeline = Pipeline(
            sampler=SimpleNamespace(sample=lambda *_, **__: self._groups(shift)),
            verify=lambda *_: _verdicts(),
            reward=lambda verdict, _: reward_of(config)(verdict),
            assign=assign if mistake is None else _mistaken(mistake),
            settings=SamplingSettings(max_tokens=LENGTH),
            group_size=SIZE,
            max_unscored=0.5,
        )
        experience = pipeline.experience(_prompts(), seed=0, policy_version=0)
        model = copy.deepcopy(self.policy)
        learner, gradient = self._learner(model, loss, divide)
        rows, trained = assign.select(experience.batch, experience.credit)
        batch, own = experience.batch.rows(rows), experience.credit.rows(rows)
        report = learner.update(batch.rollouts, own, batch.scored, batch.group_ids.numpy(), trained=trained, seed=0)
        weights = torch.zeros(len(STEP.rewards), max(STEP.lengths), dtype=torch.float64)
        shares = row_shares(divide, own, batch, torch.ones(len(rows), dtype=torch.bool))
        for place, row in enumerate(rows.tolist()):
            length = STEP.lengths[row]
            value = own.advantages[place] if own.advantages.ndim == 1 else own.advantages[place, :length]
            weights[row, :length] = value * shares[place]
        return Answer(weights=weights, loss=report.metrics["loss"].mean, gradient=gradient)

    def parity(self):
        """Sampler and trainer after an update that moved the policy."""
        model = copy.deepcopy(self.policy)
        config = parse_config({"credit": {"rule": "nsr"}}, source="contract")
        loss, divide = loss_of(config)
        learner, _ = self._learner(model, loss, divide, rate=1e-2)
        batch = STEP.batch(*self._known())
        credit, _ = credit_of(config)(batch)
        before = learner.log_probs(STEP.rollouts())
        learner.update(batch.rollouts, credit, batch.scored, batch.group_ids.numpy(), seed=0)
        moved = max(
            abs(one - other).max() for one, other in zip(before, learner.log_probs(STEP.rollouts()), strict=True)
        )
        sampler = EmbeddedSampler(model, self.tokenizer, max_rows=16, device=torch.device("cpu"))
        drawn = sampler.sample(_prompts(), group_size=SIZE, settings=SamplingSettings(max_tokens=LENGTH), seed=0)
        rollouts = [rollout for group in drawn for rollout in group]
        trainer = learner.log_probs(rollouts)
        gaps = [
            parity_gap(torch.tensor(rollout.log_probs), torch.tensor(own), torch.tensor(rollout.mask))
            for rollout, own in zip(rollouts, trainer, strict=True)
        ]
        return max(gaps), float(moved)

    def _known(self):
        with torch.no_grad():
            out = response_log_probs(self.policy, STEP.rollouts(), temperature=1.0)
        return out.log_probs, out.entropy

    def _groups(self, shift):
        log_probs, entropy = self._known()
        rollouts = STEP.rollouts(log_probs if shift is None else log_probs + shift, entropy)
        return [rollouts[first : first + SIZE] for first in range(0, len(rollouts), SIZE)]

    def _learner(self, model, loss, divide, rate=0.0):
        settings = LearnerSettings(learning_rate=rate, gradient_clip=None, old_log_probs="sampler")
        accelerator = Accelerator(cpu=True)
        learner = Learner(
            model, accelerator=accelerator, settings=settings, loss=loss, divide=divide, make_counts=counts
        )
        gradient = {}
        for name, parameter in model.named_parameters():
            parameter.register_post_accumulate_grad_hook(
                lambda own, name=name: gradient.__setitem__(name, own.grad.detach().clone())
            )
        return learner, gradient


def _prompts():
    made = []
    for first in range(0, len(STEP.rewards), SIZE):
        problem = Problem(problem_id=str(first), task_type=STEP.kinds[first], question="", gold="", verifier="contract")
        made.append(Prompt(problem=problem, text="", token_ids=torch.tensor(STEP.prompts[first]).numpy()))
    return made


def _verdicts():
    rest = {"answer": None, "basis": "given", "seconds": 0.0, "verifier": "contract", "version": "0"}
    return [
        Verdict(value=_VALUES[reward], parts={name: values[row] for name, values in STEP.parts.items()}, **rest)
        for row, reward in enumerate(STEP.rewards)
    ]


def _mistaken(mistake):
    """GRPO in the place of the rule, with the mistake where one makes it here."""

    def assign(batch):
        rewards = weighed_rewards().double() if mistake == "weighed_rewards" else batch.rewards
        statistics = group_statistics(batch.correct, batch.scored, batch.group_ids, rewards)
        values = grpo.Grpo(scale="as_given")(rewards, statistics)
        values = masked_later(values) if mistake == "masked_later" else values
        return Credit(plus=values.clamp(min=0), minus=(-values).clamp(min=0)), {}

    return assign
