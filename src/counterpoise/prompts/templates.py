"""Prompt templates by name, and the one function that turns problems into prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np

from counterpoise.errors import ConfigError, DataError, UnknownNameError
from counterpoise.text import counted
from counterpoise.types import Problem, Prompt

__all__ = [
    "ANSWER_TAGS",
    "PER_PROBLEM",
    "STEP_BY_STEP",
    "TEMPLATES",
    "ChatTemplate",
    "Template",
    "TextTemplate",
    "Tokenizer",
    "find_template",
    "make_prompts",
    "named",
    "rendered",
    "template_of",
]

_SLOT: Final = "{question}"

PER_PROBLEM: Final = "per_problem"
"""In the place of a template's name: each problem is rendered with the one it names itself."""

STEP_BY_STEP: Final = "{question}\nPlease reason step by step, and put your final answer within \\boxed{}."
"""The user message of the source paper (arXiv:2506.01347, appendix), whatever the model."""

ANSWER_TAGS: Final = (
    "{question}\nPlease reason step by step, and put only your final answer between <answer> and </answer>."
)
"""For answers of several lines, which do not fit a box."""


class Tokenizer(Protocol):
    """What a template needs of a tokenizer; every transformers tokenizer has it."""

    @property
    def chat_template(self) -> Any:
        """Jinja source of the chat format, or None."""
        ...

    @property
    def name_or_path(self) -> str:
        """Where it came from, for messages."""
        ...

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Token ids of a text."""
        ...

    def apply_chat_template(
        self, conversation: list[dict[str, str]], *, tokenize: Literal[False], add_generation_prompt: bool
    ) -> Any:
        """The conversation in the model's format, as text."""
        ...


class Template(Protocol):
    """From a question to the text the policy continues."""

    @property
    def add_special_tokens(self) -> bool:
        """Whether the tokenizer adds its own (e.g. a beginning-of-sequence token) when the text is encoded."""
        ...

    def render(self, question: str, tokenizer: Tokenizer) -> str:
        """The whole prompt."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTemplate:
    """A fixed text around the question; the tokenizer's own chat format plays no part."""

    text: str
    """Holds `{question}` once; every other brace is literal."""
    add_special_tokens: bool
    """False when the text already spells out its special tokens."""

    def render(self, question: str, tokenizer: Tokenizer) -> str:
        """The text with the question in its place."""
        return self.filled(question)

    def filled(self, question: str) -> str:
        """The same, for whom there is no tokenizer."""
        return self.text.replace(_SLOT, question)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTemplate:
    """One user message (after an optional system message) in the tokenizer's chat format, up to where the answer begins."""

    user: str = _SLOT
    """Holds `{question}` once."""
    system: str | None = None
    """System message; None leaves it to the tokenizer's own default."""

    @property
    def add_special_tokens(self) -> bool:
        """Never: the chat format writes them, and a second beginning-of-sequence token shifts every position."""
        return False

    def render(self, question: str, tokenizer: Tokenizer) -> str:
        """The conversation as text, ending with the header of the assistant's turn.

        Raises:
            ConfigError: the tokenizer has no chat format.
        """
        if not tokenizer.chat_template:
            raise ConfigError(
                f"the tokenizer of '{tokenizer.name_or_path}' has no chat template; "
                "set prompt.template=plain (a base model continues text), or use an instruction-tuned model"
            )
        messages = self.messages(question)
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def messages(self, question: str) -> list[dict[str, str]]:
        """The conversation, for whoever puts it into the model's format."""
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*system, {"role": "user", "content": self.user.replace(_SLOT, question)}]


_CHATML: Final = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    f"<|im_start|>user\n{STEP_BY_STEP}<|im_end|>\n"
    "<|im_start|>assistant\n"
)
_LLAMA3: Final = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nYou are a helpful assistant.<|eot_id|>"
    f"<|start_header_id|>user<|end_header_id|>\n\n{STEP_BY_STEP}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)

