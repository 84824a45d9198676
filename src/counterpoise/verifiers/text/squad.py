"""SQuAD's normalisation, exact match and token F1, to the letter, so that figures can be compared with the literature.

Source: Rajpurkar et al. 2016 (arXiv:1606.05250), section 6.1, and its official evaluation script, version 1.1.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence

from counterpoise.lazy import compiled

__all__ = ["exact", "f1", "tokens"]

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = compiled(r"\b(?:a|an|the)\b")


def tokens(text: str) -> tuple[str, ...]:
    """Lower case, ASCII punctuation deleted, then the words a, an and the replaced by blanks, cut at white space."""
    return tuple(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact(gold: str, answer: str) -> bool:
    """Exact match: the same tokens in the same order."""
    return tokens(gold) == tokens(answer)


def f1(gold: Sequence[str], answer: Sequence[str]) -> float:
    """`2 P R / (P + R)` over bags of tokens, P and R the shares of answer's and gold's tokens that are in both.

    With no token in common 0; when a side has no tokens, 1 if the other has none either, else 0.
    """
    if not gold or not answer:
        return float(not gold and not answer)
    common = (Counter(gold) & Counter(answer)).total()
    # 2 P R / (P + R) with P = c/n and R = c/m is 2 c / (n + m).
    return 2 * common / (len(gold) + len(answer))
