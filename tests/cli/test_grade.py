"""Stored rollouts judged again: 3 problems x 4 draws whose verdicts are known by hand."""

import json

import pytest

from counterpoise.evaluation.store.rollouts import Manifest, RolloutStore, StoredRollout
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.tasks.registry import make_task
from counterpoise.types import SamplingSettings, StopReason

QUESTIONS = ({"question": "a", "answer": "0.5"}, {"question": "b", "answer": "7"}, {"question": "c", "answer": "9"})
SETTINGS = SamplingSettings(temperature=1.0, top_p=1.0, max_tokens=8)
# By question: exact text says 1, 1, 0 of 4 right; numbers say 3, 2, 0.
RESPONSES = {
    "a": (r"\boxed{0.5}", r"\boxed{1/2}", r"\boxed{0.50}", r"\boxed{2}"),
    "b": (r"\boxed{7}", r"\boxed{7.0}", r"\boxed{8}", "seven, I think"),
    "c": (r"\boxed{1}", r"\boxed{2}", r"\boxed{3}", r"\boxed{4}"),
}
EXACT, NUMERIC = "verdicts-exact-4.jsonl", "verdicts-numeric-4.jsonl"


@pytest.fixture
def questions(jsonl):
    return jsonl("test.jsonl", *QUESTIONS)


@pytest.fixture
def task(questions):
    return f"tasks.test={questions}", "tasks.settings.verifier=exact"


@pytest.fixture
def problems(questions):
    made = make_task("jsonl", test=str(questions), verifier="exact").problems("test")
    return {problem.question: problem.problem_id for problem in made}


@pytest.fixture
def drawn(problems, tmp_path):
    """A store with rollouts and nothing else."""
    manifest = Manifest(model="m", task="jsonl:test", template="chat", settings=SETTINGS, seed=0)
    store = RolloutStore(tmp_path / "evaluation", manifest)
    store.append(
        [
            StoredRollout(
                problem_id=problems[q], sample=i, seed=1, text=text, tokens=3, stop_reason=StopReason.EOS
            )
            for q, texts in RESPONSES.items()
            for i, text in enumerate(texts)
        ]
    )  # fmt: skip
    return store.directory


@pytest.fixture
def graded(drawn, command, task):
    assert command("grade", drawn, *task).exit_code == 0
    return drawn


def said(result):
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def counts(directory, problems):
    found = {p.problem_id: (p.n, p.c) for p in EvaluationResult.load(directory).counts}
    return [found[problems[question]] for question in "abc"]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rollouts_without_a_result_are_graded_by_the_tasks_verifier(command, drawn, task, problems):
    text = said(command("grade", drawn, *task))
    assert counts(drawn, problems) == [(4, 1), (4, 1), (4, 0)]
    # pass@1 = (1/4 + 1/4 + 0) / 3; pass@4 = 2/3
    assert "16.7" in text and "66.7" in text
    assert "judged by exact 4" in text
    assert "before" not in text
    assert sorted(p.name for p in drawn.glob("passk*")) == ["passk.json"]


def test_another_verifier_and_what_changed(command, graded, task, problems):
    before = (graded / EXACT).read_bytes(), (graded / "passk.json").read_text(), (graded / "problems.jsonl").read_text()
    result = command("grade", graded, *task, "--verifier", "numeric", "--examples")
    text = said(result)
    assert counts(graded, problems) == [(4, 3), (4, 2), (4, 0)]
    # pass@1 = (3/4 + 2/4 + 0) / 3
    assert "41.7" in text
    assert "verdicts of exact 4 and of numeric 4" in text
    # 1/2, 0.50 and 7.0 turn right; 2 stay right, 6 wrong, 1 without an answer.
    assert "correct same 2 16.7%" in text
    assert "wrong correct 3 25.0%" in text
    assert "wrong same 6 50.0%" in text
    assert "no answer same 1 8.3%" in text
    assert "same verdict for 75.0% of 12 rollouts" in text
    assert f"{problems['a']} sample 1: wrong -> correct" in text
    assert "answer before '1/2'" in text
    assert text.count("wrong -> correct") == 3
    # Nothing is lost: the old verdicts byte for byte, the old result under its verifier's name.
    kept = (
        (graded / EXACT).read_bytes(),
        *((graded / f).read_text() for f in ("passk-exact-4.json", "problems-exact-4.jsonl")),
    )
    assert kept == before
    assert "the result by exact 4 is kept as" in result.stderr
    assert len(lines(graded / NUMERIC)) == 12


