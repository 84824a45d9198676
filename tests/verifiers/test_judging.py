"""A batch that is judged while it grows: the same verdicts as if it had come at once, whatever its verifiers do."""

import random
import sys
import textwrap
import time
from dataclasses import replace

import pytest

from counterpoise.errors import StoreError, UsageError
from counterpoise.types import Extraction, Judgement, Problem, VerdictValue
from counterpoise.verifiers.isolate.feed import Feed, behind
from counterpoise.verifiers.isolate.pool import Job, VerifierPool
from counterpoise.verifiers.judge import Judge

# A module of its own, because a worker has to import it.
SLOW = """
import os, time
from pathlib import Path
from counterpoise.types import Extraction, Judgement, VerdictValue

LOG = Path(__file__).with_name("log")

class Logged:
    name, version, isolated = "logged", "1", True

    def extract(self, response):
        return Extraction(answer=response or None, basis="bare")

    def judge(self, gold, answer):
        with LOG.open("a") as log:
            log.write(answer + chr(10))
        match answer:
            case "exit":
                os._exit(3)
            case "raise":
                raise ValueError("no")
            case "hang":
                time.sleep(1000)
        return Judgement(value=VerdictValue.CORRECT if gold == answer else VerdictValue.WRONG, basis="text")

class Loading(Logged):
    prepares = "time_to_prepare"
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """The module above; `log()` is what its verifiers were asked since it was last called."""
    folder = tmp_path_factory.mktemp("slow")
    (folder / "slow_verifier.py").write_text(textwrap.dedent(SLOW))
    (folder / "time_to_prepare.py").write_text("def prepare(): pass\n")
    sys.path.insert(0, str(folder))
    try:
        import slow_verifier

        def log():
            asked = slow_verifier.LOG.read_text().split() if slow_verifier.LOG.exists() else []
            slow_verifier.LOG.write_text("")
            return asked

        slow_verifier.log = log
        yield slow_verifier
    finally:
        sys.path.remove(str(folder))


@pytest.fixture
def judge(slow):
    slow.log()
    with Judge(timeout=1.5, workers=2, verifiers={"logged": slow.Logged()}, blame="none") as judge:
        yield judge


def problem(gold="7", verifier="logged"):
    return Problem(problem_id=gold, task_type="test", question="?", gold=gold, verifier=verifier)


def until(true, seconds=120.0):
    """Whether it becomes true; the time is for a machine that stands still, and nobody's measure."""
    deadline = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def pieces(count, *, seed):
    """Rows 0 to count - 1 in any order, in pieces of one to five."""
    rows, generator = list(range(count)), random.Random(seed)
    generator.shuffle(rows)
    while rows:
        size = generator.randint(1, 5)
        yield rows[:size]
        rows = rows[size:]


def begun(judge, problems, texts, cut, *, seed):
    batch = judge.begin()
    for rows in pieces(len(texts), seed=seed):
        batch.add(rows, [problems[r] for r in rows], [texts[r] for r in rows], [cut[r] for r in rows])
    return batch.verdicts()


def timeless(verdicts):
    return [replace(verdict, seconds=0.0) for verdict in verdicts]


def test_verdicts_do_not_depend_on_when_responses_come_and_each_pair_is_judged_once(judge, slow):
    texts = ["7", "8", "", "raise", "7", "exit", "8", "9", "hang", "7", "raise", "12"]
    problems = [problem(gold) for gold in ["7", "7", "7", "7", "7", "7", "12", "12", "12", "12", "12", "12"]]
    cut = [index % 5 == 0 for index in range(len(texts))]
    whole = judge.verify(problems, texts, cut)
    asked = sorted(slow.log())
    assert len(asked) == len({(p.gold, text) for p, text in zip(problems, texts, strict=True) if text}) == 10
    assert timeless(begun(judge, problems, texts, cut, seed=0)) == timeless(whole)
    assert sorted(slow.log()) == asked
    assert judge.statistics.responses == 24 and judge.statistics.distinct == 20
    assert [verdict.reason for verdict in whole if not verdict.scored] == [
        "crash: ValueError: no",
        "crash: the worker left with exit code 3",
        "timeout: 1.5 s",
        "crash: ValueError: no",
    ]


def test_judging_begins_before_all_have_come(judge, slow):
    batch = judge.begin()
    batch.add([1], [problem()], ["8"], [False])
    assert until(lambda: slow.LOG.read_text() == "8\n")  # nobody has asked for a verdict yet
    batch.add([0], [problem()], ["7"], [False])
    assert [verdict.value for verdict in batch.verdicts()] == ["correct", "wrong"]


def test_a_batch_that_nobody_wants_any_more_leaves_the_workers_to_the_next(judge, slow):
    batch = judge.begin()
    batch.add([0], [problem()], ["hang"], [False])
    assert until(lambda: slow.LOG.read_text() == "hang\n")
    batch.close()
    assert judge.verify([problem()], ["7"])[0].correct
    batch.close()


def test_what_is_waited_for_can_still_be_cancelled(slow):
    with VerifierPool(workers=1, timeout=1000.0, prepare=()) as pool:
        slow.log()
        feed = Feed()
        result = behind(lambda: pool.follow(feed))
        feed.add([Job(verifier=slow.Logged(), gold="7", answer="hang")])
        assert until(lambda: slow.LOG.read_text() == "hang\n")
        feed.close()  # the verdicts are asked for
        time.sleep(0.2)
        feed.cancel()  # and an interrupt ends the waiting
        assert until(result.done, seconds=30.0) and result.result() == []


