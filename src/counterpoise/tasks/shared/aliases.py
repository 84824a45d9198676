"""The gold of a question with several right answers, as the verifiers `qa` and `llm` read it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

__all__ = ["AliasVerifier", "alias_gold"]

AliasVerifier = Literal["qa", "llm"]
"""The verifiers that read such golds."""


def alias_gold(answers: Sequence[str], *, question: str, verifier: str) -> str:
    """A JSON list of the answers; for `llm`, which asks a model, a JSON object with the question too."""
    value: object = list(answers) if verifier == "qa" else {"question": question, "answers": list(answers)}
    return json.dumps(value, ensure_ascii=False)
