"""The gold of a question with several right answers, as the verifiers `qa` and `llm` read it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from counterpoise.settings import check_choice

__all__ = ["alias_gold", "check_verifier"]

_VERIFIERS = ("qa", "llm")


def check_verifier(task: str, verifier: str) -> None:
    """Refuse a verifier that cannot read such golds.

    Raises:
        ConfigError: with the choices.
    """
    check_choice(f"task {task}", "verifier", verifier, _VERIFIERS)


def alias_gold(answers: Sequence[str], *, question: str, verifier: str) -> str:
    """A JSON list of the answers; for `llm`, which asks a model, a JSON object with the question too."""
    value: object = list(answers) if verifier == "qa" else {"question": question, "answers": list(answers)}
    return json.dumps(value, ensure_ascii=False)
