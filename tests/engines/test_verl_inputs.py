"""Data, model and directory of a command of verl's own, looked at before Ray starts."""

from types import SimpleNamespace

import pyarrow
import pyarrow.parquet
import pytest

from counterpoise.engines.verl.inputs import check_inputs
from counterpoise.errors import UsageError


@pytest.fixture
def asked(tmp_path):
    """`asked(train_files=…, model=…, directory=…)`: a configuration whose other inputs are there."""
    model, data = tmp_path / "model", tmp_path / "data.parquet"
    model.mkdir()
    (model / "config.json").write_text("{}")
    pyarrow.parquet.write_table(pyarrow.table({"prompt": ["a"]}), data)

    def make(*, model=model, directory=tmp_path / "new" / "out", **files):
        return SimpleNamespace(
            data={"train_files": str(data), "val_files": [str(data)], **files},
            actor_rollout_ref=SimpleNamespace(model=SimpleNamespace(path=model)),
            trainer=SimpleNamespace(default_local_dir=directory),
        )

    return make


def test_what_is_there_is_fine(asked):
    check_inputs(asked())
    check_inputs(asked(model="org/name", train_files="hdfs://far/away.parquet"))


def test_data_that_cannot_be_trained_on(asked, tmp_path):
    (tmp_path / "text.parquet").write_text("no")
    pyarrow.parquet.write_table(
        pyarrow.table({"prompt": pyarrow.array([], type=pyarrow.string())}), tmp_path / "0.parquet"
    )
    for changed, says in (
        (
            {"train_files": str(tmp_path / "gone.parquet")},
            r"data.train_files=.*gone.parquet is no file; give the Parquet files",
        ),
        ({"val_files": [str(tmp_path)]}, r"data.val_files=.* is no file"),
        (
            {"train_files": str(tmp_path / "text.parquet")},
            r"text.parquet cannot be read as Parquet \(.*\); write it again",
        ),
        ({"train_files": [str(tmp_path / "0.parquet")]}, r"0.parquet has no rows; give a file with some"),
        ({"train_files": []}, r"data.train_files names no file"),
        ({"val_files": None}, r"data.val_files names no file"),
        ({"train_files": 3}, r"data.train_files=3: give the Parquet files of prompts"),
        ({"train_files": [3]}, r"data.train_files=3: give the Parquet files of prompts"),
        ({"val_files": {"a": 1}}, r"data.val_files=\{'a': 1\}: give the Parquet"),
    ):
        with pytest.raises(UsageError, match=says) as refused:
            check_inputs(asked(**changed))
        assert "\n" not in str(refused.value)


def test_a_model_that_is_not_there(asked, tmp_path):
    with pytest.raises(UsageError, match=r"model.path=.*/gone is no directory; give a model's directory, or a hub id"):
        check_inputs(asked(model=tmp_path / "gone"))
    with pytest.raises(UsageError, match=r"has no config.json"):
        check_inputs(asked(model=tmp_path))


def test_what_is_no_name_is_not_taken_for_one(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given, shown in ((None, "null"), (3, "3"), (" ", " ")):
        with pytest.raises(UsageError, match=rf"trainer.default_local_dir={shown}: give the directory of the run's"):
            check_inputs(asked(directory=given))
        with pytest.raises(UsageError, match=rf"model.path={shown}: give a model's directory, or a hub id"):
            check_inputs(asked(model=given))
    assert not (tmp_path / "None").exists()


def test_a_directory_that_cannot_be_written(asked, tmp_path):
    (tmp_path / "file").write_text("")
    for where in (tmp_path / "file" / "out", tmp_path / "file", "/proc/out"):
        with pytest.raises(
            UsageError, match=r"trainer.default_local_dir=.* cannot be written \(.*\); give one that can"
        ):
            check_inputs(asked(directory=where))
