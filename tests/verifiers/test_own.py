"""Functions and classes that are not ours as verifiers: what they get, and what becomes of what they return, raise, or never return."""

import hashlib
import os
import textwrap

import pytest

from counterpoise.errors import ConfigError
from counterpoise.golds import gold_text
from counterpoise.types import Problem
from counterpoise.verifiers.isolate.pool import VerifierPool
from counterpoise.verifiers.judge import verify_batch
from counterpoise.verifiers.registry import make_verifier

RECORD = {"tests": [1, 2], "level": "hard"}


@pytest.fixture(scope="module")
def workers():
    """One pool for the tests that take a worker."""
    with VerifierPool(workers=1, timeout=3.0) as pool:
        yield pool


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """`judged(code, *responses)`: (value, reason, score) that the function or class `check` of a file gives each response.

    In this process, as a worker would; in a worker where a pool is given.
    """
    monkeypatch.chdir(tmp_path)

    def call(code, *responses, gold="7", record=RECORD, name="own.py:check", pool=None, **settings):
        (tmp_path / "own.py").write_text(textwrap.dedent(code))
        problem = Problem(
            problem_id="p",
            task_type="sums",
            question="3+4",
            gold=gold,
            verifier=name,
            record=record,
            source="d.jsonl:1",
        )
        verifier = make_verifier(name, **settings)
        if pool is not None:
            found = verify_batch([(problem, one) for one in responses], verifiers={name: verifier}, pool=pool)
        else:
            assert verifier.isolated
            found = [verifier.judge(verifier.stated(problem), verifier.extract(one).answer) for one in responses]
        return [(one.value.value, one.reason, one.parts.get("score")) for one in found]

    return call


@pytest.mark.parametrize(
    ("returns", "value", "reason", "score"),
    [
        ("True", "correct", None, None),
        ("False", "wrong", None, None),
        ("1", "correct", None, 1.0),
        ("0.25", "wrong", None, 0.25),
        ("{'score': 1.0, 'acc': True}", "correct", None, 1.0),
        ("__import__('numpy').float32(0.5)", "wrong", None, 0.5),
        ("__import__('numpy').bool_(True)", "correct", None, None),
        ("VerdictValue.ABSTAINED", "abstained", None, None),
        ("Judgement(value=VerdictValue.WRONG, basis='mine', parts={'score': 0.2})", "wrong", None, 0.2),
        ("Verdict(value=VerdictValue.CORRECT, answer='a', basis='r', seconds=0.0, verifier='v', version='1')", "correct", None, None),
        ("None", "unscored", "none: the function returned None", None),
        ("float('nan')", "unscored", "nonsense: the function returned a float ('nan')", None),
        ("float('inf')", "unscored", "nonsense: the function returned a float ('inf')", None),
        ("-1", "unscored", "nonsense: the function returned an int ('-1'); expected true, false, none, a verdict or a number in", None),
        ("'right'", "unscored", "nonsense: the function returned a str ('right')", None),
        ("[1.0]", "unscored", "nonsense: the function returned a list ('[1.0]')", None),
        ("1j", "unscored", "nonsense: the function returned a complex", None),
        ("10 ** 400", "unscored", "nonsense", None),
        ("1 / 0", "unscored", "crash: ZeroDivisionError: division by zero (line 5)", None),
        ("sys.exit(0)", "unscored", "crash: SystemExit: 0 (line 5)", None),
        ("check(response, gold)", "unscored", "crash: RecursionError", None),
        ("open('none.txt')", "unscored", "crash: FileNotFoundError", None),
    ],
)  # fmt: skip
def test_what_a_function_returns(judged, returns, value, reason, score):
    code = f"""
    import sys
    from counterpoise.types import Judgement, Verdict, VerdictValue
    def check(response, gold):
        return {returns}
    """
    found = judged(code, "a")[0]
    assert found[0] == value and found[2] == score
    assert found[1] is None if reason is None else found[1].startswith(reason)


