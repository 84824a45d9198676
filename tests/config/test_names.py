"""Names that become directories: one component of a path, and nothing a terminal could trip over."""

import pytest

from counterpoise.errors import ConfigError
from counterpoise.jobs.study import load_study
from counterpoise.runfile import parse_config, quoted

BAD = [
    ("", "it is empty"),
    ("  ", "it is empty"),
    (".", "it is a directory of its own"),
    ("..", "it is a directory of its own"),
    ("../../x", "it holds a slash, and a name is one component of a path"),
    ("/x", "it holds a slash, and a name is one component of a path"),
    ("a/b/c", "it holds a slash, and a name is one component of a path"),
    ("a/", "it holds a slash, and a name is one component of a path"),
    ("a\0b", "it holds a character that cannot be printed"),
    ("a\nb", "it holds a character that cannot be printed"),
    ("a\x1b[31m", "it holds a character that cannot be printed"),
    ("a\x9b31m", "it holds a character that cannot be printed"),
    ("a\u202eb", "it holds a character that cannot be printed"),
    ("x" * 256, "it has 256 bytes, and a file name has 255 at most"),
    ("ä" * 128, "it has 256 bytes, and a file name has 255 at most"),  # two bytes each
]


@pytest.mark.parametrize("section", ["run.name", "tracking.project"])
@pytest.mark.parametrize(("name", "why"), BAD)
def test_what_is_no_name(section, name, why):
    table, key = section.split(".")
    with pytest.raises(ConfigError) as caught:
        parse_config({table: {key: name}})
    assert f"{section}: not a name: {why}" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["a", "a b", "-x", ".hidden", "ä", "模型", 'say "hi"', "a\\b", "x" * 255, "...", "lr=1e-3"]
)
def test_what_is_one(name):
    assert parse_config({}, [quoted("run.name", name)]).run.name == name


def test_a_run_of_an_earlier_version_keeps_its_name():
    assert parse_config({"run": {"name": "a/b"}}, stored=True).run.name == "a/b"


@pytest.mark.parametrize(("name", "why"), BAD)
def test_an_arm_is_named_like_a_run(tmp_path, name, why):
    import tomli_w

    (tmp_path / "run.toml").write_text("")
    (tmp_path / "two.toml").write_text(tomli_w.dumps({"run": "run.toml", "arms": {name: {}}}))
    with pytest.raises(ConfigError, match=r"two.toml: .* cannot name a directory of runs: "):
        load_study(tmp_path / "two.toml")


def test_an_arm_and_its_seed_together_fit_a_file_s_name(tmp_path):
    (tmp_path / "run.toml").write_text("")
    (tmp_path / "two.toml").write_text(f'run = "run.toml"\nseeds = [0]\n[arms.{"x" * 250}]\n')
    with pytest.raises(ConfigError, match=r"run.name: not a name: it has 256 bytes"):  # 250 and -seed0
        load_study(tmp_path / "two.toml")


@pytest.mark.parametrize("directory", ["a\0b", "a/" + "x" * 256])
def test_a_parent_that_cannot_be_one(directory):
    with pytest.raises(ConfigError, match=r"run.directory: not a path: "):
        parse_config({"run": {"directory": directory}})


def test_an_override_that_is_no_utf8_is_refused():
    with pytest.raises(ConfigError, match=r"'run.name=\\udcff' is not UTF-8 text"):
        parse_config({}, ["run.name=\udcff"])
