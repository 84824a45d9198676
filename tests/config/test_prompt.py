"""Texts of `[prompt]` that stand in files: where they are looked for, what is kept of them, and what they may not be."""

import re
import tomllib

import pytest

from counterpoise.config.prompt import PromptConfig, ShotConfig
from counterpoise.errors import ConfigError
from counterpoise.runfile import dump_config, load_config, parse_config, settled


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "ask.txt").write_bytes(b"\xef\xbb\xbfQ: {question}\r\nA:\n")
    (tmp_path / "words" / "shots.jsonl").write_text(
        '{"question": "2+2", "answer": "4"}\n\n{"question": " 3+3", "answer": "6 "}\n'
    )
    (tmp_path / "run.toml").write_text('[prompt]\ntext = "file:words/ask.txt"\nshots = "words/shots.jsonl"\n')
    return tmp_path


def test_files_are_relative_to_the_run_file_and_a_run_keeps_their_texts(folder):
    config = load_config(folder / "run.toml")
    assert config.prompt.text == f"file:{folder / 'words' / 'ask.txt'}"
    kept = settled(config)
    assert kept.prompt.text == "Q: {question}\nA:"
    assert kept.prompt.shots == [ShotConfig(question="2+2", answer="4"), ShotConfig(question="3+3", answer="6")]
    # Whatever becomes of the files, the run is what it was.
    for file in (folder / "words").iterdir():
        file.unlink()
    assert settled(parse_config(tomllib.loads(dump_config(kept)))) == kept


def test_typed_ones_are_relative_to_the_current_directory(folder, monkeypatch):
    monkeypatch.chdir(folder / "words")
    config = parse_config({}, ["prompt.user=file:ask.txt", "prompt.shots=shots.jsonl"])
    assert settled(config).prompt.user == "Q: {question}\nA:"
    assert len(settled(config).prompt.shots) == 2
    assert config.prompt.settled() == settled(config).prompt


def test_a_file_that_lies_in_the_current_directory_alone_is_pointed_out(folder, monkeypatch):
    (folder / "here").mkdir()
    (folder / "here" / "other.txt").write_text("{question}")
    (folder / "run.toml").write_text('[prompt]\nsystem = "file:other.txt"\n')
    monkeypatch.chdir(folder / "here")
    with pytest.raises(ConfigError, match=r"prompt\.system=other\.txt is not at .* write here/other\.txt there"):
        load_config(folder / "run.toml")


def test_texts_and_shots_that_stand_in_the_run_file(tmp_path):
    shots = [{"question": "a", "answer": "b"}]
    given = {"system": "Be brief.", "user": "{question}!", "shots": shots, "chat_arguments": {"enable_thinking": False}}
    config = parse_config({"prompt": {**given, "response_prefix": "So"}})
    assert config.prompt.settled() is config.prompt
    assert config.prompt.shots == [ShotConfig(**shots[0])]
    assert parse_config({"prompt": {"shots": "none", "system": "none"}}).prompt == PromptConfig()
    assert parse_config(tomllib.loads(dump_config(config))) == config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "prompt.text: cannot read {}: No such file or directory; give file:PATH of a UTF-8 text"),
        (b" \n", "prompt.text: {} is empty; write the text into it"),
        (b"caf\xe9", "prompt.text: cannot read {}: "),
        (b"file:other", "prompt.text: {} begins with 'file:' itself; name the file that holds the text"),
    ],
)
def test_a_file_that_holds_no_text(tmp_path, content, message):
    path = tmp_path / "t.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(message.format(path))) as caught:
        PromptConfig(text=f"file:{path}").settled()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "prompt.shots: {} is empty; give JSON lines with question and answer"),
        ('{"question": "a", "answer": "b"}\n{"question": "a"}', "prompt.shots: {}:2: no 'answer'; a shot is"),
        ('{"question": "a", "anser": "b"}', "prompt.shots: {}:1: no 'answer'; did you mean 'anser'? A shot is"),
        ('{"question": "a", "answer": " "}', "prompt.shots: {}:1: 'answer' is ' '; expected the text that the prompt is to show"),
        ('{"question": "a", "answer": 4}', "prompt.shots: {}:1: 'answer' is '4'; expected the text"),
        ('["a"]', 'prompt.shots: {}:1: expected {{"question": "…", "answer": "…"}} (a JSON list, not an object)'),
        ("{", "prompt.shots: {}:1: expected"),
    ],
)  # fmt: skip
def test_shots_that_are_none(tmp_path, lines, message):
    path = tmp_path / "s.jsonl"
    path.write_text(lines)
    with pytest.raises(ConfigError, match=re.escape(message.format(path))) as caught:
        PromptConfig(shots=path).settled()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ('prompt.shots=[{question="a"}]', "command line: prompt.shots.examples.0.answer: Field required"),
        ("prompt.shots=[3]", "command line: prompt.shots.examples.0: "),
        ("prompt.shots=3", "command line: prompt.shots.file: Input is not a valid path"),
        (
            "prompt.chat_arguments=3",
            "command line: prompt.chat_arguments: Input should be a valid dictionary (given: 3)",
        ),
    ],
)
def test_values_of_another_kind(override, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        parse_config({}, [override])
    assert "\n" not in str(caught.value)


def test_shots_that_are_not_there_or_no_file(tmp_path):
    with pytest.raises(
        ConfigError, match=r"prompt\.shots: cannot read .*no\.jsonl: No such file or directory; check the path"
    ):
        PromptConfig(shots=tmp_path / "no.jsonl").settled()
    with pytest.raises(ConfigError, match=r"prompt\.shots: .* is a directory; give JSON lines"):
        PromptConfig(shots=tmp_path).settled()
