import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.credit import Needs, group_statistics, make_rule, needs_of, signed_credit
from counterpoise.credit.rules.gdpo import Gdpo, gdpo
from counterpoise.errors import ConfigError, DataError, UnknownNameError, UsageError
from counterpoise.world import ALONE

NAN = math.nan
BINARY = st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.booleans()), min_size=1, max_size=24)


def rule(*, dimensions: dict[str, float] | None = None, **options: object) -> Gdpo:
    return make_rule("gdpo", dimensions=dimensions or {"a": 1.0, "b": 1.0}, **options)


def apply(
    parts: list[list[float]], made: Gdpo, ids: list[int] | None = None, scored: list[bool] | None = None, **more: object
) -> torch.Tensor:
    rows = len(parts)
    mask = torch.tensor(scored if scored is not None else [True] * rows)
    groups = torch.tensor(ids if ids is not None else [0] * rows)
    return gdpo(torch.tensor(parts, dtype=torch.float64), mask, groups, rule=made, **more)[0]  # type: ignore[arg-type]


def test_each_dimension_is_normalised_before_they_are_added() -> None:
    # a: 1, 0, 1, 0 with mean 1/2, std_1 = sqrt(1/3); b: 0, 0, 0, 4 with mean 1, std_1 = 2
    made = rule(dimensions={"a": 1.0, "b": 0.5}, eps=0.0, whiten="none")
    found = apply([[1, 0], [0, 0], [1, 0], [0, 4]], made).tolist()
    z = 0.5 * math.sqrt(3)
    assert found == pytest.approx([z - 0.25, -z - 0.25, z - 0.25, -z + 0.75])


def test_a_sum_that_collapses_two_kinds_of_answers_does_not() -> None:
    """The paper's point: (0, 1), (0, 2) and (1, 2) in a group get different advantages where the normalised sums of two pairs are equal."""
    one = apply([[0, 1], [0, 0]], rule(whiten="none", eps=0.0)).tolist()
    two = apply([[1, 1], [0, 0]], rule(whiten="none", eps=0.0)).tolist()
    # std_1 of two values d apart is d / sqrt(2)
    assert one == pytest.approx([math.sqrt(0.5), -math.sqrt(0.5)]) and two == pytest.approx(
        [math.sqrt(2), -math.sqrt(2)]
    )


@settings(max_examples=100, deadline=None)
@given(BINARY, st.sampled_from([0, 1]))
def test_one_dimension_without_whitening_is_grpo(rows: list[tuple[bool, int, bool]], ddof: int) -> None:
    right, ids, scored = (list(column) for column in zip(*rows, strict=True))
    found = apply([[float(r)] for r in right], rule(dimensions={"verdict": 1.0}, whiten="none", ddof=ddof), ids, scored)
    mask, correct = torch.tensor(scored), torch.tensor(right)
    statistics = group_statistics(correct, mask, torch.tensor(ids), correct.double())
    grpo = [
        make_rule("grpo", ddof=ddof, scale=scale)(correct.double(), statistics) for scale in ("as_given", "zero_one")
    ]
    assert torch.equal(found, torch.where(mask, grpo[0], 0.0))
    assert found.tolist() == pytest.approx(torch.where(mask, grpo[1], 0.0).tolist(), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1) | st.just(NAN), st.integers(0, 3), st.booleans()),
        min_size=2,
        max_size=24,
    )
)
def test_over_sequences_the_batch_has_mean_zero_and_std_one(rows: list[tuple[float, float, int, bool]]) -> None:
    parts, ids, scored = [[a, b] for a, b, _, _ in rows], [row[2] for row in rows], [row[3] for row in rows]
    found = apply(parts, rule(whiten_eps=0.0), ids, scored)
    assert not found[~torch.tensor(scored)].any()
    kept = found[torch.tensor(scored)]
    if kept.any():
        assert float(kept.sum()) == pytest.approx(0.0, abs=1e-9)
        assert float((kept**2).sum()) / (len(kept) - 1) == pytest.approx(1.0)


