"""Data that a trainer cannot read is refused when it is made; golds of all kinds are judged as a file's are."""

import pytest
from datasets import Dataset, DatasetDict, IterableDataset

from counterpoise.engines.trl import verdict_reward
from counterpoise.errors import DataError, UsageError


def history(trainer, name):
    return [record[name] for record in trainer.state.log_history if name in record]


@pytest.mark.parametrize(
    ("named", "error", "says"),
    [
        (
            {"task_column": "nope"},
            DataError,
            r"task_column='nope': train_dataset has no such column; it has: answer, k",
        ),
        (
            {"gold": "solution"},
            DataError,
            r"no column 'solution' for the golds; give gold=NAME of one of: answer, kind",
        ),
        ({"arguments": {"remove_unused_columns": True}}, UsageError, r"takes the column 'answer' away before anything"),
        (
            {"arguments": {"remove_unused_columns": True}, "task_column": "kind"},
            UsageError,
            "takes the column 'kind' away",
        ),
        (
            {"arguments": {"num_generations": 8, "per_device_train_batch_size": 1024}},
            DataError,
            "has 64 rows, and a step",
        ),
    ],
)
def test_what_is_not_there_is_refused_when_the_trainer_is_made(make_trainer, named, error, says):
    gold = {"gold": named.pop("gold")} if "gold" in named else {}
    with pytest.raises(error, match=says):
        make_trainer(verdict_reward("countdown", **gold), credit="nsr", **named)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.rename_column("prompt", "question"), "train_dataset has no column 'prompt'"),
        (lambda rows: DatasetDict({"train": rows}), r"several data sets \(train\); give one of them, e.g. .*'train'\]"),
        (lambda rows: rows.select([0]), r"has 1 row, and a step draws responses to 4 prompts.* to 8 responses a step"),
        (lambda rows: rows.select([]), "has 0 rows"),
        (
            lambda rows: Dataset.from_list([{**row, "prompt": row["prompt"] if i != 5 else None} for i, row in enumerate(rows)]),
            "row 5 of train_dataset has no prompt",
        ),
        (
            lambda rows: Dataset.from_list([{**row, "answer": None} for row in rows]),
            "the column 'answer' of train_dataset is empty in every row",
        ),
    ],
)  # fmt: skip
def test_rows_that_nothing_can_be_learned_from_are_refused(make_trainer, rows, change, says):
    with pytest.raises(DataError, match=says):
        make_trainer(verdict_reward("countdown"), data=change(rows), credit="nsr")


def test_the_data_of_an_evaluation_is_looked_at_too(make_trainer, rows):
    fine, bare = rows.remove_columns("kind"), rows.remove_columns("answer")
    make_trainer(verdict_reward("countdown"), credit="nsr", task_column="kind", eval_dataset={"a": rows, "b": fine})
    with pytest.raises(DataError, match=r"no column 'answer' for the golds; give gold=NAME of one of: kind"):
        make_trainer(verdict_reward("countdown"), credit="nsr", eval_dataset={"a": fine, "b": bare})


def test_a_stream_that_does_not_know_its_columns_is_asked_when_it_is_read(make_trainer, rows):
    listed = rows.to_list()
    stream = IterableDataset.from_generator(lambda: iter(listed))
    with pytest.raises(DataError, match=r"task_column='nope': a row has no such column; it has: answer, kind, prompt"):
        make_trainer(verdict_reward("countdown"), data=stream, credit="nsr", task_column="nope").train()


def test_a_row_without_a_gold_is_unscored(make_trainer, rows):
    data = Dataset.from_list([{**row, "answer": row["answer"] if i % 4 else None} for i, row in enumerate(rows)])
    trainer = make_trainer(verdict_reward("countdown"), data=data, credit="nsr", arguments={"max_steps": 4})
    trainer.train()
    unscored = history(trainer, "credit/unscored")
    assert unscored == history(trainer, "credit/groups_unscored") and 0 < sum(unscored) / 4 < 1
    # Were they wrong, the credit of NSR would say so: it is the share of wrong ones among those that were judged.
    judged = [1 - rate for rate in history(trainer, "credit/success_rate")]
    assert history(trainer, "credit/minus") == pytest.approx(judged, abs=1e-6)
