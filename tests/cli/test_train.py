"""`counterpoise train`: what the run is called and what it is made of."""

import tomllib


def test_a_run_of_two_files_is_called_after_both_and_holds_what_both_say(command, run_file, tmp_path):
    base = run_file("base", learner={"steps": 1})
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "nsr.toml").write_text('[credit]\nrule = "nsr"\n')
    (tmp_path / "own.toml").write_text('extends = "base.toml"\n[learner]\nepochs = 2\n')
    assert command("train", base, "rules/nsr.toml").exit_code == 0
    assert command("train", "own.toml", "rules/nsr.toml", "run.name=mine").exit_code == 0
    first, second = (
        tomllib.loads((tmp_path / "runs" / name / "config.toml").read_text()) for name in ("base-nsr", "mine")
    )
    assert (first["credit"]["rule"], first["learner"]["steps"], first["learner"]["epochs"]) == ("nsr", 1, 1)
    assert (second["credit"]["rule"], second["learner"]["steps"], second["learner"]["epochs"]) == ("nsr", 1, 2)
    assert "extends" not in second


def test_a_rule_file_that_is_absent_is_a_mistake_of_the_user(refused, run_file):
    refused("train", run_file("base"), "absent.toml", says="cannot read the run file absent.toml: No such file")


def test_rollouts_are_printed_while_it_trains(command, refused, run_file):
    file = run_file("shown", learner={"steps": 3}, diagnostics={"samples_every": 2})
    result = command("train", file, "--samples", 2)
    assert result.exit_code == 0
    heads = [line for line in result.stderr.splitlines() if line.startswith("step ") and "credit +" in line]
    assert {line.split(",")[0] for line in heads} == {"step 1", "step 3"} and len(heads) == 4
    assert "credit +" not in result.stdout
    says = "--samples prints the rollouts that a run keeps, and diagnostics.samples_every=0 keeps none"
    refused("train", run_file("none"), "diagnostics.samples_every=0", "--samples", 2, says=says)
    assert command("train", file, "--samples", 6).exit_code == 2
