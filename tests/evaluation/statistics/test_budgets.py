"""TokenLengths of responses from the store to pass@tokens on the command line."""

import json

import pytest

from counterpoise.errors import DataError, UsageError
from counterpoise.evaluation.statistics.budgets import budget_sweep, parse_budgets
from counterpoise.evaluation.statistics.counts import TokenLengths, read_counts
from counterpoise.evaluation.store.rollouts import Manifest, RolloutStore, StoredRollout, StoredVerdict
from counterpoise.evaluation.summary import EvaluationResult, summarise
from counterpoise.types import Problem, SamplingSettings, StopReason, Verdict, VerdictValue

SETTINGS = SamplingSettings(temperature=0.6, top_p=0.95, max_tokens=8)
MANIFEST = Manifest(model="m", task="toy:test", template="plain", settings=SETTINGS, seed=7)
VALUES = {"r": VerdictValue.CORRECT, "w": VerdictValue.WRONG, "n": VerdictValue.NO_ANSWER, "u": VerdictValue.UNSCORED}


def stored(path, *problems):
    """A graded store: for each problem its draws as (kind, tokens)."""
    store = RolloutStore(path, MANIFEST)
    made = [
        Problem(problem_id=f"p{i}", task_type="t", question="?", gold="1", verifier="toy") for i in range(len(problems))
    ]
    for problem, draws in zip(made, problems, strict=True):
        for sample, (kind, tokens) in enumerate(draws):
            name = {"problem_id": problem.problem_id, "sample": sample}
            store.append([StoredRollout(**name, seed=0, text="x", tokens=tokens, stop_reason=StopReason.EOS)])
            answer = None if kind == "n" else "x"
            verdict = Verdict(
                value=VALUES[kind], answer=answer, basis="b", seconds=0.0, verifier="toy", version="1", reason="?"
            )
            store.append_verdicts([StoredVerdict(**name, verdict=verdict)])
    n = max(map(len, problems))
    return summarise(store, made, n=n, graders={"toy": ("toy", "1")}, resamples=100)


def rows(result):
    return {row.tokens: row for row in result.estimates if row.metric == "pass@tokens"}


def test_an_evaluation_keeps_the_lengths_and_what_follows_from_them(tmp_path):
    result = stored(tmp_path, [("r", 4), ("w", 4), ("n", 8), ("w", 4)], [("w", 5), ("w", 5), ("r", 6), ("u", 7)])
    assert result.counts[0].tokens == TokenLengths(right=((4, 1),), wrong=((4, 2), (8, 1)))
    assert result.counts[1].tokens == TokenLengths(right=((6, 1),), wrong=((5, 2),), unscored=((7, 1),))
    found = rows(result)
    assert list(found) == [8, 16]  # 43 tokens of 8 responses; 20 and 23 of a problem
    # Of the first the right one fits in 8 tokens at once, or after one of the two short ones: 1/4 + 3/4 * 2/3 * 1/3.
    # Of the second in 8 tokens it comes at once or never; the one without a verdict may be such a one, too.
    assert found[8].estimate == pytest.approx((1 / 4 + 3 / 4 * 2 / 3 * 1 / 3 + 1 / 3) / 2)
    assert found[8].bound_low == pytest.approx((5 / 12 + 1 / 4) / 2)
    assert found[8].bound_high == pytest.approx((5 / 12 + 1 / 2) / 2)
    result.save(tmp_path)
    again = EvaluationResult.load(tmp_path)
    assert again.counts == result.counts
    assert rows(again)[8].estimate == found[8].estimate


def test_a_length_that_is_not_known_leaves_its_problem_out_and_says_why(tmp_path):
    result = stored(tmp_path, [("r", 4), ("w", None)], [("r", 4), ("w", 6)], [("w", 1), ("w", 1)])
    assert [problem.tokens is None for problem in result.counts] == [True, False, False]
    (row,) = [one for one in rows(result).values() if one.tokens == 4]
    assert row.problems == 1  # the third has two tokens in all
    assert row.reason.startswith("2 of 3 problems left out: the lengths of its responses are not known: ")
    alone = stored(tmp_path / "b", [("r", None), ("w", None)])
    (row,) = rows(alone).values()
    assert row.problems == 0 and "counterpoise grade EVALUATION counts them" in row.reason


def test_too_few_responses_for_a_budget_are_said_so(tmp_path):
    result = stored(tmp_path, [("r", 3), ("w", 3)], [("w", 30), ("w", 30)], [("w", 30), ("w", 30)])
    assert rows(result)[32].problems == 2
    assert "all scored responses together have less than 32 tokens; raise n" in rows(result)[32].reason