def test_what_a_plain_function_gets(judged):
    code = """
    def check(response, gold, *, question, meta):
        return (response, gold, question, meta) == ("a", "7", "3+4", {"tests": [1, 2], "level": "hard"})
    """
    assert judged(code, "a", "b") == [("correct", None, None), ("wrong", None, None)]


@pytest.mark.parametrize("name", ["trl:own.py:check", "own.py:check"])
def test_a_reward_function_of_trl(judged, name):
    code = """
    def check(prompts, completions, level, gold, scale=2.0, **columns):
        assert len(completions) == 1 and columns == {"tests": [[1, 2]]}
        return [1.0 if (prompts[0], completions[0], level[0], gold[0]) == ("3+4", "a", "hard", "7") else 0.0]
    """
    assert judged(code, "a", "b", name=name) == [("correct", None, 1.0), ("wrong", None, 0.0)]


def test_a_reward_function_of_trl_for_chats(judged):
    code = """
    def check(prompts, completions, **columns):
        assert prompts == [[{"role": "user", "content": "3+4"}]]
        return [float(completions[0][0]["content"] == "a")]
    """
    assert judged(code, "a", chat=True)[0][0] == "correct"
    with pytest.raises(ConfigError, match="chat says how TRL's functions get a response, and this is none"):
        judged("def check(response, gold):\n    return True\n", "a", chat=True)


@pytest.mark.parametrize(
    ("returns", "value", "reason"),
    [
        ("[None]", "unscored", "none: the function returned None"),
        ("[]", "unscored", "crash: TypeError: returned a list ('[]') for one completion; expected a list of one score"),
        ("1.0", "unscored", "crash: TypeError: returned a float"),
        ("__import__('numpy').array([1.0])", "correct", None),
    ],
)
def test_what_a_function_of_trl_returns(judged, returns, value, reason):
    found = judged(f"def check(completions, **columns):\n    return {returns}\n", "a")[0]
    assert found[0] == value and (found[1] or "").startswith(reason or "")


def test_a_function_of_trl_whose_column_is_not_in_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text("def check(completions, solution, level):\n    return [1.0]\n")
    problem = Problem(
        problem_id="p",
        task_type="t",
        question="q",
        gold="7",
        verifier="own.py:check",
        record=RECORD,
        source="d.jsonl:1",
    )
    says = (
        r"^verifier own\.py:check takes solution, and the record of d\.jsonl:1 has no such field \(its fields: tests, level\); "
        "it also gets completions, prompts and gold$"
    )
    with pytest.raises(ConfigError, match=says):
        make_verifier("own.py:check").check(problem)


def test_a_score_of_verl(judged):
    code = """
    def check(data_source, solution_str, ground_truth, extra_info=None):
        assert data_source == "sums" and extra_info["question"] == "3+4" and extra_info["level"] == "hard"
        return {"score": float(solution_str == ground_truth), "acc": 1}
    """
    assert judged(code, "7", "8") == [("correct", None, 1.0), ("wrong", None, 0.0)]
    own = {"data_source": "gsm8k", "extra_info": {"index": 3}}
    code = """
    def compute_score(data_source, solution_str, ground_truth, extra_info):
        return float((data_source, extra_info) == ("gsm8k", {"index": 3}))
    check = compute_score
    """
    assert judged(code, "7", record=own)[0][0] == "correct"


def test_a_list_of_golds_comes_as_a_list(judged):
    code = "def check(response, gold):\n    return isinstance(gold, list) and response in gold\n"
    gold = gold_text(["7", "seven"])
    assert [one[0] for one in judged(code, "seven", "eight", gold=gold)] == ["correct", "wrong"]


def test_a_gold_that_looks_like_json_stays_a_text(judged):
    code = "def check(response, gold):\n    return gold == '{\"a\": 1}'\n"
    assert judged(code, "x", gold='{"a": 1}')[0][0] == "correct"


