"""The last number of a response, whatever stands around it: for chat models whose short sentences have no marker."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.settings import settings
from counterpoise.verifiers.compare.numeric import NumericVerifier
from counterpoise.verifiers.text.extraction import Rules

__all__ = ["LastNumberVerifier"]


@settings("verifier last_number")
class LastNumberVerifier(NumericVerifier):
    """`numeric` on the last number of the response: `The largest of 12, 63 and 5 is 63.` answers 63.

    Any number at the end counts, also one that is not an answer ("63, which I chose from 3"), so it suits short responses alone.
    """

    name: ClassVar[str] = "last_number"
    version_of_rules: ClassVar[str] = "+rule2"

    rules: Rules = ("last_number",)
    """Extraction rules that may find the answer."""
