import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from counterpoise.evaluation.estimators.passk import k_sweep
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.curve import pass_at_k_curve
from counterpoise.evaluation.store.rollouts import Manifest
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.types import SamplingSettings

N = 16


def counts(*correct, n=N, first=0, unscored=0):
    return tuple(ProblemCounts(problem_id=f"p{first + i}", n=n, c=c, unscored=unscored) for i, c in enumerate(correct))


BASE = counts(*[1, 2, 3, 4, 0] * 6)  # solves many problems sometimes
SHARP = counts(*[16, 0, 16, 0, 0] * 6)  # solves some always


@pytest.fixture
def evaluation(tmp_path):
    """Save a result as `eval` does; its directory."""

    def make(name, rows, *, temperature=0.6):
        settings = SamplingSettings(temperature=temperature, top_p=0.95, max_tokens=8)
        ks = k_sweep(N)
        result = EvaluationResult(
            manifest=Manifest(model="m", task="toy:test", template="t", settings=settings, seed=0),
            n=N,
            verifiers={"toy": "1"},
            confidence=0.95,
            curve=pass_at_k_curve(rows, ks, generator=np.random.default_rng(0), resamples=10),
            by_task_type={},
            counts=rows,
            rollouts=N * len(rows),
            unscored=0,
            unscored_reasons={},
            truncation_rate=0.0,
            no_answer_rate=0.0,
            mean_tokens=1.0,
            distinct_answers=1.0,
        )
        directory = tmp_path / name
        directory.mkdir(parents=True)
        result.save(directory)
        return directory

    return make


@pytest.fixture
def counted(jsonl):
    """Write counts as another tool would; the file."""
    return lambda name, rows: jsonl(name, *({"id": p.problem_id, "n": p.n, "c": p.c} for p in rows))


def said(result):
    assert result.exit_code == 0, result.stderr
    return " ".join(result.stdout.split())


def test_two_evaluations(command, evaluation):
    text = said(command("compare", evaluation("base", BASE), evaluation("sharp", SHARP)))
    # pass@1: base 2/16 on average, sharp 2/5
    assert "12.5 [" in text and "40.0 [" in text
    assert "sharp - base, percentage points" in text
    assert "+27.5" in text
    # pass@16 is 4/5 and 2/5
    assert "-40.0" in text
    assert "sharp lies above base at k=1" in text
    assert "30 problems cannot tell sharp from base at k=" in text
    assert "would take about" in text
    assert "sharp drops under base at k=" in text


def test_as_json(command, evaluation, counted):
    result = command(
        "compare", evaluation("base", BASE), counted("sharp.jsonl", SHARP), "--k", "1,16", "--k", "64", "--json"
    )
    data = json.loads(result.stdout)
    assert [(run["name"], run["problems"]) for run in data["runs"]] == [("base", 30), ("sharp", 30)]
    [difference] = data["differences"]
    assert (difference["name"], difference["against"]) == ("sharp", "base")
    one, last, beyond = difference["pass_at_k"]
    assert (one["estimate"], last["estimate"], beyond["estimate"]) == (0.275, -0.4, None)
    assert one["band_low"] <= one["low"] <= one["estimate"] <= one["high"] <= one["band_high"]
    assert (one["problems"], beyond["problems"]) == (30, 0)
    # Over log k from 1 to 16 the line is zero at 16^(.275/.675) = 3.095.
    assert difference["crossing"]["k"] == pytest.approx(16 ** (0.275 / 0.675))
    assert data["paired"] is True


