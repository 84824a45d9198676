"""What `[prompt]` makes of a template, and what it refuses."""

import re

import pytest

from counterpoise.errors import ConfigError, UnknownNameError
from counterpoise.prompts import TEMPLATES, Wording, make_prompts
from counterpoise.prompts.lengths import prompt_lengths
from counterpoise.prompts.templates import PER_PROBLEM
from counterpoise.types import MESSAGES, Problem

ASK = "\nPlease reason step by step, and put your final answer within \\boxed{}."
SHOTS = (("2+2", "\\boxed{4}"), ("3+3", "\\boxed{6}"))
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}[model]"
)
DROPS_SYSTEM = "{% for m in messages %}{% if m['role'] != 'system' %}[{{ m['role'] }}]{{ m['content'] }}{% endif %}{% endfor %}[model]"


def problem(*before, question="1+1", **fields):
    meta = {MESSAGES: before} if before else {}
    return Problem(problem_id="p1", task_type="t", question=question, gold="2", verifier="numeric", meta=meta, **fields)


@pytest.fixture
def prompt(bytes_tokenizer):
    def make(*, one=None, tokenizer=None, **settings):
        wording = Wording(**{"template": "step_by_step_chat", "chosen": False, **settings})
        (made,) = make_prompts([one or problem()], tokenizer or bytes_tokenizer(), template=wording)
        return made

    return make


@pytest.mark.parametrize("template", list(TEMPLATES))
@pytest.mark.parametrize("chosen", [True, False])
def test_nothing_set_is_the_template_to_the_byte(bytes_tokenizer, template, chosen):
    (plain,) = make_prompts([problem()], bytes_tokenizer(), template=template)
    (worded,) = make_prompts([problem()], bytes_tokenizer(), template=Wording(template=template, chosen=chosen))
    assert worded.text == plain.text == TEMPLATES[template].render("1+1", bytes_tokenizer())
    assert worded.token_ids.tolist() == plain.token_ids.tolist()
    assert str(Wording(template=template, chosen=chosen)) == template


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"system": "Be brief."}, f"<s>[system]Be brief.[user]1+1{ASK}[assistant]"),
        ({"user": "Q: {question}"}, "<s>[user]Q: 1+1[assistant]"),
        ({"user": "Q: {question}", "template": "plain"}, "<s>[user]Q: 1+1[assistant]"),  # a user speaks in a chat
        ({"user": "Q: {question}", "template": "chat", "chosen": True}, "<s>[user]Q: 1+1[assistant]"),
        (
            {"shots": SHOTS[:1], "system": "S", "user": "{question}?"},
            "<s>[system]S[user]2+2?[assistant]\\boxed{4}[user]1+1?[assistant]",
        ),
        ({"text": "Q: {question}\nA:"}, "Q: 1+1\nA:"),
        ({"text": "Q: {question}\nA:", "shots": SHOTS}, "Q: 2+2\nA: \\boxed{4}\n\nQ: 3+3\nA: \\boxed{6}\n\nQ: 1+1\nA:"),
        ({"template": "plain", "shots": SHOTS[:1]}, "2+2\n\\boxed{4}\n\n1+1\n"),
        ({"chat_arguments": {"enable_thinking": False}, "user": "{question}"}, "<s>[user]1+1[assistant]<think></think>"),
        ({"response_prefix": "Well, ", "user": "{question}"}, "<s>[user]1+1[assistant]Well, "),
        ({"template": "plain", "response_prefix": "So "}, "1+1\nSo "),
    ],
)  # fmt: skip
def test_what_is_set_is_in_the_prompt(prompt, settings, text):
    assert prompt(**settings).text == text


def test_a_model_without_chat_format_gets_the_answer_format_as_text(prompt, bytes_tokenizer):
    base = bytes_tokenizer(None)
    made = prompt(tokenizer=base)
    assert made.text == f"1+1{ASK}\n"
    assert made.token_ids[0] == 0  # the tokenizer's own first token: it is a text
    assert prompt(tokenizer=base, system="Be brief.", shots=SHOTS[:1]).text == (
        f"Be brief.\n\n2+2{ASK}\n\\boxed{{4}}\n\n1+1{ASK}\n"
    )
    said = Wording(template="step_by_step_chat", chosen=False).remark([problem()], base)
    assert said.startswith(
        "the tokenizer of 'toy' has no chat template: questions are asked as text, with the words of step_by_step_chat"
    )
    assert Wording(template="step_by_step_chat", chosen=False).remark([problem()], bytes_tokenizer()) is None
    assert Wording(template="plain", chosen=False).remark([problem()], base) is None


def test_a_chat_that_was_chosen_is_not_changed_into_text(prompt, bytes_tokenizer):
    with pytest.raises(
        ConfigError, match=r"has no chat template; set prompt\.template=plain, or step_by_step, which asks"
    ):
        prompt(tokenizer=bytes_tokenizer(None), chosen=True)
    with pytest.raises(
        ConfigError, match=r"prompt\.chat_arguments: the tokenizer of 'toy' has no chat template; drop them"
    ):
        prompt(tokenizer=bytes_tokenizer(None), chat_arguments={"enable_thinking": False})


def test_the_prefix_is_judged_and_an_open_thought_before_it_is_known(prompt):
    made = prompt(user="{question}", response_prefix="The answer is \\boxed{")
    assert made.judged("5}") == "The answer is \\boxed{5}"
    assert not made.in_thought
    thinking = prompt(text="{question} <think>\n", response_prefix="Hmm, ")
    assert thinking.in_thought
    assert thinking.judged("5") == "<think>\nHmm, 5"
    opened = prompt(user="{question}", response_prefix="<think>\n")
    assert opened.judged("5") == "<think>\n5"


