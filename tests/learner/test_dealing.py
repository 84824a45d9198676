import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.credit import CreditStep, make_controller, make_rule, step_rule
from counterpoise.learner import dealing
from counterpoise.learner.dealing import make_deck
from counterpoise.learner.settings import LearnerSettings
from counterpoise.types import Batch


def deal(shares, *, seed=0, prompts=None, rows=None):
    """Hands of row names over all processes; a share is one process's list of (group id, name, live)."""
    everywhere = [np.array([entry[0] for entry in share], dtype=np.int64) for share in shares]
    live = [np.array([entry[2] for entry in share], dtype=np.bool_) for share in shares]
    settings = LearnerSettings(minibatch_prompts=prompts, minibatch_rows=rows)

    def gathered(value, processes):
        assert processes == len(shares)
        return list(zip(everywhere, live, strict=True)) if isinstance(value, tuple) else [*map(np.unique, everywhere)]

    hands = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dealing, "gather", gathered)
        for process, share in enumerate(shares):
            deck = make_deck(everywhere[process], live[process], settings, process=process, processes=len(shares))
            dealt = deck.deal(np.random.default_rng(seed))
            assert len(dealt) == deck.hands
            assert sorted(row for own in dealt for row in own) == list(range(len(share)))  # every row once
            hands = hands or [set() for _ in dealt]
            assert len(dealt) == len(hands)  # the same number everywhere, or processes would wait for ever
            for hand, own in zip(hands, dealt, strict=True):
                hand |= {share[row][1] for row in own}
    return hands


def batch(groups, live):
    """(group, row's name, live) of one process that holds everything."""
    return [
        (group, (group, index), alive) for index, (group, alive) in enumerate(zip(sorted(groups), live, strict=True))
    ]


def dealt_to(whole, processes):
    """As the engine deals prompts: prompt i to process i % n, which calls it i // n."""
    return [
        [(group // processes, name, live) for group, name, live in whole if group % processes == rank]
        for rank in range(processes)
    ]


GROUPS = st.lists(st.integers(0, 9), min_size=1, max_size=40)


@given(GROUPS, st.integers(1, 12), st.integers(0, 2**32))
def test_prompts_are_dealt_whole_and_evenly(groups, prompts, seed):
    hands = deal([batch(groups, [True] * len(groups))], seed=seed, prompts=prompts)
    assert len(hands) == -(-len(set(groups)) // prompts)
    sizes = [len({group for group, _ in hand}) for hand in hands]
    assert sum(sizes) == len(set(groups))  # no group is split
    assert max(sizes) - min(sizes) <= 1


@given(GROUPS, st.data(), st.integers(1, 12), st.integers(0, 2**32))
def test_rows_are_dealt_evenly_and_those_that_are_not_trained_on_do_not_count(groups, data, size, seed):
    live = data.draw(st.lists(st.booleans(), min_size=len(groups), max_size=len(groups)))
    whole = batch(groups, live)
    hands = deal([whole], seed=seed, rows=size)
    assert len(hands) == max(1, -(-sum(live) // size))
    alive = {name for _, name, trained in whole if trained}
    for some in (alive, {name for _, name, _ in whole} - alive):
        sizes = [len(hand & some) for hand in hands]
        assert max(sizes) - min(sizes) <= 1
        assert sum(sizes) == len(some)
    assert max(len(hand & alive) for hand in hands) <= size


@given(GROUPS, st.data(), st.sampled_from(["prompts", "rows"]), st.integers(1, 12), st.integers(0, 2**32))
def test_any_number_of_processes_deals_what_one_deals(groups, data, unit, size, seed):
    live = data.draw(st.lists(st.booleans(), min_size=len(groups), max_size=len(groups)))
    whole = batch(groups, live)
    expected = deal([whole], seed=seed, **{unit: size})
    for processes in (2, 3):  # one of them may hold nothing
        assert deal(dealt_to(whole, processes), seed=seed, **{unit: size}) == expected
    cut = data.draw(st.integers(0, 10))  # or with the ids of the whole batch, whoever holds a group
    shares = [[entry for entry in whole if (entry[0] < cut) == low] for low in (True, False)]
    assert deal(shares, seed=seed, **{unit: size}) == expected


def test_one_process_deals_prompts_as_it_always_did():
    # bit-exact resume of runs made before: group permutation[i] goes to hand i % hands
    whole = batch([0, 0, 1, 1, 2, 2, 3, 3, 4, 4], [True] * 10)
    order = np.random.default_rng(7).permutation(5)
    hands = deal([whole], seed=7, prompts=2)
    assert [sorted({group for group, _ in hand}) for hand in hands] == [
        sorted(order[[0, 3]].tolist()),
        sorted(order[[1, 4]].tolist()),
        [order[2]],
    ]


def test_the_seed_decides_the_deal_and_one_hand_draws_nothing():
    whole = batch(range(20), [True] * 20)
    assert deal([whole], seed=0, rows=5) == deal([whole], seed=0, rows=5) != deal([whole], seed=1, rows=5)
    generator = np.random.default_rng(0)
    deck = make_deck(np.arange(3), np.ones(3, dtype=np.bool_), LearnerSettings(), process=0, processes=1)
    assert [rows.tolist() for rows in deck.deal(generator)] == [[0, 1, 2]]
    assert generator.random() == np.random.default_rng(0).random()


def test_nothing_to_train_on_is_one_hand():
    assert deal([batch([0, 0, 1], [False] * 3)], rows=2) == [{(0, 0), (0, 1), (1, 2)}]
    assert deal([[]], rows=2) == [set()]


@pytest.mark.parametrize(
    ("rule", "unit", "updates"),
    [("nsr", "rows", 1), ("psr", "rows", 4), ("reinforce", "rows", 4), ("nsr", "prompts", 2), ("psr", "prompts", 4)],
)
def test_at_the_papers_sizes_nsr_makes_the_updates_of_the_papers_code(rule, unit, updates):
    # 1,024 prompts x 8, 78% right, most prompts fully solved, as at the paper's step 60. Its code removes rows without credit and cuts
    # what is left into mini-batches of 256 x 8 rows: ceil(1,785 / 2,048) = 1 and ceil(6,407 / 2,048) = 4. Counted in prompts NSR makes
    # 2, each of half as many rows: 355 prompts have a wrong answer, ceil(355 / 256); and PSR ceil(926 / 256) = 4.
    draw = np.random.default_rng(0)
    rates = draw.beta(0.39, 0.1, 1024)
    correct = torch.tensor(draw.random((1024, 8)) < rates[:, None]).flatten()
    n = len(correct)
    rows = {
        "rewards": correct.double() * 2 - 1,
        "correct": correct,
        "scored": torch.ones(n, dtype=torch.bool),
        "group_ids": torch.arange(1024).repeat_interleave(8),
    }
    batch = Batch(**rows, lengths=torch.full((n,), 5), task_types=["x"] * n)
    step = CreditStep(rule=step_rule(make_rule(rule)), controller=make_controller("constant"))
    kept, trained = step.select(batch, step(batch)[0])
    assert int(trained.sum()) == {"nsr": 1785, "psr": 6407, "reinforce": 8192}[rule]
    sizes = {"rows": {"minibatch_rows": 2048}, "prompts": {"minibatch_prompts": 256}}
    settings = LearnerSettings(**sizes[unit])
    deck = make_deck(rows["group_ids"][kept].numpy(), trained.numpy(), settings, process=0, processes=1)
    assert deck.hands == updates
