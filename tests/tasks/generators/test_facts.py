from collections import Counter

import pytest

from counterpoise.errors import ConfigError, DataError
from counterpoise.tasks.generators.facts import Facts


def everything():
    return [*Facts().problems("train"), *Facts().problems("test")]


def test_many_facts_each_once():
    problems = everything()
    assert len({problem.problem_id for problem in problems}) == len(problems)
    kinds = Counter(problem.meta["kind"] for problem in problems)
    # 3 questions on each of 92 elements (one of them a number), 8 planets, 9 polygons, 66 products of 2..12
    assert kinds == {"capital": 131, "element": 184, "number": 92 + 9 + 30, "name": 30, "planet": 8, "product": 66}
    assert all("=" not in problem.question and "\n" not in problem.question for problem in problems)


def test_the_sides_follow_from_the_content():
    train, test = ({p.problem_id for p in Facts().problems(side)} for side in ("train", "test"))
    assert not train & test
    assert {p.problem_id for p in Facts(test_fraction=0.5).problems("test")} > test


def test_selfcheck_passes_on_all_of_them(self_check):
    report = self_check(everything(), task="facts", sample=None)
    assert report.ok, [offence for probe in report.probes for offence in probe.offences]


def near_misses(problem):
    answer = problem.demonstration.removeprefix("\\boxed{").removesuffix("}")
    if answer.isdigit():
        yield from (
            str(int(answer) + 1),
            str(int(answer) - 1),
            answer + "0",
            f"-{answer}",
            f"{answer}.5",
            f"{answer}/3",
        )
    else:
        yield from (answer[:-1] + "q", f"{answer} or London Bridge", f"not {answer}", answer + " two")


def test_near_misses_are_refused(judge):
    pairs = [(problem, f"\\boxed{{{wrong}}}") for problem in everything() for wrong in near_misses(problem)]
    verdicts = judge.verify([p for p, _ in pairs], [r for _, r in pairs])
    assert [pair[1] for pair, verdict in zip(pairs, verdicts, strict=True) if verdict.value != "wrong"] == []


@pytest.mark.parametrize(
    ("question", "response"),
    [
        ("What is the capital of Ukraine?", "The answer is Kiev."),
        ("What is the capital of Brazil?", "\\boxed{Brasilia}"),
        ("When did Apollo 11 land on the Moon?", "\\boxed{July 20th, 1969}"),
        ("What is 12 times 12?", "\\boxed{144.}"),
        ("What is the atomic number of calcium?", "Twenty"),
        ("Which planet is it?", None),
    ],
)
def test_aliases(question, response, judge):
    problems = {problem.question: problem for problem in everything()}
    if response is None:
        assert question not in problems
        return
    assert judge.verify([problems[question]], [response])[0].value == "correct"


def test_settings():
    assert Facts(verifier="llm").problems("test")[0].gold.startswith('{"question": "What is the capital of ')
    with pytest.raises(ConfigError, match="task facts: verifier = 'math'; expected one of: qa, llm"):
        Facts(verifier="math")
    with pytest.raises(ConfigError, match=r"task facts: test_fraction = 2; expected a number in \[0, 1\]"):
        Facts(test_fraction=2)
    with pytest.raises(DataError, match="task 'facts' has no test problems with test_fraction=0"):
        Facts(test_fraction=0).problems("test")
