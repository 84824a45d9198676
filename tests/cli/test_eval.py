import json

import pytest

from counterpoise.jobs import evaluate


@pytest.fixture
def trained(command, run_file, tmp_path):
    """A run of four steps with checkpoints at 2 and 4; its directory."""
    assert command("train", run_file("run")).exit_code == 0
    return tmp_path / "runs" / "run"


@pytest.fixture
def models_read(monkeypatch):
    """The weights that were read, in order."""
    read, load = [], evaluate.load_policy

    def load_policy(config, saved):
        read.append(saved if saved is None else saved.parent.name)
        return load(config, saved)

    monkeypatch.setattr(evaluate, "load_policy", load_policy)
    return read


def rows(result):
    """The cells of the closing table by its first column."""
    lines = [line.split("│")[1:-1] for line in result.stdout.splitlines() if line.startswith("│")]
    return {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines}


def test_other_estimators_are_shown(command, tiny_policy, tmp_path):
    call = ["eval", tiny_policy, "--task", "countdown", "--n", 4, "--problems", 4, "--out", tmp_path / "e"]
    result = command(*call, "--metric", "pass^k,maj@k")
    assert result.exit_code == 0
    assert "pass^4" in result.stdout and "maj@4" in result.stdout and "mean@n" not in result.stdout
    stored = json.loads((tmp_path / "e" / "passk.json").read_text())
    assert {row["metric"] for row in stored["estimates"]} >= {"pass^k", "maj@k", "mean@n", "area"}
    assert "wrong_classes" in (tmp_path / "e" / "problems.jsonl").read_text()


def test_all_checkpoints_in_one_go(command, trained, models_read):
    result = command("eval", trained, "--checkpoints", "all")
    assert result.exit_code == 0, result.stderr
    found = rows(result)
    assert list(found) == ["base", "2", "4"]
    # pass@1, 2 and 4 and the area, then three differences for all but the base
    assert [len([cell for cell in cells if cell]) for cells in found.values()] == [4, 7, 7]
    assert models_read == [None, "step-000002", "step-000004"]
    assert all((trained / "evaluation" / f"step-00000{step}" / "passk.json").is_file() for step in (0, 2, 4))


def test_what_is_finished_is_not_done_again(command, trained, models_read):
    command("eval", trained, "--step", 2)
    store = trained / "evaluation" / "step-000002" / "rollouts.jsonl"
    before = store.read_bytes()
    result = command("eval", trained, "--checkpoints", "2,last")
    assert models_read == ["step-000002", "step-000004"]
    assert store.read_bytes() == before
    assert "finished before and not drawn again: step 2" in result.stderr
    assert "differences are from step 2; add base to compare" in result.stderr
    # more rollouts are another result
    command("eval", trained, "--checkpoints", "2", "--n", 6)
    assert models_read[2:] == ["step-000002"]
    assert store.read_bytes().startswith(before) and store.read_bytes() != before


def test_a_run_at_another_temperature_keeps_its_own_evaluation(command, trained, models_read):
    command("eval", trained, "--step", 2)
    own = (trained / "evaluation" / "step-000002" / "rollouts.jsonl").read_bytes()
    colder = command("eval", trained, "--checkpoints", "2", "evaluation.temperature=0.2", "evaluation.top_k=5")
    assert colder.exit_code == 0, colder.stderr
    (folder,) = trained.glob("evaluation-t0.2-*k5*")
    assert f"{folder}/step-…" in colder.stdout
    assert json.loads((folder / "step-000002" / "manifest.json").read_text())["settings"]["temperature"] == 0.2
    assert (trained / "evaluation" / "step-000002" / "rollouts.jsonl").read_bytes() == own
    # the run goes on as it was begun
    assert command("eval", trained, "--checkpoints", "2").exit_code == 0
    assert models_read == ["step-000002"] * 2
    assert command("compare", trained / "evaluation" / "step-000002", folder / "step-000002").exit_code == 0


