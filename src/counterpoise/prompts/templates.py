"""Prompt templates by name: from a question to the text the policy continues."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from counterpoise.errors import ConfigError, UnknownNameError, error_line, nearest
from counterpoise.plugins import ForeignPart, Parts, Shape
from counterpoise.plugins.adopt import call_fault, what_is
from counterpoise.prompts.slots import SLOT, check_slots, filled

__all__ = [
    "ANSWER_TAGS",
    "PER_PROBLEM",
    "STEP_BY_STEP",
    "TEMPLATES",
    "ChatTemplate",
    "Message",
    "Shot",
    "Template",
    "TextTemplate",
    "Tokenizer",
    "find_template",
]

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
        self,
        conversation: list[dict[str, str]],
        *,
        tokenize: Literal[False],
        add_generation_prompt: bool,
        **arguments: Any,
    ) -> Any:
        """The conversation in the model's format, as text."""
        ...


Message = tuple[str, str]
"""Role (`system`, `user` or `assistant`) and text."""

Shot = tuple[str, str]
"""A worked example: question and answer."""


class Template(Protocol):
    """From a question to the text the policy continues."""

    @property
    def add_special_tokens(self) -> bool:
        """Whether the tokenizer adds its own (e.g. a beginning-of-sequence token) when the text is encoded."""
        ...

    def render(self, question: str, tokenizer: Tokenizer, *, before: Sequence[Message] = ()) -> str:
        """The whole prompt; `before` are the messages of the problem's conversation that come before its question."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTemplate:
    """A fixed text around the question; the tokenizer's own chat format plays no part."""

    text: str
    """Holds `{question}`; see `slots` for other braces."""
    add_special_tokens: bool
    """False when the text already spells out its special tokens."""
    opening: str = ""
    """What stands once in front of everything, in the place of the problem's own system message."""
    shots: Sequence[Shot] = ()
    """Worked examples: each in the same text, followed by its answer and an empty line."""

    def render(self, question: str, tokenizer: Tokenizer, *, before: Sequence[Message] = ()) -> str:
        """The text with the question in its place, after the shots and earlier messages; see `whole`."""
        return self.whole(question, before)

    def whole(self, question: str, before: Sequence[Message] = ()) -> str:
        """The same, for whom there is no tokenizer.

        Raises:
            ConfigError: the text spells out one turn of a chat, and there are earlier messages.
        """
        if before and not self.add_special_tokens:
            raise ConfigError(
                "its conversation has several messages, and the template spells out one; set prompt.template=chat"
            )
        shots = "".join(f"{_joined(filled(self.text, asked), answer)}\n\n" for asked, answer in self.shots)
        earlier = "".join(f"{text}\n\n" for role, text in before if role != "system" or not self.opening)
        return f"{self.opening}{shots}{earlier}{filled(self.text, question)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTemplate:
    """One user message, after system message and worked examples if any, in the tokenizer's chat format up to where the answer begins."""

    user: str = SLOT
    """Holds `{question}`; see `slots` for other braces."""
    system: str | None = None
    """System message, in the place of the problem's own; None leaves it to the problem, or the tokenizer's default."""
    shots: Sequence[Shot] = ()
    """Worked examples: the same user message and the assistant's answer."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the chat format, e.g. `enable_thinking`."""

    @property
    def add_special_tokens(self) -> bool:
        """Never: the chat format writes them, and a second beginning-of-sequence token shifts every position."""
        return False

    def render(self, question: str, tokenizer: Tokenizer, *, before: Sequence[Message] = ()) -> str:
        """The conversation as text, ending with the header of the assistant's turn.

        Raises:
            ConfigError: the tokenizer has no chat format, or one that refuses the conversation, leaves its system message out, or does not
                read an argument.
        """
        name = tokenizer.name_or_path
        if not tokenizer.chat_template:
            raise ConfigError(
                f"the tokenizer of '{name}' has no chat template; set prompt.template=plain, or step_by_step, which asks for an "
                "answer in a box (a base model continues text), or use an instruction-tuned model"
            )
        for argument in self.arguments:
            self._refuse_unread(argument, str(tokenizer.chat_template), name)
        talk = self.talk(question, before)
        system = next((text for role, text in talk[:1] if role == "system"), None)
        whose = "prompt.system" if self.system is not None else "its own system message"
        way = f"; put the words of {whose} into prompt.user" if system is not None else ""
        try:
            text = str(
                tokenizer.apply_chat_template(
                    [{"role": role, "content": content} for role, content in talk],
                    tokenize=False,
                    add_generation_prompt=True,
                    **self.arguments,
                )
            )
        except Exception as error:  # the format is a program of somebody else's
            detail = error_line(error)
            raise ConfigError(f"the chat template of '{name}' refuses the conversation ({detail}){way}") from error
        if system is not None and system.strip() not in text:
            raise ConfigError(f"the chat template of '{name}' leaves the system message out{way}")
        return text

    def talk(self, question: str, before: Sequence[Message] = ()) -> list[Message]:
        """The conversation, for whoever puts it into the model's format."""
        own = next((text for role, text in before if role == "system"), None)
        system = own if self.system is None else self.system
        shots = [
            message
            for asked, answer in self.shots
            for message in (("user", filled(self.user, asked)), ("assistant", answer))
        ]
        return [
            *([] if system is None else [("system", system)]),
            *shots,
            *((role, text) for role, text in before if role != "system"),
            ("user", filled(self.user, question)),
        ]

    def in_text(self) -> TextTemplate:
        """The same words without a chat format, for a base model that continues text."""
        opening = "" if self.system is None else f"{self.system}\n\n"
        return TextTemplate(text=f"{self.user}\n", add_special_tokens=True, opening=opening, shots=self.shots)

    @staticmethod
    def _refuse_unread(argument: str, source: str, name: str) -> None:
        words = set(re.findall(r"[^\W\d]\w*", source))
        if argument not in words:
            raise ConfigError(
                f"prompt.chat_arguments: the chat template of '{name}' reads no '{argument}'{nearest(argument, words, 'Drop it')}, "
                "or see the model's card"
            )


