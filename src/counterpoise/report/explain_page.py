"""The token microscope as one page: every token of a response, every rule, nothing fetched from anywhere."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING

import counterpoise
from counterpoise.diagnostics.reading import chance, decisive, quoted_token, read_step, read_token
from counterpoise.report.page import page_environment

if TYPE_CHECKING:
    from counterpoise.diagnostics.explanation import Explanation

__all__ = ["explain_page"]


def explain_page(found: Explanation) -> str:
    """An HTML document with its own style and script; all text of the model and of the user is escaped."""
    environment = page_environment()
    environment.filters |= {"percent": chance, "quoted": quoted_token, "number": _number, "interval": _interval}
    return environment.get_template("explain.html").render(
        found=found,
        nonce=secrets.token_urlsafe(16),
        version=counterpoise.__version__,
        read_step=read_step,
        read_token=lambda token, move: read_token(found, token, move),
        first=decisive(found.tokens, 1)[0].index,
        right=sum(member.verdict == "correct" for member in found.group),
    )


def _number(value: float, spec: str = "+.3f", *, times: float = 1.0) -> str:
    return "–" if math.isnan(value) else f"{times * value:{spec}}"


def _interval(estimate: object, spec: str = "+.2f", *, times: float = 1e3) -> str:
    value, low, high = (_number(getattr(estimate, name), spec, times=times) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