def test_kinds_of_responses_as_a_table_and_as_json(command, tiny_policy, tmp_path):
    for seed in (0, 1):
        asked = ("--task", "units", "--problems", 3, "--n", 8, "--seed", seed, "--out", tmp_path / f"e{seed}")
        assert command("eval", tiny_policy, *asked).exit_code == 0
    both = tmp_path / "e0", tmp_path / "e1"
    assert "kinds" not in json.loads(command("compare", *both, "--json").stdout)
    first, second = json.loads(command("compare", *both, "--kinds", "--json").stdout)["kinds"]
    assert [one["kind"] for one in first["kinds"]] == [one["kind"] for one in second["kinds"]]
    assert sum(one["estimate"] for one in first["kinds"]) == pytest.approx(1.0)
    text = said(command("compare", *both, "--kinds"))
    for before, after in zip(first["kinds"], second["kinds"], strict=True):
        assert before["change"] is None
        assert after["change"]["estimate"] == pytest.approx(after["estimate"] - before["estimate"])
        assert f"{before['kind']} │ {100 * before['estimate']:.1f} │ {100 * after['estimate']:.1f}" in text


def test_kinds_of_the_problems_in_common(command, tiny_policy, tmp_path):
    for problems in (3, 5):
        asked = ("--task", "units", "--problems", problems, "--n", 8, "--out", tmp_path / f"e{problems}")
        assert command("eval", tiny_policy, *asked).exit_code == 0
    both = tmp_path / "e5", tmp_path / "e3"
    assert command("compare", *both, "--kinds").exit_code != 0
    refused = command("compare", *both, "--unpaired", "--kinds")
    assert refused.exit_code != 0 and not refused.stdout and "--common" in refused.stderr
    assert "kinds of responses %, 3 problems" in said(command("compare", *both, "--common", "--kinds"))
    shutil.copytree(both[1], tmp_path / "again")
    alone, _ = json.loads(command("compare", both[1], tmp_path / "again", "--kinds", "--json").stdout)["kinds"]
    _, shared = json.loads(command("compare", *both, "--common", "--kinds", "--json").stdout)["kinds"]
    own, common = ({kind["kind"]: kind["estimate"] for kind in one["kinds"]} for one in (alone, shared))
    assert own == {kind: share for kind, share in common.items() if share}


def test_each_is_compared_with_the_first(command, counted):
    files = [counted(f"{name}.jsonl", rows) for name, rows in (("a", BASE), ("b", SHARP), ("c", BASE))]
    text = said(command("compare", *files))
    assert "b - a, percentage points" in text and "c - a, percentage points" in text
    assert "c and a are equal on every problem at k=1, 2, 4, 8, 16" in text
    assert "no crossing: the curves do not part from k=1 to 16" in text


def test_n_below_k_is_a_dash_with_its_reason(command, counted):
    short = counts(*[1, 0] * 15, n=4)
    text = said(command("compare", counted("base.jsonl", BASE), counted("short.jsonl", short)))
    assert "–" in text
    assert "short, k=8: pass@8 needs 8 scored rollouts of a problem; the most any has is 4" in text


def test_different_problems_are_refused_and_the_ways_out_work(command, refused, counted):
    files = counted("base.jsonl", BASE), counted("late.jsonl", counts(*[5, 6, 0] * 10, first=10))
    refused(
        "compare",
        *files,
        says=(
            "base and late did not answer the same problems: 20 in common, 10 only in base, 10 only in late",
            "--common compares on the 20 in common, --unpaired compares the means (wider intervals)",
        ),
    )
    text = said(command("compare", *files, "--common"))
    assert "pass@k %, 20 problems" in text
    text = said(command("compare", *files, "--unpaired"))
    assert "each on its own problems" in text
    assert "detectable" not in text and "drops under" not in text
    refused("compare", *files, "--common", "--unpaired", says="leave one of them away")


def test_nothing_in_common(refused, counted):
    files = counted("a.jsonl", counts(1, 2)), counted("b.jsonl", counts(1, 2, first=5))
    result = refused("compare", *files, says="0 in common")
    assert "--common" not in result.stderr
    refused("compare", *files, "--common", says="the runs have no problem in common; --unpaired compares")


def test_one_problem_has_no_interval(command, counted):
    text = said(command("compare", counted("a.jsonl", counts(1)), counted("b.jsonl", counts(9))))
    assert "b and a have fewer than two problems at every k" in text


