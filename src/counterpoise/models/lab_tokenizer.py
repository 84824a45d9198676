"""The lab's character tokenizer: one token per character, and decoding is the exact inverse of encoding."""

from __future__ import annotations

import string

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

__all__ = ["ALPHABET", "EOS", "PAD", "UNKNOWN", "build_lab_tokenizer"]

ALPHABET = string.digits + "+-*/()=,.:;#?" + string.ascii_lowercase + " \n"
"""Every character the lab's models can read and write."""
PAD = "<pad>"
EOS = "<eos>"
UNKNOWN = "<unk>"
"""Stands for a character outside the alphabet; only then is a decoded text not the encoded one."""


def build_lab_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer: `<pad>` 0, `<eos>` 1, `<unk>` 2, then `ALPHABET` in order; adds no special token and no space by itself."""
    vocabulary = {token: index for index, token in enumerate((PAD, EOS, UNKNOWN, *ALPHABET))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    # [\s\S] and not a dot: a dot leaves out the newline that ends every prompt
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )
