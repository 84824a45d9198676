import json

import pytest

from counterpoise.endpoint import Failure
from counterpoise.rollouts.served.reply import read_reply
from counterpoise.rollouts.served.words import blamed, words
from counterpoise.types import StopReason


def one(choice, *, chat=True, stop=(), **reply):
    """The only choice of a reply, or what is wrong with it."""
    read = read_reply({"choices": [choice], **reply}, chat=chat, stop=stop)
    assert len(read.drawn) == 1
    return read.drawn[0] or read.fault


def said(message, **choice):
    return {"message": {"role": "assistant", **message}, "finish_reason": "stop", **choice}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "5"}, "5"),
        ({"content": ""}, ""),
        ({"content": None}, ""),
        ({"content": None, "refusal": "I will not"}, "I will not"),
        ({"content": [{"type": "text", "text": "4"}, {"type": "image"}, {"type": "text", "text": "2"}]}, "42"),
        ({"content": "5", "reasoning_content": "2+3"}, "<think>\n2+3\n</think>\n\n5"),
        ({"content": "5", "reasoning": "2+3"}, "<think>\n2+3\n</think>\n\n5"),
        ({"content": "5", "reasoning_content": 7}, "5"),
        ({"content": "a\ud800b\x1b[31m\x00"}, "a?b\x1b[31m\x00"),
    ],
)
def test_the_text_of_a_chat(message, text):
    assert one(said(message)).text == text


def test_a_thought_that_was_cut_off_stays_open():
    message = {"content": None, "reasoning_content": "2+3 is \\boxed{5}, or"}
    assert one(said(message, finish_reason="length")).text == "<think>\n2+3 is \\boxed{5}, or"


@pytest.mark.parametrize(
    ("choice", "fault"),
    [
        (None, "a choice is not an object"),
        ("5", "a choice is not an object"),
        ({}, "a choice has no message"),
        ({"message": "5", "finish_reason": "stop"}, "a choice has no message"),
        (said({}), "a choice has no message.content"),
        (said({"content": 5}), "a choice has no message.content"),
        ({"message": {"content": None}}, "a choice has no message.content"),
        (said({"content": "5"}, finish_reason="abort"), "the server broke a response off (finish_reason abort)"),
    ],
)
def test_what_is_no_response(choice, fault):
    assert one(choice) == f"bad reply: {fault}"


@pytest.mark.parametrize("choices", [None, [], "5", {"0": {}}])
def test_no_choices(choices):
    read = read_reply({"choices": choices}, chat=True, stop=())
    assert not read.drawn and read.fault.startswith("bad reply: ")


def test_choices_come_by_their_index_and_a_bad_one_keeps_its_place():
    choices = [{"text": str(i), "index": i, "finish_reason": "stop"} for i in (2, 0, 1)]
    del choices[1]["text"]
    read = read_reply({"choices": choices}, chat=False, stop=())
    assert [drawn and drawn.text for drawn in read.drawn] == [None, "1", "2"]
    for odd in (0, "x", True, None, -1):  # twice the same, or no number: as they come
        for choice in choices:
            choice["index"] = odd
        assert [d and d.text for d in read_reply({"choices": choices}, chat=False, stop=()).drawn] == ["2", None, "1"]


@pytest.mark.parametrize(
    ("choice", "stop", "text", "reason"),
    [
        ({"finish_reason": "stop"}, (), "5", StopReason.EOS),
        ({"finish_reason": "length"}, (), "5", StopReason.LENGTH),
        ({"finish_reason": "content_filter"}, (), "5", None),
        ({"finish_reason": None}, (), "5", None),
        ({}, (), "5", None),
        # vLLM says which string it was, and leaves it away
        ({"finish_reason": "stop", "stop_reason": "</a>"}, ("</a>",), "5</a>", StopReason.STOP_STRING),
        ({"finish_reason": "stop", "stop_reason": None}, ("</a>",), "5", StopReason.EOS),
        ({"finish_reason": "stop", "stop_reason": 151643}, ("</a>",), "5", StopReason.EOS),
        # others do not say it
        ({"finish_reason": "stop"}, ("</a>",), "5", None),
        ({"finish_reason": "stop"}, ("5",), "5", StopReason.STOP_STRING),
    ],
)
def test_why_it_ended(choice, stop, text, reason):
    drawn = one({"text": "5", **choice}, chat=False, stop=stop)
    assert (drawn.text, drawn.stop_reason) == (text, reason)


