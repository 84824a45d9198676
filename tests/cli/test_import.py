"""Files in the shapes TRL, verl and lm-evaluation-harness write, with content of our own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from counterpoise.evaluation.store.rollouts import RolloutStore


def verl(step, *draws):
    return [
        {"input": prompt, "output": output, "gts": gold, "score": score, "step": step, "acc": score > 0}
        for prompt, output, gold, score in draws
    ]


def harness(doc_id, prompt, target, *responses, filter="strict-match", match=1.0):
    return {
        "doc_id": doc_id,
        "doc": {"question": prompt},
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": ["Q:"]}}},
        "resps": [list(responses)],
        "filtered_resps": [responses[0]],
        "filter": filter,
        "metrics": ["exact_match"],
        "exact_match": match,
        "doc_hash": "d",
        "prompt_hash": "p",
        "target_hash": "t",
    }


def said(result):
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def refused(result):
    assert result.exit_code == 2, result.output
    return " ".join(result.stderr.split())


def counts(directory):
    return sorted((line["n"], line["c"]) for line in lines(Path(directory, "problems.jsonl")))


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.fixture
def completions(tmp_path):
    """TRL's directory: one parquet file a step, prompts and completions as chat messages in the second."""
    import pyarrow
    from pyarrow import parquet

    def write(step, rows):
        directory = tmp_path / "completions"
        directory.mkdir(exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows), directory / f"completions_{step:05d}.parquet")

    def row(step, prompt, completion, reward):
        return {
            "step": step,
            "prompt": prompt,
            "completion": completion,
            "accuracy_reward": reward,
            "solution": "2",
            "advantage": reward - 0.5,
        }

    write(10, [row(10, "1+1", r"\boxed{2}", 1.0), row(10, "1+1", r"\boxed{3}", 0.0)])
    chat = [{"role": "user", "content": "1+1"}]
    write(20, [row(20, chat, [{"role": "assistant", "content": r"\boxed{2}"}], 1.0)])
    return tmp_path / "completions"


def test_verl_is_imported_graded_and_compared_with_its_own_verdict(command, jsonl):
    # verl says 1 of 2 right; \boxed{2.0} is right too, so math says 2 of 2.
    file = jsonl("100.jsonl", *verl(100, ("1+1", r"\boxed{2}", "2", 1.0), ("1+1", r"\boxed{2.0}", "2", -1.0)))
    assert "100.jsonl verl 2 0 0 score" in said(command("import", str(file), "-o", "e"))
    assert counts("e") == [(2, 1)]
    assert RolloutStore("e").manifest.weights == "step 100"
    text = said(command("grade", "e"))
    assert counts("e") == [(2, 2)]
    assert "wrong correct 1 50.0%" in text
    assert Path("e/passk-imported-from-0.5.json").is_file()
    assert lines("e/rollouts.jsonl")[0]["policy_version"] == 100


def test_the_same_file_adds_nothing_under_another_name_and_another_file_adds_up(command, jsonl):
    rows = verl(1, ("1+1", "a", "2", 1.0), ("1+1", "b", "2", 0.0))
    jsonl("1.jsonl", *rows), jsonl("copy.jsonl", *rows), jsonl("more.jsonl", *verl(1, ("1+1", "c", "2", 0.0)))
    said(command("import", "1.jsonl", "-o", "e"))
    assert "copy.jsonl verl 0 2 0 score more.jsonl verl 1 0 0 score" in said(
        command("import", "copy.jsonl", "more.jsonl", "-o", "e")
    )
    assert [line["text"] for line in lines("e/rollouts.jsonl")] == ["a", "b", "c"]
    assert counts("e") == [(3, 1)]


def test_imports_merge_with_their_golds(command, jsonl):
    jsonl("1.jsonl", *verl(1, ("1+1", r"\boxed{2}", "2", 1.0)))
    jsonl("more.jsonl", *verl(1, ("1+1", r"\boxed{3}", "2", 0.0)))
    said(command("import", "1.jsonl", "-o", "a")), said(command("import", "more.jsonl", "-o", "b"))
    said(command("merge", "all", "a", "b")), said(command("grade", "all"))
    assert counts("all") == [(2, 1)]