def test_a_conversation_is_asked_in_its_own_words(prompt):
    talk = (("system", "S"), ("user", "2+2"), ("assistant", "4"))
    one = problem(*talk, template="chat")
    assert prompt(one=one).text == "<s>[system]S[user]2+2[assistant]4[user]1+1[assistant]"
    assert prompt(one=one, system="T").text == "<s>[system]T[user]2+2[assistant]4[user]1+1[assistant]"
    # A template that was chosen is for all problems.
    assert prompt(one=one, template="step_by_step_chat", chosen=True).text.endswith(f"[user]1+1{ASK}[assistant]")
    assert prompt(one=one, text="Q: {question}").text == "S\n\n2+2\n\n4\n\nQ: 1+1"
    with pytest.raises(
        ConfigError,
        match=r"^a\.jsonl:3, problem p1: its conversation has several messages, and the template spells out one",
    ):
        prompt(one=problem(*talk, source="a.jsonl:3"), template="paper_qwen3", chosen=True)


@pytest.mark.parametrize(
    ("chat", "message"),
    [
        (
            NO_SYSTEM,
            "the chat template of 'toy' refuses the conversation (System role not supported); put the words of {} into prompt.user",
        ),
        (
            DROPS_SYSTEM,
            "the chat template of 'toy' leaves the system message out; put the words of {} into prompt.user",
        ),
    ],
)
def test_a_chat_format_that_has_no_system_message(prompt, bytes_tokenizer, chat, message):
    tokenizer = bytes_tokenizer(chat)
    assert prompt(tokenizer=tokenizer, user="{question}").text == "[user]1+1[model]"
    with pytest.raises(ConfigError, match=re.escape(message.format("prompt.system"))):
        prompt(tokenizer=tokenizer, system="Be brief.")
    one = problem(("system", "S"), template="chat", source="a.jsonl:3")
    with pytest.raises(
        ConfigError, match="^a.jsonl:3, problem p1: " + re.escape(message.format("its own system message"))
    ):
        prompt(tokenizer=tokenizer, one=one)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"template": "chta"}, "unknown prompt template 'chta'; did you mean 'chat'?"),
        ({"user": "{questoin}"}, "prompt.user: unknown field '{questoin}'"),
        ({"text": "{q}"}, "prompt.text: unknown field '{q}'"),
        ({"system": "{question}"}, "prompt.system: {question} has no place there"),
        ({"response_prefix": "{question}"}, "prompt.response_prefix: {question} has no place there"),
        ({"text": "{question}", "chosen": True}, "prompt.text is the whole prompt, and prompt.template is set beside it; drop one"),
        ({"text": "{question}", "system": "S"}, "prompt.text is the whole prompt, and prompt.system is set beside it"),
        ({"text": "{question}", "chat_arguments": {"a": 1}}, "prompt.text is the whole prompt, and prompt.chat_arguments is set"),
        ({"user": "{question}", "chosen": True}, "prompt.user takes the place of the message of prompt.template=step_by_step_chat"),
        ({"system": "S", "template": "plain"}, "prompt.system belongs to a chat, and the template 'plain' is a text; set prompt"),
        ({"chat_arguments": {"a": 1}, "template": "bare"}, "prompt.chat_arguments belongs to a chat, and the template 'bare' is a text"),
        ({"shots": SHOTS, "template": "paper_qwen3"}, "prompt.shots have no place in the template 'paper_qwen3', which spells"),
        ({"chat_arguments": {"tokenize": True}}, "prompt.chat_arguments: 'tokenize' is set by the program itself; drop it"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(settings, message):
    with pytest.raises((ConfigError, UnknownNameError), match=re.escape(message)):
        Wording(**{"template": "step_by_step_chat", "chosen": False, **settings})


def test_an_argument_that_the_chat_format_does_not_read(prompt):
    message = (
        "prompt.chat_arguments: the chat template of 'toy' reads no 'enable_thinkin'; did you mean 'enable_thinking'?"
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        prompt(chat_arguments={"enable_thinkin": False})


def test_templates_of_problems_are_checked_with_what_is_set():
    wording = Wording(template=PER_PROBLEM, chosen=False, system="S")
    wording.check([problem(template="chat")])
    with pytest.raises(ConfigError, match="the template 'plain' is a text"):
        wording.check([problem(template="chat"), problem(template="plain")])


def test_a_wording_is_known_by_its_texts():
    names = {
        str(Wording(template="chat", **settings))
        for settings in (
            {"system": "a"},
            {"system": "b"},
            {"user": "a {question}"},
            {"shots": SHOTS},
            {"shots": SHOTS[:1]},
        )
    }
    assert len(names) == 5
    assert str(Wording(template="chat", system="a")) == str(Wording(template="chat", system="a", shots=()))
    assert re.fullmatch(r"chat\+system\+shots \([0-9a-f]{12}\)", str(Wording(template="chat", system="a", shots=SHOTS)))


def test_lengths_count_what_is_set(bytes_tokenizer):
    wording = Wording(template="plain", shots=SHOTS[:1], response_prefix="So ")
    (made,) = make_prompts([problem()], bytes_tokenizer(), template=wording)
    assert prompt_lengths([problem()], bytes_tokenizer(), template=wording).tolist() == [len(made.token_ids)]