def test_an_interrupted_evaluation_goes_on_where_it_was(command, trained, models_read):
    command("eval", trained, "--checkpoints", "all")
    whole = (trained / "evaluation" / "step-000004" / "rollouts.jsonl").read_text()
    store = trained / "evaluation" / "step-000004"
    (store / "passk.json").unlink()
    (store / "rollouts.jsonl").write_text("".join(whole.splitlines(keepends=True)[:7]))
    assert command("eval", trained, "--checkpoints", "all").exit_code == 0
    assert models_read == [None, "step-000002", "step-000004", "step-000004"]
    assert sorted((store / "rollouts.jsonl").read_text().splitlines()) == sorted(whole.splitlines())


def test_a_damaged_checkpoint_is_named_and_skipped(command, trained):
    (trained / "checkpoints" / "step-000002" / "policy" / "model.safetensors").write_bytes(b"x")
    result = command("eval", trained, "--checkpoints", "all")
    assert result.exit_code == 1
    assert "error: step 2 was skipped: checkpoint" in result.stderr
    assert "model.safetensors has 1 bytes instead of" in result.stderr
    assert list(rows(result)) == ["base", "4"]
    assert not (trained / "evaluation" / "step-000002").exists()


def test_a_damaged_line_of_a_store_is_drawn_again_and_named(command, trained):
    command("eval", trained, "--checkpoints", "last")
    store = trained / "evaluation" / "step-000004" / "rollouts.jsonl"
    lines = store.read_text().splitlines(keepends=True)
    store.write_text("".join([lines[0], "{damaged\n", *lines[2:]]))
    (store.parent / "passk.json").unlink()
    result = command("eval", trained, "--checkpoints", "last")
    assert result.exit_code == 0
    assert f"{store}, line 2" in result.stderr or f"{store}:2" in result.stderr
    assert "{damaged\n" in store.read_text()
    assert {
        problem["n"] for problem in map(json.loads, (store.parent / "problems.jsonl").read_text().splitlines())
    } == {4}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ["--checkpoints", "newest"],
            "'newest' chooses no checkpoint; write all, base, best, last or steps, e.g. base,100,200",
        ),
        (
            ["--checkpoints", "2,7"],
            "has no checkpoint of step 7; steps there: 2, 4 (and base, the model before training)",
        ),
        (["--checkpoints", "all", "--step", 2], "--step chooses one checkpoint and --checkpoints several"),
        (["--metric", "pas^k"], "unknown metric 'pas^k'; did you mean 'pass^k'?"),
    ],
)
def test_a_mistake_is_named_before_a_model_is_read(command, trained, models_read, options, says):
    result = command("eval", trained, *options)
    assert result.exit_code in (1, 2)
    assert says in result.stderr
    assert not models_read


def test_the_best_checkpoint_is_the_one_training_scored_highest(command, trained, models_read):
    best = json.loads((trained / "checkpoints" / "best.json").read_text())["step"]
    assert list(rows(command("eval", trained, "--checkpoints", "best"))) == [str(best)]
    assert models_read == [f"step-{best:06d}"]


def test_a_run_without_checkpoints_has_its_base(command, run_file, trained, models_read):
    for checkpoint in (trained / "checkpoints").glob("step-*"):
        checkpoint.rename(checkpoint.with_name(f"{checkpoint.name}.damaged"))
    assert list(rows(command("eval", trained, "--checkpoints", "all"))) == ["base"]
    assert "has no last checkpoint; steps there: none" in command("eval", trained, "--checkpoints", "last").stderr


def test_checkpoints_of_a_model_are_refused(command, tiny_policy):
    result = command("eval", tiny_policy, "--task", "countdown", "--checkpoints", "all")
    assert result.exit_code == 2
    assert "--checkpoints chooses a checkpoint of a run, and" in result.stderr


def test_every_k_of_an_evaluation(command, tiny_policy, tmp_path):
    result = command(
        "eval", tiny_policy, "--task", "countdown", "--n", "3", "--k", "all", "--problems", "2", "--out", "e",
        "rollout.max_tokens=4", "tasks.settings.count=2", "tasks.settings.largest=6",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert [row["k"] for row in json.loads((tmp_path / "e" / "passk.json").read_text())["curve"]] == [1, 2, 3]
