"""A run goes on as what it was: its settings, its problems, from any directory; what is refused changes nothing."""

import errno
import fcntl
import hashlib
import json
import os
import shutil

import pytest
from safetensors.torch import load_file, save_file

from counterpoise.runs.directory import RunDirectory

LINES = [{"question": f"{a}+1=?", "answer": str(a + 1)} for a in range(60)]


@pytest.fixture
def own_data(run_file, jsonl):
    """A run file of two steps on 60 lines of one's own, named relative to the file, with both sides read."""

    def make(**changes):
        jsonl("mine.jsonl", *LINES)
        return run_file(
            run={"directory": "runs"},
            tasks={"name": "jsonl", "settings": {"path": "mine.jsonl", "verifier": "exact", "test_fraction": 0.3}},
            prompt={"template": "plain"},
            learner={"steps": 2},
            evaluation={"after": True, "problems": 4, "n": 2},
            **changes,
        )

    return make


def _content(directory):
    """Every file by its hash: what a refused command must leave as it was."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def trained(own_data, command, tmp_path):
    result = command("train", own_data())
    assert result.exit_code == 0, result.output
    return tmp_path / "runs" / "run"


def _write(tmp_path, lines):
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([*LINES, *({"question": f"{a}+2=?", "answer": str(a + 2)} for a in range(40))], "the train side had "),
        (LINES[:-1], "not the same ones"),
        ([*LINES[:-1], {"question": "new", "answer": "1"}], "not the same ones"),
        ([{**line, "answer": "7"} for line in LINES], "problems with other questions, golds or verifiers"),
    ],
)
def test_a_resume_with_other_problems_is_refused(refused, trained, tmp_path, lines, says):
    counts = json.loads((trained / "identity.json").read_text())["problems"]
    assert counts["train"]["count"] + counts["test"]["count"] == 60
    before = _content(trained)
    _write(tmp_path, lines)
    result = refused(
        "train", trained, "learner.steps=3", says=("the problems have changed since the run was begun: ", says)
    )
    assert str(counts["train"]["count"]) in result.stderr or str(counts["test"]["count"]) in result.stderr
    assert _content(trained) == before


def test_the_same_lines_in_another_order_are_the_same_problems(command, trained, tmp_path):
    _write(tmp_path, LINES[::-1])
    assert command("train", trained, "learner.steps=3").exit_code == 0


def test_an_evaluation_on_another_test_side_is_refused(refused, command, trained, tmp_path):
    _write(tmp_path, [*LINES, *({"question": f"{a}+2=?", "answer": str(a + 2)} for a in range(40))])
    says = (
        "the test side had ",
        "evaluate weights as a model, on whatever task: counterpoise eval RUN/checkpoints/step-…/policy",
    )
    refused("eval", trained, says=says)
    refused("eval", trained, "--checkpoints", "all", says=says)


def test_a_run_that_read_no_test_side_compares_it_from_its_first_evaluation_on(own_data, command, refused, tmp_path):
    file = own_data()
    assert command("train", file, "evaluation.after=false").exit_code == 0
    run = tmp_path / "runs" / "run"
    assert set(json.loads((run / "identity.json").read_text())["problems"]) == {"train"}
    assert command("train", run, "evaluation.after=true").exit_code == 0
    assert set(json.loads((run / "identity.json").read_text())["problems"]) == {"train", "test"}


def test_a_run_of_an_earlier_version_goes_on_and_is_compared_from_then_on(command, refused, trained, tmp_path):
    (trained / "identity.json").unlink()
    for checkpoint in (trained / "checkpoints").glob("step-*"):
        for name in ("identity.json", "config.toml"):
            (checkpoint / name).unlink()
        manifest = json.loads((checkpoint / "manifest.json").read_text())
        for name in ("identity.json", "config.toml"):
            del manifest["files"][name]
        (checkpoint / "manifest.json").write_text(json.dumps(manifest))
    # and its paths were kept as they were typed
    text = (trained / "config.toml").read_text()
    text = text.replace(f'"{tmp_path}/mine.jsonl"', '"mine.jsonl"').replace(f'"{tmp_path}/runs"', '"runs"')
    (trained / "config.toml").write_text(text)
    (tmp_path / "deep").mkdir()
    os.chdir(tmp_path / "deep")
    assert command("train", "../runs/run", "learner.steps=3").exit_code == 0
    assert f'path = "{tmp_path}/mine.jsonl"' in (trained / "config.toml").read_text()
    _write(tmp_path, LINES[:-1])
    refused("train", trained, "learner.steps=4", says="the problems have changed")


# The configuration.


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("learning_rate = 0.001", "learning_rate = 0.1", "learner.learning_rate is 0.1 and was 0.001"),
        ('rule = "weighted_reinforce"', 'rule = "nsr"', "credit.rule is nsr and was weighted_reinforce"),
        ("seed = 0", "seed = 1", "run.seed is 1 and was 0"),
        ("test_fraction = 0.3\n", "", "tasks.settings.test_fraction is not set and was 0.3"),
        ("group_size = 4\n", "", "rollout.group_size is 8 and was 4"),
    ],
)
def test_an_edited_configuration_is_refused(refused, trained, old, new, says):
    saved = trained / "config.toml"
    text = saved.read_text()
    assert text.count(old) == 1
    saved.write_text(text.replace(old, new))
    copy = trained / "checkpoints" / "step-000002" / "config.toml"
    for arguments in (("train", trained, "learner.steps=3"), ("eval", trained), ("watch", trained, "--once")):
        refused(
            *arguments,
            says=(
                f"{saved} is not the configuration that this run was trained with: {says}. Put the old values back "
                f"(a copy of the file stands in {copy}), or start a new run with the new ones from a run file",
            ),
        )


def test_settings_that_may_change_may_be_edited_too(command, trained):
    saved = trained / "config.toml"
    saved.write_text(saved.read_text().replace("steps = 2\n", "steps = 3\n"))
    assert command("train", trained).exit_code == 0
    assert (trained / "checkpoints" / "step-000003").is_dir()


@pytest.mark.parametrize("checkpoints", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.97])
def test_a_cut_configuration_is_damage(refused, command, trained, share, checkpoints):
    saved, copy = trained / "config.toml", trained / "checkpoints" / "step-000002" / "config.toml"
    text = saved.read_text()
    if not checkpoints:  # killed before the first one
        shutil.rmtree(trained / "checkpoints")
    saved.write_text(text[: int(share * len(text))])
    restore = f"; restore it: cp {copy} {saved}" if checkpoints else ""
    result = refused("train", trained, "learner.steps=3", says=restore)
    assert f"{saved} is damaged: the sections " in result.stderr or f"{saved} is not valid TOML: " in result.stderr
    if checkpoints:
        shutil.copy(copy, saved)
        assert command("train", trained, "learner.steps=3").exit_code == 0


def test_the_configuration_of_a_run_without_a_checkpoint_is_compared_as_well(refused, trained):
    shutil.rmtree(trained / "checkpoints")
    saved = trained / "config.toml"
    saved.write_text(saved.read_text().replace("learning_rate = 0.001", "learning_rate = 0.1"))
    refused("train", trained, says="learner.learning_rate is 0.1 and was 0.001. Put the old values back, or start")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"config": {}}', "\0", "[" * 100_000, None])
def test_a_damaged_identity_is_taken_from_the_checkpoint_and_written_again(command, refused, trained, tmp_path, text):
    path = trained / "identity.json"
    whole = path.read_text()
    path.unlink()
    if text is not None:
        path.write_text(text)
    saved = (trained / "config.toml").read_text()
    (trained / "config.toml").write_text(saved.replace("seed = 0", "seed = 1"))
    refused("train", trained, says="run.seed is 1 and was 0")
    (trained / "config.toml").write_text(saved)
    assert command("train", trained).exit_code == 0
    assert path.read_text() == whole


# What is refused changes nothing.


def test_overrides_are_kept_only_by_who_trains(refused, command, trained):
    before = _content(trained)
    run = RunDirectory.open(trained)
    with run.locked():
        said = refused(
            "train", trained, "learner.steps=9", says=f"{trained} is in use by another process; look at it with"
        )
        assert "run.name" not in said.stderr  # another name continues no run
    refused("train", trained, "credit.rule=nsr", says="credit.rule cannot change when a run is continued")
    refused("train", trained, "learner.steps=9", "checkpoint.keep=0", says="checkpoint.keep")
    refused("train", trained, "learner.steps=9", "tasks.settings.path=gone.jsonl", says="does not exist")
    refused("train", trained, "learner.steps=9", 'tracking.trackers=["nosuch"]', says="nosuch")
    assert {name: digest for name, digest in _content(trained).items() if name != ".lock"} == {
        name: digest for name, digest in before.items() if name != ".lock"
    }
    assert command("train", trained, "learner.steps=3").exit_code == 0
    assert "steps = 3\n" in (trained / "config.toml").read_text()


def test_a_run_is_not_asked_for_fewer_steps_than_it_has_done(refused, command, trained):
    before = _content(trained)
    says = (
        f"{trained} has done 2 steps already, and learner.steps=1 asks for fewer; "
        "give more than 2 to train it further, or begin a run of 1 step"
    )
    refused("train", trained, "learner.steps=1", says=says)
    assert _content(trained) == before
    assert command("train", trained, "learner.steps=2").exit_code == 0


@pytest.mark.parametrize(("kind", "stays"), [("output_lost", False), ("refused", True)])
def test_a_refused_beginning_leaves_nothing_though_its_output_was_lost(run_file, kind, stays):
    from counterpoise.errors import UsageError
    from counterpoise.runfile import load_config

    run = RunDirectory.create(load_config(run_file()))
    with pytest.raises(UsageError), run.locked():
        run.note(kind, 0, "…")
        raise UsageError("refused")
    assert run.path.exists() == stays


def test_who_gets_the_lock_later_trains_what_is_recorded_then(trained, command):
    from counterpoise.engines.local.loop import train

    late = RunDirectory.open(trained)  # has read steps = 2
    assert command("train", trained, "learner.steps=3").exit_code == 0
    assert train(late).checkpoint.step == 3
    later = RunDirectory.open(trained, ["learner.steps=4"])
    assert command("train", trained, "checkpoint.keep=1").exit_code == 0
    assert train(later).checkpoint.step == 4
    text = (trained / "config.toml").read_text()
    assert "steps = 4\n" in text
    assert "keep = 1\n" in text


def test_the_value_that_a_run_has_may_be_said_again(command, trained):
    assert command("train", trained, "learner.learning_rate=0.001", "learner.steps=3").exit_code == 0


def test_fewer_steps_than_are_done_are_refused(refused, trained):
    done = max(int(path.name[5:]) for path in (trained / "checkpoints").glob("step-*"))
    refused("train", trained, f"learner.steps={done - 1}", says=f"has done {done} steps already")


# Directories.


def test_a_run_goes_on_from_any_directory(command, trained, tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    os.chdir(tmp_path / "deep" / "er")
    assert command("train", "../../runs/run", "learner.steps=3").exit_code == 0
    assert command("eval", "../../runs/run", "--n", 2).exit_code == 0
    assert command("train", trained, "learner.steps=4").exit_code == 0


def test_a_run_moved_with_its_data_goes_on_and_one_moved_alone_says_what_is_missing(
    command, refused, trained, tmp_path
):
    (tmp_path / "new").mkdir()
    for name in ("runs", "mine.jsonl"):
        os.rename(tmp_path / name, tmp_path / "new" / name)
    moved = tmp_path / "new" / "runs" / "run"
    assert command("train", moved, "learner.steps=3").exit_code == 0
    os.rename(tmp_path / "new" / "mine.jsonl", tmp_path / "other.jsonl")
    for first, arguments in (("train", ()), ("eval", ())):
        result = refused(
            first,
            moved,
            *arguments,
            says=f"tasks.settings.path={tmp_path}/new/mine.jsonl does not exist",
        )
        assert result.stderr.count("\n") == 1
        assert f"counterpoise {first} {moved} tasks.settings.path=" in result.stderr
    os.chdir(tmp_path)
    assert command("eval", moved, "tasks.settings.path=other.jsonl").exit_code == 0
    assert command("train", moved, "learner.steps=4", "tasks.settings.path=other.jsonl").exit_code == 0
    assert command("train", moved, "learner.steps=5").exit_code == 0


def test_a_run_that_was_moved_and_continued_can_be_moved_again(command, trained, tmp_path):
    for step, place in ((3, "new"), (4, "newer")):
        (tmp_path / place).mkdir()
        before = trained.parents[1]
        for name in ("runs", "mine.jsonl"):
            os.rename(before / name, tmp_path / place / name)
        trained = tmp_path / place / "runs" / "run"
        assert command("train", trained, f"learner.steps={step}").exit_code == 0
    assert RunDirectory.open(trained).config.path == trained


@pytest.mark.parametrize(
    ("key", "value"), [("name", "../up"), ("name", "other"), ("name", r'"a\nb"'), ("directory", "elsewhere")]
)
def test_a_run_that_goes_on_is_not_given_another_place(command, refused, trained, key, value):
    before = _content(trained)
    refused("train", trained, "learner.steps=3", f"run.{key}={value}", says=f"run.{key} says where a run begins")
    assert _content(trained) == before
    assert command("train", trained, "run.name=run", f"run.directory={trained.parent}").exit_code == 0


def test_a_base_that_was_moved_is_named_anew(command, refused, run_file, tiny_policy, tmp_path):
    shutil.copytree(tiny_policy, tmp_path / "base")
    file = run_file(model={"name": "base", "lora": {"rank": 2}}, learner={"steps": 1})
    assert command("train", file).exit_code == 0
    run = tmp_path / "runs" / "run"
    refused("train", run, f"model.name={tiny_policy}", says="model.name cannot change when a run is continued")
    os.rename(tmp_path / "base", tmp_path / "moved")
    refused("train", run, "learner.steps=2", says=f"model.name={tmp_path}/base does not exist")
    assert command("train", run, "learner.steps=2", "model.name=moved").exit_code == 0
    assert command("train", run, "learner.steps=3").exit_code == 0


@pytest.mark.parametrize(
    "sections",
    [{"model": {"lora": {"rank": 2}}}, {"loss": {"kl": 0.01}}, {"credit": {"rule": "ppo", "settings": {"kl": 0.01}}}],
)
def test_a_base_that_was_changed_is_refused_where_it_is_read_again(
    command, refused, run_file, tiny_policy, tmp_path, sections
):
    base = shutil.copytree(tiny_policy, tmp_path / "base")
    model = {"name": "base", **sections.get("model", {})}
    file = run_file(**{**sections, "model": model, "learner": {"steps": 1}})
    assert command("train", file).exit_code == 0
    run = tmp_path / "runs" / "run"
    assert command("train", run, "learner.steps=2").exit_code == 0
    weights = load_file(base / "model.safetensors")
    save_file({name: weight * 1.01 for name, weight in weights.items()}, base / "model.safetensors", {"format": "pt"})
    before = (run / "metrics.jsonl").read_bytes()
    refused("train", run, "learner.steps=3", says=f"the weights of {base} are not those that the run was begun with")
    assert (run / "metrics.jsonl").read_bytes() == before
    # another base in its place is not it moved
    os.rename(base, tmp_path / "moved")
    refused("train", run, "learner.steps=3", "model.name=moved", says="are not those that the run was begun with")
    shutil.copytree(tiny_policy, base)
    assert command("train", run, "learner.steps=3").exit_code == 0


def test_a_base_that_is_not_read_again_may_go(command, run_file, tiny_policy, tmp_path):
    base = shutil.copytree(tiny_policy, tmp_path / "base")
    assert command("train", run_file(model={"name": "base"}, learner={"steps": 1})).exit_code == 0
    run = tmp_path / "runs" / "run"
    assert "base" not in json.loads((run / "identity.json").read_text())
    weights = load_file(base / "model.safetensors")
    save_file({name: weight * 1.01 for name, weight in weights.items()}, base / "model.safetensors", {"format": "pt"})
    assert command("train", run, "learner.steps=2").exit_code == 0


# What is measured in the end.


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["evaluation.problems=6"], "compared on the 4 problems that both answered; the base answered 4, the policy 6"),
        (["evaluation.problems=2"], "compared on the 2 problems that both answered; the base answered 4, the policy 2"),
        (["evaluation.n=4"], ""),
        (["evaluation.k=[1]"], ""),
        (
            ["evaluation.temperature=0.5"],
            "the base was drawn with other settings of [evaluation], so there is no difference",
        ),
    ],
)
def test_an_evaluation_that_is_changed_on_resume_ends_well(own_data, command, tmp_path, overrides, says):
    file = own_data()
    assert command("train", file, "evaluation.before=true").exit_code == 0
    result = command("train", tmp_path / "runs" / "run", "learner.steps=3", *overrides)
    assert result.exit_code == 0
    assert says in result.stderr
    assert ("difference" in result.stdout) == ("no difference" not in says)


@pytest.mark.parametrize("name", ["../../x", "..", ".", "a/b", "", "a\nb", "a\x1b[31m", "x" * 300, "a\\u0000b"])
def test_a_run_s_name_is_one_component(refused, run_file, tmp_path, name):
    file = run_file()
    before = _content(tmp_path)
    refused("train", file, f'run.name="{name}"' if "\\" in name else f"run.name={name}", says="run.name: not a name: ")
    assert _content(tmp_path) == before


def test_of_two_that_begin_a_run_at_once_one_is_refused(refused, run_file, tmp_path, monkeypatch):
    from counterpoise.errors import UsageError
    from counterpoise.runfile import load_config
    from counterpoise.runs import directory as run_directory

    config = load_config(run_file())
    real, taken = run_directory.atomic_write_text, []

    def meanwhile(path, text):
        if not taken:  # the other one, between the first look and the writing
            taken.append(None)
            with pytest.raises(
                UsageError, match=r"is in use by another process; give this run another name: run.name="
            ):
                RunDirectory.create(config)
        real(path, text)

    monkeypatch.setattr(run_directory, "atomic_write_text", meanwhile)
    RunDirectory.create(config)
    with pytest.raises(UsageError, match="already holds a run"):
        RunDirectory.create(config)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks(refused, command, run_file, trained, tmp_path, monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    before = _content(trained)
    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", flock)
        for target, run in (
            (trained, trained),
            (run_file("other", run={"name": "other"}), tmp_path / "runs" / "other"),
        ):
            said = refused(
                "train",
                target,
                says=(
                    f"cannot lock {run}/.lock: {os.strerror(number)}; the file system there has no locks",
                    "Put the run on a local disk (run.directory=…)",
                ),
                code=1,
            )
            assert said.stderr.count("\n") == 1
    assert _content(trained) == before
    assert not (tmp_path / "runs" / "other").exists()


def test_a_refused_beginning_takes_no_other_s_files(run_file, monkeypatch):
    from counterpoise.errors import UsageError
    from counterpoise.runfile import load_config

    config = load_config(run_file())
    run = RunDirectory.create(config)
    real, looks = RunDirectory._refuse_taken, []

    def look(self):  # the first one comes too early
        looks.append(self)
        if len(looks) > 1:
            real(self)

    monkeypatch.setattr(RunDirectory, "_refuse_taken", look)
    with pytest.raises(UsageError, match="already holds a run"):
        RunDirectory.create(config)
    assert (run.path / "config.toml").is_file()


def test_advice_written_elsewhere_names_its_files(command, own_data, tmp_path):
    file = own_data()
    (tmp_path / "deep").mkdir()
    result = command("advise", file, "--problems", 2, "--group-size", 2, "-o", "deep/advised.toml")
    assert result.exit_code == 0, result.output
    assert f'path = "{tmp_path}/mine.jsonl"' in (tmp_path / "deep" / "advised.toml").read_text()
    assert command("train", "deep/advised.toml", "learner.steps=1", "rollout.group_size=4").exit_code == 0
    assert (tmp_path / "runs" / "advised" / "config.toml").is_file()


def test_an_evaluation_goes_on_from_another_directory(command, own_data, tmp_path):
    command("train", own_data())
    run = tmp_path / "runs" / "run"
    drawn = (run / "evaluation" / "step-000002" / "rollouts.jsonl").read_text()
    (tmp_path / "deep").mkdir()
    os.chdir(tmp_path / "deep")
    assert command("eval", "../runs/run", "--n", 4).exit_code == 0
    assert (run / "evaluation" / "step-000002" / "rollouts.jsonl").read_text().startswith(drawn)
