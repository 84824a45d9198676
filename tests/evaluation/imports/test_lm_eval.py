"""Lines as lm-evaluation-harness writes them with `--log_samples`."""

import json

import pytest

from counterpoise.errors import DataError


def line(doc_id=0, *responses, **changes):
    return {
        "doc_id": doc_id,
        "doc": {"question": "1+1"},
        "target": "#### 2",
        "arguments": {"gen_args_0": {"arg_0": "Q: 1+1\nA:", "arg_1": {"until": ["Q:"]}}},
        "resps": [list(responses or ("2",))],
        "filtered_resps": ["2"],
        "filter": "strict-match",
        "metrics": ["exact_match", "length"],
        "exact_match": 1.0,
        "length": 9,
    } | changes


def test_a_line(written, read):
    source, [draw], _ = read(written("samples_gsm8k.jsonl", line()))
    assert (source.name, source.score) == ("lm-eval", "exact_match of strict-match")
    assert (draw.prompt, draw.response, draw.gold, draw.score) == ("Q: 1+1\nA:", "2", "2", 1.0)


@pytest.mark.parametrize("arguments", [[["Q: 1+1\nA:", {"until": []}]], {"gen_args_0": {"arg_0": ["Q: 1+1\nA:"]}}])
def test_other_forms_of_arguments(written, read, arguments):
    assert read(written("samples_a.jsonl", line(arguments=arguments)))[1][0].prompt == "Q: 1+1\nA:"


def test_a_chat_templates_messages_are_json_in_the_argument(written, read):
    messages = [{"role": "user", "content": "1+1"}]
    arguments = {"gen_args_0": {"arg_0": [json.dumps(messages)]}}
    assert read(written("samples_a.jsonl", line(arguments=arguments)))[1][0].prompt == "1+1"


def test_repeats_are_draws_without_the_documents_metric(written, read):
    _, draws, _ = read(written("samples_a.jsonl", line(0, "2", "3"), line(1, "4")))
    assert [(draw.response, draw.score) for draw in draws] == [("2", None), ("3", None), ("4", 1.0)]


def test_lines_of_one_filter_count(written, read):
    lines = [line(), line(1), line(filter="flexible", exact_match=0.0), line(1, filter="flexible", exact_match=0.0)]
    path = written("samples_a.jsonl", *lines)
    source, draws, _ = read(path)
    assert (source.filter, source.other_filters) == ("strict-match", ("flexible",))
    assert [draw.score for draw in draws] == [1.0, 1.0]
    assert [draw.score for draw in read(path, filter="flexible")[1]] == [0.0, 0.0]
    with pytest.raises(DataError, match="has no filter 'none'; its filters: strict-match, flexible"):
        read(path, filter="none")


def test_a_named_metric_and_none(written, read):
    assert read(written("samples_a.jsonl", line()), score="length")[1][0].score == 9.0
    old = {name: value for name, value in line().items() if name not in ("metrics", "filter")}
    source, [draw], _ = read(written("samples_b.jsonl", old))
    assert (source.score, source.filter, draw.score) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"resps": [[[-1.0, False]], [[-2.0, False]]]}, "it has not one request but several or none"),
        ({"resps": [[[-1.0, False]]]}, "its resps are not texts"),
        ({"resps": [[]]}, "it has no response"),
        ({"arguments": {}}, "its arguments hold no prompt"),
        ({"arguments": "Q: 1+1"}, "its arguments are text"),
    ],
)
def test_what_is_no_response_says_so(written, read, changes, reason):
    _, draws, refused = read(written("samples_a.jsonl", line(), line(1, **changes)))
    assert len(draws) == 1
    assert refused.first[0].line == 2
    assert refused.first[0].reason.startswith(reason)
