"""Run files that start from others, and run files given in the place of overrides."""

import pytest
import tomli_w

from counterpoise.errors import ConfigError
from counterpoise.runfile import dump_config, load_config, parse_config
from counterpoise.tables import merge_tables, read_run_tables, read_tables


@pytest.fixture
def write(tmp_path):
    def write(name, tables):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tomli_w.dumps(tables), encoding="utf-8")
        return path

    return write


def test_a_file_stands_over_what_it_extends(write):
    write("base.toml", {"learner": {"steps": 7, "learning_rate": 1e-3}, "credit": {"rule": "psr"}})
    path = write("own.toml", {"extends": "base.toml", "learner": {"steps": 9}})
    config = load_config(path, ["credit.rule=nsr"])
    assert (config.learner.steps, config.learner.learning_rate, config.credit.rule) == (9, 1e-3, "nsr")


def test_of_several_the_later_one_counts_and_chains_are_followed_from_each_files_own_directory(write):
    write("deep/root.toml", {"learner": {"steps": 1, "epochs": 2, "warmup_steps": 3}})
    write("deep/middle.toml", {"extends": "root.toml", "learner": {"steps": 2}})
    write("side.toml", {"learner": {"epochs": 4}})
    path = write("own.toml", {"extends": ["deep/middle.toml", "side.toml"], "run": {"seed": 5}})
    learner = load_config(path).learner
    assert (learner.steps, learner.epochs, learner.warmup_steps) == (2, 4, 3)


def test_settings_of_a_name_are_replaced_as_a_whole(write):
    # lambda belongs to the rule that it stood beside; ddof next to it would be another rule's
    write("base.toml", {"credit": {"rule": "weighted_reinforce", "settings": {"lambda": 0.3}, "filter": "none"}})
    path = write("own.toml", {"extends": "base.toml", "credit": {"rule": "grpo", "settings": {"ddof": 0}}})
    credit = load_config(path).credit
    assert (credit.rule, credit.settings, credit.filter) == ("grpo", {"ddof": 0}, "none")


def test_a_file_reached_twice_is_no_circle(write):
    write("root.toml", {"learner": {"steps": 3}})
    write("a.toml", {"extends": "root.toml"})
    write("b.toml", {"extends": "root.toml"})
    assert load_config(write("own.toml", {"extends": ["a.toml", "b.toml"]})).learner.steps == 3


@pytest.mark.parametrize("names", [["own.toml"], ["../{here}/own.toml"], ["a.toml"]])
def test_circles_are_named(write, tmp_path, names):
    write("a.toml", {"extends": "b.toml"})
    write("b.toml", {"extends": "own.toml"})
    path = write("own.toml", {"extends": [name.format(here=tmp_path.name) for name in names]})
    with pytest.raises(
        ConfigError, match=r"own\.toml extends .*own\.toml: a run file cannot start from itself; drop one"
    ):
        load_config(path)


@pytest.mark.parametrize("value", [3, [3], [""], {"file": "a.toml"}, True])
def test_extends_is_a_file_or_a_list_of_files(write, value):
    path = write("own.toml", {"extends": value})
    with pytest.raises(ConfigError, match=r"own\.toml: extends is .*; expected a file or a list of files, e\.g\."):
        load_config(path)


def test_a_missing_or_broken_base_is_named_with_who_wants_it(write, tmp_path):
    path = write("own.toml", {"extends": "base.toml"})
    with pytest.raises(
        ConfigError, match=r"cannot read the run file .*base\.toml, which .*own\.toml extends: No such file"
    ):
        load_config(path)
    (tmp_path / "base.toml").write_text("[learner\n")
    with pytest.raises(ConfigError, match=r"base\.toml is not valid TOML"):
        load_config(path)


def test_a_run_file_may_stand_where_an_override_does(write):
    base = write("base.toml", {"learner": {"steps": 7}, "credit": {"settings": {"lambda": 0.3}}})
    write("parts/root.toml", {"learner": {"epochs": 2}})
    rule = write("parts/rule.toml", {"extends": "root.toml", "credit": {"rule": "nsr", "settings": {}}})
    config = load_config(base, ["learner.epochs=5", "credit.filter=none", str(rule), "learner.steps=8"])
    # in the order given: the file's epochs over the setting before it, the setting after it over the file
    assert (config.learner.epochs, config.learner.steps) == (2, 8)
    assert (config.credit.rule, config.credit.settings, config.credit.filter) == ("nsr", {}, "none")
    with pytest.raises(ConfigError, match=r"cannot read the run file absent\.toml: No such file"):
        load_config(base, ["absent.toml"])
    with pytest.raises(ConfigError, match=r"base\.toml, .*bad\.toml: unknown key 'credit\.rul'"):
        load_config(base, [str(write("bad.toml", {"credit": {"rul": "nsr"}}))])


def test_extends_is_no_setting_of_the_command_line(write):
    with pytest.raises(
        ConfigError, match=r"'extends' is for run files; on the command line name the other file itself"
    ):
        parse_config({}, ["extends=base.toml"])


def test_what_is_stored_names_no_other_file(write):
    write("base.toml", {"learner": {"steps": 7}})
    config = load_config(write("own.toml", {"extends": "base.toml"}))
    assert "extends" not in dump_config(config)
    assert "extends" not in read_run_tables(write("own.toml", {"extends": "base.toml"}))


def test_merging_changes_neither_side():
    tables, changes = {"a": {"x": 1}, "b": {"y": 2}}, {"a": {"z": 3}, "c": {"w": 4}}
    merged = merge_tables(tables, changes)
    merged["a"]["x"] = merged["c"]["w"] = 9
    assert (tables, changes) == ({"a": {"x": 1}, "b": {"y": 2}}, {"a": {"z": 3}, "c": {"w": 4}})


@pytest.mark.parametrize("text", ["seed = " + "1" * 5_000, "a" + ".a" * 5_000 + " = 1", "a = " + "[" * 5_000])
def test_numbers_and_nesting_without_end_are_no_toml(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"run\.toml is not valid TOML"):
        read_tables(path)


def test_a_file_that_is_extended_has_a_name_that_can_be_one(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('extends = "a\\u0000b"')
    with pytest.raises(ConfigError, match="expected a file or a list of files"):
        read_run_tables(path)
