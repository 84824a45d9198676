import json

import pytest

from counterpoise.errors import DataError, StoreError, UsageError
from counterpoise.evaluation.imports.source import open_sources
from counterpoise.evaluation.store.rollouts import RolloutStore
from counterpoise.jobs.imports import IMPORTED, import_rollouts
from counterpoise.types import Problem, VerdictValue


def row(output, score=1.0, prompt="1+1", gold="2", step=1):
    return {"input": prompt, "output": output, "gts": gold, "score": score, "step": step}


@pytest.fixture
def bring(tmp_path):
    """`bring(name, *rows, …)`: write a file and import it into `e` (or `into`)."""

    def run(name, *rows, into="e", score=None, **options):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        sources = open_sources([path], "auto", {} if score is None else {"score": score})
        return path, import_rollouts(tmp_path / into, sources, **options)

    return run


def stored(directory):
    return [(r.sample, r.text, r.tokens, r.stop_reason) for r in RolloutStore(directory).rollouts()]


def judged(directory, version="from-0.5"):
    return [line.verdict for line in RolloutStore(directory).verdicts(IMPORTED, version)]


def test_lengths_nobody_told_stay_unknown(bring, tmp_path):
    _, done = bring("1.jsonl", row("a"), row("b", 0.0))
    assert stored(tmp_path / "e") == [(0, "a", None, None), (1, "b", None, None)]
    found = json.loads((tmp_path / "e" / "passk.json").read_text())
    assert (found["mean_tokens"], found["truncation_rate"]) == (None, None)
    assert done.result.curve[0].estimate == 0.5


def test_files_of_the_same_problem_add_up_at_free_places(bring, tmp_path):
    path, _ = bring("1.jsonl", row("a"), row("b"))
    other, done = bring("2.jsonl", row("c"), row("a"), row("d"))
    # c and a want the places 0 and 1, which are taken, so they get 2 and 3; d wants 2, which is c's now.
    assert [(sample, text) for sample, text, *_ in stored(tmp_path / "e")] == [*enumerate("abcad")]
    assert (done.added[other], done.known[other]) == (3, 0)
    _, again = bring("2.jsonl", row("c"), row("a"), row("d"))
    assert (again.added[other], again.known[other]) == (0, 3)
    assert path != other


def test_scores_become_verdicts_that_say_where_they_are_from(bring, tmp_path):
    rows = [row("a", 0.7), row("b", 0.2), row("c", None), row("d", float("inf"))]
    _, done = bring("1.jsonl", *rows)
    verdicts = judged(tmp_path / "e")
    expected = [VerdictValue.CORRECT, VerdictValue.WRONG, VerdictValue.UNSCORED, VerdictValue.CORRECT]
    assert [verdict.value for verdict in verdicts] == expected
    assert [dict(verdict.parts) for verdict in verdicts] == [{"score": 0.7}, {"score": 0.2}, {}, {}]
    assert {verdict.basis for verdict in verdicts} == {"score>=0.5"}
    assert done.between == 3  # 0.7, 0.2 and infinity
    assert done.result.unscored == 1


def test_another_threshold_judges_anew_and_another_column_is_refused(bring, tmp_path):
    rows = [row("a", 0.3) | {"acc": True}]
    bring("1.jsonl", *rows)
    _, done = bring("1.jsonl", *rows, threshold=0.2)
    assert judged(tmp_path / "e", "from-0.2")[0].value is VerdictValue.CORRECT
    assert done.result.verifiers == {IMPORTED: "from-0.2"}
    with pytest.raises(UsageError, match=r"judged by score>=0\.5; now it would be acc>=0\.5, and a response has one"):
        bring("1.jsonl", *rows, score="acc")
    assert judged(tmp_path / "e")[0].value is VerdictValue.WRONG


def test_scores_that_are_all_null_give_no_result_and_no_error(bring, tmp_path):
    _, done = bring("1.jsonl", row("a", None))
    assert done.result is None
    assert len(stored(tmp_path / "e")) == 1
    assert not (tmp_path / "e" / "passk.json").exists()


def test_an_evaluation_takes_no_other_step(bring, tmp_path):
    bring("1.jsonl", row("a"))
    with pytest.raises(StoreError, match="weights is 'step 1' there and 'step 2' here"):
        bring("2.jsonl", row("b", step=2))
    with pytest.raises(UsageError, match=r"2 training steps \(1, 2\), which are as many policies; choose with --steps"):
        bring("3.jsonl", row("a"), row("b", step=2), into="other")
    assert not (tmp_path / "other").exists()


def test_the_longest_question_of_the_task_in_the_prompt_decides(bring, tmp_path):
    task = [
        Problem(problem_id=name, task_type="t", question=question, gold=gold, verifier="math")
        for name, question, gold in (("short", "1+1", "2"), ("long", "1+1 + 1+1", "4"))
    ]
    rows = [row("4", prompt="What is\n1+1  + 1+1?"), row("2", prompt="1+1"), row("?", prompt="1 + 1")]
    path, done = bring("1.jsonl", *rows, task=task)
    assert [r.problem_id for r in RolloutStore(tmp_path / "e").rollouts()] == ["long", "short"]
    assert done.refused.first[0].reason == "no question of the task is in the prompt"
    with pytest.raises(
        DataError, match=r"1 row was refused, first .*2\.jsonl:1: no question of the task is in the prompt"
    ):
        bring("2.jsonl", rows[2], task=task, into="other")
    assert not (tmp_path / "other").exists()
    assert done.refused.of[path] == 1


def test_two_golds_of_one_problem_are_not_both_kept(bring):
    rows = [{"problem_id": "p", "response": "r", "gold": gold} for gold in ("1", "2")]
    _, done = bring("a.jsonl", *rows)
    assert done.refused.reasons == {"problem p has the gold '1' already and '2' here": 1}


@pytest.mark.parametrize(
    ("prompt", "extra", "options", "expected"),
    [
        ("1+1\nassistant\n<think>\n", {}, {}, True),
        ("1+1", {"in_thought": True}, {}, True),
        ("1+1", {}, {"in_thought": True}, True),
        ("1+1", {"in_thought": "no"}, {}, False),
        ("Think in <think> tags. 1+1", {}, {}, False),
    ],
)
def test_responses_that_begin_inside_a_thought(bring, tmp_path, prompt, extra, options, expected):
    bring("1.jsonl", row("a", prompt=prompt) | extra, **options)
    assert [rollout.in_thought for rollout in RolloutStore(tmp_path / "e").rollouts()] == [expected]
