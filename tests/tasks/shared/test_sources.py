"""Where rows may come from instead of one file: a folder of files, a data set that was saved, one of the hub."""

import json
import re
import sys
from types import SimpleNamespace

import pyarrow
import pytest
from pyarrow import parquet

from counterpoise.config.paths import missing
from counterpoise.errors import ConfigError, DataError, MissingExtraError
from counterpoise.runfile import load_config, parse_config, settled
from counterpoise.tasks.shared.hub import HubName
from counterpoise.tasks.sources.files import JsonlTask, ParquetTask
from counterpoise.tasks.sources.gsm8k import Gsm8k
from counterpoise.tasks.sources.mbpp import Mbpp


@pytest.fixture
def folder(tmp_path):
    """Write files of rows `{question, answer}`, by name; the folder."""

    def make(**files):
        for name, questions in files.items():
            stem, _, suffix = name.rpartition("_")
            rows = [{"question": question, "answer": "2"} for question in questions]
            path = tmp_path / f"{stem}.{suffix}"
            if suffix == "parquet":
                parquet.write_table(pyarrow.Table.from_pylist(rows), path)
            else:
                path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path

    return make


def questions(task, side="train"):
    return [problem.question for problem in task.problems(side)]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_the_files_of_a_folder_are_read_by_name(folder, kind):
    where = folder(**{f"b_{kind}": ["c"], f"a_{kind}": ["a", "b"]})
    (where / "README.md").write_text("about")
    (where / ".hidden.jsonl").write_text("{")
    task = (ParquetTask if kind == "parquet" else JsonlTask)(train=where)
    assert questions(task) == ["a", "b", "c"]
    place = f"{where / f'b.{kind}'}" + (": row 1" if kind == "parquet" else ":1")
    assert task.problems("train")[2].source == place


def test_the_files_of_a_split_are_those_of_its_side(folder):
    where = folder(
        **{"train-00000-of-00002_parquet": ["a"], "train-00001-of-00002_parquet": ["b"], "test_parquet": ["c"]}
    )
    task = JsonlTask(train=where, test=where)
    assert (questions(task), questions(task, "test")) == (["a", "b"], ["c"])
    both = JsonlTask(path=where, test_fraction=0.5)
    assert sorted(questions(both) + questions(both, "test")) == ["a", "b", "c"]


def test_a_folder_of_one_split_is_what_it_is_given_for(folder):
    assert questions(JsonlTask(test=folder(train_jsonl=["a"])), "test") == ["a"]


def test_a_folder_without_rows_for_a_side(folder, tmp_path):
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "data").mkdir()
    with pytest.raises(
        DataError, match=r"holds no \.parquet or \.jsonl file, only: README\.md, data; give the folder that holds them"
    ):
        questions(JsonlTask(train=tmp_path))
    folder(train_jsonl=["a"], validation_jsonl=["b"])
    with pytest.raises(
        DataError, match=r"has no test file, only: train\.jsonl, validation\.jsonl; give one of them as test=FILE"
    ):
        questions(JsonlTask(test=tmp_path), "test")
    folder(train_parquet=["a"])
    with pytest.raises(
        DataError,
        match=r"holds Parquet files and JSON lines \(train\.parquet, train\.jsonl\); give a folder of one kind",
    ):
        questions(JsonlTask(train=tmp_path))


def test_a_faulty_line_in_a_folder_has_file_and_line(folder):
    where = folder(a_jsonl=["a"], b_jsonl=["b", " "])
    with pytest.raises(DataError, match=re.escape(f"{where / 'b.jsonl'}:2: field 'question' is empty")):
        questions(JsonlTask(train=where))


def test_every_task_of_files_reads_parquet_and_folders(folder):
    path = folder() / "train.parquet"
    parquet.write_table(pyarrow.table({"question": ["a"], "answer": ["so\n#### 2"]}), path)
    assert [problem.gold for problem in Gsm8k(train=path).problems("train")] == ["2"]
    assert [problem.gold for problem in Gsm8k(train=path.parent).problems("train")] == ["2"]


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("hub:me/sums", ("me/sums", None, None)),
        ("hub:sums:train", ("sums", None, "train")),
        ("hub:openai/gsm8k:main:test", ("openai/gsm8k", "main", "test")),
        ("hub:me/sums:train[:100]", ("me/sums", None, "train[:100]")),
        ("hub:me/sums:main:train[10%:20%]", ("me/sums", "main", "train[10%:20%]")),
    ],
)
def test_names_of_the_hub(source, parts):
    found = HubName.of(source)
    assert (found.repository, found.config, found.split) == parts
    assert HubName.of("data/hub.jsonl") is None


@pytest.mark.parametrize("source", ["hub:", "hub::train", "hub:a:b:c:d", "hub:a b", "hub:a:", "hub:a:train[1"])
def test_what_is_no_name_of_the_hub(source):
    with pytest.raises(
        ConfigError, match=re.escape(f"'{source}' names no data set; write hub:NAME, hub:NAME:SPLIT or")
    ):
        questions(JsonlTask(train=source))


class Rows(list):
    """As much of `datasets.Dataset` as is asked of it: rows, their columns, and a choice of them."""

    @property
    def column_names(self):
        return list(self[0])

    def select_columns(self, names):
        self.selected = names
        return Rows({name: row[name] for name in names} for row in self)


