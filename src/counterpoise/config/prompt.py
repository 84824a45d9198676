"""From problem to prompt: the template, what is changed in it, and how long a prompt may be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from counterpoise.config.base import Section
from counterpoise.errors import ConfigError, nearest
from counterpoise.files import JsonFault, irregular, json_lines, read_text
from counterpoise.ranges import Positive

__all__ = ["FROM_FILE", "TEXTS", "PromptConfig", "ShotConfig"]

FROM_FILE = "file:"
"""What a text begins with that stands in a file."""

TEXTS = ("system", "user", "text", "response_prefix")
"""Settings that are texts, or `file:PATH`."""

_SHOT = ("question", "answer")


class ShotConfig(Section):
    """A worked example."""

    question: str
    """Its question."""
    answer: str
    """The response that it shows."""


def _given_as(value: object) -> str:
    return "examples" if isinstance(value, list) else "file"


# Told apart by hand, so that a fault in one is not reported as a fault in both.
_Shots = Annotated[
    Annotated[Path, Tag("file")] | Annotated[list[ShotConfig], Tag("examples")], Discriminator(_given_as)
]


class PromptConfig(Section):
    """From problem to prompt. A run keeps the texts of files, not their paths."""

    template: str | None = None
    """Template name; None takes the task's own default."""
    system: str | None = None
    """System message of a chat, or `file:PATH`; None leaves it to the tokenizer's own default."""
    user: str | None = None
    """The user's message with `{question}` in it, or `file:PATH`, in the place of the template's."""
    text: str | None = None
    """The whole prompt with `{question}` in it, or `file:PATH`, in the place of the template: for models that continue text."""
    shots: _Shots | None = None
    """Worked examples in front of each question: JSON lines with `question` and `answer`, or the list itself."""
    chat_arguments: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the tokenizer's chat format, e.g. `{enable_thinking = false}`."""
    response_prefix: str | None = None
    """What every response begins with, or `file:PATH`; it ends the prompt, and is judged with the response."""
    max_tokens: Positive | None = None
    """Longest prompt, special tokens included; None leaves what the model's positions allow."""
    too_long: Literal["refuse", "drop"] = "refuse"
    """What becomes of a longer one, before anything is drawn: `refuse` to start, with file and line, or `drop` its problem and say so."""

    def settled(self) -> PromptConfig:
        """The same with the texts of its files in the place of their names.

        Raises:
            ConfigError: a file cannot be read, or holds no examples; with file and line.
        """
        changes: dict[str, Any] = {}
        for name in TEXTS:
            value = getattr(self, name)
            if value is not None and value.startswith(FROM_FILE):
                changes[name] = _text_of(f"prompt.{name}", value.removeprefix(FROM_FILE))
        if isinstance(self.shots, Path):
            changes["shots"] = _shots_of(self.shots)
        return self.model_copy(update=changes) if changes else self


def _text_of(setting: str, name: str) -> str:
    path = Path(name).expanduser()
    try:
        text = read_text(path)
    except (OSError, JsonFault) as error:
        raise ConfigError(
            f"{setting}: cannot read {path}: {getattr(error, 'strerror', None) or error}; give file:PATH of a UTF-8 text"
        ) from error
    # The last line feed is the editor's.
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").removesuffix("\n")
    if text.startswith(FROM_FILE):
        raise ConfigError(f"{setting}: {path} begins with '{FROM_FILE}' itself; name the file that holds the text")
    if not text.strip():
        raise ConfigError(f"{setting}: {path} is empty; write the text into it")
    return text


def _shots_of(path: Path) -> list[ShotConfig]:
    path = path.expanduser()
    if (kind := irregular(path)) is not None or path.is_dir():
        raise ConfigError(f"prompt.shots: {path} is {kind or 'a directory'}; give JSON lines with question and answer")
    try:
        shots = [_shot(f"{path}:{number}", fields) for number, fields in json_lines(path)]
    except OSError as error:
        raise ConfigError(f"prompt.shots: cannot read {path}: {error.strerror or error}; check the path") from error
    if not shots:
        raise ConfigError(
            f"prompt.shots: {path} is empty; give JSON lines with question and answer, or drop the setting"
        )
    return shots


def _shot(where: str, fields: dict[str, Any] | JsonFault) -> ShotConfig:
    if isinstance(fields, JsonFault):
        raise ConfigError(f'prompt.shots: {where}: expected {{"question": "…", "answer": "…"}} ({fields})')
    for name in _SHOT:
        if name not in fields:
            raise ConfigError(
                f'prompt.shots: {where}: no \'{name}\'{nearest(name, fields, "A shot is")} {{"question": "…", "answer": "…"}}, and '
                f"this one has: {', '.join(fields) or 'nothing'}"
            )
        if not isinstance(fields[name], str) or not fields[name].strip():
            raise ConfigError(
                f"prompt.shots: {where}: '{name}' is {str(fields[name])[:40]!r}; expected the text that the prompt is to show"
            )
    return ShotConfig(question=fields["question"].strip(), answer=fields["answer"].strip())
