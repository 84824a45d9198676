import json
from dataclasses import replace

import numpy as np
import pytest

from counterpoise.errors import DataError, StoreError
from counterpoise.evaluation.statistics.counts import ProblemCounts, read_counts
from counterpoise.evaluation.statistics.curve import pass_at_k_curve
from counterpoise.evaluation.store.rollouts import RolloutStore, StoredRollout, StoredVerdict
from counterpoise.evaluation.summary import EvaluationResult, summarise
from counterpoise.types import StopReason, Verdict, VerdictValue

GRADERS = {"toy": ("toy", "1")}


def counts(*rows):
    return [ProblemCounts(problem_id=str(i), n=n, c=c, unscored=u) for i, (n, c, u) in enumerate(rows)]


def curve(rows, ks):
    return pass_at_k_curve(rows, ks, generator=np.random.default_rng(0))


@pytest.fixture
def filled(tmp_path, fake):
    """p000: right, wrong 1, none; p001: right, right, hang. Two tokens each, the `none` one cut off."""
    store, verify = RolloutStore(tmp_path, fake.manifest()), fake.FakeVerify()
    problems = fake.make_problems(2)
    for problem, texts in zip(problems, [["right", "wrong 1", "none"], ["right", "right", "hang"]], strict=True):
        for sample, text in enumerate(texts):
            stop = StopReason.LENGTH if text == "none" else StopReason.EOS
            rollout = StoredRollout(
                problem_id=problem.problem_id, sample=sample, seed=0, text=text, tokens=2, stop_reason=stop
            )
            store.append([rollout])
            [verdict] = verify([problem], [text], [False])
            store.append_verdicts([StoredVerdict(problem_id=problem.problem_id, sample=sample, verdict=verdict)])
    return store, problems


def test_counts_and_rates(filled):
    result = summarise(*filled, n=3, graders=GRADERS)
    assert [(p.n, p.c, p.unscored, p.task_type) for p in result.counts] == [(3, 1, 0, "toy"), (2, 2, 1, "toy")]
    assert (result.rollouts, result.unscored, result.unscored_reasons) == (6, 1, {"timeout": 1})
    assert (result.truncation_rate, result.no_answer_rate) == (1 / 6, 1 / 5)  # 5 of the 6 are scored
    assert (result.mean_tokens, result.distinct_answers) == (2.0, 2.0)  # {right, wrong 1} and {right, hang}


def test_a_length_nobody_told_is_in_no_mean(filled):
    store, problems = filled
    for sample, (tokens, stop) in enumerate([(None, None), (10, StopReason.LENGTH)], start=3):
        rollout = StoredRollout(problem_id="p000", sample=sample, seed=0, text="x", tokens=tokens, stop_reason=stop)
        store.append([rollout])
    result = summarise(RolloutStore(store.directory), problems, n=5, graders=GRADERS)
    assert (result.rollouts, result.mean_tokens, result.truncation_rate) == (
        8,
        22 / 7,
        2 / 7,
    )  # 6 of 2 tokens and one of 10


def test_pass_at_k_hand_worked(filled):
    at_1, at_2 = summarise(*filled, n=3, graders=GRADERS).curve
    assert at_1.estimate == pytest.approx((1 / 3 + 1) / 2)
    assert (at_1.bound_low, at_1.bound_high) == pytest.approx(((1 / 3 + 2 / 3) / 2, (1 / 3 + 1) / 2))
    assert at_2.estimate == pytest.approx((2 / 3 + 1) / 2)  # 1 - C(2,2)/C(3,2) = 2/3
    assert (at_1.problems, at_1.reason) == (2, None)


def test_only_the_first_n_draws_count(filled):
    result = summarise(*filled, n=2, graders=GRADERS)
    assert [(p.n, p.c, p.unscored) for p in result.counts] == [(2, 1, 0), (2, 2, 0)]
    assert (result.rollouts, result.truncation_rate) == (4, 0.0)


def test_other_problems_and_other_graders_are_ignored(filled):
    store, problems = filled
    assert len(summarise(store, problems[:1], n=3, graders=GRADERS).counts) == 1
    with pytest.raises(StoreError, match="holds no verdict on these problems; grade the rollouts first"):
        summarise(store, problems, n=3, graders={"toy": ("toy", "2")})


def test_too_few_rollouts_leave_a_reason(filled):
    at_3, at_4 = summarise(*filled, n=3, graders=GRADERS, ks=[4, 3, 3]).curve
    assert (at_3.k, at_3.problems, at_3.estimate) == (3, 1, 1.0)
    assert at_3.reason == "1 of 2 problems left out: fewer than 3 scored rollouts"
    assert (at_4.problems, at_4.reason) == (0, "pass@4 needs 4 scored rollouts of a problem; the most any has is 3")
    assert np.isnan([at_4.estimate, at_4.low, at_4.high, at_4.bound_low]).all()