def test_the_kept_counts_compare_with_the_new_ones(command, graded, task):
    assert command("grade", graded, *task, "--verifier", "numeric").exit_code == 0
    text = said(command("compare", graded / "problems-exact-4.jsonl", graded, "--k", "1"))
    assert "+25.0" in text  # 41.7 - 16.7


def test_the_same_again_judges_nothing_and_changes_nothing(command, graded, task):
    command("grade", graded, *task, "--verifier", "numeric")
    files = {path.name: path.read_bytes() for path in graded.iterdir()}
    result = command("grade", graded, *task, "--verifier", "numeric")
    assert "numeric 4 made the result before too, so no verdict changed" in result.stderr
    assert {path.name: path.read_bytes() for path in graded.iterdir()} == files
    text = said(command("grade", graded, *task))
    assert "correct wrong 3 25.0%" in text
    assert (graded / EXACT).read_bytes() == files[EXACT]
    assert (graded / "passk-numeric-4.json").is_file()


def test_an_interrupted_grading_goes_on(command, graded, task, problems):
    command("grade", graded, *task, "--verifier", "numeric")
    whole = (graded / NUMERIC).read_bytes()
    result = (graded / "passk.json").read_bytes()
    (graded / "passk.json").write_bytes((graded / "passk-exact-4.json").read_bytes())
    (graded / NUMERIC).write_bytes(whole[: len(whole) // 2])
    text = said(command("grade", graded, *task, "--verifier", "numeric"))
    assert "wrong correct 3 25.0%" in text
    assert (graded / NUMERIC).read_bytes().startswith(whole[: len(whole) // 2])
    assert counts(graded, problems) == [(4, 3), (4, 2), (4, 0)]
    # The only trace is the torn line, which the result counts.
    now = json.loads((graded / "passk.json").read_text())
    assert now.pop("damaged_lines") == 1
    assert {**now, "damaged_lines": 0} == json.loads(result)
    # Killed between the two files of a result: what was kept of the old one is not overwritten with the new one.
    assert [line["c"] for line in lines(graded / "problems-exact-4.jsonl")].count(1) == 2


def test_a_setting_of_the_verifier_is_another_version(command, graded, task, problems):
    text = said(
        command(
            "grade", graded, *task, "--verifier", "numeric", "verifier.relative_tolerance=0.2", "--k", "1,2", "--k", "4"
        )
    )
    assert "judged by numeric 4+rtol0.2" in text
    # 8 is within a fifth of 7 (1/7).
    assert counts(graded, problems) == [(4, 3), (4, 3), (4, 0)]


def test_only_the_first_n(command, graded, task, problems):
    text = said(command("grade", graded, *task, "--n", "1", "--verifier", "numeric"))
    assert counts(graded, problems) == [(1, 1), (1, 1), (1, 0)]
    assert "same verdict for 100.0% of 3 rollouts" in text
    said(command("grade", graded, *task, "--verifier", "numeric"))
    assert counts(graded, problems) == [(4, 3), (4, 2), (4, 0)]


def test_rollouts_that_came_later_are_called_new(command, graded, task, problems):
    late = StoredRollout(
        problem_id=problems["c"], sample=4, seed=2, text=r"\boxed{9.0}", tokens=3, stop_reason=StopReason.EOS
    )
    RolloutStore(graded).append([late])
    text = said(command("grade", graded, *task, "--verifier", "numeric"))
    assert counts(graded, problems) == [(4, 3), (4, 2), (5, 1)]
    assert "1 rollout had no verdict before" in text


def test_a_damaged_line_is_named_and_skipped(command, graded, task, problems):
    with open(graded / "rollouts.jsonl", "a") as handle:
        handle.write('{"problem_id": "x", "sam\n')
    result = command("grade", graded, *task)
    assert f"{graded / 'rollouts.jsonl'}:13: not JSON" in result.stderr
    assert counts(graded, problems) == [(4, 1), (4, 1), (4, 0)]


def test_an_unreadable_result_is_made_anew(command, graded, task, problems):
    (graded / "passk.json").write_text('{"n": ')
    result = command("grade", graded, *task)
    assert "it is made anew from the stored rollouts" in result.stderr
    assert counts(graded, problems) == [(4, 1), (4, 1), (4, 0)]


def test_mistakes(refused, graded, task, jsonl, tmp_path):
    refused("grade", graded, *task, "--verifier", "maths", says="unknown verifier 'maths'; did you mean 'math'")
    refused("grade", graded, *task, "--verifier", "numeric", "verifier.literal=true", says="unknown setting 'literal'")
    refused("grade", graded, *task, "verifier.literal=true", says="name it: --verifier math")
    refused("grade", graded, *task, "--verifier", "numeric", "verifier.x", says="write verifier.key=value")
    refused("grade", graded, *task, "evaluation.n=4", says="evaluation.n=4: grading depends on tasks.settings")
    other = jsonl("other.jsonl", QUESTIONS[0], {"question": "z", "answer": "1"})
    says = "2 of the 3 problems", "are not in the test split of jsonl as it is set now"
    refused("grade", graded, f"tasks.test={other}", task[1], says=says)
    refused("grade", graded / "problems.jsonl", *task, says="is a file of counts, without rollouts")
    refused("grade", "nowhere", says="nowhere does not exist")
    (graded / "rollouts.jsonl").unlink()
    refused("grade", graded, *task, says="holds no rollouts, so there is nothing to grade")


def test_a_run_is_graded_by_its_own_settings(command, refused, run_file):
    assert command("train", run_file(evaluation={"before": True, "after": True})).exit_code == 0
    text = said(command("grade", "runs/run@0", "--verifier", "exact"))
    assert "verdicts of countdown 3 and of exact 4" in text
    assert "of 16 rollouts" in text  # 4 problems x 4
    said(command("grade", "runs/run"))
    said(command("grade", "runs/run/evaluation/step-000004", "--verifier", "exact"))
    refused("grade", "runs/run@3", says="the evaluation of step 3")


def test_other_estimators_of_the_new_verdicts(command, graded, task, problems):
    result = command("grade", graded, *task, "--verifier", "numeric", "--metric", "maj@k", "--k", "1,2")
    # a: pairs RR three times, RW three times: 3/4; b: RR, RW twice, R- twice, W-: 4/6; c: none right
    assert "maj@2 │ 47.2" in said(result)
    assert "mean@n" not in result.stdout
    stored = {row["id"]: row["wrong_classes"] for row in lines(graded / "problems.jsonl")}
    assert [stored[problems[question]] for question in "abc"] == [[1], [1], [1, 1, 1, 1]]


def test_wrong_answers_that_are_equal_numbers_are_one_class(command, drawn, task, problems):
    store = RolloutStore(drawn)
    for sample, text in enumerate((r"\boxed{1.0}", r"\boxed{2/2}"), start=4):
        store.append(
            [
                StoredRollout(
                    problem_id=problems["c"], sample=sample, seed=1, text=text, tokens=3, stop_reason=StopReason.EOS
                )
            ]
        )
    command("grade", drawn, *task, "--verifier", "numeric")
    stored = {row["id"]: row["wrong_classes"] for row in lines(drawn / "problems.jsonl")}
    assert stored[problems["c"]] == [3, 1, 1, 1]
    command("grade", drawn, *task)  # exact: six texts
    stored = {row["id"]: row["wrong_classes"] for row in lines(drawn / "problems.jsonl")}
    assert stored[problems["c"]] == [1] * 6


def test_an_evaluation_is_graded_without_its_settings_given_again(command, refused, tiny_policy, tmp_path, monkeypatch):
    settings = ("tasks.settings.count=2", "tasks.settings.largest=6", "rollout.max_tokens=6", "evaluation.n=2")
    drawn = ("eval", tiny_policy, "--task", "countdown", "--problems", "3", "--out", "e", *settings)
    assert command(*drawn).exit_code == 0
    kept = json.loads((tmp_path / "e" / "task.json").read_text())
    assert kept == {"name": "countdown", "settings": {"count": 2, "largest": 6}}
    verdicts = sorted(path.read_text() for path in (tmp_path / "e").glob("verdicts-*"))
    monkeypatch.chdir("/")
    assert command("grade", tmp_path / "e").exit_code == 0
    assert sorted(path.read_text() for path in (tmp_path / "e").glob("verdicts-*")) == verdicts
    # What is merged from it is graded without them too.
    monkeypatch.chdir(tmp_path)
    assert command("merge", "both", "e").exit_code == 0 and command("grade", "both").exit_code == 0
    # What is given goes over what is kept: none of these problems has three numbers.
    refused("grade", tmp_path / "e", "tasks.settings.count=3", says="problems in")
    # An evaluation made before it was kept is told what it lacks, and a damaged file is named.
    (tmp_path / "e" / "task.json").write_text("[")
    refused("grade", tmp_path / "e", says=("cannot read", "task.json: not JSON"), code=1)
    (tmp_path / "e" / "task.json").unlink()
    refused("grade", tmp_path / "e", says="give the settings and files the evaluation had")
    assert command("grade", tmp_path / "e", *settings[:2]).exit_code == 0


def test_every_k_up_to_n(graded, command, task):
    command("grade", graded, *task, "--k", "all")
    assert [point.k for point in EvaluationResult.load(graded).curve] == [1, 2, 3, 4]
