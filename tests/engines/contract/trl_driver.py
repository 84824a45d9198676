"""TRL's trainer on given completions."""

import copy
import tempfile

import torch
from datasets import Dataset
from driving import LENGTH, SIZE, STEP, load_policy, load_tokenizer, masked_later, weighed_rewards
from ranks import run_ranks
from trl import GRPOConfig

from counterpoise.engines.contract import Answer, gradients, parity_gap
from counterpoise.engines.trl import SignedGRPOTrainer
from counterpoise.learner.forward import response_log_probs

ROWS, LONGEST = len(STEP.rewards), max(STEP.lengths)


class WeighedRewards(SignedGRPOTrainer):
    def _calculate_rewards(self, inputs, *rest):
        own = super()._calculate_rewards(inputs, *rest)
        return torch.where(torch.arange(own.shape[1]) == 0, weighed_rewards().to(own).unsqueeze(1), own)

    def _replace_advantages(self, out):
        pass


class NeverRun(SignedGRPOTrainer):
    def _replace_advantages(self, out):
        pass


class MaskedLater(SignedGRPOTrainer):
    def _replace_advantages(self, out):
        out["advantages"] = masked_later(out["advantages"])


class Alone:
    """An accelerator that gathers nothing of the others."""

    process_index = 0

    def __init__(self, accelerator):
        self._accelerator = accelerator

    def __getattr__(self, name):
        return getattr(self._accelerator, name)

    def gather(self, own):
        return own


class OwnRows(SignedGRPOTrainer):
    """Takes what it has itself for all there is, in the place of what it gathers."""

    def _calculate_rewards(self, inputs, *rest):
        gathered = super()._calculate_rewards(inputs, *rest)
        first, (_, kinds) = self.accelerator.process_index * len(inputs), self._rewarded
        own = slice(first, first + len(inputs))
        self._rewarded = gathered[own], kinds[own]
        return gathered

    def _replace_advantages(self, out):
        accelerator, self.accelerator = self.accelerator, Alone(self.accelerator)
        try:
            super()._replace_advantages(out)
        finally:
            self.accelerator = accelerator


MISTAKES = {
    None: SignedGRPOTrainer,
    "weighed_rewards": WeighedRewards,
    "never_run": NeverRun,
    "masked_later": MaskedLater,
}


def verdict(completions, place, **_):
    return [STEP.rewards[row] for row in place]


def _part(name):
    def part(completions, place, **_):
        return [None if STEP.rewards[row] is None else STEP.parts[name][row] for row in place]

    part.__name__ = name
    return part


class Driver:
    takes = frozenset({"parts"})
    loss, variants = None, (None,)

    def __init__(self, folder):
        self.folder, self.step = folder, STEP
        self.policy, self.tokenizer = load_policy(folder), load_tokenizer(folder)
        self.model = load_policy(folder)
        self.out = tempfile.TemporaryDirectory()

    def close(self):
        self.out.cleanup()

    def answer(self, credit, *, denominator=None, shift=None, mistake=None, variant=None):
        trainer = self._trainer(MISTAKES[mistake], credit=credit, denominator=denominator, task_column="kind")
        trainer._generate = self._given
        trainer.model.train()
        inputs = trainer._generate_and_score_completions(self.inputs())
        trainer.current_gradient_accumulation_steps = 1
        if shift is not None:
            with torch.no_grad():
                known = response_log_probs(self.policy, STEP.rollouts(), temperature=1.0).log_probs
            inputs["old_per_token_logps"] = known + shift
        trainer.model.zero_grad()
        loss = trainer._compute_loss(trainer.model, inputs)
        loss.backward()
        weights = inputs["advantages"].unsqueeze(1) * inputs["completion_mask"] / inputs["num_items_in_batch"]
        return Answer(weights=weights, loss=float(loss.detach()), gradient=gradients(trainer.model))

    places = ((*range(8), *range(24, 28)), (*range(28, 32), *range(16, 24)))
    """Of each process's rollouts: as many in both, with half of a group in each, whose longest responses differ."""
    whole_groups, weighed = False, True

    def shared(self, cases):
        """Two processes of accelerate's, each with its own rollouts."""
        return run_ranks("trl_driver", self.folder, cases)

    def own_share(self, rank, credit, *, alone):
        self.step = STEP.rows(self.places[rank])
        trainer = self._trainer(
            OwnRows if alone else SignedGRPOTrainer, credit=credit, denominator=None, task_column="kind"
        )
        trainer._generate = self._given
        trainer.model.train()
        out = trainer._generate_and_score_completions(self.inputs(self.places[rank]))
        weights = out["advantages"].unsqueeze(1) * out["completion_mask"] / out["num_items_in_batch"]
        return torch.nn.functional.pad(weights, (0, LONGEST - weights.shape[1]))

    def parity(self):
        """The log-probabilities that `generate` drew by, from its logits, and the trainer's own, after an update."""
        trainer = self._trainer(SignedGRPOTrainer, credit="nsr", denominator=None, model=copy.deepcopy(self.policy))
        trainer.train()
        with torch.no_grad():
            before, after = (
                response_log_probs(model, STEP.rollouts(), temperature=1.0) for model in (self.policy, trainer.model)
            )
        moved = parity_gap(before.log_probs, after.log_probs, after.mask)
        drawn, step = [], trainer.model.forward

        def forward(*args, **named):
            out = step(*args, **named)
            drawn.append(out.logits[:, -1].detach().float().log_softmax(-1))
            return out

        trainer.model.forward = forward
        generated = trainer._generate([row["prompt"] for row in self.inputs()])
        trainer.model.forward = step
        prompts, completions = generated[0], generated[1]
        gap = 0.0
        for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
            ids = torch.tensor([prompt + completion])
            with torch.no_grad():
                logits = trainer.model(input_ids=ids).logits[0, len(prompt) - 1 : -1]
            own = logits.float().log_softmax(-1).gather(-1, ids[0, len(prompt) :].unsqueeze(-1)).squeeze(-1)
            sampler = torch.stack([drawn[place][row, one] for place, one in enumerate(completion)])
            gap = max(gap, parity_gap(sampler, own, torch.ones_like(own)))
        return gap, moved

    def inputs(self, places=range(ROWS)):
        texts = [self.tokenizer.decode(STEP.prompts[row]) for row in places]
        return [
            {"prompt": text, "kind": STEP.kinds[row], "place": row} for text, row in zip(texts, places, strict=True)
        ]

    def _given(self, prompts):
        ids = [[list(one) for one in several] for several in (self.step.prompts, self.step.responses)]
        return (*ids, None, ["…"] * len(prompts), None, {}, None, None)

    def _trainer(self, cls, *, model=None, **named):
        args = GRPOConfig(
            self.out.name, use_cpu=True, bf16=False, per_device_train_batch_size=len(self.step.responses), num_generations=SIZE,
            max_completion_length=LENGTH, max_steps=4, learning_rate=1e-3, report_to="none", save_strategy="no", disable_tqdm=True,
            reward_weights=[1.0, 0.0, 0.0],
        )  # fmt: skip
        data = [self.inputs()[row] for row in range(0, ROWS, SIZE)]
        return cls(
            self.model if model is None else model,
            [verdict, *(_part(name) for name in STEP.parts)],
            args,
            train_dataset=Dataset.from_list(data),
            processing_class=self.tokenizer,
            **named,
        )
