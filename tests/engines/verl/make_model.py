"""A tiny Qwen2 with random weights over bytes, and data sets of one-letter problems, in a directory."""

import json
from pathlib import Path

import torch


def make_model(folder: Path, *, seed: int = 0) -> Path:
    """2 layers, hidden 128, head_dim 64; the vocabulary is 256 bytes, padding and end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: place for place, letter in enumerate(letters)}
    bare = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, pad_token="<pad>", eos_token="<end>")
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=128, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=64, max_position_embeddings=128, tie_word_embeddings=True, use_sliding_window=False,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_data(path: Path, count: int = 64) -> Path:
    """Problems of verl's form as parquet: prompt, data_source, reward_model, extra_info."""
    import pandas

    rows = [
        {
            "data_source": "ab"[place % 2],
            "prompt": [{"role": "user", "content": f"{place % 10}="}],
            "reward_model": {"style": "rule", "ground_truth": str(place % 10)},
            "extra_info": {"index": place},
        }
        for place in range(count)
    ]
    pandas.DataFrame(rows).to_parquet(path)
    return path


if __name__ == "__main__":
    import sys

    folder = Path(sys.argv[1])
    make_model(folder / "model")
    make_data(folder / "train.parquet")
    print(json.dumps({"model": str(folder / "model")}))
