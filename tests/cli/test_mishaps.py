"""What can go wrong once a run has begun: it stops with one sentence, and nothing that was computed is lost.

Mistakes that are found before that are in test_mistakes.py.
"""

import errno
import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress

import pytest

from counterpoise.cli.live import LiveObserver
from counterpoise.engines.local import assemble
from counterpoise.rollouts.scripted import ScriptedSampler
from counterpoise.tasks.shared.splits import content_id

QUESTIONS = ("1,2=3", "1,4=5", "2,4=6", "2,5=7")


def steps(run):
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def at_step(monkeypatch):
    """Do something, once, right after the metrics of a step were written."""

    def install(number, act):
        real, left = LiveObserver.stepped, [act]

        def stepped(self, step, record):
            real(self, step, record)
            if step == number and left:
                left.pop()()

        monkeypatch.setattr(LiveObserver, "stepped", stepped)

    return install


# A full disk.


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a few MiB of its own."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(path)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield path
    # Lazily: the weights of a resumed policy may still be mapped into memory.
    subprocess.run(["umount", "-l", str(path)], check=True)


def fill(disk):
    """Take every byte that is left."""
    with open(disk / "filler", "ab", buffering=0) as handle:
        for size in (1 << 16, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    handle.write(bytes(size))


@pytest.mark.parametrize(
    ("every", "says"),
    [(1, "cannot save checkpoint {run}/checkpoints/step-000003: no space left on the device; free some and resume, earlier "),
     (2, "no space left on the device; free some and")],
)  # fmt: skip
def test_a_full_disk_stops_the_run_and_more_room_lets_it_go_on(
    command, refused, run_file, small_disk, at_step, every, says
):
    file = run_file(run={"directory": str(small_disk)}, checkpoint={"every_steps": every})
    run = small_disk / "run"
    at_step(3, lambda: fill(small_disk))
    refused("train", file, code=1, says=says.format(run=run))
    written = (run / "metrics.jsonl").read_text()
    assert steps(run)[:3] == [1, 2, 3]
    assert sorted(path.name for path in (run / "checkpoints").glob("step-*"))[-1] == "step-000002"
    refused("train", run, code=1, says="no space left on the device")
    assert (run / "metrics.jsonl").read_text().startswith(written)
    (small_disk / "filler").unlink()
    done = command("train", run)
    assert done.exit_code == 0, done.stderr
    assert f"resuming {run} after step 2 of 4" in done.stderr
    assert (run / "metrics.jsonl").read_text().startswith(written)
    assert set(steps(run)) == {1, 2, 3, 4}


def test_a_full_disk_keeps_the_rollouts_already_drawn(command, refused, tiny_policy, small_disk, monkeypatch):
    from counterpoise.evaluation.store import rollouts as store

    call = ["eval", tiny_policy, "--task", "countdown", "--n", 4, "--problems", 4, "--out", small_disk / "e"]
    call += ["tasks.settings.count=2", "rollout.max_tokens=6", "rollout.max_rows=4"]
    real, seen = store.append_json_lines, []

    def append(path, records):
        if path.name != "rollouts.jsonl":  # verdicts on one block are written while the next is drawn
            return real(path, records)
        seen.append(path)
        if len(seen) == 3:
            fill(small_disk)
            # A file's last page has room that belongs to no other; a long line does not fit in.
            records = [{**record, "text": "x" * 10_000} for record in records]
        return real(path, records)

    monkeypatch.setattr(store, "append_json_lines", append)
    lines = small_disk / "e" / "rollouts.jsonl"
    refused(
        *call,
        code=1,
        says=f"cannot write {lines}: no space left on the device; free some and run the same command again, it resumes",
    )
    kept = lines.read_text()
    assert len(kept.splitlines()) == 8
    (small_disk / "filler").unlink()
    assert command(*call).exit_code == 0
    assert lines.read_text().startswith(kept)
    assert len(lines.read_text().splitlines()) == 16


# Refused steps.


@pytest.fixture
def poisoned(poison_loss):
    """The loss of the third update is not a number."""
    poison_loss(3)


@pytest.mark.usefixtures("poisoned")
def test_a_loss_that_is_no_number_stops_the_run_at_its_last_good_checkpoint(command, refused, run_file, tmp_path):
    run = tmp_path / "runs" / "run"
    result = refused(
        "train", run_file(), "loss.name=reinforce", "diagnostics.every=0", code=1,
        says=(
            "training step 3: ",
            f"The batch is saved in {run / 'refused' / 'step-000003.pt'}",
            f"the last good checkpoint is {run / 'checkpoints' / 'step-000002'}",
        ),
    )  # fmt: skip
    assert result.stderr.rstrip().count("\n") == result.stderr[: result.stderr.index("error: ")].count("\n")
    assert steps(run) == [1, 2]
    assert (run / "refused" / "step-000003.pt").stat().st_size > 0
    assert '"kind":"refused","step":3' in (run / "events.jsonl").read_text()
    assert command("train", run).exit_code == 0
    assert steps(run) == [1, 2, 3, 4]


@pytest.mark.usefixtures("poisoned")
def test_a_refusal_is_said_even_where_its_batch_cannot_be_saved(refused, run_file, tmp_path, monkeypatch):
    from counterpoise.engines.local import refused as evidence
    from counterpoise.errors import StoreError

    def atomic_write(path, write):
        raise StoreError(f"cannot write {path}: {os.strerror(errno.EIO)}")

    monkeypatch.setattr(evidence, "atomic_write", atomic_write)
    refused(
        "train", run_file(), "loss.name=reinforce", "diagnostics.every=0", code=1,
        says=("training step 3: ", "The batch is lost (cannot write ", "; the last good checkpoint is "),
    )  # fmt: skip


# Nothing can be scored.


@pytest.fixture
def unscorable(jsonl, monkeypatch):
    """Problems whose golds are not numbers, and a policy that always answers."""
    script = {content_id("jsonl", question): [r"\boxed{7}"] for question in QUESTIONS}
    monkeypatch.setattr(assemble, "EmbeddedSampler", lambda *parts, **settings: ScriptedSampler(script))
    return jsonl("golds.jsonl", *({"question": question, "answer": "many"} for question in QUESTIONS))


SETTINGS = ("prompt.template=plain", "rollout.max_tokens=16")


def test_training_stops_when_all_rollouts_are_unscored(refused, run_file, unscorable, tmp_path):
    unscorable.write_text(unscorable.read_text().replace("many", r"\\frac{"))  # plain words are a gold to `math`
    tasks = {"name": "jsonl", "train": str(unscorable), "settings": {"verifier": "math"}}
    result = refused("train", run_file(tasks=tasks), *SETTINGS, code=1, says="16 of 16 rollouts could not be scored (")
    assert "(unparsable gold" in result.stderr
    assert "nothing was trained on them. Check the golds with `counterpoise tasks selfcheck`" in result.stderr
    assert not (tmp_path / "runs" / "run" / "metrics.jsonl").exists()
    assert '"kind":"refused","step":1' in (tmp_path / "runs" / "run" / "events.jsonl").read_text()


def test_an_evaluation_without_a_scored_rollout_has_no_result_and_keeps_the_rollouts(
    refused, command, unscorable, tiny_policy, tmp_path
):
    out = tmp_path / "e"
    call = ["eval", tiny_policy, "--task", "jsonl", f"tasks.test={unscorable}", "--n", 2, "--out", out, *SETTINGS]
    result = refused(
        *call, "tasks.settings.verifier=numeric", code=1, says="all 8 rollouts are unscored, so there is no pass@k: "
    )
    assert "unparsable gold" in result.stderr
    assert "The rollouts are kept; fix the verifier or its data, delete " in result.stderr
    assert not (out / "passk.json").exists()
    assert len((out / "rollouts.jsonl").read_text().splitlines()) == 8
    # Judged by another verifier, the same rollouts count.
    done = command(*call, "tasks.settings.verifier=exact")
    assert done.exit_code == 0
    assert len((out / "rollouts.jsonl").read_text().splitlines()) == 8


# Damage.


def test_damaged_store_lines_are_named_skipped_kept_and_drawn_again(command, tiny_policy, tmp_path):
    out = tmp_path / "e"
    call = ["eval", tiny_policy, "--task", "countdown", "--n", 4, "--problems", 4, "--out", out]
    call += ["tasks.settings.count=2", "rollout.max_tokens=6"]
    assert command(*call).exit_code == 0
    whole = json.loads((out / "passk.json").read_text())
    rollouts, verdicts = out / "rollouts.jsonl", next(out.glob("verdicts-*.jsonl"))
    for path, number in ((rollouts, 3), (verdicts, 5)):
        lines = path.read_text().splitlines(keepends=True)
        lines[number - 1] = lines[number - 1][: len(lines[number - 1]) // 2] + "\n"
        path.write_text("".join(lines))
    damaged = rollouts.read_text()
    result = command(*call)
    assert result.exit_code == 0
    said = result.stderr.splitlines()
    for place in (f"{rollouts}:3: not JSON: ", f"{verdicts}:5: not JSON: "):
        assert [
            line for line in said if line.startswith(place) and line.endswith("(line kept in the file, skipped here)")
        ]
    assert "store: 2 damaged lines skipped, 0 duplicate draws not counted" in said
    assert rollouts.read_text().startswith(damaged)
    assert len(rollouts.read_text().splitlines()) == 17
    fixed = json.loads((out / "passk.json").read_text())
    assert fixed.pop("damaged_lines") == 2
    assert whole.pop("damaged_lines") == 0
    assert fixed == whole


def test_a_damaged_checkpoint_is_logged_by_train_and_eval(command, refused, run_file, tmp_path):
    run = tmp_path / "runs" / "run"
    assert command("train", run_file()).exit_code == 0
    newest, before = (run / "checkpoints" / f"step-00000{step}" / "policy" / "model.safetensors" for step in (4, 2))
    os.truncate(newest, 100)
    says = f"checkpoint {newest.parent.parent} is damaged (policy/model.safetensors has 100 bytes instead of "
    evaluated = command("eval", run, "--n", 2)
    assert evaluated.exit_code == 0
    assert says in evaluated.stderr
    assert f"passk.json: {run / 'evaluation' / 'step-000002'}" in evaluated.stdout
    os.truncate(before, 100)
    refused(
        "eval",
        run,
        "--n",
        2,
        code=1,
        says=f"{run} has no intact checkpoint; continue it with: counterpoise train {run}",
    )


# Interruption.


# The keyboard, the system, a closed terminal, a batch system.
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1], ids=lambda n: n.name)
def test_a_signal_saves_and_says_how_to_go_on(command, refused, run_file, at_step, tmp_path, number):
    run = tmp_path / "runs" / "run"
    at_step(3, lambda: os.kill(os.getpid(), number))
    says = (
        f"{number.name}: finishing what is in progress, then saving (once more stops at once)",
        f"error: stopped after step 3, saved; continue with: counterpoise train {run}",
    )
    refused("train", run_file(), code=130, says=says)
    assert steps(run) == [1, 2, 3]
    assert command("train", run).exit_code == 0
    assert steps(run) == [1, 2, 3, 4]


def test_ctrl_c_in_an_evaluation_keeps_what_was_drawn(command, refused, tiny_policy, tmp_path, monkeypatch):
    from counterpoise.evaluation.store import rollouts as store

    real, seen = store.append_json_lines, []

    def append(path, records):
        real(path, records)
        seen.append(path)
        if len(seen) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(store, "append_json_lines", append)
    call = ["eval", tiny_policy, "--task", "countdown", "--n", 4, "--problems", 4, "--out", tmp_path / "e"]
    call += ["tasks.settings.count=2", "rollout.max_tokens=6", "rollout.max_rows=4"]
    refused(*call, code=130, says="error: interrupted")
    kept = (tmp_path / "e" / "rollouts.jsonl").read_text()
    assert len(kept.splitlines()) == 4
    assert command(*call).exit_code == 0
    assert (tmp_path / "e" / "rollouts.jsonl").read_text().startswith(kept)
