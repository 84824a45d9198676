"""The tokenizer of a GGUF file: byte-level BPE of several cuts, or SentencePiece's BPE, whose merges follow from the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from counterpoise.models.gguf.header import Header

__all__ = ["MADE_FROM", "check_tokenizer", "write_tokenizer"]

MADE_FROM: Final = "gguf"
"""Mark in `tokenizer_config.json`, under `made_from`: read it as it stands, whatever class transformers has for the architecture."""

_WORDS: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CUTS: Final[Mapping[str, str | None]] = {
    "default": None,
    "gpt-2": None,
    "smollm": None,
    "llama-bpe": _WORDS % r"\p{N}{1,3}",
    "llama3": _WORDS % r"\p{N}{1,3}",
    "llama-v3": _WORDS % r"\p{N}{1,3}",
    "qwen2": _WORDS % r"\p{N}",
    "deepseek-r1-qwen": _WORDS % r"\p{N}",
}
"""`tokenizer.ggml.pre` -> how text is cut before BPE; None is GPT-2's own cut. As llama.cpp has them (`llama-vocab.cpp`)."""

_NORMAL, _CONTROL, _USER = 1, 3, 4  # types of tokens
_LONGEST: Final = 256
"""Characters of a SentencePiece token that merges are looked for in; longer ones are runs of one character."""


def check_tokenizer(header: Header) -> None:
    """See that the tokenizer is one that `write_tokenizer` makes; no torch.

    Raises:
        ModelError: it is of another kind, or its lists are missing or do not fit the embeddings.
    """
    fields = header.fields
    kind, pre = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre", "default")
    if kind not in ("gpt2", "llama"):
        raise header.refuse(
            f"has a tokenizer of kind {str(kind)[:40]!r}, and gpt2 and llama are read; give the model's directory"
        )
    if kind == "gpt2" and pre not in _CUTS:
        raise header.refuse(
            f"its tokenizer cuts text as {str(pre)[:40]!r}, and what is read is: {', '.join(_CUTS)}; give the model's directory"
        )
    tokens: Any = fields.get("tokenizer.ggml.tokens")
    rows = header.tensors["token_embd.weight"].shape[0]
    if not _list_of(tokens, str) or not 0 < len(tokens) <= rows:
        raise header.refuse(
            f"its tokenizer has no list of at most {rows:,} tokens, one for each embedding; download it again"
        )
    beside = {"token_type": int} | ({"merges": str} if kind == "gpt2" else {"scores": float})
    for name, sort in beside.items():
        values: Any = fields.get(f"tokenizer.ggml.{name}")
        if not _list_of(values, sort) or (name != "merges" and len(values) != len(tokens)):
            raise header.refuse(
                f"the field tokenizer.ggml.{name} is missing or has another length than the tokens; download it again"
            )
    eos = fields.get("tokenizer.ggml.eos_token_id")
    if not isinstance(eos, int) or not 0 <= eos < len(tokens):
        raise header.refuse("its tokenizer has no end-of-sequence token (tokenizer.ggml.eos_token_id)")


def write_tokenizer(header: Header, target: Path) -> dict[str, Any]:
    """Write the tokenizer and its chat template; the ids of the special tokens, for the model's configuration.

    The file has passed `check_tokenizer`.
    """
    from tokenizers import AddedToken, processors
    from transformers import PreTrainedTokenizerFast

    fields = header.fields
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    types: list[int] = fields["tokenizer.ggml.token_type"]
    bpe, pre = fields["tokenizer.ggml.model"] == "gpt2", fields.get("tokenizer.ggml.pre", "default")
    ids = {
        name: number
        for name, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"), ("unk", "unknown"))
        if isinstance(number := fields.get(f"tokenizer.ggml.{key}_token_id"), int) and 0 <= number < len(tokens)
    }
    tokenizer = _byte_level(fields, pre) if bpe else _sentence_piece(fields, ids)
    for token, kind in zip(tokens, types, strict=True):
        if kind in (_CONTROL, _USER) and not (kind == _USER and not token.strip("▁ ")):
            tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False)]) if kind == _CONTROL else (
                tokenizer.add_tokens([AddedToken(token, normalized=False)])
            )
    first = not bpe or str(pre).startswith("llama")
    if fields.get("tokenizer.ggml.add_bos_token", first) and "bos" in ids:
        bos = tokens[ids["bos"]]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[bos, "$A"], pair=[bos, "$A", bos, "$B"], special_tokens=[(bos, ids["bos"])]
        )
    template = fields.get("tokenizer.chat_template")
    make: Any = PreTrainedTokenizerFast
    wrapped = make(
        tokenizer_object=tokenizer,
        **{f"{name}_token": tokens[number] for name, number in ids.items()},
        clean_up_tokenization_spaces=False,
        made_from=MADE_FROM,
        model_max_length=fields[f"{header.architecture}.context_length"],
        **({"chat_template": template} if isinstance(template, str) else {}),
    )
    wrapped.save_pretrained(target)
    return {f"{name}_token_id": number for name, number in ids.items() if name != "unk"}


def _byte_level(fields: Mapping[str, Any], pre: str) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    merges = [(left, right) for left, _, right in (pair.partition(" ") for pair in fields["tokenizer.ggml.merges"])]
    vocabulary = {token: number for number, token in enumerate(fields["tokenizer.ggml.tokens"])}
    cut = _CUTS[pre]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=pre.startswith("llama")))
    if cut is None:
        # Kind "smollm": every digit is a piece of its own before the GPT-2 rule cuts the rest.
        steps: list[Any] = [pre_tokenizers.Digits(individual_digits=True)] if pre == "smollm" else []
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False))
    else:
        steps = [
            pre_tokenizers.Split(Regex(cut), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    if "qwen" in pre:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _sentence_piece(fields: Mapping[str, Any], ids: Mapping[str, int]) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers

    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges = _merges(tokens, fields["tokenizer.ggml.scores"], fields["tokenizer.ggml.token_type"], vocabulary)
    unknown = tokens[ids["unk"]] if "unk" in ids else None
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token=unknown, fuse_unk=True, byte_fallback=True)
    )
    begins = bool(fields.get("tokenizer.ggml.add_space_prefix", True))
    spaces: list[Any] = [normalizers.Prepend("▁")] if begins else []
    tokenizer.normalizer = normalizers.Sequence([*spaces, normalizers.Replace(" ", "▁")])
    steps: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, *([decoders.Strip(" ", 1, 0)] if begins else [])])
    return tokenizer


def _merges(
    tokens: Sequence[str], scores: Sequence[float], types: Sequence[int], vocabulary: Mapping[str, int]
) -> list[tuple[str, str]]:
    """Pairs in the order in which SentencePiece joins them: by the score of what they make, highest first."""
    found = []
    for token, score, kind in zip(tokens, scores, types, strict=True):
        if kind not in (_NORMAL, _USER) or len(token) > _LONGEST:
            continue
        pairs = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        known = [pair for pair in pairs if pair[0] in vocabulary and pair[1] in vocabulary]
        known.sort(key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))
        found += [(score, pair) for pair in known]
    found.sort(key=lambda entry: (entry[0], len(entry[1][0]), len(entry[1][1])), reverse=True)
    return [pair for _, pair in found]


def _list_of(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)
