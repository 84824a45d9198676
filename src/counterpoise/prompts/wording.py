"""How a run words its questions: a template, and what `[prompt]` changes in it; and the one function that turns problems into prompts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from counterpoise.errors import ConfigError, DataError
from counterpoise.lazy import np
from counterpoise.plugins import portable, source_of
from counterpoise.prompts.slots import check_slots, refuse_slot
from counterpoise.prompts.templates import (
    PER_PROBLEM,
    ChatTemplate,
    Message,
    Shot,
    Template,
    TextTemplate,
    Tokenizer,
    find_template,
)
from counterpoise.text import counted
from counterpoise.types import MESSAGES, Problem, Prompt

__all__ = ["Wording", "make_prompts", "named", "rendered"]

_OWN_ARGUMENTS: Final = ("conversation", "tokenize", "add_generation_prompt", "continue_final_message", "chat_template")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A template and what is changed in it, e.g. `Wording(template="chat", system="Answer in French.")`.

    Raises:
        UnknownNameError: no such template.
        ConfigError: settings that do not go together, an unknown field in a text, or a text without the question.
    """

    template: str
    """A key of `TEMPLATES`, or `PER_PROBLEM`."""
    chosen: bool = True
    """False where it is the task's own: then a problem's own template goes before it, and a model without chat format gets it as text."""
    system: str | None = None
    """System message."""
    user: str | None = None
    """The user's message with `{question}`, in the place of the template's."""
    text: str | None = None
    """The whole prompt with `{question}`, in the place of the template."""
    shots: Sequence[Shot] = ()
    """Worked examples in front of each question."""
    chat_arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the tokenizer's chat format."""
    response_prefix: str = ""
    """What the response begins with: it stands at the end of the prompt, and is judged with the response."""

    def __post_init__(self) -> None:
        if self.template != PER_PROBLEM:
            find_template(self.template)
        for name in ("user", "text"):
            if getattr(self, name) is not None:
                check_slots(f"prompt.{name}", getattr(self, name))
        for name in ("system", "response_prefix"):
            refuse_slot(f"prompt.{name}", getattr(self, name) or "")
        for name in _OWN_ARGUMENTS:
            if name in self.chat_arguments:
                raise ConfigError(f"prompt.chat_arguments: '{name}' is set by the program itself; drop it")
        others = ("system", "user", "chat_arguments")
        clash = [f"prompt.{name}" for name in others if name in self.changes]
        if self.text is not None and (clash or self.chosen):
            raise ConfigError(
                f"prompt.text is the whole prompt, and {(clash or ['prompt.template'])[0]} is set beside it; drop one of them"
            )
        if self.user is not None and self.chosen and self.template != "chat":
            raise ConfigError(
                f"prompt.user takes the place of the message of prompt.template={self.template}; drop one of "
                "them, or set prompt.template=chat"
            )
        if self.template != PER_PROBLEM:
            self.of(self.template)

    def __str__(self) -> str:
        """The template's name, with a fingerprint of what is changed in it: two wordings with equal texts are the same prompts."""
        changes = self.changes
        if (source := source_of("template", self.template)) is not None:
            template = f"{portable(self.template)} ({source.version})"
        else:
            template = self.template
        if not changes:
            return template
        digest = hashlib.sha256(json.dumps(changes, sort_keys=True, default=str).encode()).hexdigest()[:12]
        named = [*([] if self.text is not None else [template]), *changes]
        return f"{'+'.join(named)} ({digest})"

    @property
    def changes(self) -> dict[str, Any]:
        """What is set besides the template, by name."""
        names = [one.name for one in fields(self) if one.name not in ("template", "chosen")]
        return {name: getattr(self, name) for name in names if getattr(self, name) not in (None, (), [], {}, "")}

    def name_for(self, problem: Problem) -> str:
        """The template of this problem."""
        own = self.template == PER_PROBLEM or (not self.chosen and self.user is None)
        return (problem.template or self.template) if own else self.template

    def check(self, problems: Sequence[Problem]) -> None:
        """See that the template of every problem takes what is set.

        Raises:
            UnknownNameError, ConfigError: see the class.
        """
        for name in sorted({self.name_for(problem) for problem in problems}):
            self.of(name)

    def of(self, name: str) -> Template:
        """The template called `name` with what is changed in it.

        Raises:
            UnknownNameError: there is none.
            ConfigError: it does not take what is set.
        """
        if self.text is not None:
            return TextTemplate(text=self.text, add_special_tokens=True, shots=self.shots)
        template = find_template(name)
        if self.user is not None and not self.chosen:
            template = template if isinstance(template, ChatTemplate) else ChatTemplate()
        if isinstance(template, ChatTemplate):
            changes: dict[str, Any] = {
                "system": self.system,
                "user": self.user,
                "shots": self.shots,
                "arguments": self.chat_arguments,
            }
            return replace(template, **{key: value for key, value in changes.items() if value})
        for setting in ("system", "chat_arguments"):
            if getattr(self, setting):
                raise ConfigError(
                    f"prompt.{setting} belongs to a chat, and the template '{name}' is a text; set prompt.template=chat, or write the "
                    "whole prompt into prompt.text"
                )
        if not self.shots or not isinstance(template, TextTemplate):
            return template
        if not template.add_special_tokens:
            raise ConfigError(
                f"prompt.shots have no place in the template '{name}', which spells out one turn of a chat; set prompt.template=chat"
            )
        return replace(template, shots=self.shots)

    def fitted(self, problem: Problem, tokenizer: Tokenizer) -> Template:
        """The problem's template as it is for this tokenizer: without a chat format, a chat that nobody chose is a text.

        Raises:
            ConfigError: arguments of a chat format that the tokenizer does not have.
        """
        template = self.of(self.name_for(problem))
        if self.chosen or tokenizer.chat_template or not isinstance(template, ChatTemplate):
            return template
        if self.chat_arguments:
            raise ConfigError(
                f"prompt.chat_arguments: the tokenizer of '{tokenizer.name_or_path}' has no chat template; drop them"
            )
        return template.in_text()

    def remark(self, problems: Sequence[Problem], tokenizer: Tokenizer) -> str | None:
        """Remark on the way in which these problems are asked; None where the template is used as it is."""
        if tokenizer.chat_template or not any(
            isinstance(self.of(self.name_for(problem)), ChatTemplate) for problem in problems[:1]
        ):
            return None
        return (
            f"the tokenizer of '{tokenizer.name_or_path}' has no chat template: questions are asked as text, with the words of "
            f"{self.template} (set prompt.template or prompt.text for another form, prompt.shots for examples)"
        )


