import re
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from counterpoise.errors import ConfigError, DataError, UnknownNameError
from counterpoise.prompts import TEMPLATES, make_prompts
from counterpoise.types import Problem

CHAT = (
    "{{ '<s>' }}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
SUFFIX = "\nPlease reason step by step, and put your final answer within \\boxed{}."


def tokenizer(chat_template: str | None = CHAT) -> PreTrainedTokenizerFast:
    """One token a byte, and `<s>` = 0 put in front when special tokens are asked for."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={"<s>": 0} | {c: i for i, c in enumerate(alphabet, start=1)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(["<s>"])
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", chat_template=chat_template, name_or_path="toy"
    )


def problem(question: str = "1+1", identity: str = "p1") -> Problem:
    return Problem(problem_id=identity, task_type="t", question=question, gold="2", verifier="numeric")


def text(template: str, question: str = "1+1") -> str:
    (prompt,) = make_prompts([problem(question)], tokenizer(), template=template)
    return prompt.text


def test_plain_is_the_question_and_a_newline_after_the_tokenizers_own_start() -> None:
    (prompt,) = make_prompts([problem("abc")], tokenizer(), template="plain")
    assert prompt.text == "abc\n"
    assert prompt.token_ids.dtype == "int64"
    assert prompt.token_ids.shape == (5,)  # <s> a b c newline
    assert prompt.token_ids[0] == 0


def test_chat_goes_through_the_tokenizers_format() -> None:
    assert text("chat") == "<s>[user]1+1[assistant]"
    assert text("step_by_step_chat") == f"<s>[user]1+1{SUFFIX}[assistant]"


@pytest.mark.parametrize("template", ["chat", "step_by_step_chat"])
def test_chat_special_tokens_are_not_doubled(template: str) -> None:
    (prompt,) = make_prompts([problem()], tokenizer(), template=template)
    assert prompt.token_ids.tolist().count(0) == 1
    assert tokenizer().decode(prompt.token_ids) == prompt.text


def test_paper_qwen25_math_to_the_letter() -> None:
    assert text("paper_qwen2.5_math", "Q?") == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nQ?\n"
        "Please reason step by step, and put your final answer within \\boxed{}.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_two_forms_of_qwen3_without_thinking_differ_by_a_newline() -> None:
    # the paper's training code (rl_dataset.py, qwen3_no_thinking) ends with one; Qwen3's chat format with enable_thinking=False with two
    assert text("paper_qwen3") == text("paper_qwen2.5_math") + "<think>\n\n</think>\n"
    assert text("qwen3_no_think") == text("paper_qwen2.5_math") + "<think>\n\n</think>\n\n"


def test_the_document_lists_every_template() -> None:
    document = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")
    section = document.split("## Prompt templates")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([^`]+)`", section, flags=re.MULTILINE) == list(TEMPLATES)


def test_paper_llama31_to_the_letter() -> None:
    assert text("paper_llama3.1", "Q?") == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nYou are a helpful assistant.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nQ?\n"
        "Please reason step by step, and put your final answer within \\boxed{}.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


@pytest.mark.parametrize("template", [name for name in TEMPLATES if name.startswith(("paper_", "qwen3_"))])
def test_paper_templates_do_not_depend_on_the_tokenizer(template: str) -> None:
    (prompt,) = make_prompts([problem()], tokenizer(chat_template=None), template=template)
    assert prompt.text == text(template)
    assert 0 not in prompt.token_ids  # no <s> of the tokenizer's own


@pytest.mark.parametrize("template", list(TEMPLATES))
def test_braces_of_a_question_are_literal(template: str) -> None:
    assert r"\frac{1}{x} {0} {question}" in text(template, r"\frac{1}{x} {0} {question}")


def test_order_is_kept() -> None:
    problems = [problem(f"{i}+1", f"p{i}") for i in range(5)]
    assert [p.problem for p in make_prompts(problems, tokenizer(), template="plain")] == problems


def test_no_chat_template_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match=r"tokenizer of 'toy' has no chat template; set prompt\.template=plain"):
        make_prompts([problem()], tokenizer(chat_template=None), template="chat")


def test_unknown_template_names_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown prompt template 'paper_qwen'; did you mean 'paper_qwen3'\? Known: "
    ):
        make_prompts([problem()], tokenizer(), template="paper_qwen")


def test_too_long_is_refused_with_problem_and_lengths() -> None:
    problems = [problem("a" * 3, "short"), problem("b" * 8, "long")]
    # `<s>`, eight letters and a newline
    message = (
        "problem long: the prompt (template plain) has 10 tokens, and prompt.max_tokens allows 9; raise it, or leave"
    )
    with pytest.raises(DataError, match=re.escape(message)):
        make_prompts(problems, tokenizer(), template="plain", max_prompt_tokens=9)
