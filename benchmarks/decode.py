"""Tokens per second of the embedded sampler, without and with entropies, against transformers' `generate` on the same random model.

Usage: OMP_NUM_THREADS=1 python benchmarks/decode.py [--shape lab|smollm2] [--prompts 64] [--group 8] [--tokens 16]

All draw the full number of tokens (no end id), at temperature 1, from the same prompts, in turn; the median of `--repeats`
rounds counts. The embedded sampler records log-probabilities besides, and `with entropy` what some token weights need; `generate` neither.
`batched` is the embedded sampler without compiled operators, `modules` without any of its own (`rollout.compiled_decode=false`,
`rollout.flat_decode=false`); what is compiled is in the round that warms up; `--only` leaves others out.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.types import Problem, Prompt, SamplingSettings

SHAPES = {
    "lab": {
        "vocab_size": 60,
        "hidden_size": 128,
        "intermediate_size": 352,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
    },
    "smollm2": {
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
    },
}


def build(shape: str, **changes: int) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    torch.manual_seed(0)
    config = LlamaConfig(**{**SHAPES[shape], **changes}, bos_token_id=None, eos_token_id=None, pad_token_id=0)
    vocabulary = {f"<{index}>": index for index in range(config.vocab_size)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<0>"))
    backend.decoder = decoders.Fuse()
    return LlamaForCausalLM(config).eval(), PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<0>")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=sorted(SHAPES), default="lab")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--max-rows", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="*", help="contenders, as they are printed")
    options = parser.parse_args()

    model, tokenizer = build(options.shape)
    model = model.to(options.device, getattr(torch, options.dtype))
    rng = np.random.default_rng(0)
    lengths = rng.integers(16, 24, options.prompts)
    rows = [rng.integers(1, model.config.vocab_size, length) for length in lengths]
    prompts = [
        Prompt(
            problem=Problem(problem_id=f"p{index}", task_type="bench", question="", gold="", verifier="none"),
            text="",
            token_ids=row,
        )
        for index, row in enumerate(rows)
    ]
    width = int(lengths.max())
    ids = torch.zeros(options.prompts, width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, width - len(row) :] = torch.from_numpy(row)
        mask[index, width - len(row) :] = 1
    ids, mask = ids.to(options.device), mask.to(options.device)
    sampler = EmbeddedSampler(model, tokenizer, max_rows=options.max_rows, eos_token_ids=())
    batched = EmbeddedSampler(model, tokenizer, max_rows=options.max_rows, eos_token_ids=(), compiled=False)
    modules = EmbeddedSampler(model, tokenizer, max_rows=options.max_rows, eos_token_ids=(), flat=False)
    plain = SamplingSettings(max_tokens=options.tokens)
    generation = GenerationConfig(
        do_sample=True,
        top_k=0,
        num_return_sequences=options.group,
        max_new_tokens=options.tokens,
        min_new_tokens=None,
        pad_token_id=0,
        eos_token_id=None,
    )

    def embedded(settings: SamplingSettings, sampler: EmbeddedSampler = sampler) -> None:
        sampler.sample(prompts, group_size=options.group, settings=settings, seed=0)

    def generate() -> None:
        with torch.inference_mode():
            model.generate(input_ids=ids, attention_mask=mask, generation_config=generation)

    contenders = {
        "embedded": partial(embedded, plain),
        "with entropy": partial(embedded, replace(plain, with_entropy=True)),
        "batched": partial(embedded, plain, batched),
        "modules": partial(embedded, plain, modules),
        "generate": generate,
    }
    contenders = {name: run for name, run in contenders.items() if name in (options.only or contenders)}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for repeat in range(options.repeats + 1):
        for name, run in contenders.items():
            seconds = timed(run, options.device)
            if repeat:  # the first round warms up
                times[name].append(seconds)
    typical = {name: statistics.median(seconds) for name, seconds in times.items()}
    first = next(iter(typical.values()))
    drawn = options.prompts * options.group * options.tokens
    for name, seconds in typical.items():
        print(
            f"{name:12s} {seconds:7.3f} s  {drawn / seconds:10.0f} tokens/s  {seconds / first:6.2f} x {next(iter(typical))}"
        )
    print(f"{options.shape}, {torch.get_num_threads()} thread; embedded: {sampler.way()}")


def timed(run: Callable[[], None], device: str) -> float:
    """CPU seconds on a processor, which its other users change less; seconds on a device."""
    if device == "cpu":
        start = time.process_time()
        run()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