def test_what_was_measured_differently_is_told(command, evaluation):
    rows = tuple(replace(p, unscored=1) for p in SHARP)
    result = command("compare", evaluation("base", BASE), evaluation("hot", rows, temperature=1.0))
    assert "base and hot were measured differently, so part of the difference may be that" in result.stderr
    assert "temperature 0.6 and 1.0" in result.stderr
    assert "hot: 30 rollouts are unscored and left out of n" in result.stderr


def test_runs_with_steps(command, refused, evaluation, tmp_path):
    for step, rows in ((0, BASE), (100, SHARP)):
        evaluation(f"nsr/evaluation/step-{step:06d}", rows)
    run = tmp_path / "nsr"
    (run / "config.toml").touch()
    assert "nsr@100 - nsr@0, percentage points" in said(command("compare", f"{run}@0", run))
    (run / "evaluation" / "step-000200").mkdir()
    result = command("compare", f"{run}@0", run)
    assert "nsr: the evaluation of step 200 is unfinished, so step 100 is used" in result.stderr
    refused("compare", run, f"{run}@200", says=("step 200", "is unfinished", "--step 200", "evaluated steps: 0, 100"))
    refused("compare", run, f"{run}@7", says=("the evaluation of step 7", "was not made"))
    refused("compare", run, f"{run}@100", says="is given twice")


def test_a_trained_run_is_compared_with_its_start(command, run_file):
    assert command("train", run_file(evaluation={"before": True, "after": True})).exit_code == 0
    assert "run@4 - run@0, percentage points" in said(command("compare", "runs/run@0", "runs/run"))


