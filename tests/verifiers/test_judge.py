import re
from pathlib import Path

import pytest

from counterpoise.errors import UnknownNameError, UsageError
from counterpoise.types import Extraction, Judgement, Problem, VerdictValue
from counterpoise.verifiers.compare.numeric import NumericVerifier
from counterpoise.verifiers.judge import Judge, verify_batch


def problem(gold="72", verifier="math"):
    return Problem(problem_id=gold, task_type="test", question="?", gold=gold, verifier=verifier)


class Counting:
    """Counts its calls; raises on demand."""

    name, version, isolated = "counting", "1", False

    def __init__(self):
        self.extracted, self.judged = [], []

    def extract(self, response):
        self.extracted.append(response)
        if response == "bad text":
            raise KeyError("extract")
        return Extraction(answer=response or None, basis="bare")

    def judge(self, gold, answer):
        self.judged.append((gold, answer))
        if answer == "bad answer":
            raise ZeroDivisionError("judge")
        return Judgement(value=VerdictValue.CORRECT if gold == answer else VerdictValue.WRONG, basis="text")


def test_each_distinct_pair_is_judged_once_and_each_response_read_once():
    verifier = Counting()
    items = [(problem(gold, "c"), text) for gold, text in [("1", "1"), ("1", "1"), ("2", "1"), ("1", "2"), ("1", "")]]
    verdicts = verify_batch(items, verifiers={"c": verifier}, pool=None)
    assert [v.value for v in verdicts] == ["correct", "correct", "wrong", "wrong", "no_answer"]
    assert verifier.judged == [("1", "1"), ("2", "1"), ("1", "2")]
    assert len(verifier.extracted) == 5
    assert verdicts[0].seconds > 0 == verdicts[1].seconds


def test_an_exception_is_unscored_for_its_own_pair():
    items = [(problem("1", "c"), text) for text in ("bad text", "bad answer", "1")]
    verdicts = verify_batch(items, verifiers=lambda name: Counting(), pool=None)
    assert [v.reason for v in verdicts] == ["crash: KeyError: 'extract'", "crash: ZeroDivisionError: judge", None]


def test_verdicts_say_what_decided():
    with Judge() as judge:
        verdict = judge.verify([problem()], [r"\boxed{72.0}"])[0]
    assert (verdict.value, verdict.answer, verdict.basis, verdict.verifier) == (
        "correct",
        "72.0",
        "boxed/number",
        "math",
    )


def test_a_group_of_plain_numbers_starts_no_worker():
    with Judge() as judge:
        verdicts = judge.verify([problem()] * 4, [r"\boxed{72}", "#### 72", "The answer is 71.", "no idea at all"])
        assert judge._pool._pool is None
        statistics = judge.statistics
    assert [v.value for v in verdicts] == ["correct", "correct", "wrong", "no_answer"]
    # "72" twice and "71": two distinct pairs.
    assert (statistics.responses, statistics.distinct, dict(statistics.unscored)) == (4, 2, {})
    assert statistics.values == {"correct": 2, "wrong": 1, "no_answer": 1}


def test_statistics_count_unscored_by_kind_of_reason():
    with Judge(timeout=2.0, blame="none") as judge:
        judge.verify([problem("x")] * 3, [r"\boxed{x+0}", r"\boxed{x}", r"\boxed{\prod_{k=1}^{2999}k^k}"])
        judge.verify([problem("(" * 60)], [r"\boxed{1}"])
        statistics = judge.statistics
    assert statistics.unscored == {"timeout": 1, "unparsable gold": 1}
    assert statistics.values["unscored"] == 2
    assert statistics.seconds > 1.0


def test_truncated_responses_are_judged_by_what_they_hold_or_left_out():
    texts, cut = [r"\boxed{72} and", "72 + ", r"\boxed{72}"], [True, True, False]
    with Judge() as judge:
        assert [v.value for v in judge.verify([problem()] * 3, texts, truncated=cut)] == [
            "correct",
            "no_answer",
            "correct",
        ]
    with Judge(truncated_is="unscored") as judge:
        verdicts = judge.verify([problem()] * 3, texts, truncated=cut)
        assert judge.statistics.unscored == {"truncated": 2}
    assert [v.value for v in verdicts] == ["unscored", "unscored", "correct"]
    assert verdicts[0].reason == "truncated"


def test_settings_and_own_verifiers():
    with Judge(
        settings={"math": {"literal": True}}, verifiers={"numeric": NumericVerifier(relative_tolerance=0.5)}
    ) as judge:
        verdicts = judge.verify([problem("6"), problem("6", "numeric")], [r"\boxed{2\cdot 3}", r"\boxed{8}"])
    assert [v.value for v in verdicts] == ["wrong", "correct"]


def test_messages():
    with Judge() as judge:
        with pytest.raises(UsageError, match="2 problems, 1 responses: give one of each per response"):
            judge.verify([problem()] * 2, ["a"])
        with pytest.raises(UsageError, match="1 problems, 1 responses, 2 truncation flags"):
            judge.verify([problem()], ["a"], truncated=[True, False])
        with pytest.raises(UnknownNameError, match="unknown verifier 'mathh'"):
            judge.verify([problem(verifier="mathh")], ["a"])
    with pytest.raises(UsageError, match="truncated_is = 'right'; it must be 'wrong' or 'unscored'"):
        Judge(truncated_is="right")
    with pytest.raises(UsageError, match="verifier 'math' can hang or crash and needs a pool"):
        verify_batch([(problem("x"), r"\boxed{2x}")], verifiers=lambda name: Judge().verifier(name), pool=None)


def test_the_example_of_the_documentation_says_what_it_prints(capsys):
    text = (Path(__file__).parents[2] / "docs" / "verification.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    exec(code, {})
    assert capsys.readouterr().out.strip() == code.rsplit("# ", 1)[1].strip()


class Choir:
    name, version, isolated = "choir", "1", False

    def extract(self, response):
        return Extraction(answer=response, basis="all")

    def judge(self, gold, answer):
        raise AssertionError("judged one by one")

    def judge_all(self, pairs):
        if any(answer == "storm" for _, answer in pairs):
            raise OSError("the hall is closed")
        return [Judgement(value=VerdictValue.CORRECT, basis=f"{len(pairs)} together") for _ in pairs]


def test_a_verifier_that_judges_many_at_a_time_gets_a_batch_once():
    problem = Problem(problem_id="1", task_type="t", question="q", gold="g", verifier="choir")
    with Judge(verifiers={"choir": Choir()}) as judge:
        verdicts = judge.verify([problem] * 3, ["a", "b", "a"])
        assert [v.basis for v in verdicts] == ["all/2 together"] * 3
        fallen = judge.verify([problem] * 2, ["a", "storm"])
    assert [(v.value.value, v.reason) for v in fallen] == [("unscored", "crash: OSError: the hall is closed")] * 2
