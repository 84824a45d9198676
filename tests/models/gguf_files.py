"""Writes tiny real GGUF files of random models, with the names of the `gguf` package and the conventions of llama.cpp's converter."""

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

TEXT = "The sun rises in the east; 12 + 345 = 357. It's naïve, isn't it?\n\n    indented text, and more of it\n"
SIZES = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
ROPE = {"rope_type": "default", "rope_theta": 10_000.0}
LOCAL = {"full_attention": {**ROPE, "rope_theta": 1_000_000.0}, "sliding_attention": ROPE}


def random_model(name, *, width=32, seed=0):
    """A model of each architecture whose weights, norms too, all matter to its logits."""
    torch.manual_seed(seed)
    rest = {"num_hidden_layers": 2, "rope_parameters": ROPE, "rms_norm_eps": 1e-6, "initializer_range": 0.2}
    if name == "llama":
        model = LlamaForCausalLM(LlamaConfig(**SIZES, **rest, tie_word_embeddings=False))
    elif name == "qwen2":
        model = Qwen2ForCausalLM(Qwen2Config(**SIZES, **rest, tie_word_embeddings=True))
    elif name == "qwen3":
        model = Qwen3ForCausalLM(Qwen3Config(**SIZES, **rest, head_dim=width, tie_word_embeddings=True))
    else:
        rest |= {"num_hidden_layers": 6, "rope_parameters": LOCAL}
        kinds = ["sliding_attention"] * 5 + ["full_attention"]
        config = Gemma3TextConfig(
            **SIZES, **rest, head_dim=width, sliding_window=8, layer_types=kinds, query_pre_attn_scalar=width
        )
        model = Gemma3ForCausalLM(config)
    for weight in model.parameters():
        if weight.dim() == 1:
            weight.data += torch.randn(weight.shape) * 0.2
    return model.eval()


def byte_level():
    """A small byte-level BPE in Qwen 2's cut."""
    from tokenizers import Regex, normalizers

    from counterpoise.models.gguf.tokenizer import _CUTS

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CUTS["qwen2"]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<eos>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT] * 3, trainer)
    return tokenizer


def write_gguf(path, model, name, *, kind="F32", pieces=False, before=lambda writer: None):
    """Write `model`; matrices in the quantisation `kind`, the tokenizer byte-level, or SentencePiece's where `pieces`."""
    config, writer = model.config, gguf.GGUFWriter(str(path), name)
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_rope_freq_base(1_000_000.0 if name == "gemma3" else 10_000.0)
    writer.add_vocab_size(config.vocab_size)
    if name == "llama":
        writer.add_rope_dimension_count(width)
    if name in ("qwen3", "gemma3"):
        writer.add_key_length(width)
        writer.add_value_length(width)
    if name == "gemma3":
        writer.add_sliding_window(config.sliding_window)
    if pieces:
        tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
        types = [2, 3, 3] + [6] * 256
        made = ["▁", "t", "h", "e", "s", "u", "n", "▁t", "he", "▁the", "▁s", "un", "▁sun"]
        tokens, types = tokens + made, types + [1] * len(made)
        scores = [0.0] * 259 + [-float(rank) for rank in range(len(made))]
        tokens += [f"[unused{number}]" for number in range(config.vocab_size - len(tokens))]
        types += [5] * (config.vocab_size - len(types))
        scores += [-1e4] * (config.vocab_size - len(scores))
        writer.add_tokenizer_model("llama")
        writer.add_token_scores(scores)
        writer.add_unk_token_id(0)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
    else:
        tokenizer = byte_level()
        vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
        tokens = vocabulary + [f"[unused{number}]" for number in range(config.vocab_size - len(vocabulary))]
        types = [3, 3] + [1] * (len(vocabulary) - 2) + [5] * (config.vocab_size - len(vocabulary))
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2")
        import json

        merges = json.loads(tokenizer.to_str())["model"]["merges"]
        writer.add_token_merges([" ".join(pair) for pair in merges])
        writer.add_eos_token_id(0)
        writer.add_pad_token_id(1)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_chat_template("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    before(writer)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[name.upper()], config.num_hidden_layers)
    for key, weight in model.state_dict().items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = weight.numpy().copy()
        if name == "llama" and (".q_proj." in key or ".k_proj." in key):
            heads = config.num_attention_heads if ".q_proj." in key else config.num_key_value_heads
            # llama.cpp's `permute`: the halves of a head become neighbours
            values = (
                values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
                .swapaxes(1, 2)
                .reshape(values.shape)
            )
        if name == "gemma3" and key.endswith("norm.weight"):
            values = values + 1
        stem, _, end = key.rpartition(".")
        qtype = gguf.GGMLQuantizationType[kind if values.ndim > 1 else "F32"]
        data = values.astype(np.float32) if qtype.name == "F32" else gguf.quantize(values, qtype)
        writer.add_tensor(
            f"{names.get_name(stem)}.{end}", data, raw_dtype=None if qtype.name in ("F32", "F16") else qtype
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
