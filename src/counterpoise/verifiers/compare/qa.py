"""Open questions with short answers: exact match over aliases is the verdict, token F1 a graded part, declining an outcome of its own."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from counterpoise.ranges import Positive
from counterpoise.settings import settings
from counterpoise.types import Extraction, Judgement, VerdictValue
from counterpoise.verifiers.text import squad
from counterpoise.verifiers.text.extraction import TEXT_RULES, Rules, extract, unstated
from counterpoise.verifiers.text.short_answers import ShortGold, abstains, answer_tokens, parse_short_gold

__all__ = ["QaVerifier"]


@settings("verifier qa")
class QaVerifier:
    """CORRECT when the answer has the same words as one of the golds (`short_answers.answer_tokens`).

    Parts: `f1`, the largest token F1 over the golds; `squad_exact` and `squad_f1`, SQuAD's own figures. A declined question
    is ABSTAINED: not right for pass@k, separate for a reward.
    """

    name: ClassVar[str] = "qa"
    isolated: ClassVar[bool] = False
    """Lengths are capped and every step is linear."""

    max_words: Positive = 16
    """An answer with more words is wrong, with F1 0: a list of names would hold the right one. Golds longer than this raise the limit."""
    withhold_from: Annotated[float, Ge(0.01), Le(1.0)] | None = None
    """Token F1 in (0, 1] from which an answer that is not exact is UNSCORED, rule `close`; None withholds nothing."""
    rules: Rules = TEXT_RULES
    """Extraction rules that may find the answer."""

    @property
    def version(self) -> str:
        """Changes whenever a verdict could change."""
        words = f"+words{self.max_words}" if self.max_words != 16 else ""
        return "5" + words + (f"+withhold{self.withhold_from:g}" if self.withhold_from is not None else "")

    def extract(self, response: str) -> Extraction:
        """The answer inside a response; see `counterpoise.verifiers.text.extraction`."""
        return extract(response, rules=self.rules)

    def judge(self, gold: str, answer: str) -> Judgement:
        """Compare with every gold; a gold that is empty or damaged JSON is UNSCORED."""
        accepted, golds = _accepted(gold)
        # NQ-open has golds such as ")" and "---": what equals them is not an answer, and what does not may be right.
        if accepted is None or not any(word.isalnum() for tokens in golds for word in tokens):
            return Judgement(
                value=VerdictValue.UNSCORED,
                basis="gold",
                reason="unparsable gold: expected a text with a letter or digit, or a JSON list of texts",
            )
        words = answer_tokens(answer)
        if words in golds:
            return _judgement(VerdictValue.CORRECT, "exact", accepted.answers, answer, f1=1.0)
        if abstains(words):
            return Judgement(value=VerdictValue.ABSTAINED, basis="abstention", parts=_parts())
        if len(words) > max(self.max_words, *map(len, golds)):
            return Judgement(value=VerdictValue.WRONG, basis="too_long", parts=_parts())
        f1 = max(squad.f1(tokens, words) for tokens in golds)
        if self.withhold_from is not None and f1 >= self.withhold_from:
            return _judgement(
                VerdictValue.UNSCORED,
                "close",
                accepted.answers,
                answer,
                f1=f1,
                reason=f"close to a gold: token F1 from {self.withhold_from:g} on",
            )
        return _judgement(VerdictValue.WRONG, "different", accepted.answers, answer, f1=f1)


@functools.lru_cache(maxsize=4096)
def _accepted(gold: str) -> tuple[ShortGold | None, tuple[tuple[str, ...], ...]]:
    """A gold and its answers' words, which a group asks for again and again."""
    accepted = parse_short_gold(gold)
    if accepted is None:
        return None, ()
    # The box `\boxed{The answer is blowing in the wind}` was read without its phrase.
    texts = [*accepted.answers, *(bare for text in accepted.answers if (bare := unstated(text)) != text)]
    return accepted, tuple(map(answer_tokens, texts))


def _judgement(
    value: VerdictValue, rule: str, golds: Sequence[str], answer: str, *, f1: float, reason: str | None = None
) -> Judgement:
    words = squad.tokens(answer)
    candidates = [squad.tokens(gold) for gold in golds]
    parts = _parts(f1=f1, squad_exact=float(words in candidates), squad_f1=max(squad.f1(c, words) for c in candidates))
    return Judgement(value=value, basis=rule, reason=reason, parts=parts)


def _parts(*, f1: float = 0.0, squad_exact: float = 0.0, squad_f1: float = 0.0) -> Mapping[str, float]:
    return MappingProxyType({"f1": f1, "squad_exact": squad_exact, "squad_f1": squad_f1})
