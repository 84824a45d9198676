"""Every engine: a fixed group of rollouts and rewards has the weights, the loss and the gradient that the parts give."""

import pytest
import torch
from driving import SHARED, STEP, parts_of

from counterpoise.credit import RULES, Needs, needs_of
from counterpoise.credit.token_weights import TOKEN_WEIGHTS
from counterpoise.engines.contract import PARITY, answer_of, breaches, share_breaches
from counterpoise.errors import UsageError
from counterpoise.learner.forward import response_log_probs

RULES_TAKEN = [
    {"rule": name, "settings": {"k": 4}} if name == "passk" else name
    for name in sorted(RULES)
    if not needs_of(name) & (Needs.CRITIC | Needs.PARTS)
]
OTHERS = [
    {"rule": "reinforce", "controller": "share", "controller_settings": {"rho": 0.3}, "emphasis": "focal"},
    {"rule": "nsr", "all_wrong_cap": 0.3},
]
DENOMINATORS = ["tokens_all", "tokens_signed", "sequences", "sequence_mean", "constant"]
# entropy_safe reads what no engine but the local one records, and is tried there (tests/engines/local/test_token_weights.py)
WEIGHTS = sorted(name for name in TOKEN_WEIGHTS if name not in {"none", "entropy_safe"})


def held(engine, credit, denominator=None, shift=None):
    wanted = answer_of(engine.policy, STEP, parts_of(credit, denominator), loss=engine.loss, shift=shift)
    assert float(torch.stack([one.norm() for one in wanted.gradient.values()]).norm()) > 1e-3  # not two zeros
    variants = engine.variants if denominator else engine.variants[:1]
    found = [engine.answer(credit, denominator=denominator, shift=shift, variant=one) for one in variants]
    return [line for answer in found for line in breaches(answer, wanted)]


@pytest.mark.parametrize("credit", [*RULES_TAKEN, *OTHERS], ids=str)
def test_every_rule(engine, credit):
    assert held(engine, credit) == []


@pytest.mark.parametrize("denominator", DENOMINATORS)
def test_every_denominator(engine, denominator):
    # nothing of the group that is all right has credit, so that it counts in no denominator unless the filter keeps it
    credit = {"rule": "nsr", "controller_settings": {"lambda_plus": 1.0, "lambda_minus": 0.7}}
    assert held(engine, credit, denominator=denominator) == []


@pytest.mark.parametrize("name", ["none", "zero_variance"])
def test_other_filters(engine, name):
    assert held(engine, {"rule": "nsr", "filter": name}, denominator="tokens_all") == []


def test_tokens_whose_ratio_is_clipped(engine):
    shift = 0.6 * torch.sin(torch.arange(len(STEP.rewards) * max(STEP.lengths))).reshape(len(STEP.rewards), -1)
    shift[20, 1] = -1.3  # of a wrong response, its ratio is e^1.3 > 3
    assert held(engine, "weighted_reinforce", shift=shift) == []


def test_parts_of_a_reward(engine):
    credit = {"rule": "gdpo", "settings": {"dimensions": {"verdict": 1.0, "form": 0.5, "brief": 0.25}}}
    assert held(engine, credit) == []


@pytest.mark.parametrize("name", WEIGHTS)
def test_token_weights(engine, name):
    credit = {"rule": "weighted_reinforce", "token_weights": name}
    if "token_weights" not in engine.takes:
        with pytest.raises(UsageError, match="log-probabilities of every token"):
            engine.answer(credit)
        return
    assert held(engine, credit) == []


@pytest.mark.parametrize("mistake", ["weighed_rewards", "never_run", "masked_later"])
@pytest.mark.parametrize("rule", ["nsr", "weighted_reinforce"])
def test_the_published_mistakes_are_found(engine, mistake, rule):
    wanted = answer_of(engine.policy, STEP, parts_of(rule), loss=engine.loss)
    found = engine.answer(rule, mistake=mistake)
    assert [line.partition(":")[0] for line in breaches(found, wanted)] == ["weights", "loss", "gradient"]
    # no matter of scale: in all three a group that is all wrong is taught nothing
    wrong = slice(16, 24)
    assert found.weights[wrong].abs().max() == 0 < wanted.weights[wrong].abs().max()


def test_the_sampler_has_the_weights_of_the_last_update(engine):
    gap, moved = engine.parity()
    assert gap < PARITY < moved


@pytest.fixture(scope="session")
def shares(engine):
    """By credit, and by whether each process gathered its own rollouts alone: the credit of each process."""
    cases = [(credit, alone) for credit in SHARED for alone in (False, True)]
    found = engine.shared(cases)
    return {(str(credit), alone): one for (credit, alone), one in zip(cases, found, strict=True)}


def whole(engine, credit):
    """(N, ...) credit of the same rollouts in one process, whose order is that of the ranks."""
    step, parts = STEP.rows([place for own in engine.places for place in own]), parts_of(credit)
    if engine.weighed:
        return answer_of(engine.policy, step, parts).weights
    known = response_log_probs(engine.policy, step.rollouts(), temperature=1.0)
    signed, _ = parts.step(step.batch(known.log_probs.detach(), known.entropy.detach()))
    return signed.advantages


@pytest.mark.parametrize("credit", SHARED, ids=str)
def test_processes_that_share_a_step_have_the_credit_of_the_whole_of_it(engine, shares, credit):
    wanted = whole(engine, credit)
    assert float(wanted.abs().max()) > 0 and [len(own) for own in shares[str(credit), False]] == [
        *map(len, engine.places)
    ]
    assert share_breaches(shares[str(credit), False], wanted) == []


@pytest.mark.parametrize("credit", SHARED, ids=str)
def test_a_process_that_gathers_its_own_rollouts_alone_is_found(engine, shares, credit):
    said = share_breaches(shares[str(credit), True], whole(engine, credit))
    if credit == "grpo" and engine.whole_groups:
        assert said == []  # its baselines are of groups, and nobody else has a rollout of theirs
        return
    assert said and all("rollouts have other credit" in line for line in said)
