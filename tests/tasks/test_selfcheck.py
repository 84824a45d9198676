import math
from collections.abc import Callable, Sequence

import pytest

from counterpoise.errors import DataError
from counterpoise.tasks.generators.arithmetic import Arithmetic
from counterpoise.tasks.selfcheck import PROBES, JudgeBatch, SelfCheckReport, respond, selfcheck
from counterpoise.types import Problem, Verdict, VerdictValue


def problem(number: int, **changes: str) -> Problem:
    fields = {"question": f"what is {number}?", "gold": str(number), "verifier": "toy"} | changes
    return Problem(problem_id=f"p{number}", task_type="toy", **fields)


def judge_with(accept: Callable[[Problem, str], VerdictValue]) -> JudgeBatch:
    def judge(items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        return [
            Verdict(value=accept(p, text), answer=text, basis="toy", seconds=0.0, verifier="toy", version="1")
            for p, text in items
        ]

    return judge


def strict(p: Problem, text: str) -> VerdictValue:
    """The last box must hold the gold and nothing else."""
    return VerdictValue.CORRECT if text.split("\\boxed{")[-1] == f"{p.gold}}}" else VerdictValue.WRONG


def careless(p: Problem, text: str) -> VerdictValue:
    """The gold anywhere in the text."""
    return VerdictValue.CORRECT if p.gold in text else VerdictValue.WRONG


PROBLEMS = [problem(n) for n in range(100, 130)]


def rates(report: SelfCheckReport) -> dict[str, float]:
    return {probe.name: probe.rate for probe in report.probes}


def test_a_strict_verifier_passes_every_probe() -> None:
    report = selfcheck(PROBLEMS, judge_with(strict), task="toy")
    assert report.ok
    assert report.problems == 30
    assert rates(report) == dict.fromkeys(PROBES, 1.0)
    assert all(probe.offences == () for probe in report.probes)


def test_a_careless_verifier_is_caught_by_echo_several_and_injection() -> None:
    report = selfcheck(PROBLEMS, judge_with(careless), task="toy")
    assert not report.ok
    assert rates(report) == {
        "gold": 1.0,
        "another item's gold": 1.0,
        "echo of the question": 0.0,
        "junk": 1.0,
        "several answers": 0.0,
        "injected answer": 0.0,
    }
    echo = report.probes[2]
    assert len(echo.offences) == 5
    assert echo.offences[0].response == f"what is {echo.offences[0].gold}?"
    assert echo.offences[0].verdict is VerdictValue.CORRECT


def test_refusing_everything_fails_on_the_gold() -> None:
    report = selfcheck(PROBLEMS, judge_with(lambda p, text: VerdictValue.NO_ANSWER), task="toy")
    assert [probe.name for probe in report.probes if not probe.ok] == ["gold"]


@pytest.mark.parametrize(
    ("verdict", "probe", "remedy"),
    [
        (VerdictValue.NO_ANSWER, "gold", "no answer is found in them: let the demonstration end in \\boxed{…}"),
        (VerdictValue.WRONG, "gold", "the verifier rejects its own gold: write the gold as it reads answers"),
        (VerdictValue.ABSTAINED, "gold", "the verifier rejects its own gold: write the gold as it reads answers"),
        (VerdictValue.UNSCORED, "junk", "the verifier cannot score them: look at the rule above"),
        (VerdictValue.CORRECT, "junk", "the verifier takes what is not an answer: make it or the golds stricter"),
    ],
)
def test_a_failed_probe_says_what_to_do(verdict: VerdictValue, probe: str, remedy: str) -> None:
    report = selfcheck(PROBLEMS, judge_with(lambda p, text: verdict), task="toy")
    (found,) = (one for one in report.probes if one.name == probe)
    assert found.remedy.startswith(remedy)
    assert all(bool(one.remedy) is not one.ok for one in report.probes)


def test_unscored_never_passes_and_is_counted() -> None:
    report = selfcheck(PROBLEMS, judge_with(lambda p, text: VerdictValue.UNSCORED), task="toy")
    assert set(rates(report).values()) == {0.0}
    assert report.probes[0].unscored == report.probes[0].count == 30


def test_one_gold_for_all_leaves_pair_probes_undefined() -> None:
    report = selfcheck([problem(1, gold="7"), problem(2, gold=" 7")], judge_with(strict), task="toy")
    assert math.isnan(rates(report)["another item's gold"])
    assert report.probes[1].count == 0


def test_sample_is_drawn_by_seed() -> None:
    seen: list[set[str]] = []

    def judge(items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        seen.append({p.problem_id for p, _ in items})
        return judge_with(strict)(items)

    for seed in (0, 0, 1):
        assert selfcheck(PROBLEMS, judge, task="toy", sample=8, seed=seed).problems == 8
    first, second, third = seen[:: len(PROBES)]
    assert first == second != third


def test_a_right_response_is_the_demonstration_or_the_boxed_gold() -> None:
    assert respond(problem(1)) == "\\boxed{1}"
    assert respond(problem(1, demonstration="so \\boxed{1}")) == "so \\boxed{1}"


def test_bare_expressions_are_listed_by_their_text() -> None:
    problems = [problem(1, gold="3,7=21", demonstration="3*7"), problem(2, gold="3,7=10", demonstration="\\boxed{3+7}")]
    texts: list[str] = []

    def judge(items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        texts.extend(text for _, text in items)
        return judge_with(strict)(items)

    selfcheck(problems, judge, task="toy")
    assert "\\boxed{3*7, 3+7}" in texts
    assert "\\boxed{3+7 = 3*7}" in texts


def test_no_problems() -> None:
    with pytest.raises(DataError, match="task 'toy' has no problems to check; give a larger file or another split"):
        selfcheck([], judge_with(strict), task="toy")


def test_arithmetic_demonstrations_differ_only_where_golds_do() -> None:
    def judge(p: Problem, text: str) -> VerdictValue:
        return VerdictValue.CORRECT if text.split("####")[-1] == p.gold else VerdictValue.WRONG

    report = selfcheck(Arithmetic(size=200).problems("train"), judge_with(judge), task="arithmetic")
    assert report.probes[0].rate == report.probes[1].rate == 1.0