def test_trl_steps_are_chosen_and_never_mixed_unasked(command, completions):
    message = refused(command("import", "completions", "-o", "e"))
    assert "2 training steps (10, 20), which are as many policies; choose with --steps" in message
    assert not Path("e").exists()
    assert "step 30 is not in the files; their steps: 10, 20" in refused(
        command("import", "completions", "--step", "30", "-o", "e")
    )
    said(command("import", "completions", "--step", "10", "-o", "e"))
    assert counts("e") == [(2, 1)]
    said(command("import", "completions", "--steps", "10,20", "-o", "both"))
    assert counts("both") == [(3, 2)]  # chat messages of one user are the same prompt as their text
    assert "step 20" in command("import", "completions", "--step", "20", "-o", "e").output


def test_two_reward_columns_need_a_name(command, tmp_path):
    import pyarrow
    from pyarrow import parquet

    row = {"step": 1, "prompt": "p", "completion": "c", "format": 1.0, "accuracy": 0.25, "advantage": 0.0}
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "completions_00001.parquet")
    result = command("import", "completions_00001.parquet", "-o", "e")
    assert "it may be any of the columns format, accuracy; choose with --score-column" in " ".join(
        result.stderr.split()
    )
    assert not Path("e/passk.json").exists()
    result = command(
        "import", "completions_00001.parquet", "--score-column", "accuracy", "--threshold", "0.2", "-o", "e"
    )
    assert "from 0.2 on they count as right" in " ".join(result.stderr.split())
    assert counts("e") == [(1, 1)]
    assert "came without a gold" in refused(command("grade", "e"))


def test_harness_repeats_count_and_filters_do_not(command, jsonl):
    jsonl(
        "samples_sums_2026-01-01.jsonl",
        harness(0, "1+1", "2", "#### 2", "#### 3"),
        harness(1, "2+2", "4", "#### 4"),
        harness(0, "1+1", "2", "#### 2", "#### 3", filter="flexible-extract"),
        harness(1, "2+2", "4", "#### 4", filter="flexible-extract", match=0.0),
    )
    text = said(command("import", ".", "--format", "lm-eval", "-o", "e"))
    assert "lm-eval 3 0 0" in text
    assert len(lines("e/rollouts.jsonl")) == 3
    assert [line["value"] for line in lines("e/verdicts-imported-from-0.5.jsonl")] == ["correct"]


def test_old_harness_files_and_likelihoods(command, jsonl):
    old = harness(0, "1+1", "2", "#### 2") | {"arguments": [["1+1", {}]]}
    choice = harness(1, "2+2", "4", "x") | {"resps": [[[-1.0, False]], [[-2.0, False]]]}
    jsonl("samples_a.jsonl", old, choice)
    result = command("import", "samples_a.jsonl", "-o", "e")
    assert "lm-eval 1 0 1" in said(result)
    assert "samples_a.jsonl:2: it has not one request but several" in result.stderr


def test_plain_rows_under_any_names_against_a_task(command, jsonl):
    jsonl("mine.jsonl", {"q": "Compute 1+1 now", "out": r"\boxed{2}"}, {"q": "What?", "out": "?"})
    jsonl("golds.jsonl", {"question": "1+1", "answer": "2"})
    message = refused(command("import", "mine.jsonl", "-o", "e"))
    assert "no column 'prompt' or 'question'" in message
    assert "the columns are: q, out. Name it with --prompt-column" in message
    named = ("--prompt-column", "q", "--response-column", "out")
    result = command("import", "mine.jsonl", *named, "--gold", "golds.jsonl", "-o", "e")
    assert "jsonl 1 0 1" in said(result)
    assert "mine.jsonl:2: no question of the task is in the prompt" in result.stderr
    said(command("grade", "e"))
    assert counts("e") == [(1, 1)]


def test_damaged_lines_are_named_counted_and_kept_out(command, jsonl):
    file = jsonl("1.jsonl", *verl(1, ("1+1", "a", "2", 1.0)))
    with file.open("a") as handle:
        handle.write('\n{"input": "torn\n[1]\n{"input": "x", "output": null, "gts": "2", "score": 1}\n')
    result = command("import", "1.jsonl", "-o", "e")
    assert "verl 1 0 3" in said(result)
    for where in ("1.jsonl:3: not JSON", "1.jsonl:4: a JSON list", "1.jsonl:5: the response is null"):
        assert where in result.stderr


