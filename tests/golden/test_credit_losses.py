"""One small batch through every rule, token weight and loss, at full precision: refactors must reproduce the stored numbers.

`python tests/golden/test_credit_losses.py` writes the file again, for a change of numbers that is meant.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from counterpoise.credit import (
    RULES,
    TOKEN_WEIGHTS,
    Needs,
    TokenContext,
    make_rule,
    make_token_weights,
    needs_of,
    signed_credit,
)
from counterpoise.losses import LOSSES, counts, make_divide, make_loss
from counterpoise.types import Credit

PLAIN = [name for name in RULES if not needs_of(name) & (Needs.CRITIC | Needs.PARTS)]

STORED = Path(__file__).with_name("credit_losses.json")
MARKS = "+----" + "---" + "++" + "+-?" + "+"
IDS = [4] * 5 + [1] * 3 + [9] * 2 + [2] * 3 + [-7]
LENGTHS = torch.tensor([3, 1, 5, 2, 4, 5, 5, 1, 2, 3, 4, 2, 5, 1])
SCORED = torch.tensor([mark != "?" for mark in MARKS])
MASK = torch.arange(5)[None, :] < LENGTHS[:, None]


def batch_context() -> TokenContext:
    cell = torch.arange(MASK.numel(), dtype=torch.float64).reshape(MASK.shape)
    return TokenContext(
        log_probs=-0.002 - ((7 * cell) % 11) ** 2 / 20,
        mask=MASK,
        token_ids=((3 * cell) % 5).long() // 3,
        group_ids=torch.tensor(IDS),
        correct=torch.tensor([mark == "+" for mark in MARKS]),
        scored=SCORED,
        entropy=((5 * cell) % 13) / 6,
        entropy_slope=((11 * cell) % 17 - 8) / 50,
    )


def batch_credit(rule: str, token_weights: str | None = None) -> Credit:
    return signed_credit(
        rewards=torch.tensor([{"+": 1.0, "-": -1.0, "?": math.nan}[mark] for mark in MARKS], dtype=torch.float64),
        correct=torch.tensor([mark == "+" for mark in MARKS]),
        scored=SCORED,
        group_ids=torch.tensor(IDS),
        rule=make_rule(rule, **({"k": 2} if rule == "passk" else {})),
        token_weights=None if token_weights is None else make_token_weights(token_weights)(batch_context()),
    )


def batch_loss(rule: str, loss: str) -> dict[str, Any]:
    credit = batch_credit(rule)
    cell = torch.arange(MASK.numel(), dtype=torch.float64).reshape(MASK.shape)
    log_probs = (-0.05 - ((7 * cell) % 11) / 6).requires_grad_()
    old = log_probs.detach() + ((5 * cell) % 7 - 3) / 9
    output = make_loss(loss)(
        log_probs=log_probs, old_log_probs=old, plus=credit.plus.double(), minus=credit.minus.double(), mask=MASK
    )
    value = make_divide("tokens_signed")(output, counts(credit, LENGTHS, SCORED))
    (gradient,) = torch.autograd.grad(value, log_probs)
    return {
        "loss": float(value.detach()),
        "gradient_norm": float(gradient.norm()),
        "rows": output.row_sums.detach().tolist(),
        "metrics": {key: [metric.total, metric.count] for key, metric in output.metrics.items()},
    }


def trace() -> dict[str, Any]:
    return {
        "credit": {rule: batch_credit(rule).advantages.tolist() for rule in PLAIN},
        "token_weights": {name: batch_credit("reinforce", name).advantages.tolist() for name in TOKEN_WEIGHTS},
        "loss": {f"{rule}/{loss}": batch_loss(rule, loss) for rule in PLAIN for loss in LOSSES},
    }


def flat(value: Any, path: str = "") -> dict[str, float]:
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in flat(inner, f"{path}/{key}").items()}
    if isinstance(value, list):
        return {k: v for index, inner in enumerate(value) for k, v in flat(inner, f"{path}/{index}").items()}
    return {path: value}


def test_every_rule_and_loss_reproduces_the_stored_trace() -> None:
    stored, found = flat(json.loads(STORED.read_text(encoding="utf-8"))), flat(trace())
    write = (
        f"`python tests/golden/{Path(__file__).name}` and read the diff of {STORED.name}: only what is meant may change"
    )
    common = stored.keys() & found.keys()
    moved = sorted(key for key in common if found[key] != pytest.approx(stored[key], rel=1e-12, abs=1e-14))
    assert not moved, f"{len(moved)} numbers are other ones, the first {moved[0]}; if that is meant, run {write}"
    known = {name for key in common for name in key.split("/")}
    parts = sorted({name for key in stored.keys() ^ found.keys() for name in key.split("/")[2:4]} - known)
    assert not parts, f"added or removed: {', '.join(parts)}; run {write}"


if __name__ == "__main__":
    STORED.write_text(json.dumps(trace(), indent=1) + "\n", encoding="utf-8")