def test_a_group_without_variance_keeps_exactly_zero_over_sequences_and_not_over_tokens() -> None:
    parts, ids = [[0.3, 1], [0.1, 0], [0.7, 1], [0.5, 0.5], [0.5, 0.5]], [0, 0, 0, 1, 1]
    assert apply(parts, rule(), ids)[3:].tolist() == [0.0, 0.0]
    lengths = torch.tensor([9, 1, 1, 1, 1])
    shifted = apply(parts, rule(whiten="tokens"), ids, lengths=lengths)
    # over tokens the mean is that of A repeated by length, and the group without variance moves by it
    plain = apply(parts, rule(whiten="none"), ids)
    mean = float((plain * lengths).sum()) / 13
    variance = float((((plain - mean) ** 2) * lengths).sum()) / 12
    assert shifted.tolist() == pytest.approx(((plain - mean) / math.sqrt(variance + 1e-8)).tolist())
    assert abs(float(shifted[3])) > 0.1


def test_missing_dimensions_are_masked_and_not_zero() -> None:
    made = rule(whiten="none", eps=0.0)
    found = apply([[1, 1], [0, NAN], [1, 0], [0, NAN]], made).tolist()
    # b is known of two rollouts alone: +-sqrt(1/2); taken for 0 it would be 1, 0, 0, 0
    z = 0.5 * math.sqrt(3)
    assert found == pytest.approx([z + math.sqrt(0.5), -z, z - math.sqrt(0.5), -z])
    assert apply([[NAN, NAN], [1, 0]], made).tolist() == [0.0, 0.0]


@settings(max_examples=50, deadline=None)
@given(BINARY, st.integers(0, 24))
def test_two_processes_whiten_as_one(rows: list[tuple[bool, int, bool]], cut: int) -> None:
    """The sums of both are added, whole groups on each; the halves are run with each other's sums."""
    for whiten in ("sequences", "tokens"):
        made = rule(dimensions={"a": 1.0}, whiten=whiten)
        sides = [[row for row in rows if (row[1] < cut % 4) is side] for side in (True, False)]
        if not all(sides):
            continue
        lengths = lambda own: torch.tensor([1 + row[1] for row in own])  # noqa: E731

        def run(own, world, made=made, lengths=lengths):
            return apply(
                [[float(r[0])] for r in own],
                made,
                [r[1] for r in own],
                [r[2] for r in own],
                lengths=lengths(own),
                world=world,
            )

        joined = run([*sides[0], *sides[1]], ALONE)
        logs: list[list[list[float]]] = [[], []]
        for _ in range(3):  # each round knows the sums of the rounds before it
            fresh: list[list[list[float]]] = [[], []]
            results = []
            for me, own in enumerate(sides):

                def gather(own, me=me, fresh=fresh, logs=logs):
                    (values,) = own
                    fresh[me].append(values)
                    turn = len(fresh[me]) - 1
                    other = logs[1 - me][turn] if turn < len(logs[1 - me]) else [0.0] * len(values)
                    return [values, other]

                results.append(run(own, SimpleNamespace(gather=gather)))
            logs = fresh
        assert torch.cat(results).tolist() == pytest.approx(joined.tolist(), abs=1e-9)


def test_mistakes_are_refused_with_the_way_out() -> None:
    assert needs_of("gdpo") == Needs.BASELINE | Needs.PARTS
    one = torch.ones(1)
    with pytest.raises(UsageError, match=r"credit\.rule gdpo needs the graded parts of every verdict"):
        signed_credit(rewards=one, correct=one.bool(), scored=one.bool(), group_ids=one.long(), rule=rule())
    with pytest.raises(
        ConfigError, match=r"gdpo: dimensions = \{\}; expected a table of weights such as \{value = 1\.0"
    ):
        make_rule("gdpo", dimensions={})
    with pytest.raises(ConfigError, match=r"gdpo: dimensions\.a = 0; expected a number in \(0, inf\)"):
        make_rule("gdpo", dimensions={"a": 0})
    with pytest.raises(ConfigError, match=r"the setting 'dimensions' is missing"):
        make_rule("gdpo")
    with pytest.raises(UnknownNameError, match="gdpo"):
        make_rule("gdpoo")
    with pytest.raises(UsageError, match=r"parts has shape \(1, 1\); expected \(1, 2\)"):
        apply([[1.0]], rule())
    with pytest.raises(UsageError, match="pass lengths"):
        apply([[1.0, 0.0]], rule(whiten="tokens"))
    with pytest.raises(DataError, match="inf although it is scored"):
        apply([[math.inf, 0.0]], rule())