def test_mistakes_are_told(command, tmp_path, jsonl):
    (tmp_path / "empty.jsonl").touch(), (tmp_path / "dir").mkdir()
    jsonl("dir/notes.txt", {})
    jsonl("a.jsonl", {"prompt": "p", "response": "r"})
    assert "holds no row" in refused(command("import", "empty.jsonl", "-o", "e"))
    assert "dir has no file named [0-9]*.jsonl (verl's trainer.validation_data_dir or" in refused(
        command("import", "dir", "--format", "verl", "-o", "e")
    )
    assert "unknown format 'trll'; did you mean 'trl'?" in refused(
        command("import", "a.jsonl", "--format", "trll", "-o", "e")
    )
    assert "cannot read none.jsonl" in refused(command("import", "none.jsonl", "-o", "e"))
    assert "no column 'g'" in refused(command("import", "a.jsonl", "--gold-column", "g", "-o", "e"))
    assert not Path("e").exists()


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_what_is_exported_is_imported_with_the_same_counts(command, jsonl, suffix):
    draws = [("1+1", "a", "2", 1.0), ("1+1", "b", "2", 0.0), ("2+2", "c", "4", 0.0), ("2+2", "d", "4", None)]
    jsonl("1.jsonl", *[{"input": p, "output": o, "gts": g, "score": s, "step": 1} for p, o, g, s in draws])
    said(command("import", "1.jsonl", "-o", "e"))
    assert "4 rollouts" in said(command("export", "e", "-o", f"out.{suffix}"))
    said(command("import", f"out.{suffix}", "-o", "back"))
    assert counts("back") == counts("e") == [(1, 0), (2, 1)]
    assert Path("back/problems.jsonl").read_text().count('"unscored": 1') == 1
    assert Path("back/golds.jsonl").read_text() == Path("e/golds.jsonl").read_text()
    assert "neither .jsonl nor .parquet" in refused(command("export", "e", "-o", "out.csv"))


def test_trls_output_directory_alone_is_enough(command, completions):
    """Who has a run's directory and nothing else gets their own scores, which column they are, and what grading lacks."""
    Path("checkpoint-10").mkdir()
    result = command("import", ".", "--step", "10", "-o", "e")
    assert "completions/completions_00010.parquet trl 2 0 0 accuracy_reward" in said(result)
    assert "taken as the score: accuracy_reward; right from 0.5 on (2 of 2 files)" in result.stderr
    assert counts("e") == [(2, 1)]
    assert "– tokens on average" in " ".join(command("grade", "e").stderr.split())


def test_a_directory_without_logged_completions_says_which_setting_writes_them(command):
    Path("run/checkpoint-10").mkdir(parents=True)
    message = refused(command("import", "run", "-o", "e"))
    assert "(TRL's log_completions=True)" in message
    assert "it holds checkpoint-10. Rollouts are there only if that setting was on" in message


def test_rows_without_gold_say_how_to_get_one(command, jsonl):
    jsonl("a.jsonl", {"prompt": "p", "response": "r"})
    stderr = " ".join(command("import", "a.jsonl", "-o", "e").stderr.split())
    assert "no column of scores was found, so only grading can tell right from wrong" in stderr
    assert (
        "1 problem has no gold, which grading needs. Import again into another directory than e with --gold FILE"
        in stderr
    )


def test_nothing_is_left_where_no_row_can_be_used(command, jsonl):
    row = {"prompt": "p", "response": None}
    jsonl("a.jsonl", row, row, "{torn", '{"prompt": "p", "resp')
    message = refused(command("import", "a.jsonl", "-o", "e"))
    assert (
        "nothing was written to e. 4 rows were refused, first a.jsonl:1: the response is null (2); not JSON: "
        in message
    )
    assert not Path("e").exists()


