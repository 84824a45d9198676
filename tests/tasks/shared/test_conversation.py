"""Questions that are conversations, and fields inside other fields, as other trainers' files have them."""

import json
import re

import pyarrow
import pytest
from pyarrow import parquet

from counterpoise.errors import DataError
from counterpoise.tasks.mixture import Mixture
from counterpoise.tasks.sources.files import JsonlTask, ParquetTask
from counterpoise.types import MESSAGES

VERL = {
    "data_source": "openai/gsm8k",
    "prompt": [{"role": "user", "content": " How many? "}],
    "reward_model": {"style": "rule", "ground_truth": 72},
}


@pytest.fixture
def load(tmp_path):
    def make(*lines, **settings):
        path = tmp_path / "data.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return JsonlTask(
            train=path, **{"question": "prompt", "gold": "reward_model.ground_truth", **settings}
        ).problems("train")

    return make


def talk(*roles):
    return [{"role": role, "content": f"{role} {number}"} for number, role in enumerate(roles)]


def test_a_file_of_verl(load):
    (problem,) = load(VERL, task_type_field="data_source")
    assert (problem.question, problem.gold, problem.task_type) == ("How many?", "72", "openai/gsm8k")
    assert (problem.template, dict(problem.meta)) == ("chat", {})


def test_a_question_alone_is_the_same_problem_as_text_or_message(load):
    (message,) = load(VERL)
    (text,) = load({**VERL, "prompt": "How many?"})
    assert text.problem_id == message.problem_id
    assert text.template is None


def test_earlier_messages_are_part_of_what_is_asked(load):
    roles = ("system", "user", "assistant", "user")
    first, second, third = load(
        {**VERL, "prompt": talk(*roles)}, VERL | {"prompt": talk(*roles)[1:]}, VERL | {"prompt": talk(*roles)[3:]}
    )
    assert first.question == second.question == third.question == "user 3"
    assert first.meta[MESSAGES] == (("system", "system 0"), ("user", "user 1"), ("assistant", "assistant 2"))
    assert len({first.problem_id, second.problem_id, third.problem_id}) == 3


def test_a_template_that_is_named_goes_before_the_conversation(load):
    (problem,) = load(VERL, template="answer_tags_chat")
    assert problem.template is None


def test_in_a_mixture_too(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps(VERL) + "\n" + json.dumps(VERL | {"prompt": "x"}) + "\n")
    source = {"name": "jsonl", "train": str(path), "question": "prompt", "gold": "reward_model.ground_truth"}
    assert [problem.template for problem in Mixture(sources=[source]).problems("train")] == [
        "chat",
        "step_by_step_chat",
    ]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([], "field 'prompt': no message in it; a conversation ends with the user's question"),
        (["hi"], "field 'prompt', message 1: expected {\"role\": \"user\", \"content\": \"…\"}, found 'hi'"),
        ([{"role": "user"}], "field 'prompt', message 1: expected {\"role\""),
        ([{"role": "human", "content": "a"}], "message 1: role 'human', expected one of: system, user, assistant; did you mean 'user'?"),
        ([{"role": "usr", "content": "a"}], "message 1: role 'usr', expected one of: system, user, assistant; did you mean 'user'?"),
        ([{"role": 3, "content": "a"}], "message 1: role 3, expected one of: system, user, assistant"),
        ([{"role": ["user"], "content": "a"}], "message 1: role ['user'], expected one of"),
        ([{"role": "user", "content": None}], "message 1: expected text as content, found 'None'"),
        ([{"role": "user", "content": " "}], "message 1: expected text as content, found ' '"),
        ([{"role": "user", "content": [{"type": "image"}]}], "message 1: expected text as content, found \"[{'type': 'image'}]\""),
        (talk("system"), "field 'prompt': the last message is the system's, and a prompt ends with the user's"),
        (talk("user", "assistant"), "the last message is the assistant's, and a prompt ends with the user's; drop the answer"),
        (talk("user", "user"), "message 2: role 'user', expected 'assistant': after an optional system message user and"),
        (talk("system", "assistant", "user"), "message 2: role 'assistant', expected 'user'"),
        (talk("user", "system", "user"), "message 2: role 'system', expected 'assistant'"),
    ],
)  # fmt: skip
def test_a_conversation_that_is_none(load, prompt, message):
    with pytest.raises(
        DataError, match=re.escape(f"data.jsonl:2: {'' if message.startswith('field') else 'field '}")
    ) as caught:
        load(VERL, {**VERL, "prompt": prompt})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reward_model": {"ground_truht": 1}}, "no field 'reward_model.ground_truth'; did you mean 'ground_truht'?; 'reward_model' has: "),
        ({"reward_model": {}}, "no field 'reward_model.ground_truth'; 'reward_model' has: none"),
        ({"reward_model": None}, "no field 'reward_model.ground_truth': 'reward_model' is null 'None', not an object"),
        ({"reward_model": "72"}, "no field 'reward_model.ground_truth': 'reward_model' is a text '72', not an object"),
        ({"reward_model": {"ground_truth": None}}, "'reward_model.ground_truth': expected text, a number or a list of them, found null"),
        ({"reward_model": {"ground_truth": {"target": 3}}}, "an object \"{'target': 3}\"; name one of reward_model.ground_truth.target"),
    ],
)  # fmt: skip
def test_a_nested_field_that_is_missing_on_a_line(load, change, message):
    with pytest.raises(DataError, match=r"data\.jsonl:2: [^\n]*$") as caught:
        load(VERL, VERL | {"prompt": "other"} | change)
    assert message in str(caught.value)


def test_a_name_with_a_dot_is_a_name_before_it_is_a_place(load):
    (problem,) = load({"prompt": "a", "reward_model.ground_truth": "1", "reward_model": {"ground_truth": "2"}})
    assert problem.gold == "1"


def test_parquet_reads_the_outermost_columns_alone(tmp_path):
    rows = pyarrow.Table.from_pylist([VERL, VERL | {"prompt": talk("system", "user")}])
    parquet.write_table(rows, tmp_path / "d.parquet")
    task = ParquetTask(train=tmp_path / "d.parquet", question="prompt", gold="reward_model.ground_truth")
    one, two = task.problems("train")
    assert (one.question, one.gold, two.meta[MESSAGES]) == ("How many?", "72", (("system", "system 0"),))
    with pytest.raises(
        DataError, match=r"d\.parquet: no column 'reward'; did you mean 'reward_model'\?; the columns are: data_source"
    ):
        ParquetTask(train=tmp_path / "d.parquet", question="prompt", gold="reward.ground_truth").problems("train")
    with pytest.raises(
        DataError, match=r"d\.parquet: row 1: no field 'reward_model\.gt'.*'reward_model' has: style, ground_truth"
    ):
        ParquetTask(train=tmp_path / "d.parquet", question="prompt", gold="reward_model.gt").problems("train")
