from collections import Counter

import pytest

from counterpoise.build.checks import check_verifiers
from counterpoise.errors import ConfigError, TrainingError, UnknownNameError
from counterpoise.jobs.evaluate import open_evaluator
from counterpoise.pipeline import _refuse_unscored
from counterpoise.types import Extraction, Judgement, Problem, VerdictValue

PROBLEM = Problem(problem_id="1", task_type="t", question="q", gold="a", verifier="exact")


def test_the_run_files_settings_reach_the_judge(configure):
    config = configure("verification.settings.exact.ignore_case=true", "verification.settings.qa.max_words=3")
    with open_evaluator(config) as ready:
        assert [ready.judge.verifier(name).version for name in ("exact", "qa")] == ["4+ignore-case", "5+words3"]
        assert ready.judge.verify([PROBLEM], ["A"])[0].value == "correct"


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"exat": {}}, UnknownNameError, r"unknown verifier 'exat'; did you mean 'exact'\?"),
        (
            {"exact": {"ignorecase": True}},
            ConfigError,
            "verifier exact: unknown setting 'ignorecase'; did you mean 'ignore_case'",
        ),
        ({"llm": {"model": "m"}}, ConfigError, "verifier llm: no url"),
    ],
)
def test_mistakes_in_them_are_found_before_a_model_is_read(monkeypatch, settings, error, message):
    monkeypatch.delenv("COUNTERPOISE_JUDGE_URL", raising=False)
    with pytest.raises(error, match=message):
        check_verifiers([PROBLEM], settings)


def test_blame_and_the_limit_of_unscored_are_the_run_files(configure):
    assert (configure().verification.blame, configure().verification.max_unscored) == ("answer", 0.1)
    for blame, verdict in (("answer", "wrong"), ("none", "unscored")):
        with open_evaluator(configure(f"verification.blame={blame}")) as ready:
            # A verifier that needs no worker raises at this answer and not at the gold.
            ready.judge._verifiers["exact"] = Raising()
            assert ready.judge.verify([PROBLEM], ["b"])[0].value == verdict


def test_what_was_left_out_because_it_was_cut_off_stops_no_run():
    # 2 of 10 are more than 10%, unless they were left out on purpose
    _refuse_unscored([Counter({"scored": 8, "truncated": 2})], limit=0.1)
    _refuse_unscored([Counter({"scored": 4}), Counter({"scored": 5, "timeout: 5 s": 1})], limit=0.1)
    with pytest.raises(TrainingError, match="2 of 10 rollouts could not be scored"):
        _refuse_unscored([Counter({"scored": 8, "timeout: 5 s": 2})], limit=0.1)
    with pytest.raises(TrainingError, match="10 of 10 rollouts could not be scored"):
        _refuse_unscored([Counter({"truncated": 10})], limit=0.1)


class Raising:
    name, version, isolated = "exact", "1", False

    def extract(self, response):
        return Extraction(answer=response, basis="whole")

    def judge(self, gold, answer):
        if answer == "b":
            raise ValueError
        return Judgement(value=VerdictValue.CORRECT, basis="same")
