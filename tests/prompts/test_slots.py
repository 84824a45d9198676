r"""`{question}` is a field, `{questoin}` a mistake, and `\frac{a}{b}` neither."""

import re

import pytest

from counterpoise.errors import ConfigError
from counterpoise.prompts.slots import check_slots, filled, refuse_slot


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("Q: {question}\nA:", "Q: 1+1\nA:"),
        ("{question} Again: {question}", "1+1 Again: 1+1"),
        (r"{question} in \boxed{}, {1, 2}, { a }", r"1+1 in \boxed{}, {1, 2}, { a }"),
        (
            r"{question} in \boxed{answer} or \frac{a}{b} or \sqrt[n]{x}",
            r"1+1 in \boxed{answer} or \frac{a}{b} or \sqrt[n]{x}",
        ),
        (r"\textbf{question}", r"\textbf1+1"),  # as it has always been: the slot goes before LaTeX
        ('{question} as {"answer": 4}', '1+1 as {"answer": 4}'),
        ("{question} {{answer}} {{question}}", "1+1 {answer} {question}"),
    ],
)
def test_a_text_is_filled_and_its_other_braces_stay(text: str, prompt: str) -> None:
    check_slots("prompt.user", text)
    assert filled(text, "1+1") == prompt


def test_braces_of_the_question_are_its_own() -> None:
    assert filled("Q: {question}", r"{question} {{a}} {b} \1 \g<0>") == r"Q: {question} {{a}} {b} \1 \g<0>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Q: {questoin}",
            "prompt.user: unknown field '{questoin}'; did you mean 'question'? The only field is {question}",
        ),
        (
            "{question} {context}",
            "unknown field '{context}'; the only field is {question} (letters in braces that are meant as they stand: {{context}})",
        ),
        (
            "no question",
            "prompt.user: no {question} in it, so every problem would be the same prompt; put it in: 'no question'",
        ),
        ("{{question}}", "no {question} in it"),
        ("", "no {question} in it"),
    ],
)
def test_a_mistake_in_a_text(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        check_slots("prompt.user", text)


def test_a_system_message_does_not_ask() -> None:
    refuse_slot("prompt.system", "Answer as {json}.")
    with pytest.raises(
        ConfigError, match=r"prompt\.system: \{question\} has no place there, it is the same for every problem"
    ):
        refuse_slot("prompt.system", "Answer {question}")
