"""A study: what a file may say, what is run, and that it goes on where it stopped."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w

from counterpoise.build.balance import rule_settings
from counterpoise.config import LossConfig
from counterpoise.credit import make_rule
from counterpoise.engines.local import loop as local
from counterpoise.errors import ConfigError, TrainingError, UsageError
from counterpoise.jobs.study import load_study
from counterpoise.rewards.registry import make_reward

STUDIES = Path(__file__).parents[2] / "studies"
ARMS = {"nsr": {"credit": {"rule": "nsr"}}, "psr": {"credit": {"rule": "psr"}}}


@pytest.fixture
def write(configure, tmp_path):
    """Write a study of a tiny run with these changes and give its path."""

    def make(arms=ARMS, **changes):
        run = configure().model_dump(mode="json", exclude_defaults=True)
        (tmp_path / "run.toml").write_text(tomli_w.dumps(run))
        path = tmp_path / "two.toml"
        file = {
            "run": "run.toml",
            "directory": str(tmp_path / "studies"),
            "seeds": [0, 1],
            "settings": {"learner": {"steps": 2}},
            "arms": arms,
        }
        path.write_text(tomli_w.dumps(file | changes))
        return path

    return make


def test_all_arms_come_under_one_seed_before_the_next(write):
    study = load_study(write())
    assert [(run.arm, run.seed) for run in study.runs] == [("nsr", 0), ("psr", 0), ("nsr", 1), ("psr", 1)]
    assert {run.config.learner.steps for run in study.runs} == {2}
    assert [run.config.run.seed for run in study.runs] == [0, 0, 1, 1]


def test_a_study_follows_what_its_run_and_its_arms_extend(write, tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "grpo.toml").write_text('[credit]\nrule = "grpo"\n[loss]\nkl = 1e-3\n')
    (tmp_path / "seconds.toml").write_text('extends = "run.toml"\n[verification]\ntimeout = 3.0\n')
    arms = {"nsr": {"credit": {"rule": "nsr"}}, "grpo": {"extends": "rules/grpo.toml", "loss": {"entropy": 0.5}}}
    first, second = (run.config for run in load_study(write(arms, run="seconds.toml", seeds=[0])).runs)
    assert (first.credit.rule, first.loss.kl, first.verification.timeout, first.learner.steps) == ("nsr", 0, 3, 2)
    assert (second.credit.rule, second.loss.kl, second.loss.entropy, second.learner.steps) == ("grpo", 1e-3, 0.5, 2)
    with pytest.raises(ConfigError, match=r"cannot read the run file .*none\.toml, which .*two\.toml extends"):
        load_study(write({"a": {"extends": "none.toml"}}))


def test_the_base_is_evaluated_once_for_all_that_share_it(write):
    arms = ARMS | {"hotter": {"evaluation": {"temperature": 0.5}}}
    study = load_study(write(arms))
    assert [run.config.evaluation.before for run in study.runs] == [True, False, True, False, False, False]
    assert [run.base.name for run in study.runs][:3] == ["nsr-seed0", "nsr-seed0", "hotter-seed0"]


def test_it_trains_what_is_missing_and_nothing_twice(write):
    study = load_study(write())
    begun = []
    assert study.train(on_run=lambda run, number: begun.append(number)) == []
    assert begun == [0, 1, 2, 3]
    assert all(run.result() is not None and run.base_result() is not None for run in study.runs)
    assert load_study(write()).train(on_run=lambda run, number: begun.append(number)) == []
    assert begun == [0, 1, 2, 3]


def test_finished_runs_are_measured_at_another_sampling_beside_their_own(write, tmp_path):
    study = load_study(write(seeds=[0]))
    study.train()
    own = [run.result() for run in study.runs]
    colder = ["evaluation.temperature=0.5", "evaluation.top_p=0.9"]
    again = load_study(write(seeds=[0]), colder)
    assert [run.result() for run in again.runs] == [None, None]
    drawn = []
    assert again.measure(on_progress=lambda what, done, total: drawn.append(what)) == []
    assert set(drawn) == {"base", "nsr, seed 0", "psr, seed 0"}
    for run in again.runs:
        assert run.result().manifest.settings.temperature == run.base_result().manifest.settings.temperature == 0.5
        assert (run.config.path / "evaluation-t0.5-p0.9" / "step-000002" / "passk.json").is_file()
    assert [run.result() for run in load_study(write(seeds=[0])).runs] == own
    drawn.clear()
    assert again.measure(on_progress=lambda what, done, total: drawn.append(what)) == []
    assert drawn == []


def test_the_base_is_measured_at_other_temperatures_once_for_all_arms(write):
    study = load_study(write(seeds=[0]))
    study.train()
    drawn = []
    study.measure(temperatures=[0.5, 0.25], on_progress=lambda what, done, total: drawn.append((what, done == total)))
    assert [what for what, whole in drawn if whole] == ["base at temperature 0.5", "base at temperature 0.25"]
    found = [run.base_at(0.25).manifest for run in study.runs]
    assert found[0] == found[1]
    assert (found[0].settings.temperature, found[0].weights) == (0.25, None)
    assert study.runs[0].base_at(0.3) is None


def test_what_is_measured_again_trains_as_before(write):
    study = load_study(write(seeds=[0]), ["evaluation.temperature=0.5"])
    assert study.measure() == []
    assert not study.directory.exists()
    assert study.train() == []
    assert all(run.trained and run.result() is None for run in study.runs)


def test_a_study_of_an_earlier_release_goes_on_with_the_guards_that_it_had(write):
    study = load_study(write(seeds=[0]))
    study.train()
    for run in study.runs:
        file = run.config.path / "config.toml"
        text = file.read_text()
        assert text.count('    "nothing_right",\n') == 1
        file.write_text(text.replace('    "nothing_right",\n', ""))
    assert load_study(write(seeds=[0])).train() == []
    file.write_text(file.read_text().replace("act = false", "act = true"))
    with pytest.raises(ConfigError, match=r"guards\.act is true and was false"):
        load_study(write(seeds=[0])).train()


def test_names_and_files_of_all_arms_are_looked_up_before_the_first_is_trained(write):
    study = load_study(write(seeds=[0]))
    study.check()
    bad = replace(study.runs[1], config=study.runs[1].config.model_copy(update={"loss": LossConfig(name="reinforc")}))
    with pytest.raises(ConfigError, match=r"^arm psr: unknown loss 'reinforc'; did you mean 'reinforce'"):
        replace(study, runs=[study.runs[0], bad]).check()


def test_a_run_that_cannot_be_measured_is_named_and_stops_no_other(write):
    study = load_study(write(seeds=[0]), ["evaluation.temperature=0.5"])
    study.train()
    weights = next((study.runs[0].config.path / "checkpoints").glob("step-*/policy/model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:100])
    ((run, reason),) = study.measure()
    assert run.arm == "nsr"
    assert "model.safetensors" in reason
    assert [run.result() is None for run in study.runs] == [True, False]


def test_a_run_that_fails_does_not_stop_the_others(write, monkeypatch):
    real = local.train

    def train(directory, **options):
        if directory.path.name == "nsr-seed0":
            raise TrainingError("the loss is not finite")
        return real(directory, **options)

    monkeypatch.setattr(local, "train", train)
    study = load_study(write())
    ((run, reason),) = study.train()
    assert (run.arm, run.seed, reason) == ("nsr", 0, "the loss is not finite")
    assert [run.result() is None for run in study.runs] == [True, False, False, False]


def test_an_arm_that_was_changed_is_refused(write):
    load_study(write()).train()
    changed = load_study(write({"nsr": {"credit": {"rule": "psr"}}}, seeds=[0, 1, 2]))
    says = r"nsr-seed0 was made with other settings \(credit.rule nsr -> psr\)"
    with pytest.raises(ConfigError, match=says):
        changed.train()
    with pytest.raises(ConfigError, match=says):
        changed.check_made()
    # more seeds, and the arms in another order, by which another run has the base's evaluation: nothing to refuse
    load_study(
        write({"psr": {"credit": {"rule": "psr"}}, "nsr": {"credit": {"rule": "nsr"}}}, seeds=[0, 5])
    ).check_made()


def test_an_arm_may_be_put_before_those_that_were_trained(write):
    load_study(write(seeds=[0])).train()
    rules = {name: {"credit": {"rule": name}} for name in ("grpo", "psr", "nsr")}
    study = load_study(write(rules, seeds=[0]))
    assert {run.base.name for run in study.runs} == {"nsr-seed0"}  # it has the base's evaluation
    begun = []
    assert study.train(on_run=lambda run, number: begun.append(run.arm)) == []
    assert begun == ["grpo"]
    assert all(run.base_result() is not None and run.result() is not None for run in study.runs)


def test_a_study_without_the_arm_that_has_the_base_is_refused_until_one_can_evaluate_it(write):
    load_study(write(seeds=[0])).train()
    left = {"psr": {"credit": {"rule": "psr"}}}
    with pytest.raises(ConfigError, match="holds the evaluation of their base"):
        load_study(write(left, seeds=[0]))
    study = load_study(write(left, seeds=[0, 1]))  # a new one evaluates it
    assert study.train() == []
    assert all(run.base_result() is not None for run in study.runs)


def test_where_the_run_with_the_base_is_gone_the_next_new_one_evaluates_it(write):
    study = load_study(write(seeds=[0]))
    study.train()
    shutil.rmtree(study.runs[0].config.path)
    again = load_study(write(seeds=[0, 1]))
    assert {run.base.name for run in again.runs} == {"nsr-seed0"}
    assert again.runs[0].config.evaluation.before


def test_a_study_begun_under_another_default_is_refused_with_what_keeps_it(write):
    old = {"learner": {"products": "torch", "steps": 2}, "rollout": {"compiled_decode": False}}
    load_study(write(settings=old, seeds=[0])).train()
    now = {"learner": {"steps": 2}}
    says = (
        r"nsr-seed0 was made with other settings \(learner.products torch -> auto, rollout.compiled_decode false -> auto\); to go on with "
        r"it, set learner.products=torch rollout.compiled_decode=false, else name the arm differently, or remove that run"
    )
    with pytest.raises(ConfigError, match=says):
        load_study(write(settings=now, seeds=[0])).train()
    assert load_study(write(settings=old, seeds=[0])).train() == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arms": {}}, "two.toml: arms: .*at least 1 item"),
        ({"seed": 3}, "two.toml: seed: Extra inputs are not permitted; a study has: run, seeds"),
        ({"arms": {"a": {"credit": {"rul": "nsr"}}}}, "two.toml, arm a: unknown key 'credit.rul'"),
        ({"run": "none.toml"}, "cannot read .*none.toml"),
        ({"seeds": [0, 1, 0]}, r"two.toml: seeds has a seed twice: \[0, 1, 0\]"),
        ({"arms": {"base": {}}}, "two.toml: arm base: what arms are compared with is called so; give it another name"),
        ({"arms": {"sharpened": {}}}, "two.toml: arm sharpened: what arms are compared with is called so"),
        ({"arms": {"base at temperature 0.4": {}}}, "arm base at temperature 0.4: what arms are compared with"),
    ],
)
def test_mistakes(write, changes, says):
    with pytest.raises(ConfigError, match=says):
        load_study(write(**changes))


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_study_here_names_rules_and_rewards_that_there_are(path):
    for run in load_study(path).runs:
        credit = run.config.credit
        reward = make_reward(credit.reward, **credit.reward_settings)
        assert make_rule(credit.rule, **rule_settings(credit, reward))


def test_a_study_is_not_changed_from_the_command_line(write):
    with pytest.raises(UsageError, match=r"credit.rule=psr would make another study; finished runs can be measured"):
        load_study(write(), ["credit.rule=psr"])


def test_paths_follow_the_file_they_stand_in_and_a_study_goes_on_from_elsewhere(configure, tmp_path, monkeypatch):
    for folder in ("runfiles", "studies", "elsewhere"):
        (tmp_path / folder).mkdir()
    lines = [f'{{"question": "{a}+1=?", "answer": "{a + 1}"}}' for a in range(40)]
    (tmp_path / "runfiles" / "a.jsonl").write_text("\n".join(lines))
    (tmp_path / "studies" / "b.jsonl").write_text("\n".join(lines[:30]))
    run = configure().model_dump(mode="json", exclude_defaults=True)
    run |= {
        "tasks": {"name": "jsonl", "settings": {"path": "a.jsonl", "verifier": "exact", "test_fraction": 0.3}},
        "prompt": {"template": "plain"},
    }
    (tmp_path / "runfiles" / "run.toml").write_text(tomli_w.dumps(run))
    other = {"tasks": {"settings": {"path": "b.jsonl", "verifier": "exact", "test_fraction": 0.3}}}
    file = {"run": "../runfiles/run.toml", "directory": "out", "seeds": [0], "arms": {"whole": {}, "part": other}}
    file |= {"settings": {"learner": {"steps": 1}}}
    (tmp_path / "studies" / "two.toml").write_text(tomli_w.dumps(file))
    monkeypatch.chdir(tmp_path / "studies")
    study = load_study(Path("two.toml"))
    assert [run.config.tasks.settings["path"] for run in study.runs] == [
        str(tmp_path / "runfiles" / "a.jsonl"),
        str(tmp_path / "studies" / "b.jsonl"),
    ]
    assert study.train() == []
    assert (tmp_path / "studies" / "out" / "two" / "whole-seed0" / "config.toml").is_file()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = load_study(tmp_path / "studies" / "two.toml")
    assert [run.trained for run in again.runs] == [True, True]
    (tmp_path / "studies" / "two.toml").write_text(tomli_w.dumps(file | {"settings": {"learner": {"steps": 2}}}))
    with pytest.raises(ConfigError, match=r"whole-seed0 was made with other settings \(learner.steps 1 -> 2\)"):
        load_study(tmp_path / "studies" / "two.toml").train()