@pytest.mark.parametrize(
    ("log_probs", "tokens", "mean"),
    [
        ([-1.0, -2.0, 0.0], 3, -1.0),
        ([-1.0, 1e-6], 2, -0.5),  # rounding
        ([-1.0, float("nan")], 2, None),
        ([-1.0, -9999.0], 2, None),
        ([-1.0, None], 2, None),
        ([-1.0, True], 2, None),
        ([-1.0, 3.0], 2, None),
        ([-1.0, 10**400], 2, None),
        ([], 7, None),
        ("x", 7, None),
    ],
)
def test_log_probabilities_where_they_are_given(log_probs, tokens, mean):
    text = {"text": "5", "finish_reason": "stop", "logprobs": {"token_logprobs": log_probs}}
    chat = said({"content": "5"})
    chat["logprobs"] = {"content": [{"logprob": p} for p in log_probs] if isinstance(log_probs, list) else log_probs}
    for drawn in (
        one(text, chat=False, usage={"completion_tokens": 7}),
        one(chat, chat=True, usage={"completion_tokens": 7}),
    ):
        assert drawn.tokens == tokens
        assert drawn.mean_log_prob == (None if mean is None else pytest.approx(mean, abs=1e-6))


@pytest.mark.parametrize(
    "usage", [None, 5, {}, {"completion_tokens": -1}, {"completion_tokens": "7"}, {"completion_tokens": True}]
)
def test_a_length_that_is_none(usage):
    assert one({"text": "5", "finish_reason": "stop"}, chat=False, usage=usage).tokens is None


def test_of_several_responses_the_usage_says_nothing():
    choices = [{"text": "5", "finish_reason": "stop"}] * 2
    read = read_reply({"choices": choices, "usage": {"completion_tokens": 7}}, chat=False, stop=())
    assert [drawn.tokens for drawn in read.drawn] == [None, None]


FIELDS = ("temperature", "max_tokens", "n", "top_k", "min_p", "seed", "logprobs")


@pytest.mark.parametrize(
    ("answer", "fields", "line"),
    [
        (
            {"error": {"message": "Unsupported value: 'temperature'", "param": "temperature", "code": "x"}},
            ["temperature"],
            "Unsupported value: 'temperature'",
        ),
        (
            {"error": {"message": "Unrecognized request arguments supplied: min_p, top_k", "param": None}},
            ["top_k", "min_p"],
            "Unrecognized request arguments supplied: min_p, top_k",
        ),
        # FastAPI repeats the whole body: the place alone counts
        (
            {"detail": [{"loc": ["body", "n"], "msg": "Extra inputs", "input": {"seed": 1, "top_k": 0}}]},
            ["n"],
            "n: Extra inputs",
        ),
        ({"detail": "Unexpected fields in the request: {'top_k', 'min_p'}"}, ["top_k", "min_p"], None),
        ({"error": "Only one completion choice is allowed"}, ["n"], None),
        ({"message": "n must be 1"}, ["n"], None),
        ("This isn't a known n-gram model\\n", [], None),
        ("<html>seed</html>", [], ""),
        ({"odd": [1]}, [], '{"odd": [1]}'),
        (None, [], ""),
        ({"error": {"error": {"message": "deep"}}}, [], "deep"),
    ],
)
def test_what_a_server_says_of_a_refusal(answer, fields, line):
    failure = Failure(reason="HTTP 400", passing=False, status=400, said=answer)
    assert blamed(failure, FIELDS) == fields
    if line is not None:
        assert words(failure) == (f"HTTP 400: {line}" if line else "HTTP 400")


def test_what_it_says_is_one_short_line():
    shown = words(Failure(reason="HTTP 400", passing=False, said={"message": "a\nb\t" + "x" * 10_000}))
    assert "\n" not in shown and len(shown) < 220 and json.dumps(shown)