@pytest.fixture
def hub(monkeypatch):
    """The data sets of a hub, by (name, configuration, split)."""
    rows = {}

    def load_dataset(name, config, *, split):
        if (name, config, split) not in rows:
            raise ValueError(f'Unknown split "{split}". Should be one of {[key[2] for key in rows]}.\nmore')
        return rows[name, config, split]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    return rows


def row(prompt, gold):
    return {"q": prompt, "info": {"gold": gold}, "image": b"large"}


def test_a_data_set_of_the_hub_with_mapped_columns(hub):
    hub["me/sums", None, "train"] = Rows([row("1+1", 2), row("2+2", 4)])
    hub["me/sums", None, "test"] = Rows([row("3+3", [6, "six"])])
    task = JsonlTask(train="hub:me/sums", test="hub:me/sums", question="q", gold="info.gold")
    assert [(p.question, p.gold, p.source) for p in task.problems("train")] == [
        ("1+1", "2", "me/sums, train: row 1"),
        ("2+2", "4", "me/sums, train: row 2"),
    ]
    assert [(p.question, p.gold) for p in task.problems("test")] == [("3+3", '["6", "six"]')]
    assert hub["me/sums", None, "train"].selected == ["q", "info"]  # no image is decoded
    one = JsonlTask(path="hub:me/sums", question="q", gold="info.gold", test_fraction=0.0)
    assert questions(one) == ["1+1", "2+2"]


def test_a_data_set_of_the_hub_for_any_task_of_files(hub):
    hub["google/mbpp", "full", "test[:1]"] = Rows(
        [{"text": "Add.", "test_list": ["assert add(1, 1) == 2"], "code": "add = sum"}]
    )
    (problem,) = Mbpp(test="hub:google/mbpp:full:test[:1]").problems("test")
    assert "Add." in problem.question


def test_mistakes_with_the_hub(hub):
    hub["me/sums", None, "train"] = Rows([row("1+1", 2)])
    with pytest.raises(
        DataError,
        match=r"cannot read me/sums, tset from the Hugging Face hub \(Unknown split \"tset\"\. Should be .*; check",
    ) as caught:
        questions(JsonlTask(train="hub:me/sums:tset"))
    assert "\n" not in str(caught.value)
    with pytest.raises(
        DataError, match=r"me/sums, train: row 1: no field 'question'.*; the fields are: q, info, image"
    ):
        questions(JsonlTask(train="hub:me/sums"))
    with pytest.raises(
        DataError, match=r"me/sums, train: row 1: no field 'info\.glod'; did you mean 'gold'\?; 'info' has: gold"
    ):
        questions(JsonlTask(train="hub:me/sums", question="q", gold="info.glod"))


def test_the_hub_needs_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        MissingExtraError, match=r"needs the package 'datasets', which is not installed; install it with: pip install"
    ):
        questions(JsonlTask(train="hub:me/sums"))


def test_a_run_file_leaves_names_of_the_hub_as_they_are(tmp_path):
    (tmp_path / "run.toml").write_text(
        '[tasks]\nname = "jsonl"\ntrain = "hub:me/sums:train"\nsettings = { path = "hub:me/x" }\n'
    )
    config = settled(load_config(tmp_path / "run.toml", ["tasks.test=hub:me/sums:test"]))
    assert (str(config.tasks.train), str(config.tasks.test)) == ("hub:me/sums:train", "hub:me/sums:test")
    assert config.tasks.settings["path"] == "hub:me/x"
    assert missing(config.model_dump(mode="json")) == []
    assert parse_config(config.model_dump(mode="json")).tasks == config.tasks


def test_a_data_set_that_was_saved(tmp_path):
    datasets = pytest.importorskip("datasets")
    train = datasets.Dataset.from_list([row("1+1", 2), row("2+2", 4), row("4+4", 8)]).select([0, 2])
    test = datasets.Dataset.from_list([row("3+3", 6)])
    train.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=train, test=test).save_to_disk(tmp_path / "both")
    fields = {"question": "q", "gold": "info.gold"}
    assert questions(JsonlTask(train=tmp_path / "one", **fields)) == ["1+1", "4+4"]
    both = JsonlTask(train=tmp_path / "both", test=tmp_path / "both", **fields)
    assert (questions(both), questions(both, "test")) == (["1+1", "4+4"], ["3+3"])
    assert both.problems("test")[0].source == f"{tmp_path / 'both'} (test): row 1"
    assert questions(JsonlTask(train=tmp_path / "both" / "test", **fields)) == ["3+3"]
    with pytest.raises(
        DataError,
        match=r"both sides are asked of it, and its splits are: train, test; give the folder of one, e\.g\. .*train",
    ):
        questions(JsonlTask(path=tmp_path / "both", **fields))
    datasets.DatasetDict(train=train).save_to_disk(tmp_path / "half")
    with pytest.raises(DataError, match=r"half has no split 'test', and its splits are: train; give the folder of one"):
        questions(JsonlTask(test=tmp_path / "half", **fields), "test")
    next((tmp_path / "one").glob("*.arrow")).write_bytes(b"torn")
    with pytest.raises(DataError, match=r"one: no readable data set \(.*\); save it again with save_to_disk"):
        questions(JsonlTask(train=tmp_path / "one", **fields))


def test_a_saved_data_set_needs_its_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    (tmp_path / "dataset_dict.json").write_text("{}")
    with pytest.raises(MissingExtraError, match=r"the saved data set .* needs the package 'datasets'"):
        questions(JsonlTask(train=tmp_path))
