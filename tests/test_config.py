import tomllib

import pytest

from counterpoise.errors import ConfigError
from counterpoise.runfile import dump_config, load_config, parse_config


def test_overrides_are_toml_values_or_plain_text():
    config = parse_config(
        {}, ["credit.rule=nsr", "learner.steps=3", "credit.settings.lambda=0.25", "evaluation.k=[1, 4]"]
    )
    assert (config.credit.rule, config.learner.steps) == ("nsr", 3)
    assert config.credit.settings == {"lambda": 0.25}
    assert config.evaluation.k == [1, 4]


def test_resolved_config_survives_its_own_file(tmp_path):
    config = parse_config({}, ["checkpoint.every_minutes=none", "evaluation.problems=none", "loss.kl=0.001"])
    (tmp_path / "run.toml").write_text(dump_config(config))
    assert load_config(tmp_path / "run.toml") == config
    assert config.checkpoint.every_minutes is None
    assert tomllib.loads(dump_config(config))["credit"]["emphasis"] == "none"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("credit.rul=nsr", r"unknown key 'credit.rul'; did you mean 'rule'\? credit takes: rule"),
        ("creditt.rule=nsr", r"unknown key 'creditt'; did you mean 'credit'\? The top level takes: run"),
        ("learner.steps=abc", r"learner.steps: .*valid integer.*given: 'abc'"),
        ("learner.minibatch=100", r"learner.minibatch=100 is larger than rollout.prompts_per_step=64"),
        ("evaluation.k=[512]", r"k=512 is larger than n=256: pass@k is undefined"),
        ("rollout.temperature=0", r"rollout.temperature"),
        ("loss.constant=5", r"set loss.denominator=constant"),
        ("loss.kl_clamp=0", r"loss.kl_clamp: .*greater than 0"),
        ("steps", r"'steps' is not an override; write section.key=value"),
        ("run.seed.x=1", r"run.seed"),
    ],
)
def test_bad_keys_and_values_name_the_way_out(override, message):
    with pytest.raises(ConfigError, match=message):
        parse_config({}, [override])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["loss.name=reinforce", "learner.minibatch=16"], "no importance ratio"),
        (["loss.name=reinforce", "learner.epochs=2"], "no importance ratio"),
        (
            ["loss.kl_clamp=10", "loss.kl_estimator=k1"],
            r"loss: kl_clamp=10 bounds the estimator k3, and kl_estimator=k1; set kl_estimator=k3, or kl_clamp=none",
        ),
        (["loss.kl_focus=2"], r"loss: kl_focus=2 weighs the KL term, and kl=0 has none; set kl, or kl_focus=0"),
    ],
)
def test_combinations_that_cannot_train_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        parse_config({}, overrides)


# All that a run file may hold: fields of sections, of lists, and of the tables that rules, tasks and verifiers read.
_FLOATS = [
    "learner.learning_rate",
    "learner.epsilon",
    "learner.weight_decay",
    "learner.gradient_clip",
    "loss.kl",
    "loss.kl_clamp",
    "loss.kl_focus",
    "rollout.temperature",
    "guards.backoff",
    "checkpoint.every_minutes",
    "verification.timeout",
    "credit.settings.lambda",
    "credit.controller_settings.lambda_plus",
    "verification.settings.qa.withhold_from",
    "tasks.weights.sum",
]


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "[nan]", "{a = [inf]}"])
@pytest.mark.parametrize("key", _FLOATS)
def test_every_number_is_finite(key, value):
    with pytest.raises(ConfigError, match=rf"{key.rpartition('.')[0]}.*(finite number|greater than|valid number)"):
        parse_config({}, [f"{key}={value}"])
    with pytest.raises(ConfigError, match=rf"command line: {key}: -?(inf|nan) is not a finite number"):
        parse_config({}, [f"{key}={value}"], stored=True)


def test_what_can_be_switched_off_says_how():
    with pytest.raises(ConfigError, match=r"loss.kl_clamp: inf is not a finite number; what switches it off is none"):
        parse_config({}, ["loss.kl_clamp=inf"])


def test_a_run_that_was_begun_with_an_infinite_number_stays_readable():
    begun = {"checkpoint": {"every_minutes": float("inf")}}
    assert parse_config(begun, stored=True).checkpoint.every_minutes == float("inf")
    with pytest.raises(ConfigError, match=r"configuration: checkpoint.every_minutes: inf is not a finite number"):
        parse_config(begun)


def test_moments_beyond_their_range_are_refused():
    with pytest.raises(ConfigError, match=r"learner.betas.0: .*less than 1 \(given: 2\)"):
        parse_config({}, ["learner.betas=[2, 0.9]"])


def test_a_unit_without_a_minibatch_is_refused():
    message = (
        r"learner: minibatch_unit=rows says what minibatch counts, and minibatch is not set, .*; set minibatch too"
    )
    with pytest.raises(ConfigError, match=message):
        parse_config({}, ["learner.minibatch_unit=rows"])
    assert parse_config({}, ["learner.minibatch_unit=rows"], stored=True).learner.minibatch is None
    assert parse_config({}, ["learner.minibatch_unit=rows", "learner.minibatch=16"]).minibatch_rows == 16 * 8


