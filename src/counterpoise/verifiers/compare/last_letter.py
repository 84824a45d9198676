"""The last letter of a response that stands alone, whatever stands around it: for chat models whose short sentences have no marker."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.settings import settings
from counterpoise.verifiers.compare.exact import ExactVerifier
from counterpoise.verifiers.text.extraction import Rules

__all__ = ["LastLetterVerifier"]


@settings("verifier last_letter")
class LastLetterVerifier(ExactVerifier):
    """`exact` on the last letter that stands alone, upper or lower case: `The third letter is "R".` answers r.

    A letter of a word is none, whatever the word. It suits short responses alone: nothing tells what the letter was said of.
    """

    name: ClassVar[str] = "last_letter"

    ignore_case: bool = True
    """Compare casefolded texts."""
    rules: Rules = ("last_letter",)
    """Extraction rules that may find the answer."""

    @property
    def version(self) -> str:
        """Changes whenever a verdict could change."""
        return "2" + ("+ignore-case" if self.ignore_case else "")
