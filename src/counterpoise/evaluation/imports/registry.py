"""Formats by name. To add one: a file with its `Format`, a line here, a test."""

from __future__ import annotations

from typing import Final

from counterpoise.evaluation.imports.draws import Format
from counterpoise.evaluation.imports.lm_eval import LM_EVAL
from counterpoise.evaluation.imports.plain import PLAIN
from counterpoise.evaluation.imports.trl import TRL
from counterpoise.evaluation.imports.verl import VERL

__all__ = ["FORMATS"]

FORMATS: Final[dict[str, Format]] = {"trl": TRL, "verl": VERL, "lm-eval": LM_EVAL, "jsonl": PLAIN}
"""In the order in which a file or directory is tried; the last takes any row."""
