"""The chat format beside a checkpoint's weights: a launched run's is launch's own, which adds nothing, and readers need the model's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from counterpoise.engines.verl.options import PASS_THROUGH
from counterpoise.files import atomic_write_text, parse_json, read_text

__all__ = ["give_back"]

_TEMPLATE = "chat_template.jinja"
_TOKENIZER = "tokenizer_config.json"
_KEY = "chat_template"


def give_back(saved: Path, own: str | None) -> bool:
    """Put a model's own chat format in the place of `PASS_THROUGH`; whether it stood there.

    Whoever words prompts for the checkpoint (`counterpoise eval`, vLLM) would get them without the turns that it was trained on.

    Args:
        saved: the directory of a tokenizer, `global_step_N/actor/huggingface`; nothing is done where there is none.
        own: the model's chat format; None where it has none.
    """
    template, config = saved / _TEMPLATE, saved / _TOKENIZER
    found = False
    if template.is_file() and template.read_text(encoding="utf-8").strip() == PASS_THROUGH:
        found = True
        if own is None:
            template.unlink()
        else:
            atomic_write_text(template, own)
    # A tokenizer without a limit has 10^30 as its length.
    fields: dict[str, Any] = parse_json(read_text(config), large_integers=True) if config.is_file() else {}
    if fields.get(_KEY) == PASS_THROUGH:
        found = True
        kept = {name: value for name, value in fields.items() if name != _KEY} | ({} if own is None else {_KEY: own})
        atomic_write_text(config, json.dumps(kept, ensure_ascii=False, indent=2) + "\n")
    return found