def test_budgets_as_they_are_typed():
    assert parse_budgets(["1k,500", " 4K ,1m", "500"]) == [500, 1024, 4096, 1024**2]
    for word in ("", "0", "1.5k", "-3", "k", "1kk", "1e3", "9999999999999999m", "½", "1 k", "all"):
        with pytest.raises(UsageError, match="--tokens takes whole numbers of tokens from 1") as refused:
            parse_budgets([word])
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ({"right": [[1, 1]]}, "tokens.wrong has 0 lengths and the line 1 wrong rollout; give one of each"),
        ({"right": [[1, 2]], "wrong": [[1, 1]]}, "tokens.right has 2 lengths and the line 1 right rollout"),
        ({"right": [[-1, 1]], "wrong": [[1, 1]]}, "expected lengths in tokens with how many responses have each"),
        ({"right": [[1.5, 1]], "wrong": [[1, 1]]}, "expected lengths in tokens"),
        ({"right": [[True, 1]], "wrong": [[1, 1]]}, "expected lengths in tokens"),
        ({"right": [[1]], "wrong": [[1, 1]]}, "expected lengths in tokens"),
        ({"right": 3}, "expected lengths in tokens"),
        ({"good": []}, "expected lengths in tokens"),
        ([1, 2], "expected lengths in tokens"),
        ("long", "expected lengths in tokens"),
        ({"right": [[2**40, 1]], "wrong": [[1, 1]]}, "expected lengths in tokens"),
    ],
)
def test_lengths_that_are_none_are_refused_with_their_line(tmp_path, tokens, words):
    path = tmp_path / "counts.jsonl"
    path.write_text(json.dumps({"id": "a", "n": 2, "c": 1, "tokens": tokens}) + "\n")
    with pytest.raises(DataError) as refused:
        read_counts(path)
    assert str(refused.value).startswith(f"{path}:1: ") and words in str(refused.value)


def test_the_sweep_of_nothing_is_empty(tmp_path):
    path = tmp_path / "counts.jsonl"
    path.write_text('{"id": "a", "n": 2, "c": 1}\n{"id": "b", "n": 1, "c": 0, "tokens": {"wrong": [[0, 1]]}}\n')
    assert budget_sweep(read_counts(path)) == []


@pytest.fixture
def counts(tmp_path):
    """Three files of the same problems: short right responses, long ones, and counts alone."""
    for name, length in (("short", 4), ("long", 8), ("old", None)):
        lines = []
        for i in range(3):
            line = {"id": f"p{i}", "n": 8, "c": 4}
            if length is not None:
                line["tokens"] = {"right": [[length, 4]], "wrong": [[length, 4]]}
            lines.append(json.dumps(line) + "\n")
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    return tmp_path


def test_passk_takes_budgets(command, counts):
    found = json.loads(command("passk", counts / "short.jsonl", "--tokens", "4,8,1k", "--json").stdout)
    got = [(row["tokens"], row["estimate"]) for row in found["estimates"] if row["metric"] == "pass@tokens"]
    # One try; two: 1 - C(4,2)/C(8,2) = 1 - 6/28; 8 responses have 32 tokens.
    assert got == [(4, pytest.approx(1 / 2)), (8, pytest.approx(22 / 28)), (1024, None)]
    shown = command("passk", counts / "short.jsonl", "--tokens", "4,1k").stdout
    assert "pass@4 tokens" in shown and "less than 1024 tokens; raise n" in shown


def test_compare_takes_budgets_and_pairs_them(command, counts):
    found = json.loads(
        command("compare", counts / "short.jsonl", counts / "long.jsonl", "--tokens", "8", "--json").stdout
    )
    (row,) = [row for row in found["differences"][0]["estimates"] if row["metric"] == "pass@tokens"]
    assert (row["tokens"], row["estimate"], row["problems"]) == (8, pytest.approx(1 / 2 - 22 / 28), 3)
    shown = command("compare", counts / "short.jsonl", counts / "long.jsonl", "--tokens", "8")
    assert "pass@8 tokens" in shown.stdout and shown.exit_code == 0


def test_counts_without_lengths_are_one_line(command, counts):
    for call in (("passk", counts / "old.jsonl"), ("compare", counts / "short.jsonl", counts / "old.jsonl")):
        result = command(*call, "--tokens", "4")
        assert result.exit_code == 2 and result.stderr.count("\n") == 1
        assert "says of no problem how long its responses are, so there is no pass@tokens; counterpoise grade" in (
            result.stderr
        )
