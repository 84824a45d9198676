import json


def test_a_run_s_newest_evaluation_or_a_chosen_one_is_exported(command, run_file, tmp_path):
    assert command("train", run_file("run"), "evaluation.before=true", "evaluation.after=true").exit_code == 0
    run = tmp_path / "runs" / "run"
    newest, base = (tmp_path / f"{name}.jsonl" for name in ("newest", "base"))
    said = json.loads(command("export", run, "-o", newest, "--json").stdout)
    command("export", f"{run}@0", "-o", base)
    rows = [json.loads(line) for line in newest.read_text().splitlines()]
    assert said == {"rollouts": len(rows), "file": str(newest)}
    stored = (run / "evaluation" / "step-000004" / "rollouts.jsonl").read_text().splitlines()
    assert [row["response"] for row in rows] == [json.loads(line)["text"] for line in stored]
    assert len(base.read_text().splitlines()) == len(rows)


def test_counts_without_rollouts_are_refused(refused, tmp_path):
    counts = tmp_path / "counts.jsonl"
    counts.write_text('{"id": "a", "n": 4, "c": 1}\n')
    refused(
        "export",
        counts,
        "-o",
        "out.jsonl",
        says="is a file of counts, without rollouts: give an evaluation's directory or a run",
    )
