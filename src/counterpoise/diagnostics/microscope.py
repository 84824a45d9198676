"""The token microscope: what credit asks of every context, what a tabular policy would do, and what the policy really did.

A tabular policy has logits of its own for every context (prompt and prefix). A step of it is `z <- z + eta g` with g from
`diagnostics.gradients`, where all rollouts that pass through a context add their pushes. A network shares its parameters, so the same
credit moves it differently: the functions here give both, and `fit` says how far they agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from counterpoise.diagnostics import gradients
from counterpoise.diagnostics.explanation import Alternative, Fit, Move, TokenView
from counterpoise.diagnostics.quadrants import Floats
from counterpoise.types import Rollout

__all__ = ["Contexts", "TokenMeasures", "fit", "measure_tokens", "move", "response_logits", "slopes", "view"]

_ELEMENTS = 1 << 24
"""Logits of one forward pass at most, unless one row alone has more."""
_CHUNK = 1 << 21
"""Logits in float64 at one time at most, unless one position alone has more."""


@torch.no_grad()
def response_logits(model: Any, rollouts: Sequence[Rollout]) -> Iterator[torch.Tensor]:
    """(T, V) float32 logits that predict the tokens of each response, in order; the model must be in evaluation mode.

    Rows are padded on the right without an attention mask: causal attention hides the padding from every real token.
    """
    device = next(model.parameters()).device
    start, at_once = 0, 1
    while start < len(rollouts):
        part = rollouts[start : start + at_once]
        rows = [np.concatenate([rollout.prompt_ids, rollout.token_ids]) for rollout in part]
        ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64, device=device)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.from_numpy(row)
        logits = model(input_ids=ids, use_cache=False).logits
        for index, rollout in enumerate(part):
            first = len(rollout.prompt_ids) - 1
            yield logits[index, first : first + len(rollout.token_ids)].float().cpu()
        start += len(part)
        at_once = max(1, _ELEMENTS // (ids.shape[1] * logits.shape[-1]))


class Contexts:
    """The tree of all contexts that some rollouts pass through, with the credit that each of them puts on its next token."""

    def __init__(self, rollouts: Sequence[Rollout], pushes: Sequence[Floats], correct: Sequence[bool]) -> None:
        """Add up the rollouts.

        Args:
            rollouts: N of any prompts; only equal prompts share contexts.
            pushes: (T,) signed credit of each rollout's tokens.
            correct: (N,) verdicts, for the counts of visitors.
        """
        self._edges: dict[tuple[Any, int], int] = {}
        self._push: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        self._counts: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
        for rollout, push, right in zip(rollouts, pushes, correct, strict=True):
            for node, token, value in zip(self._nodes(rollout), rollout.token_ids.tolist(), push.tolist(), strict=True):
                self._push[node][token] += value
                self._counts[node][token][0 if right else 1] += 1

    def push(self, rollout: Rollout, vocabulary: int, start: int, stop: int) -> torch.Tensor:
        """(stop - start, V) float64 credit on every token in the contexts of a slice of a rollout's positions."""
        dense = torch.zeros(stop - start, vocabulary, dtype=torch.float64)
        for row, node in enumerate(self._nodes(rollout)[start:stop]):
            for token, value in self._push[node].items():
                dense[row, token] = value
        return dense

    def visitors(self, rollout: Rollout) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """For each position: (right, wrong) rollouts that pass through its context, and those of them that chose its token."""
        found = []
        for node, token in zip(self._nodes(rollout), rollout.token_ids.tolist(), strict=True):
            counts = self._counts[node]
            right, wrong = (sum(pair[side] for pair in counts.values()) for side in (0, 1))
            found.append(((right, wrong), (counts[token][0], counts[token][1])))
        return found

    def _nodes(self, rollout: Rollout) -> list[int]:
        node = self._child((rollout.prompt_ids.tobytes(), -1))
        nodes = []
        for token in rollout.token_ids.tolist():
            nodes.append(node)
            node = self._child((node, token))
        return nodes

    def _child(self, edge: tuple[Any, int]) -> int:
        return self._edges.setdefault(edge, len(self._edges))


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMeasures:
    """One response of T tokens under one policy."""

    log_prob: Floats
    """(T,) log pi_y."""
    entropy: Floats
    """(T,) H."""


def measure_tokens(logits: torch.Tensor, rollout: Rollout, *, temperature: float) -> TokenMeasures:
    """Log-probability and entropy of every token of a response from its (T, V) logits."""
    tokens = torch.from_numpy(rollout.token_ids)
    log_prob, entropy = np.empty(len(tokens)), np.empty(len(tokens))
    for part in _parts(logits):
        log_pi = gradients.log_softmax(logits[part], temperature)
        log_prob[part] = log_pi.gather(1, tokens[part, None])[:, 0].numpy()
        entropy[part] = gradients.entropy(logits[part], temperature=temperature).numpy()
    return TokenMeasures(log_prob=log_prob, entropy=entropy)


