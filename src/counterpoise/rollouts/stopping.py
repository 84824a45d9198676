"""Stop a response: end-of-sequence ids, and stop strings looked for in a short tail of the decoded text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase

__all__ = ["StopStrings", "decode_rows", "end_of_sequence_ids"]


def end_of_sequence_ids(generation_config: Any, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Sorted ids that end a response: those of the generation configuration (one or a list) and the tokenizer's."""
    declared = None if generation_config is None else generation_config.eos_token_id
    ids: set[int] = set()
    for value in (declared, tokenizer.eos_token_id):
        if isinstance(value, int):
            ids.add(value)
        elif isinstance(value, Iterable):
            ids.update(int(item) for item in value)
    return tuple(sorted(ids))


def decode_rows(tokenizer: PreTrainedTokenizerBase, rows: list[list[int]]) -> list[str]:
    """Texts of token rows without special tokens and without the clean-up that moves spaces."""
    if not rows:
        return []
    return list(tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False))


class StopStrings:
    """Finds the token that completes the first stop string of a response.

    Only a tail is decoded: the new tokens and as many before them as the longest stop string has bytes, special tokens
    not counted, plus one. Every token that shows in the text adds at least a byte to it, so no match can reach further
    back, and the extra token keeps a decoder that strips a leading space away from the match.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stop = tuple(stop)
        self._special = np.array(sorted(tokenizer.all_special_ids), dtype=np.int64)
        self._reach = max(len(text.encode()) for text in stop) + 1

    def ends(self, tokens: npt.NDArray[np.int64], seen: int) -> npt.NDArray[np.int64]:
        """(n,) number of tokens at which a stop string is first complete; 0 where none is.

        Args:
            tokens: (n, t) response tokens so far, one row per response.
            seen: how many of the t were searched before (nothing ended there).
        """
        count, length = tokens.shape
        found = np.zeros(count, dtype=np.int64)
        starts = self._starts(tokens, seen)
        tails = [row[start:].tolist() for row, start in zip(tokens, starts, strict=True)]
        for index, text in enumerate(decode_rows(self._tokenizer, tails)):
            if not self._has_stop(text):
                continue
            tail, start = tails[index], int(starts[index])
            prefixes = [tail[: end - start] for end in range(seen + 1, length + 1)]
            texts = decode_rows(self._tokenizer, prefixes)
            found[index] = seen + 1 + next(i for i, prefix in enumerate(texts) if self._has_stop(prefix))
        return found

    def _has_stop(self, text: str) -> bool:
        return any(stop in text for stop in self._stop)

    def _starts(self, tokens: npt.NDArray[np.int64], seen: int) -> npt.NDArray[np.int64]:
        """(n,) first token of each tail."""
        plain = max(0, seen - self._reach)
        starts = np.full(len(tokens), plain, dtype=np.int64)
        hidden = np.isin(tokens[:, plain:seen], self._special).any(-1)
        for index in np.flatnonzero(hidden):
            visible = np.flatnonzero(~np.isin(tokens[index, :seen], self._special))
            starts[index] = visible[-self._reach] if len(visible) >= self._reach else 0
        return starts