def rendered(problem: Problem, tokenizer: Tokenizer, *, template: str | Wording) -> tuple[str, bool]:
    """The whole prompt as text, and whether the tokenizer adds its own special tokens to it.

    Raises:
        UnknownNameError: no such template.
        ConfigError: a chat template is wanted and the tokenizer has none, or one that refuses the conversation.
    """
    wording = Wording(template=template) if isinstance(template, str) else template
    chosen = wording.fitted(problem, tokenizer)
    before: Sequence[Message] = problem.meta.get(MESSAGES, ())
    try:
        text = chosen.render(problem.question, tokenizer, before=before)
    except ConfigError as error:
        if before:
            raise ConfigError(f"{named(problem)}: {error}") from error
        raise
    return text + wording.response_prefix, chosen.add_special_tokens


def make_prompts(
    problems: Sequence[Problem], tokenizer: Tokenizer, *, template: str | Wording, max_prompt_tokens: int | None = None
) -> list[Prompt]:
    """Render and tokenize problems.

    Args:
        problems: rendered in their order.
        tokenizer: the policy's.
        template: a key of `TEMPLATES` for all of them, `PER_PROBLEM`, or a wording.
        max_prompt_tokens: longest prompt, special tokens included; None for no limit. Prompts are never cut: a question
            without its end is another question. `lengths.fit_prompts` asks before anything is drawn, and can leave longer ones out.

    Raises:
        UnknownNameError: no such template.
        ConfigError: a chat template is wanted and the tokenizer has none.
        DataError: a prompt is empty or too long.
    """
    prefix = "" if isinstance(template, str) else template.response_prefix
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
        prompts.append(Prompt(problem=problem, text=text, token_ids=np.asarray(ids, dtype=np.int64), prefix=prefix))
    return prompts


def named(problem: Problem) -> str:
    """The problem's id, after the place of its record where that is known."""
    return f"{f'{problem.source}, ' if problem.source else ''}problem {problem.problem_id}"