def test_interval_is_over_problems():
    # 100 problems, half always right: the mean of 100 coin flips, 1/2 ± 1.96 * 0.05
    [at_1] = curve(counts(*[(64, 64, 0)] * 50, *[(64, 0, 0)] * 50), [1])
    assert (at_1.low, at_1.high) == pytest.approx((0.402, 0.598), abs=0.01)


def test_saved_result_is_loaded(filled, tmp_path):
    result = summarise(*filled, n=3, graders=GRADERS, ks=[1, 2])
    result.save(tmp_path)
    assert EvaluationResult.load(tmp_path) == result


def test_the_guess_floor_is_kept(filled, tmp_path):
    store, problems = filled
    offered = [replace(problem, meta={"guess_rate": 0.25}) for problem in problems]
    result = summarise(store, offered, n=3, graders=GRADERS, ks=[1, 2])
    assert result.guess_floor == {"1": 0.25, "2": 0.4375}  # 1 - (3/4)^2 = 7/16
    result.save(tmp_path)
    assert EvaluationResult.load(tmp_path) == result
    assert summarise(store, problems, n=3, graders=GRADERS).guess_floor == {}


def test_the_other_estimators_are_stored(filled, tmp_path):
    result = summarise(*filled, n=3, graders=GRADERS, ks=[1, 2])
    result.save(tmp_path)
    data = json.loads((tmp_path / "passk.json").read_text(), parse_constant=pytest.fail)
    stored = {(row["metric"], row["k"], row["tau"]): row for row in data["estimates"]}
    assert stored["mean@n", None, None]["estimate"] == pytest.approx((1 / 3 + 1) / 2)
    assert stored["pass^k", 2, None]["estimate"] == pytest.approx((0 + 1) / 2)
    # p000 has right, wrong 1 and a silent one: pairs R1 is half right, R- right, 1- wrong
    assert stored["maj@k", 2, None]["estimate"] == pytest.approx((1.5 / 3 + 1) / 2)
    assert stored["maj@k", 2, None]["bound_low"] is None  # nobody knows what the unscored one answered
    assert stored["best@k", 1, None]["reason"].startswith("no verdict has a part between 0 and 1")
    assert data["estimates_by_task_type"] == {"toy": data["estimates"]}


def test_wrong_answers_are_grouped_by_what_is_passed_in(filled):
    store, problems = filled
    asked = []

    def equivalent(problem, one, other):
        asked.append((problem.problem_id, one, other))
        return True

    for sample, text in ((3, "wrong 2"), (4, "wrong 2")):
        store.append(
            [StoredRollout(problem_id="p000", sample=sample, seed=0, text=text, tokens=2, stop_reason=StopReason.EOS)]
        )
        verdict = Verdict(value=VerdictValue.WRONG, answer=text, basis="", seconds=0, verifier="toy", version="1")
        store.append_verdicts([StoredVerdict(problem_id="p000", sample=sample, verdict=verdict)])
    assert summarise(store, problems, n=5, graders=GRADERS).counts[0].wrong_classes == (2, 1)
    assert summarise(store, problems, n=5, graders=GRADERS, equivalent=equivalent).counts[0].wrong_classes == (3,)
    assert asked == [("p000", "wrong 2", "wrong 1")]


def test_graded_parts_are_counted_and_no_answer_is_zero(tmp_path, fake):
    store, [problem] = RolloutStore(tmp_path, fake.manifest()), fake.make_problems(1)
    judged = [
        (VerdictValue.WRONG, {"f1": 0.5}),
        (VerdictValue.CORRECT, {"f1": 1.0}),
        (VerdictValue.NO_ANSWER, {}),
        (VerdictValue.UNSCORED, {"f1": 0.3}),
        (VerdictValue.WRONG, {"f1": float("nan")}),
    ]
    for sample, (value, parts) in enumerate(judged):
        store.append(
            [StoredRollout(problem_id="p000", sample=sample, seed=0, text="", tokens=0, stop_reason=StopReason.EOS)]
        )
        verdict = Verdict(
            value=value, answer="x", basis="", seconds=0, verifier="toy", version="1", parts=parts, reason="r"
        )
        store.append_verdicts([StoredVerdict(problem_id="p000", sample=sample, verdict=verdict)])
    result = summarise(store, [problem], n=5, graders=GRADERS, ks=[1])
    assert result.counts[0].parts == {"f1": ((0.0, 1), (0.5, 1), (1.0, 1))}
    [best] = [one for one in result.estimates if one.metric == "best@k"]
    assert (best.part, best.estimate) == ("f1", 0.5)
    result.save(tmp_path)
    assert EvaluationResult.load(tmp_path).counts == result.counts


def test_a_result_from_before_the_other_estimators_is_read(filled, tmp_path):
    result = summarise(*filled, n=3, graders=GRADERS)
    result.save(tmp_path)
    data = json.loads((tmp_path / "passk.json").read_text())
    del data["estimates"], data["estimates_by_task_type"]
    (tmp_path / "passk.json").write_text(json.dumps(data))
    lines = [json.loads(line) for line in (tmp_path / "problems.jsonl").read_text().splitlines()]
    old = [{key: line[key] for key in ("id", "n", "c", "unscored", "task_type")} for line in lines]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    loaded = EvaluationResult.load(tmp_path)
    assert (loaded.curve, loaded.estimates, loaded.counts[0].wrong_classes) == (result.curve, (), None)