def test_a_judge_that_is_closed_ends_what_was_begun(slow):
    with Judge(timeout=1000.0, verifiers={"logged": slow.Logged()}, blame="none") as judge:
        slow.log()
        batch = judge.begin()
        batch.add([0], [problem()], ["hang"], [False])
        assert until(lambda: slow.LOG.read_text() == "hang\n")
        lane = batch._batch._workers.result
    with pytest.raises(UsageError, match="the verifier pool is closed"):
        lane.result(timeout=120.0)


def test_a_verifier_that_needs_something_loaded_may_come_late(slow):
    with VerifierPool(workers=1, timeout=30.0, prepare=()) as pool:
        feed = Feed()
        result = behind(lambda: pool.follow(feed))
        for verifier in (slow.Logged(), slow.Loading()):
            feed.add([Job(verifier=verifier, gold="7", answer=str(answer)) for answer in range(6, 9)])
        feed.close()
        assert [outcome.judgement.value for outcome in result.result()] == ["wrong", "correct", "wrong"] * 2


class Asking:
    """Judges many at a time in the caller's process."""

    name, version, isolated = "asking", "1", False

    def __init__(self, fails=None):
        self.asked, self.fails = [], fails

    def extract(self, response):
        return Extraction(answer=response or None, basis="bare")

    def judge(self, gold, answer):
        return self.judge_all([(gold, answer)])[0]

    def judge_all(self, pairs):
        self.asked += pairs
        if self.fails is not None:
            raise self.fails
        return [
            Judgement(value=VerdictValue(("wrong", "correct")[gold == answer]), basis="asked") for gold, answer in pairs
        ]


def test_what_asks_an_endpoint_begins_early_and_asks_once():
    verifier = Asking()
    with Judge(verifiers={"asking": verifier}) as judge:
        problems = [problem("7", "asking")] * 6
        batch = judge.begin()
        batch.add([5], problems[:1], ["8"], [False])
        assert until(lambda: verifier.asked == [("7", "8")])
        batch.add(range(5), problems[:5], ["7", "8", "7", "", "9"], [False] * 5)
        values = [verdict.value for verdict in batch.verdicts()]
    assert values == ["correct", "wrong", "correct", "no_answer", "wrong", "wrong"]
    assert sorted(verifier.asked) == [("7", "7"), ("7", "8"), ("7", "9")]


def test_what_stops_a_batch_stops_it_where_the_verdicts_are_asked_for():
    with Judge(verifiers={"asking": Asking(fails=StoreError("the cache cannot be written"))}) as judge:
        batch = judge.begin()
        batch.add([0], [problem("7", "asking")], ["7"], [False])
        with pytest.raises(StoreError, match="the cache cannot be written"):
            batch.verdicts()


class Here(Asking):
    judge_all = None

    def judge(self, gold, answer):
        self.asked.append((gold, answer))
        return Judgement(value=VerdictValue.CORRECT, basis="here")


def test_what_is_judged_in_this_thread_waits_for_it():
    verifier = Here()
    with Judge(verifiers={"here": verifier}) as judge:
        batch = judge.begin()
        batch.add([1, 0], [problem("7", "here")] * 2, ["2", "1"], [False] * 2)
        assert verifier.asked == []
        assert len(batch.verdicts()) == 2
    assert verifier.asked == [("7", "1"), ("7", "2")]  # in the order of the rows


class Odd(Asking):
    """Gives what is no extraction and no judgement for some."""

    def __init__(self, found):
        super().__init__()
        self.found = found

    def extract(self, response):
        return {"none": None, "list": Extraction(answer=[response], basis="bare")}.get(
            response, super().extract(response)
        )

    def judge_all(self, pairs):
        return self.found(super().judge_all(pairs))


class OddHere(Odd):
    judge_all = None

    def judge(self, gold, answer):
        return None if answer == "8" else Judgement(value=VerdictValue.CORRECT, basis="here")


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize(
    ("verifier", "reasons"),
    [
        (OddHere(None), {"8": "TypeError: the verifier gave NoneType where a Judgement belongs"}),
        (Odd(lambda made: made[1:]), dict.fromkeys("78", "ValueError: judge_all gave 1 judgements of 2 pairs")),
        (Odd(lambda made: ["no", *made[1:]]), dict.fromkeys("78", "TypeError: the verifier gave str where a Judgement belongs")),
        (Odd(lambda made: None), dict.fromkeys("78", "TypeError: 'NoneType' object is not iterable")),
    ],
)  # fmt: skip
def test_what_is_no_judgement_stops_no_batch(verifier, reasons, early):
    reasons |= {
        "none": "AttributeError: 'NoneType' object has no attribute 'answer'",
        "list": "TypeError: unhashable type: 'list'",
    }
    texts = ["7", "8", "none", "list"]
    with Judge(verifiers={"odd": verifier}, blame="none") as judge:
        batch = judge.begin() if early else None
        problems = [problem("7", "odd")] * 4
        if batch is not None:
            batch.add(range(4), problems, texts, [False] * 4)
        made = judge.verify(problems, texts) if batch is None else batch.verdicts()
    expected = {text: f"crash: {reason}" for text, reason in reasons.items()}
    assert {text: verdict.reason for text, verdict in zip(texts, made, strict=True) if verdict.reason} == expected
