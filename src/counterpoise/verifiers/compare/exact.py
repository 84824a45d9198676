"""Equality of normalised texts: for answers that are names, words or strings."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.settings import settings
from counterpoise.types import Extraction, Judgement, VerdictValue
from counterpoise.verifiers.text.extraction import DEFAULT_RULES, Rules, extract, unstated
from counterpoise.verifiers.text.normalise import normalise
from counterpoise.verifiers.text.presentation import seen

__all__ = ["ExactVerifier"]


@settings("verifier exact")
class ExactVerifier:
    r"""CORRECT when gold and answer are the same text after `normalise`, every `\text{…}` removed."""

    name: ClassVar[str] = "exact"
    isolated: ClassVar[bool] = False
    """String equality is quick and safe."""

    ignore_case: bool = False
    """Compare casefolded texts."""
    rules: Rules = DEFAULT_RULES
    """Extraction rules that may find the answer."""

    @property
    def version(self) -> str:
        """Changes whenever a verdict could change."""
        return "4" + ("+ignore-case" if self.ignore_case else "")

    def extract(self, response: str) -> Extraction:
        """The answer inside a response; see `counterpoise.verifiers.text.extraction`."""
        return extract(response, rules=self.rules)

    def judge(self, gold: str, answer: str) -> Judgement:
        """Compare; a gold that is empty after normalisation is UNSCORED."""
        left, right = self._text(gold), self._text(answer)
        if not left:
            return Judgement(value=VerdictValue.UNSCORED, basis="gold", reason="unparsable gold: it is empty")
        return Judgement(
            value=VerdictValue.CORRECT if right in (left, self._text(unstated(gold))) else VerdictValue.WRONG,
            basis="text",
        )

    def _text(self, text: str) -> str:
        text = " ".join(seen(normalise(text)).split()).removesuffix(".")
        return text.casefold() if self.ignore_case else text
