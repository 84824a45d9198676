"""lm-evaluation-harness' `--log_samples`: `samples_<task>_<date>.jsonl`.

A line is a document under one filter: `doc_id`, `doc`, `target`, `arguments` (`{"gen_args_0": {"arg_0": prompt, …}}`; a list of lists
in old versions), `resps` (a list for each request, one response for each repeat), `filtered_resps`, `filter`, and the metrics by name. The
same responses come once for each filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from counterpoise.evaluation.imports.draws import (
    Columns,
    Draw,
    Fields,
    Format,
    as_gold,
    as_score,
    as_text,
    find,
    messages_text,
    named_score,
)
from counterpoise.files import JsonFault, parse_json

__all__ = ["LM_EVAL"]


def _draws(fields: Fields, columns: Columns) -> Sequence[Draw]:
    requests = find(fields, columns.response, "response")
    if not isinstance(requests, list) or len(requests) != 1:
        raise ValueError("it has not one request but several or none: multiple-choice likelihoods are not responses")
    responses = requests[0] if isinstance(requests[0], list) else [requests[0]]
    if not responses:
        raise ValueError("it has no response")
    if not all(isinstance(response, str) for response in responses):
        raise ValueError("its resps are not texts: likelihoods are not responses")
    gold = next((fields[name] for name in columns.gold if name in fields), None)
    # A metric is one number for the document, so it says nothing about one of several responses.
    scored = columns.score and len(responses) == 1
    score = as_score(find(fields, columns.score, "score")) if scored else None
    return [
        Draw(
            prompt=_prompt(find(fields, columns.prompt, "prompt")),
            response=as_text(response),
            gold=as_gold(gold),
            score=score,
        )
        for response in responses
    ]


def _prompt(arguments: Any) -> str:
    if isinstance(arguments, str) or (isinstance(arguments, list) and arguments and isinstance(arguments[0], str)):
        raise ValueError("its arguments are text, not a list of requests")
    try:
        request = arguments["gen_args_0"] if isinstance(arguments, dict) else arguments[0]
        first = request["arg_0" if isinstance(request, dict) else 0]
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError("its arguments hold no prompt (gen_args_0.arg_0)") from error
    if isinstance(first, list) and len(first) == 1 and isinstance(first[0], str):
        first = first[0]
    if isinstance(first, str) and first.startswith("[{"):  # a chat template's messages are logged as JSON
        try:
            first = parse_json(first)
        except JsonFault:
            return as_text(first)
    return messages_text(first, roles=True)


def _metric(met: Fields, columns: Columns) -> tuple[str, ...]:
    """The named metric, or the first that the file lists."""
    if columns.score:
        return named_score(met, columns)
    listed = met.get("metrics")
    return (listed[0],) if isinstance(listed, list) and listed and isinstance(listed[0], str) else ()


LM_EVAL = Format(
    patterns=("samples_*.jsonl", "*/samples_*.jsonl"),
    made_by="lm_eval's --log_samples",
    columns=Columns(prompt=("arguments",), response=("resps",), gold=("target",)),
    sign=lambda fields: {"doc_id", "resps"} <= fields.keys(),
    draws=_draws,
    scores=_metric,
)
"""`samples_*.jsonl`; the score is the first metric, for documents with one response."""