def test_a_tasks_problems_are_found_in_the_prompts(command, jsonl):
    from counterpoise.tasks.registry import make_task

    problem = next(iter(make_task("arithmetic").problems("test")))
    rows = [f"Compute {problem.question} please", "What is the capital of Peru?"]
    jsonl("a.jsonl", *[{"prompt": prompt, "response": f"#### {problem.gold}"} for prompt in rows])
    result = command("import", "a.jsonl", "--task", "arithmetic", "-o", "e")
    assert "a.jsonl jsonl 1 0 1 –" in said(result)
    assert "a.jsonl:2: no question of the task is in the prompt" in result.stderr
    [kept] = lines("e/golds.jsonl")
    assert kept == {
        "problem_id": problem.problem_id,
        "task_type": "arithmetic",
        "question": problem.question,
        "gold": problem.gold,
        "verifier": "numeric",
    }
    said(command("grade", "e"))
    assert counts("e") == [(1, 1)]
    assert "unknown task 'arithmetics'; did you mean 'arithmetic'?" in refused(
        command("import", "a.jsonl", "--task", "arithmetics", "-o", "e2")
    )


def test_another_filter_of_the_same_file_is_refused(command, jsonl):
    rows = [harness(0, "1+1", "2", "two", filter=name, match=m) for name, m in (("strict", 0.0), ("flexible", 1.0))]
    jsonl("samples_a.jsonl", *rows)
    result = command("import", "samples_a.jsonl", "-o", "e")
    assert "taken as the score: exact_match of strict; not those of flexible (--filter)" in result.stderr
    message = refused(command("import", "samples_a.jsonl", "--filter", "flexible", "-o", "e"))
    assert "judged by exact_match of strict>=0.5; now it would be exact_match of flexible>=0.5" in message
    said(command("import", "samples_a.jsonl", "--filter", "flexible", "-o", "e2"))
    assert (counts("e"), counts("e2")) == ([(1, 0)], [(1, 1)])
    assert "has no filter 'flexibel'; its filters: strict, flexible" in refused(
        command("import", "samples_a.jsonl", "--filter", "flexibel", "-o", "e3")
    )
    jsonl("a.jsonl", {"prompt": "p", "response": "r"})
    assert "--filter is for lm-eval's files; a.jsonl is jsonl" in refused(
        command("import", "a.jsonl", "--filter", "strict", "-o", "e3")
    )


def test_json_of_both_commands(command, jsonl):
    jsonl("1.jsonl", *verl(1, ("1+1", "a", "2", 1.0), ("1+1", "b", "2", 0.0)), "torn")
    found = json.loads(command("import", "1.jsonl", "-o", "e", "--json").stdout)
    [file] = found["files"]
    assert (file["format"], file["score"], file["added"], file["known"], file["kept_out"]) == ("verl", "score", 2, 0, 1)
    assert found["kept_out_reasons"] == {"not JSON: Expecting value": 1}
    assert found["passk"] == [
        {"k": 1, "pass@k": 0.5, "low": None, "high": None},
        {"k": 2, "pass@k": 1.0, "low": None, "high": None},  # one problem has no interval
    ]
    exported = json.loads(command("export", "e", "-o", "out.jsonl", "--json").stdout)
    assert exported == {"rollouts": 2, "file": "out.jsonl"}


def test_a_killed_import_goes_on_and_ends_as_an_unbroken_one(command, jsonl):
    rows = [(f"{i % 50}+1", f"r{i}", str(i % 50 + 1), float(i % 2)) for i in range(20_000)]
    jsonl("1.jsonl", *verl(1, *rows))
    call = [sys.executable, "-c", "from counterpoise.cli.app import main; main()", "import", "1.jsonl", "-o", "killed"]
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        written, deadline = Path("killed/rollouts.jsonl"), time.monotonic() + 60
        while (
            not (written.exists() and written.stat().st_size) and process.poll() is None and time.monotonic() < deadline
        ):
            time.sleep(0.005)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert 0 < len(written.read_bytes().splitlines()) < 20_000
    said(command("import", "1.jsonl", "-o", "killed")), said(command("import", "1.jsonl", "-o", "whole"))
    drawn = [
        {(r.problem_id, r.sample, r.text) for r in RolloutStore(directory).rollouts()}
        for directory in ("killed", "whole")
    ]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 20_000
    assert counts("killed") == counts("whole")