def _joined(asked: str, answer: str) -> str:
    return asked + answer if asked[-1:].isspace() else f"{asked} {answer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _OwnTemplate:
    """Somebody else's code that writes the whole prompt of a question."""

    where: str
    write: Callable[[str, Tokenizer], Any]
    add_special_tokens: bool

    def render(self, question: str, tokenizer: Tokenizer, *, before: Sequence[Message] = ()) -> str:
        """What it writes.

        Raises:
            ConfigError: it raised, or wrote no text, or the problem is a conversation.
        """
        if before:
            raise ConfigError(
                f"its conversation has several messages, and {self.where} writes a single question; set prompt.template=chat"
            )
        try:
            text = self.write(question, tokenizer)
        except Exception as error:
            raise ConfigError(f"{self.where} raised {type(error).__name__}: {error}") from error
        if not isinstance(text, str):
            raise ConfigError(f"{self.where} returned {what_is(text)}; expected the prompt as text")
        return text


_CLASS: Final = Shape(methods={"render": ("question", "tokenizer")}, defaults={"add_special_tokens": False})


def _own_template(loaded: ForeignPart) -> Template:
    """A template of what an import path leads to: a text that holds `{question}`, a function of the question, a class or its object.

    Raises:
        ConfigError: it is none of these.
    """
    where, found = f"prompt.template {loaded.name}", loaded.found
    if isinstance(found, str):
        check_slots(where, found)
        return TextTemplate(text=found, add_special_tokens=True)
    if isinstance(found, (TextTemplate, ChatTemplate)):
        return found
    if inspect.isclass(found):
        found = _CLASS.adopt("prompt.template", loaded)()
    if hasattr(found, "render"):
        if fault := call_fault(found.render, ("question", "tokenizer")):
            raise ConfigError(f"{where}: {fault}")
        special = bool(getattr(found, "add_special_tokens", False))
        return _OwnTemplate(where=where, write=found.render, add_special_tokens=special)
    if not callable(found):
        raise ConfigError(
            f"{where} is {what_is(found)}; expected a text with {SLOT}, a function of the question, or a class with render"
        )
    if fault := call_fault(found, ("question",)):
        raise ConfigError(f"{where}: {fault}")
    return _OwnTemplate(where=where, write=lambda question, _: found(question), add_special_tokens=True)


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
    "step_by_step": TextTemplate(text=f"{STEP_BY_STEP}\n", add_special_tokens=True),
    "answer_tags": TextTemplate(text=f"{ANSWER_TAGS}\n", add_special_tokens=True),
    "chat": ChatTemplate(),
    "step_by_step_chat": ChatTemplate(user=STEP_BY_STEP),
    "answer_tags_chat": ChatTemplate(user=ANSWER_TAGS),
    "paper_qwen2.5_math": TextTemplate(text=_CHATML, add_special_tokens=False),
    # An empty think block makes Qwen3 not think. Its own chat format ends it with two newlines, the paper's training code
    # with one, and the two are different tokens before every answer.
    "paper_qwen3": TextTemplate(text=_CHATML + "<think>\n\n</think>\n", add_special_tokens=False),
    "qwen3_no_think": TextTemplate(text=_CHATML + "<think>\n\n</think>\n\n", add_special_tokens=False),
    "paper_llama3.1": TextTemplate(text=_LLAMA3, add_special_tokens=False),
}

TEMPLATES: Final[Parts[Template]] = Parts("template", _OWN, _own_template, message="prompt.template")
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