def test_passk_json_is_strict_json(filled, tmp_path):
    summarise(*filled, n=3, graders=GRADERS, ks=[1, 4]).save(tmp_path)
    data = json.loads((tmp_path / "passk.json").read_text(), parse_constant=pytest.fail)
    assert (data["schema"], data["problems"], data["manifest"]["seed"]) == (1, 2, 7)
    assert data["curve"][1]["estimate"] is None
    assert "needs 4 scored rollouts" in data["curve"][1]["reason"]


def test_problems_file_is_what_read_counts_reads(filled, tmp_path):
    result = summarise(*filled, n=3, graders=GRADERS)
    result.save(tmp_path)
    first = json.loads((tmp_path / "problems.jsonl").read_text().splitlines()[0])
    assert first.pop("tokens") == {"right": [[2, 1]], "wrong": [[2, 2]], "unscored": []}
    assert first == {"id": "p000", "n": 3, "c": 1, "unscored": 0, "task_type": "toy", "wrong_classes": [1]}
    assert tuple(read_counts(tmp_path / "problems.jsonl")) == result.counts


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "passk.json is missing; run the evaluation first"),
        ("{", "passk.json: not JSON: Expecting property name.*; evaluate again to rewrite it from the stored rollouts"),
        ("[]", "cannot read .*passk.json"),
        ('{"schema": 2}', "was written by another version; evaluate again"),
    ],
)
def test_an_unusable_result_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "passk.json").write_text(content)
    with pytest.raises(StoreError, match=message):
        EvaluationResult.load(tmp_path)


def test_files_that_do_not_belong_together_are_refused(filled, tmp_path):
    summarise(*filled, n=3, graders=GRADERS).save(tmp_path)
    (tmp_path / "problems.jsonl").write_text('{"id":"a","n":1,"c":1}\n')
    with pytest.raises(StoreError, match=r"speaks of 2 problems and problems.jsonl beside it of 1; evaluate again"):
        EvaluationResult.load(tmp_path)


def test_no_problems(tmp_path, fake):
    with pytest.raises(DataError, match="no problems to summarise"):
        summarise(RolloutStore(tmp_path, fake.manifest()), [], n=1, graders={})
    with pytest.raises(DataError, match="no problems to take pass@k over"):
        curve([], [1])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("oops", ":2: not JSON: Expecting value"),
        ("[1]", ":2: a JSON list, not an object; expected {"),
        ('{"id":"b","n":4}', ":2: no 'c' (found: id, n); expected {"),
        ('{"id":null,"n":4,"c":1}', ":2: id is None; expected text or an integer"),
        ('{"id":"b","n":4.0,"c":1}', ":2: n is 4.0; expected a whole number from 0 to 1048576"),
        ('{"id":"b","n":true,"c":1}', ":2: n is True; expected a whole number"),
        ('{"id":"b","n":4,"c":5}', ":2: c=5 correct of n=4 rollouts; c cannot exceed n"),
        ('{"id":"b","n":4,"c":1,"unscored":-1}', ":2: unscored is -1; expected a whole number"),
        ('{"id":"a","n":4,"c":1}', ":2: id 'a' stands at line 1 already; one line for each problem"),
        ('{"id":"b","n":' + "9" * 5000 + ',"c":1}', ":2: an integer of 5000 digits"),
        (
            '{"id":"b","n":4,"c":1,"wrong_classes":[3,1]}',
            ":2: wrong_classes is [3, 1]; expected how often each wrong answer",
        ),
        ('{"id":"b","n":4,"c":1,"wrong_classes":7}', ":2: wrong_classes is 7; expected how often"),
        (
            '{"id":"b","n":4,"c":1,"parts":{"f1":[[0.5]]}}',
            ":2: parts is {'f1': [[0.5]]}; expected {name: [[value, how often]",
        ),
        ('{"id":"b","n":4,"c":1,"parts":[1]}', ":2: parts is [1]; expected {name: [[value, how often]"),
        ('{"id":"b","n":4,"c":1,"parts":{"f1":[[0.5,5]]}}', ":2: parts.f1 has more values than the 4 scored rollouts"),
        ("[" * 100_000, ":2: not JSON: nested more than 100 deep"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, line, message):
    path = tmp_path / "c.jsonl"
    path.write_text(f'{{"id":"a","n":4,"c":1}}\n{line}\n')
    with pytest.raises(DataError) as error:
        read_counts(path)
    assert f"{path}{message}" in str(error.value)


def test_missing_and_empty_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*none.jsonl: No such file"):
        read_counts(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(DataError, match=r"empty.jsonl is empty; expected lines such as"):
        read_counts(tmp_path / "empty.jsonl")