def test_empty_and_half_written_runs_are_refused(refused, counted, evaluation, tmp_path):
    good = counted("good.jsonl", BASE)
    refused("compare", good, "nowhere", says="nowhere does not exist; give a run's directory")
    refused("compare", good, says="a comparison needs two runs or more")
    run = tmp_path / "run"
    run.mkdir()
    refused("compare", good, run, says="holds neither a run (config.toml) nor an evaluation (passk.json)")
    refused("compare", good, f"{run}@3", says="is not a run directory (no config.toml)")
    (run / "config.toml").touch()
    refused("compare", good, run, says=("it has no evaluation yet", f"counterpoise eval {run}"))
    (run / "evaluation" / "step-000004").mkdir(parents=True)
    refused("compare", good, run, says="none of its evaluations is finished")
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "manifest.json").touch()
    refused("compare", good, begun, says="is unfinished: it has no passk.json")
    broken = evaluation("broken", SHARP)
    text = (broken / "passk.json").read_text()
    (broken / "passk.json").write_text(text[: len(text) // 2])
    refused("compare", good, broken, says="evaluate again to rewrite it from the stored rollouts", code=1)
    refused("compare", good, counted("empty.jsonl", ()), says="is empty")


def test_a_seed_fixes_the_output(command, counted):
    files = counted("a.jsonl", BASE), counted("b.jsonl", SHARP)
    one, same, other = (said(command("compare", *files, "--seed", seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_a_crossing_that_may_be_chance_is_called_so(command, counted):
    # Each solves what the other does not; b is 5 - 3 of 16 rollouts ahead at k=1 and one problem behind at k=16.
    ups, downs = [0, 3] * 15, [3, 0] * 13 + [8, 0] + [0, 0]
    text = said(command("compare", counted("a.jsonl", counts(*ups)), counted("b.jsonl", counts(*downs))))
    assert "30 problems cannot tell b from a at k=1, 2, 4, 8, 16" in text
    assert "[<=1, >16]" in text
    assert "these problems do not tell whether they cross" in text


def test_names_that_clash_become_what_was_typed(command, counted, tmp_path):
    files = counted("a.jsonl", BASE), tmp_path / "more" / "a.jsonl"
    files[1].parent.mkdir()
    files[1].write_text(files[0].read_text())
    assert "more/a.jsonl and a.jsonl are equal" in said(command("compare", "a.jsonl", "more/a.jsonl"))


def test_other_estimators_side_by_side(command, evaluation):
    base, sharp = evaluation("base", BASE), evaluation("sharp", SHARP)
    result = command("compare", base, sharp, "--metric", "cover@tau,pass^k,maj@k", "--k", "1,16")
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.split()}
    # no problem of the base is right in half of its rollouts, two in five of the other are always right
    assert (rows["cover@0.5"][1], rows["pass^16"][1]) == ("0.0", "0.0")
    assert "+40.0" in rows["cover@0.5"] and "+40.0" in rows["pass^16"]
    assert "base: counts alone do not say which wrong answers are equal" in said(result).replace("maj@1, maj@16, ", "")
    assert "mean@n" not in result.stdout


def test_json_has_the_differences_of_every_estimator(command, evaluation):
    data = json.loads(command("compare", evaluation("base", BASE), evaluation("sharp", SHARP), "--json").stdout)
    [mean] = [row for row in data["differences"][0]["estimates"] if row["metric"] == "mean@n"]
    assert mean["estimate"] == pytest.approx(0.275)
    assert mean["low"] < 0.275 < mean["high"]
    assert {row["metric"] for row in data["runs"][0]["estimates"]} >= {"area", "maj@k", "bayes@n"}


def test_other_estimators_of_other_problems(command, evaluation, refused):
    base, other = evaluation("base", BASE), evaluation("other", counts(*[16, 0] * 5, first=100))
    refused("compare", base, other, "--metric", "mean@n", says="--unpaired compares the means")
    text = said(command("compare", base, other, "--metric", "mean@n", "--unpaired"))
    assert "mean@n 12.5" in text and "+37.5" in text


def test_every_k_at_once_is_one_sentence_with_the_first_loss(command, counted):
    # better at one try, worse at sixteen, on 60 problems
    base, sharp = counts(*[4] * 60), counts(*[16, 16, 0, 0] * 15)
    files = counted("base.jsonl", base), counted("sharp.jsonl", sharp)
    lines = [
        line for line in command("compare", *files).stdout.splitlines() if "over every k from 1 to 16 at once" in line
    ]
    assert len(lines) == 1
    # 25% against 50%; the base has 44.2%, 58.4% and 69.8% at k=2, 3, 4 and is all solved from 13 on
    found = json.loads(command("compare", *files, "--json").stdout)["differences"][0]
    assert [one["state"] for one in found["stretches"]] == ["gains", "undecided", "loses"]
    (lost,) = found["first_loss"]["ranges"]
    undecided = found["stretches"][1]
    assert lost == [undecided["first_k"], undecided["last_k"] + 1]
    assert f"loses from k={undecided['last_k'] + 1}; the first k at which it loses is in " in lines[0]
    assert found["sentences"][0] == lines[0]


def test_json_has_every_k_and_the_hashes_of_what_was_read(command, counted, evaluation):
    files = counted("base.jsonl", BASE), counted("sharp.jsonl", SHARP)
    found = json.loads(command("compare", *files, "--k", "all", "--json").stdout)
    assert [row["k"] for row in found["runs"][0]["pass_at_k"]] == list(range(1, N + 1))
    assert found["runs"][1]["inputs"] == {files[1].name: hashlib.sha256(files[1].read_bytes()).hexdigest()}
    stores = evaluation("one", BASE), evaluation("two", SHARP)
    inputs = json.loads(command("compare", *stores, "--json").stdout)["runs"][0]["inputs"]
    assert inputs["problems.jsonl"] == hashlib.sha256((stores[0] / "problems.jsonl").read_bytes()).hexdigest()


def test_unpaired_runs_have_the_sentence_too(command, counted):
    files = counted("base.jsonl", BASE), counted("other.jsonl", counts(*[8] * 20, first=100))
    assert "other against base, over every k from 1 to 16 at once: " in command("compare", *files, "--unpaired").stdout


def test_all_stands_alone(refused, counted):
    files = counted("base.jsonl", BASE), counted("sharp.jsonl", SHARP)
    refused("compare", *files, "--k", "1,all", says="separated by commas, e.g. --k 1,8,64, or all; got 'all'")
