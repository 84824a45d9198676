import pytest

from counterpoise.engines.evaluate import open_bench
from counterpoise.engines.lookup import check_verifiers
from counterpoise.errors import ConfigError, UnknownNameError
from counterpoise.types import Problem

PROBLEM = Problem(problem_id="1", task_type="t", question="q", gold="a", verifier="exact")


def test_the_run_files_settings_reach_the_judge(configure):
    config = configure("verification.settings.exact.ignore_case=true", "verification.settings.qa.max_words=3")
    with open_bench(config) as ready:
        assert [ready.judge.verifier(name).version for name in ("exact", "qa")] == ["1+ignore-case", "1+words3"]
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
