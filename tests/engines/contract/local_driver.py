"""The local engine: its pipeline on given rollouts and verdicts, and its learner."""

import copy
from types import SimpleNamespace

import torch
from accelerate import Accelerator
from driving import KINDS, LENGTH, SIZE, STEP, STEPS, load_policy, load_tokenizer, masked_later, weighed_rewards
from ranks import run_ranks

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
from counterpoise.world import ALONE

_VALUES = {1.0: VerdictValue.CORRECT, 0.0: VerdictValue.WRONG, None: VerdictValue.UNSCORED}


class Driver:
    takes = frozenset({"token_weights", "parts"})
    loss, variants = None, (None,)

    def __init__(self, folder):
        self.folder, self.policy = folder, load_policy(folder)
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
        experience = self._experience(config, assign if mistake is None else _mistaken(mistake), STEP, shift)
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

    places = (range(8), range(8, 32))
    """Of each process's rollouts: it draws whole groups, of which one may have more than the other."""
    whole_groups, weighed = True, False

    def shared(self, cases):
        """Two processes of accelerate's, each with its own rollouts."""
        return run_ranks("local_driver", self.folder, cases)

    def own_share(self, rank, credit, *, alone):
        table = {"rule": credit} if isinstance(credit, str) else credit
        config = parse_config({"credit": table, "learner": {"steps": STEPS}}, source="contract")
        assign = credit_of(config, kinds=KINDS, world=ALONE if alone else Processes())
        return self._experience(config, assign, STEP.rows(self.places[rank])).credit.advantages

    def _experience(self, config, assign, step, shift=None):
        pipeline = Pipeline(
            sampler=SimpleNamespace(sample=lambda *_, **__: self._groups(step, shift)),
            verify=lambda *_: _verdicts(step),
            reward=lambda verdict, _: reward_of(config)(verdict),
            assign=assign,
            settings=SamplingSettings(max_tokens=LENGTH),
            group_size=SIZE,
            max_unscored=0.5,
        )
        return pipeline.experience(_prompts(step), seed=0, policy_version=0)

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
        drawn = sampler.sample(_prompts(STEP), group_size=SIZE, settings=SamplingSettings(max_tokens=LENGTH), seed=0)
        rollouts = [rollout for group in drawn for rollout in group]
        trainer = learner.log_probs(rollouts)
        gaps = [
            parity_gap(torch.tensor(rollout.log_probs), torch.tensor(own), torch.tensor(rollout.mask))
            for rollout, own in zip(rollouts, trainer, strict=True)
        ]
        return max(gaps), float(moved)

    def _known(self, step=STEP):
        with torch.no_grad():
            out = response_log_probs(self.policy, step.rollouts(), temperature=1.0)
        return out.log_probs, out.entropy

    def _groups(self, step, shift):
        log_probs, entropy = self._known(step)
        rollouts = step.rollouts(log_probs if shift is None else log_probs + shift, entropy)
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


def _prompts(step):
    made = []
    for first in range(0, len(step.rewards), SIZE):
        problem = Problem(problem_id=str(first), task_type=step.kinds[first], question="", gold="", verifier="contract")
        made.append(Prompt(problem=problem, text="", token_ids=torch.tensor(step.prompts[first]).numpy()))
    return made


def _verdicts(step):
    rest = {"answer": None, "basis": "given", "seconds": 0.0, "verifier": "contract", "version": "0"}
    return [
        Verdict(value=_VALUES[reward], parts={name: values[row] for name, values in step.parts.items()}, **rest)
        for row, reward in enumerate(step.rewards)
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
