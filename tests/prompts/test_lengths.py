import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from counterpoise.errors import ConfigError, DataError
from counterpoise.prompts import make_prompts
from counterpoise.prompts.lengths import Limit, fit_prompts, prompt_lengths
from counterpoise.prompts.templates import PER_PROBLEM
from counterpoise.types import Problem

CHAT = "{{ '<s>' }}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}[assistant]"
LIMIT = Limit(tokens=7, why="which prompt.max_tokens sets", instead="raise prompt.max_tokens to {longest}")


def tokenizer(chat_template: str | None = CHAT) -> PreTrainedTokenizerFast:
    """One token a byte, and `<s>` in front when special tokens are asked for."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={"<s>": 0} | {c: i for i, c in enumerate(alphabet, start=1)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(["<s>"])
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", chat_template=chat_template, name_or_path="toy"
    )


def problem(question: str, number: int = 0, template: str | None = None) -> Problem:
    return Problem(
        problem_id=f"p{number}",
        task_type="t",
        question=question,
        gold="2",
        verifier="numeric",
        template=template,
        source=f"data.jsonl:{number + 1}",
    )


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), st.sampled_from(["plain", "bare", "chat"])), max_size=12))
def test_lengths_are_those_of_the_prompts_that_are_made(drawn) -> None:
    problems = [problem(text, number, template) for number, (text, template) in enumerate(drawn)]
    made = make_prompts(problems, tokenizer(), template=PER_PROBLEM)
    lengths = prompt_lengths(problems, tokenizer(), template=PER_PROBLEM)
    assert lengths.tolist() == [len(prompt.token_ids) for prompt in made]


PROBLEMS = [problem("a" * size, number) for number, size in enumerate([3, 5, 6, 9])]
"""5, 7, 8 and 11 tokens with `<s>` and the newline."""


def test_a_longer_prompt_is_refused_with_its_line_and_the_way_out() -> None:
    message = (
        "2 of 4 training prompts (template plain) are longer than 7 tokens, which prompt.max_tokens sets; the longest has 11: "
        "data.jsonl:4, problem p3, 'aaaaaaaaa'; leave such problems out with prompt.too_long=drop, or raise prompt.max_tokens to 11"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        fit_prompts(PROBLEMS, tokenizer(), template="plain", limit=LIMIT, side="training ")


def test_or_left_out_and_said() -> None:
    fitted = fit_prompts(PROBLEMS, tokenizer(), template="plain", limit=LIMIT, too_long="drop")
    assert [one.problem_id for one in fitted.problems] == ["p0", "p1"]  # exactly the limit stays
    np.testing.assert_array_equal(fitted.lengths, [5, 7])
    assert fitted.said is not None
    assert fitted.said.startswith(
        "2 of 4 prompts (template plain) are longer than 7 tokens, which prompt.max_tokens sets, and their"
    )
    assert "data.jsonl:4, problem p3" in fitted.said


def test_when_none_is_left_both_choices_refuse() -> None:
    for choice in ("refuse", "drop"):
        with pytest.raises(DataError, match=r"^all prompts .*; raise prompt\.max_tokens to 11$"):
            fit_prompts(PROBLEMS[2:], tokenizer(), template="plain", limit=LIMIT, too_long=choice)  # type: ignore[arg-type]


def test_nothing_is_said_where_all_fit_or_nothing_limits_them() -> None:
    for limit, problems in ((LIMIT, PROBLEMS[:2]), (None, PROBLEMS)):
        fitted = fit_prompts(problems, tokenizer(), template="plain", limit=limit)
        assert (fitted.problems, fitted.said) == (problems, None)


def test_a_prompt_without_tokens_and_a_tokenizer_without_chat() -> None:
    with pytest.raises(DataError, match=r"^data\.jsonl:1, problem p0: the prompt has no tokens"):
        fit_prompts([problem("")], _Without(), template="bare", limit=None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="has no chat template"):
        prompt_lengths([problem("a")], tokenizer(chat_template=None), template="chat")


class _Without:
    """A tokenizer that adds nothing of its own."""

    chat_template, name_or_path = None, "toy"

    def __call__(self, text, *, add_special_tokens, verbose):
        return {"input_ids": [[] for _ in text]}