TEMPLATES: Final[dict[str, Template]] = {
    "plain": TextTemplate(text="{question}\n", add_special_tokens=True),
    "bare": TextTemplate(text="{question}", add_special_tokens=True),
    "chat": ChatTemplate(),
    "step_by_step_chat": ChatTemplate(user=STEP_BY_STEP),
    "answer_tags_chat": ChatTemplate(user=ANSWER_TAGS),
    "paper_qwen2.5_math": TextTemplate(text=_CHATML, add_special_tokens=False),
    # An empty think block is how Qwen3 is told not to think. Its own chat format ends it with two newlines, the paper's training code
    # with one, and the two are different tokens before every answer.
    "paper_qwen3": TextTemplate(text=_CHATML + "<think>\n\n</think>\n", add_special_tokens=False),
    "qwen3_no_think": TextTemplate(text=_CHATML + "<think>\n\n</think>\n\n", add_special_tokens=False),
    "paper_llama3.1": TextTemplate(text=_LLAMA3, add_special_tokens=False),
}
"""Templates by name. The `paper_` ones are the texts of the source paper's code; they and `qwen3_no_think` do not read the tokenizer's
own chat format. docs/tasks.md lists them all."""


def find_template(name: str) -> Template:
    """The template called `name`.

    Raises:
        UnknownNameError: there is none; `PER_PROBLEM` is none either.
    """
    if name not in TEMPLATES:
        raise UnknownNameError("prompt template", name, TEMPLATES)
    return TEMPLATES[name]


def template_of(problem: Problem, template: str) -> Template:
    """The template that a problem is rendered with: `template`, or its own where that is `PER_PROBLEM`.

    Raises:
        UnknownNameError: no such template.
    """
    return find_template((problem.template or template) if template == PER_PROBLEM else template)


def rendered(problem: Problem, tokenizer: Tokenizer, *, template: str) -> tuple[str, bool]:
    """The whole prompt as text, and whether the tokenizer adds its own special tokens to it.

    Raises:
        UnknownNameError: no such template.
        ConfigError: a chat template is wanted and the tokenizer has none.
    """
    chosen = template_of(problem, template)
    return chosen.render(problem.question, tokenizer), chosen.add_special_tokens


def make_prompts(
    problems: Sequence[Problem], tokenizer: Tokenizer, *, template: str, max_prompt_tokens: int | None = None
) -> list[Prompt]:
    """Render and tokenize problems.

    Args:
        problems: rendered in their order.
        tokenizer: the policy's.
        template: a key of `TEMPLATES` for all of them, or `PER_PROBLEM`.
        max_prompt_tokens: longest prompt, special tokens included; None for no limit. Prompts are never cut: a question
            without its end is another question. `lengths.fit_prompts` asks before anything is drawn, and can leave longer ones out.

    Raises:
        UnknownNameError: no such template.
        ConfigError: a chat template is wanted and the tokenizer has none.
        DataError: a prompt is empty or too long.
    """
    prompts: list[Prompt] = []
    for problem in problems:
        text, special = rendered(problem, tokenizer, template=template)
        ids = tokenizer.encode(text, add_special_tokens=special)
        if not ids:
            raise DataError(f"{named(problem)}: the prompt has no tokens (question {problem.question!r}); remove it")
        if max_prompt_tokens is not None and len(ids) > max_prompt_tokens:
            raise DataError(
                f"{named(problem)}: the prompt (template {template}) has {counted(len(ids), 'token')}, and prompt.max_tokens allows "
                f"{max_prompt_tokens}; raise it, or leave such problems out with prompt.too_long=drop"
            )
        prompts.append(Prompt(problem=problem, text=text, token_ids=np.asarray(ids, dtype=np.int64)))
    return prompts


def named(problem: Problem) -> str:
    """The problem's id, after the place of its record where that is known."""
    return f"{f'{problem.source}, ' if problem.source else ''}problem {problem.problem_id}"
