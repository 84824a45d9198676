"""Prompt templates by name, and the one function that turns problems into prompts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np

from counterpoise.errors import ConfigError, DataError, UnknownNameError
from counterpoise.plugins import Loaded, Parts, Shape
from counterpoise.plugins.adopt import call_fault, described
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
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        messages = [*system, {"role": "user", "content": self.user.replace(_SLOT, question)}]
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _FunctionTemplate:
    """A function of the question that writes the whole prompt."""

    where: str
    function: Callable[[str], Any]
    add_special_tokens: bool = True

    def render(self, question: str, tokenizer: Tokenizer) -> str:
        """What the function writes.

        Raises:
            ConfigError: it raised, or wrote no text.
        """
        try:
            text = self.function(question)
        except Exception as error:
            raise ConfigError(f"{self.where} raised {type(error).__name__}: {error}") from error
        if not isinstance(text, str):
            raise ConfigError(f"{self.where} returned {described(text)}; expected the prompt as text")
        return text


_CLASS: Final = Shape(methods={"render": ("question", "tokenizer")}, defaults={"add_special_tokens": False})


def own_template(loaded: Loaded) -> Template:
    """A template of what an import path leads to: a text that holds `{question}`, a function of the question, a class or a template.

    Raises:
        ConfigError: it is none of these.
    """
    where, found = f"prompt.template {loaded.name}", loaded.found
    if isinstance(found, str):
        if found.count(_SLOT) != 1:
            raise ConfigError(f"{where}: the text holds {_SLOT} {counted(found.count(_SLOT), 'time')}; write it once")
        return TextTemplate(text=found, add_special_tokens=True)
    if inspect.isclass(found):
        made: Template = _CLASS.adopt("prompt.template", loaded)()
        return made
    if hasattr(found, "render") and hasattr(found, "add_special_tokens"):
        ready: Template = found
        return ready
    if not callable(found):
        raise ConfigError(
            f"{where} is {described(found)}; expected a text with {_SLOT}, a function of it, or a class with render"
        )
    if fault := call_fault(found, ("question",)):
        raise ConfigError(f"{where}: {fault}")
    return _FunctionTemplate(where=where, function=found)


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

_OWN: Final[dict[str, Template]] = {
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

TEMPLATES: Final[Parts[Template]] = Parts("template", _OWN, own_template, message="prompt.template")
"""Templates by name; any other name is one of a package or an import path (`counterpoise.plugins`).

The `paper_` ones are the texts of the source paper's code; they and `qwen3_no_think` do not read the tokenizer's
own chat format. docs/tasks.md lists them all."""


def find_template(name: str) -> Template:
    """The template called `name`.

    Raises:
        UnknownNameError: there is none; `PER_PROBLEM` is none either.
    """
    if name not in TEMPLATES:
        raise UnknownNameError("prompt template", name, TEMPLATES.known())
    return TEMPLATES[name]


def rendered(problem: Problem, tokenizer: Tokenizer, *, template: str) -> tuple[str, bool]:
    """The whole prompt as text, and whether the tokenizer adds its own special tokens to it.

    Raises:
        UnknownNameError: no such template.
        ConfigError: a chat template is wanted and the tokenizer has none.
    """
    chosen = find_template((problem.template or template) if template == PER_PROBLEM else template)
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
