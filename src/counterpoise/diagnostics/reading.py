"""What the token microscope found, in plain sentences. Runs without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from counterpoise.diagnostics.explanation import Alternative, Explanation, Move, RuleStep, TokenView
from counterpoise.text import counted

__all__ = ["chance", "decisive", "quoted_token", "read_step", "read_token"]

_CERTAIN = 0.999
_LISTED = 3
_NOTHING = 5e-4


def quoted_token(text: str) -> str:
    """A token's text, with what cannot be seen made visible."""
    return f"'{text}'".replace("\n", "⏎").replace("\t", "⇥")


def chance(value: float) -> str:
    """A probability with the digits that say something: 93.4%, 0.21%, 99.97%, or ? where there is none."""
    if math.isnan(value):
        return "?"
    near = min(abs(value), abs(1.0 - value))
    return f"{100 * value:.{1 if near >= 0.01 else 2}f}%"


def decisive(tokens: Sequence[TokenView], count: int) -> list[TokenView]:
    """The `count` positions where something happened: largest |credit| x (1 - pi_y) under any rule, in the order of the text.

    That is the size of the log-probability form's gradient on the chosen logit; where no rule gives credit, the entropy decides.
    """

    def size(token: TokenView) -> tuple[float, float]:
        return max(abs(move.credit) for move in token.moves) * (1.0 - token.probability), token.entropy

    return sorted(sorted(tokens, key=size, reverse=True)[:count], key=lambda token: token.index)


def read_token(found: Explanation, token: TokenView, move: Move) -> list[str]:
    """Sentences about one position under one rule: who was here, what is asked, where the mass goes, what really happened."""
    return [*_before(found, token), *_asked(token, move), *_happened(token, move)]


def _before(found: Explanation, token: TokenView) -> list[str]:
    sure = "was sure of" if token.probability >= found.confident_probability else "was not sure of"
    verdict = "right" if found.verdict == "correct" else found.verdict.replace("_", " ")
    lines = [
        f"The policy {sure} {quoted_token(token.text)}: p = {token.probability:.3f}, rank {token.rank}, "
        f"entropy {token.entropy:.2f} nats; the answer is {verdict}."
    ]
    (right, wrong), (right_here, wrong_here) = token.visitors, token.sharers
    if right + wrong > 1:
        lines.append(
            f"{counted(right + wrong, 'rollout')} of the group {'passes' if right + wrong == 1 else 'pass'} here "
            f"({right} right, {wrong} wrong); {right_here + wrong_here} of them go on "
            f"with {quoted_token(token.text)} ({right_here} right, {wrong_here} wrong)."
        )
    return lines


def _asked(token: TokenView, move: Move) -> list[str]:
    if move.credit == 0.0:
        return [f"{move.rule} gives this rollout no credit; what moves here comes from other rollouts."]
    pushes = f"{move.rule} pushes it {'up' if move.credit > 0 else 'down'} with credit {move.credit:+.2f}"
    chosen = next(alternative for alternative in move.alternatives if alternative.chosen)
    lines = [
        f"{pushes}: on its logit {chosen.gradient:+.3f} as trained (log-probability form), {chosen.gradient_probability:+.3f} in the "
        "probability form."
    ]
    if token.probability > _CERTAIN:
        return [
            *lines,
            "It is nearly certain, so both forms hardly move it: one step cannot take from a token that leaves no room.",
        ]
    up, margin = move.credit > 0, token.probability - token.collision
    level = f"p = {token.probability:.3f} is {'above' if margin > 0 else 'below'} Σpi² = {token.collision:.3f}"
    if margin > 0:
        whose = "loses" if up else "gains"
        law = "in proportion to pi_v (pi_v + pi_y - Σpi²), which weighs on the likely more than the prior does"
        return [*lines, f"{level}, so every alternative {whose}, {law}: {_shares(token, move)}."]
    what = f"alternatives rarer than {-margin:.3f} {'rise' if up else 'fall'} with it, and the likelier ones {'pay' if up else 'gain'}"
    return [*lines, f"{level}: {what} ({_slopes(token, move)} for each unit of the logit step)."]


def _shares(token: TokenView, move: Move) -> str:
    """First-order share of the likeliest alternatives in the mass that moves, beside their share of the prior."""
    rest = 1.0 - token.probability
    # sum over v != y of pi_v (pi_v + pi_y - S) = pi_y (1 - 2 pi_y + S): what the chosen token loses
    lost = token.probability * (1.0 - 2.0 * token.probability + token.collision)
    return ", ".join(
        f"{quoted_token(v.text)} {chance(_gain(token, v) / lost)} (prior share {chance(v.probability / rest)})"
        for v in _others(move)
    )


def _slopes(token: TokenView, move: Move) -> str:
    """First-order changes of the likeliest alternatives' probabilities, which have both signs where the chosen token is rare."""
    return ", ".join(f"{quoted_token(v.text)} {-move.credit * _gain(token, v):+.4f}" for v in _others(move))


def _others(move: Move) -> list[Alternative]:
    return [alternative for alternative in move.alternatives if not alternative.chosen][:_LISTED]


def _gain(token: TokenView, v: Alternative) -> float:
    return v.probability * (v.probability + token.probability - token.collision)


def _happened(token: TokenView, move: Move) -> list[str]:
    real = f"Really, after one step: {chance(token.probability)} → {chance(move.realised)}, "
    real += f"entropy {move.realised_entropy - token.entropy:+.4f}"
    gain = max(move.alternatives, key=lambda v: v.realised - v.probability)
    most = f"; {quoted_token(gain.text)} gained most ({chance(gain.probability)} → {chance(gain.realised)})"
    if math.isnan(move.predicted):
        return [f"{real}{most}."]
    guess = (
        f"Predicted (tabular, all rollouts that pass here): {chance(token.probability)} → {chance(move.predicted)}, "
    )
    guess += f"entropy {move.predicted_entropy - token.entropy:+.4f}."
    expected, seen = move.predicted - token.probability, move.realised - token.probability
    if move.credit * expected < 0 and abs(expected) >= _NOTHING:
        guess += " That is against its own credit: what the others chose here, or how rare it was, outweighs it."
    if abs(expected) < _NOTHING and abs(seen) < _NOTHING:
        return [guess, f"{real}: both hardly move it."]
    if abs(expected) < _NOTHING:
        return [guess, f"{real}{most}: what moved it came from other positions, through shared parameters."]
    if expected * seen < 0:
        return [guess, f"{real}{most}: the other way. Parameters are shared: other positions decided this one."]
    return [guess, f"{real}{most}: {seen / expected:.2f} of the prediction."]


def read_step(step: RuleStep) -> str:
    """One sentence about a rule's step on the group: how far the tabular picture tells what happened."""
    if step.fit is None:
        return f"{step.rule}: no rollout of this group has credit, so no step is taken and nothing moves."
    fitted = step.fit
    said = (
        f"{step.rule}: correlation {fitted.correlation:.2f} between predicted and realised change over "
        f"{counted(fitted.tokens, 'token')} of the "
    )
    said += f"group, {chance(fitted.same_sign)} with the predicted sign, fitted logit step {fitted.step:.3g}"
    if not fitted.step > 0:
        said += "; that is not a step along the gradient, so no prediction is shown"
    if step.batch_fit is not None and step.batch_fit.tokens > fitted.tokens:
        said += f" (a step on the whole batch: {step.batch_fit.correlation:.2f}, {chance(step.batch_fit.same_sign)})"
    return f"{said}."
