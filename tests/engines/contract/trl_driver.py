"""TRL's trainer on given completions."""

import copy
import tempfile

import torch
from datasets import Dataset
from driving import LENGTH, SIZE, STEP, load_policy, load_tokenizer, masked_later, weighed_rewards
from trl import GRPOConfig

from counterpoise.engines.contract import Answer, gradients, parity_gap
from counterpoise.engines.trl import SignedGRPOTrainer
from counterpoise.learner.forward import response_log_probs

ROWS = len(STEP.rewards)


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


MISTAKES = {
    None: SignedGRPOTrainer,
    "weighed_rewards": WeighedRewards,
    "never_run": NeverRun,
    "masked_later": MaskedLater,
}


def verdict(completions, **_):
    return [STEP.rewards[row % ROWS] for row in range(len(completions))]


def _part(name):
    def part(completions, **_):
        return [None if reward is None else STEP.parts[name][row] for row, reward in enumerate(STEP.rewards)]

    part.__name__ = name
    return part


class Driver:
    takes = frozenset({"parts"})
    loss, variants = None, (None,)

    def __init__(self, folder):
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

    def inputs(self):
        texts = [self.tokenizer.decode(prompt) for prompt in STEP.prompts]
        return [{"prompt": text, "kind": kind} for text, kind in zip(texts, STEP.kinds, strict=True)]

    def _given(self, prompts):
        ids = [[list(one) for one in several] for several in (STEP.prompts, STEP.responses)]
        return (*ids, None, ["…"] * len(prompts), None, {}, None, None)

    def _trainer(self, cls, *, model=None, **named):
        args = GRPOConfig(
            self.out.name, use_cpu=True, bf16=False, per_device_train_batch_size=ROWS, num_generations=SIZE,
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
