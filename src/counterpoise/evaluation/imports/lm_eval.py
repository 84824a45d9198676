"""lm-evaluation-harness' `--log_samples`: `samples_<task>_<date>.jsonl`.

A line is a document under one filter: `doc_id`, `doc`, `target`, `arguments` (`{"gen_args_0": {"arg_0": prompt, …}}`; a list of lists
in old versions), `resps` (a list for each request, one response for each repeat), `filtered_resps`, `filter`, and the metrics by name. The
same responses come once for each filter.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from counterpoise.evaluation.imports.draws import (
    Columns,
    Draw,
    Fields,
    Format,
    as_score,
    as_text,
    find,
    messages_text,
)

__all__ = ["LM_EVAL"]


def _draws(fields: Fields, columns: Columns) -> Sequence[Draw]:
    requests = find(fields, columns.response, "response")
    if not isinstance(requests, list) or len(requests) != 1:
        raise ValueError("it has not one request but several or none: multiple-choice likelihoods are no responses")
    responses = requests[0] if isinstance(requests[0], list) else [requests[0]]
    if not all(isinstance(response, str) for response in responses):
        raise ValueError("its resps are no texts: likelihoods are no responses")
    gold = next((fields[name] for name in columns.gold if name in fields), None)
    metrics = columns.score or tuple(fields.get("metrics") or ())
    # A metric is one number for the document, so it says nothing about one of several responses.
    score = as_score(find(fields, metrics[:1], "score")) if metrics and len(responses) == 1 else None
    return [
        Draw(
            prompt=_prompt(find(fields, columns.prompt, "prompt")),
            response=response,
            gold=None if gold is None else as_text(gold),
            score=score,
        )
        for response in responses
    ]


def _prompt(arguments: Any) -> str:
    try:
        first = arguments["gen_args_0"]["arg_0"] if isinstance(arguments, dict) else arguments[0][0]
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError("its arguments hold no prompt (gen_args_0.arg_0)") from error
    if isinstance(first, list) and len(first) == 1 and isinstance(first[0], str):
        first = first[0]
    if isinstance(first, str) and first.startswith("[{"):  # a chat template's messages are logged as JSON
        try:
            first = json.loads(first)
        except ValueError:
            return str(first)
    return messages_text(first, roles=True)


LM_EVAL = Format(
    pattern="samples_*.jsonl",
    columns=Columns(prompt=("arguments",), response=("resps",), gold=("target",)),
    sign=lambda fields: {"doc_id", "resps"} <= fields.keys(),
    draws=_draws,
)
"""`samples_*.jsonl`; the score is the first metric, for documents with one response."""
