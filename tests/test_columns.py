"""The catalogue of columns, and which of them may name the best checkpoint."""

import re
from pathlib import Path

import pytest

from counterpoise.build.checks import check_needs
from counterpoise.cli.commands.watch import _ROWS
from counterpoise.columns import BY_TYPE, COLUMNS, column, find_scored
from counterpoise.errors import ConfigError, UnknownNameError
from counterpoise.report.metrics import _panel
from counterpoise.runfile import dump_config, load_config, load_stored, parse_config

DOCUMENT = (Path(__file__).parents[1] / "docs" / "engines.md").read_text(encoding="utf-8")


def documented():
    """name -> (unit, meaning) of the document's tables."""
    found = {}
    for row in DOCUMENT.splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        if row.startswith("| `"):
            found |= dict.fromkeys(re.findall(r"`(\w+)`", cells[0]), (cells[1], cells[2]))
    return found


def test_the_document_and_the_catalogue_say_the_same():
    # a new column goes into docs/engines.md and into src/counterpoise/columns.py
    assert {name: (column.unit, column.meaning) for name, column in COLUMNS.items()} == documented()


def test_only_the_critics_columns_need_one():
    critic = DOCUMENT.split("### Critic")[1].split("###")[0]
    rows = [row.split("|")[1] for row in critic.splitlines() if row.startswith("| `")]
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {name for name, column in COLUMNS.items() if column.critic} == names


def test_a_name_alone_says_which_column_it_is():
    labels = [known.label for known in COLUMNS.values()]
    assert sorted(labels) == sorted(set(labels))
    assert column("groups_unscored").label == "groups unscored"
    assert column("entropy_sampled_wrong").label == "entropy wrong"


def test_a_heading_says_the_unit_once():
    assert max(len(row.heading) for row in _ROWS) <= 24  # the table of `watch` is then 78 columns wide
    assert [column(name).heading for name in ("success_rate", "peak_memory_gib", "reward", "distinct_answers")] == [
        "success rate %",
        "peak memory, GiB",
        "reward",
        "distinct answers a group",
    ]


def test_a_chart_of_unknown_columns_or_of_several_units_cannot_be_made():
    with pytest.raises(UnknownNameError, match=r"unknown column 'sucess_rate'; did you mean 'success_rate'\?"):
        _panel("success", "Success", "sucess_rate coverage")
    with pytest.raises(ValueError, match="too many values"):
        _panel("success", "Success", "success_rate reward")


def test_the_document_lists_what_is_kept_by_task_type():
    assert set(re.findall(r"`(\w+)/TYPE`", DOCUMENT)) - {"tau", "prior_mean", "prior_strength"} == set(BY_TYPE)


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("success_rate", "higher"),
        ("reward", "higher"),
        ("coverage", "higher"),
        ("loss", "lower"),
        ("truncated_share", "lower"),
        ("repetition", "lower"),
        ("no_answer_share", "lower"),
        ("unscored", "lower"),
        ("seconds", "lower"),
        ("tokens_per_second", "higher"),
        ("explained_variance", "higher"),
        ("success_rate/sums", "higher"),
    ],
)
def test_directions(name, better):
    assert find_scored(name).better == better


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "sucess_rate",
            r"'sucess_rate' is not a column that .*; did you mean 'success_rate'\? One of: reward, success_rate",
        ),
        ("succes_rate/sums", r"did you mean 'success_rate/TYPE'\?"),
        ("Loss", r"did you mean 'loss'\?"),
        ("", r"'' is not a column"),
        ("pass@8", r"'pass@8' is not a column"),
        ("part/f1", r"'part/f1' is not a column"),
        ("loss/sums", r"'loss/sums' is not a column"),
        (
            "entropy",
            r"neither a high nor a low 'entropy' is better, so no checkpoint can be the best by it; one of: reward",
        ),
        ("anchor_kl", "neither a high nor a low 'anchor_kl'"),
        ("learning_rate", "neither a high nor a low 'learning_rate'"),
    ],
)
def test_names_without_a_best_are_refused_at_load(name, says):
    with pytest.raises(ConfigError, match=r"command line: checkpoint.best_by: .*" + says):
        parse_config({}, [f'checkpoint.best_by="{name}"'])


def test_a_column_of_the_critic_needs_a_critic():
    with pytest.raises(
        ConfigError, match=r"best_by=value_loss is a column of the critic, and credit.rule=psr has none"
    ):
        check_needs(parse_config({}, ["checkpoint.best_by=value_loss", "credit.rule=psr"]))
    check_needs(parse_config({}, ["checkpoint.best_by=value_loss", "credit.rule=ppo"]))


def test_none_keeps_none_and_one_of_a_type_is_left_to_the_run():
    assert parse_config({}, ["checkpoint.best_by=none"]).checkpoint.best_by is None
    assert parse_config({}, ["checkpoint.best_by=coverage/sums"]).checkpoint.best_by == "coverage/sums"


def test_a_task_type_must_be_one_of_several():
    assert find_scored("coverage/sums", ["science", "sums"]).name == "coverage"
    with pytest.raises(ConfigError, match=r"this run has the task types science, sums; did you mean 'sums'\?"):
        find_scored("coverage/sum", ["science", "sums"])
    with pytest.raises(ConfigError, match=r"this run has one task type, which has no columns of its own"):
        find_scored("coverage/sums", ["sums"])


def test_a_run_that_was_made_with_a_bad_name_stays_readable(tmp_path):
    text = dump_config(parse_config({}, [])).replace('best_by = "success_rate"', 'best_by = "sucess_rate"')
    (tmp_path / "config.toml").write_text(text)
    assert load_stored(tmp_path).checkpoint.best_by == "sucess_rate"
    with pytest.raises(ConfigError, match=r"sucess_rate"):
        load_config(tmp_path / "config.toml")