def test_bounds_and_threshold_of_a_function(judged):
    code = "def check(response, gold):\n    return float(response)\n"
    given, nonsense = {"low": -1.0, "high": 1.0, "right": 0.5}, "nonsense: the function returned a float"
    assert judged(code, "1", "0.5", "0", "-1", "-2", **given) == [
        ("correct", None, 1.0),
        ("correct", None, 0.75),
        ("wrong", None, 0.5),
        ("wrong", None, 0.0),
        ("unscored", f"{nonsense} ('-2.0'); expected true, false, none, a verdict or a number in [-1, 1]", None),
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"low": 1.0}, "low = 1 and high = 1; expected low below high"),
        ({"high": float("inf")}, "high = inf; expected a number"),
        ({"right": 0.0}, "right = 0; expected a number in (0, 1]"),
        ({"right": 2.0}, "right = 2; expected a number in (0, 1]"),
        ({"rihgt": 0.5}, "unknown setting 'rihgt'; did you mean 'right'? It takes: low, high, right, chat"),
        ({"right": "half"}, "right = 'half'; expected"),
    ],
)
def test_settings_of_a_function_are_checked(judged, given, says):
    with pytest.raises(ConfigError) as caught:
        judged("def check(response, gold):\n    return 1\n", "a", **given)
    assert says in str(caught.value) and str(caught.value).startswith("verifier own.py:check")


def test_a_hang_or_a_death_leaves_its_own_response_unscored_and_no_other(judged, workers):
    code = """
    import os, signal, time
    def check(response, gold):
        match response:
            case "hang": time.sleep(1000)
            case "segfault": os.kill(os.getpid(), signal.SIGSEGV)
            case "exit": os._exit(0)
            case "out": print("noise", flush=True)
        return response != "wrong"
    """
    responses = ["good", "hang", "segfault", "exit", "out", "wrong"]
    found = dict(zip(responses, judged(code, *responses, pool=workers), strict=True))
    assert [found[name][0] for name in ("good", "out", "wrong")] == ["correct", "correct", "wrong"]
    assert {name: found[name][0] for name in ("hang", "segfault", "exit")} == dict.fromkeys(
        ("hang", "segfault", "exit"), "unscored"
    )
    assert found["hang"][1].startswith("timeout") and found["segfault"][1].startswith("crash")


CLASS = """
    from dataclasses import dataclass
    from counterpoise.types import Extraction, Judgement, VerdictValue

    @dataclass(frozen=True)
    class check:
        word: str = "yes"
        {isolated}

        def extract(self, response):
            return Extraction(answer=response.strip() or None, basis="stripped")

        def judge(self, gold, answer):
            {judge}
"""


@pytest.mark.parametrize("isolated", ["", "isolated = False"])
def test_a_class_is_made_with_its_settings_in_the_worker_too(judged, workers, isolated):
    code = CLASS.format(isolated=isolated, judge="return answer == self.word")
    assert [one[0] for one in judged(code, " no ", "yes", " ", word="no", pool=workers)] == [
        "correct",
        "wrong",
        "no_answer",
    ]


def test_a_class_that_extracts_nonsense_leaves_the_response_unscored(judged, workers):
    code = """
    class check:
        def extract(self, response):
            return response
        def judge(self, gold, answer):
            return True
    """
    value, reason, _ = judged(code, "a", pool=workers)[0]
    assert (value, reason) == ("unscored", "crash: TypeError: extract returned a str ('a'); expected an Extraction")


def test_the_worker_runs_the_bytes_that_were_hashed(judged, workers):
    """A file that is edited while a run goes on changes nothing in it: verdicts keep one version."""
    code = """
    import pathlib
    def check(response, gold):
        pathlib.Path(__file__).write_text("def check(response, gold):\\n    return False\\n")
        return True
    """
    assert [one[0] for one in judged(code, "a", "b", "c", pool=workers)] == ["correct"] * 3


def test_verdicts_carry_the_hash_of_code_and_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "def check(response, gold):\n    return True\n"
    (tmp_path / "own.py").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    plain, strict = make_verifier("own.py:check"), make_verifier("own.py:check", right=0.5)
    assert (plain.name, plain.version) == ("own.py:check", digest)
    assert (
        strict.version.startswith(f"{digest}+") and strict.version == make_verifier("own.py:check", right=0.5).version
    )
    assert os.getcwd() not in plain.name
