"""Equality of normalised texts: for answers that are names, words or strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterpoise.types import Extraction, Judgement, VerdictValue
from counterpoise.verifiers.extraction import DEFAULT_RULES, check_rules, extract
from counterpoise.verifiers.normalise import normalise
from counterpoise.verifiers.presentation import seen

__all__ = ["ExactVerifier"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactVerifier:
    r"""CORRECT when gold and answer are the same text after `normalise`, every `\text{…}` removed."""

    ignore_case: bool = False
    """Compare casefolded texts."""
    rules: Sequence[str] = DEFAULT_RULES
    """Extraction rules that may find the answer."""

    def __post_init__(self) -> None:
        check_rules(self.rules)

    @property
    def name(self) -> str:
        """`exact`."""
        return "exact"

    @property
    def version(self) -> str:
        """Changes whenever a verdict could change."""
        return "3" + ("+ignore-case" if self.ignore_case else "")

    @property
    def isolated(self) -> bool:
        """False: string equality is quick and safe."""
        return False

    def extract(self, response: str) -> Extraction:
        """The answer inside a response; see `counterpoise.verifiers.extraction`."""
        return extract(response, rules=self.rules)

    def judge(self, gold: str, answer: str) -> Judgement:
        """Compare; a gold that is empty after normalisation is UNSCORED."""
        left, right = (self._text(text) for text in (gold, answer))
        if not left:
            return Judgement(value=VerdictValue.UNSCORED, rule="gold", reason="unparsable gold: it is empty")
        return Judgement(value=VerdictValue.CORRECT if left == right else VerdictValue.WRONG, rule="text")

    def _text(self, text: str) -> str:
        text = " ".join(seen(normalise(text)).split()).removesuffix(".")
        return text.casefold() if self.ignore_case else text