def slopes(logits: torch.Tensor, rollout: Rollout, contexts: Contexts, *, temperature: float) -> tuple[Floats, Floats]:
    """(T,) first-order changes of `log pi_y` and of H for a tabular step of eta = 1 (log-probability form)."""
    tokens = torch.from_numpy(rollout.token_ids)
    log_prob, entropy = np.empty(len(tokens)), np.empty(len(tokens))
    for part in _parts(logits):
        z = logits[part]
        push = contexts.push(rollout, z.shape[1], part.start, part.stop)
        gradient = gradients.logit_gradient(z, push, temperature=temperature)
        pi = gradients.log_softmax(z, temperature).exp()
        log_ratio = (gradient - (pi * gradient).sum(-1, keepdim=True)) / temperature
        log_prob[part] = log_ratio.gather(1, tokens[part, None])[:, 0].numpy()
        entropy[part] = gradients.entropy_slope(z, gradient, temperature=temperature).numpy()
    return log_prob, entropy


def fit(predicted: Floats, realised: Floats) -> Fit:
    """The step eta that makes `eta * predicted` closest to `realised`, and how close that is.

    `eta = sum(p r) / sum(p^2)`; the correlation is Pearson's (about the means); `same_sign` is over tokens with p != 0. One number is
    fitted, so a sign or a pattern that agrees is evidence, and the size alone is not.
    """
    squares, touched = float(predicted @ predicted), predicted != 0
    spread = float(predicted.std() * realised.std()) if len(predicted) else 0.0
    covariance = float(((predicted - predicted.mean()) * (realised - realised.mean())).mean()) if spread else np.nan
    return Fit(
        step=float(predicted @ realised) / squares if squares else float("nan"),
        correlation=covariance / spread if spread else float("nan"),
        same_sign=float((np.sign(predicted) == np.sign(realised))[touched].mean()) if touched.any() else float("nan"),
        tokens=len(predicted),
    )


def move(
    *,
    rule: str,
    before: torch.Tensor,
    after: torch.Tensor,
    chosen: int,
    credit: float,
    push: torch.Tensor,
    step: float,
    temperature: float,
    decode: Callable[[int], str],
    top: int,
) -> Move:
    """What one rule did at one position.

    Args:
        rule: its name.
        before: (V,) logits of the policy.
        after: (V,) logits after the real step.
        chosen: the token y.
        credit: this rollout's own signed credit on it.
        push: (V,) credit of all rollouts in this context.
        step: eta of the fit; NaN or a negative one (no tabular step looks like what happened) predicts nothing.
        temperature: of the policy.
        decode: token id to text.
        top: how many likely alternatives are listed; as many that gained, where they are others.
    """
    pi = gradients.log_softmax(before, temperature).exp()
    later = gradients.log_softmax(after, temperature).exp()
    dz = (step if step > 0 else float("nan")) * gradients.logit_gradient(before, push, temperature=temperature)
    predicted = pi + gradients.probability_change(before, dz, temperature=temperature)
    own = gradients.chosen_push(torch.tensor(chosen), torch.tensor(credit, dtype=torch.float64), len(pi))
    trained = gradients.logit_gradient(before, own, temperature=temperature)
    paper = gradients.logit_gradient(before, own, form="probability", temperature=temperature)
    likely = pi.topk(min(top + 1, len(pi))).indices.tolist()
    gained = (later - pi).topk(min(top, len(pi))).indices.tolist()
    listed = sorted({chosen, *likely, *gained}, key=lambda v: (-float(pi[v]), v))
    return Move(
        rule=rule,
        credit=credit,
        context_credit=float(push[chosen]),
        predicted=float(predicted[chosen]),
        realised=float(later[chosen]),
        entropy_slope=float(gradients.entropy_slope(before, dz, temperature=temperature)),
        predicted_entropy=float(gradients.entropy(before.double() + dz, temperature=temperature)),
        realised_entropy=float(gradients.entropy(after, temperature=temperature)),
        alternatives=tuple(
            Alternative(
                token_id=v,
                text=decode(v),
                chosen=v == chosen,
                probability=float(pi[v]),
                gradient=float(trained[v]),
                gradient_probability=float(paper[v]),
                predicted=float(predicted[v]),
                realised=float(later[v]),
            )
            for v in listed
        ),
    )


def view(
    *,
    index: int,
    before: torch.Tensor,
    chosen: int,
    text: str,
    visitors: tuple[tuple[int, int], tuple[int, int]],
    moves: Sequence[Move],
    temperature: float,
) -> TokenView:
    """One position before any step, with what each rule did to it."""
    pi = gradients.log_softmax(before, temperature).exp()
    return TokenView(
        index=index,
        token_id=chosen,
        text=text,
        probability=float(pi[chosen]),
        entropy=float(gradients.entropy(before, temperature=temperature)),
        collision=float((pi * pi).sum()),
        rank=1 + int((pi > pi[chosen]).sum()),
        visitors=visitors[0],
        sharers=visitors[1],
        moves=tuple(moves),
    )


def _parts(logits: torch.Tensor) -> Iterator[slice]:
    rows = max(1, _CHUNK // logits.shape[1])
    for start in range(0, len(logits), rows):
        yield slice(start, min(start + rows, len(logits)))