def test_a_run_that_was_begun_before_prompts_were_shared_goes_on_as_it_was():
    assert parse_config({}).learner.share_prompts
    assert not parse_config({"learner": {"steps": 3}}, stored=True).learner.share_prompts
    assert parse_config({"learner": {"share_prompts": True}}, stored=True).learner.share_prompts


def test_a_run_that_was_begun_before_products_were_chosen_goes_on_as_it_was():
    assert parse_config({}).learner.products == "auto"
    assert parse_config({"learner": {"share_prompts": True}}, stored=True).learner.products == "torch"
    assert parse_config({"learner": {"products": "onednn"}}, stored=True).learner.products == "onednn"


def test_a_run_that_was_begun_before_the_learner_compiled_goes_on_as_it_was():
    assert parse_config({}).learner.compiled == "auto"
    assert parse_config({"learner": {"products": "auto"}}, stored=True).learner.compiled is False
    assert (
        parse_config({"learner": {"products": "auto"}}, ["learner.compiled=true"], stored=True).learner.compiled is True
    )
    with pytest.raises(ConfigError, match=r"learner.compiled: expected true, false or auto \(given: 'always'\)"):
        parse_config({}, ["learner.compiled=always"])


def test_a_run_that_was_begun_before_decoding_was_fused_goes_on_as_it_was():
    assert parse_config({}).rollout.flat_decode
    assert not parse_config({"rollout": {"max_tokens": 9}}, stored=True).rollout.flat_decode
    assert parse_config({"rollout": {"flat_decode": True}}, stored=True).rollout.flat_decode


def test_a_run_that_was_begun_before_operators_were_compiled_goes_on_as_it_was():
    assert parse_config({}).rollout.compiled_decode == "auto"
    assert parse_config({"rollout": {"flat_decode": True}}, stored=True).rollout.compiled_decode is False
    assert parse_config({"rollout": {"compiled_decode": "auto"}}, stored=True).rollout.compiled_decode == "auto"


def test_compiled_operators_are_a_way_of_the_flat_pass():
    assert parse_config({}, ["rollout.compiled_decode=true"]).rollout.compiled_decode is True
    assert parse_config({}, ["rollout.flat_decode=false"]).rollout.compiled_decode == "auto"
    both = ["rollout.compiled_decode=true", "rollout.flat_decode=false"]
    with pytest.raises(
        ConfigError,
        match=r"rollout.compiled_decode is a way of the flat pass.*; set rollout.flat_decode=true, or rollout.compiled_decode=auto",
    ):
        parse_config({}, both)
    with pytest.raises(ConfigError, match="compiled_decode is a way of the flat pass"):  # begun before either
        parse_config({"rollout": {"max_tokens": 9}}, ["rollout.compiled_decode=true"], stored=True)


def test_missing_and_malformed_files(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the run file"):
        load_config(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("[learner\nsteps = 3")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load_config(tmp_path / "bad.toml")


def test_a_table_in_a_list_has_a_number():
    sources = {"tasks": {"settings": {"sources": [{"name": "facts"}, {"name": "jsonl", "path": "a.jsonl"}]}}}
    config = parse_config(sources, ["tasks.settings.sources.1.path=b.jsonl"])
    assert config.tasks.settings["sources"] == [{"name": "facts"}, {"name": "jsonl", "path": "b.jsonl"}]
    assert sources["tasks"]["settings"]["sources"][1]["path"] == "a.jsonl"  # what was given is not changed
    for override, says in (
        ("tasks.settings.sources.2.path=b", "'tasks.settings.sources.2.path=b': 2 is a value, not a section"),
        ("tasks.settings.sources.x.path=b", "x is a value, not a section"),
        ("tasks.settings.sources.0=b", r"sources is a list; give it as a whole: tasks.settings.sources=\[…\]"),
    ):
        with pytest.raises(ConfigError, match=says):
            parse_config(sources, [override])


def test_the_home_directory_of_the_runs(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_config({}, ["run.directory=~/runs"]).path == tmp_path / "runs" / "run"


@pytest.mark.parametrize("value", [3, [1], {"a": 1}, True])
def test_a_path_that_is_no_text_is_refused(value):
    from counterpoise.tasks.registry import make_task

    with pytest.raises(ConfigError, match=r"task jsonl: path = .*; expected a path"):
        make_task("jsonl", path=value)


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
@pytest.mark.parametrize(
    "key",
    [
        "learner.learning_rate",
        "learner.gradient_clip",
        "loss.kl_clamp",
        "critic.value_clip",
        "rollout.temperature",
        "verification.timeout",
    ],
)
def test_a_number_of_a_run_file_is_finite(tmp_path, key, value):
    (tmp_path / "run.toml").write_text("[model]\nname = 'lab'\n")
    with pytest.raises(ConfigError, match=key):
        load_config(tmp_path / "run.toml", [f"{key}={value}"])
