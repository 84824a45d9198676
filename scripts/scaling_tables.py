"""The tables of docs/scaling.md, computed: `python scripts/scaling_tables.py` prints them, and a test holds the page against them."""

import math

from counterpoise.launch.sizes import GIB, Decoder, Load, sampler_ranks, trainer_bytes

BF16 = 2
"""Bytes of a number."""

_ROWS = {  # hidden, layers, vocabulary, feed-forward, heads, heads of keys and values; every head is 128 wide
    "Qwen3-4B": (2560, 36, 151936, 9728, 32, 8),
    "Qwen2.5-Math-7B": (3584, 28, 152064, 18944, 28, 4),
    "Llama-3.1-8B": (4096, 32, 128256, 14336, 32, 8),
    "Qwen2.5-32B": (5120, 64, 152064, 27648, 40, 8),
    "Llama-3.1-70B": (8192, 80, 128256, 28672, 64, 8),
}
SHAPES = {
    name: Decoder(
        hidden=row[0], layers=row[1], vocabulary=row[2], feed_forward=row[3], heads=row[4], key_value_heads=row[5], head=128,
        tied=name == "Qwen3-4B",
    )
    for name, row in _ROWS.items()
}  # fmt: skip
PAPER = {"Qwen2.5-Math-7B": (3072, 16384), "Qwen3-4B": (31744, 32768), "Llama-3.1-8B": (3072, 16384)}
CARD, SAMPLER, READ, COMPUTE = 80 * GIB, 40 * GIB, 2e12, 4e14
"""Bytes of a card, those that the sampler gets, bytes a second, operations a second: assumed, as the page says."""


def load(response=3072, microbatch=16384, **other):
    """A step of the paper's."""
    return Load(prompts=1024, group=8, prompt_tokens=1024, response_tokens=response, microbatch=microbatch, **other)


def sampler_bytes(shape, load, *, ranks, rows):
    """Bytes on one of `ranks` GPUs that hold a sampler together, with `rows` responses drawn at once.

    `2 P / R` of bf16 weights and `2 * layers * kv heads * head * 2` bytes of cache for every token of prompt and response, over R. A prompt
    is in the cache once for its whole group.
    """
    tokens = rows * (load.response_tokens + load.prompt_tokens / load.group)
    return (BF16 * shape.parameters + shape.cache_bytes * tokens) / ranks


def rows_at_once(shape, load, *, ranks, memory):
    """Responses of full length that a sampler on `ranks` GPUs draws at once in `memory` bytes of each: what weights leave; 1 or more."""
    each = sampler_bytes(shape, load, ranks=ranks, rows=1) - sampler_bytes(shape, load, ranks=ranks, rows=0)
    return max(1, int((memory - sampler_bytes(shape, load, ranks=ranks, rows=0)) / each))


def draw_seconds(shape, load, *, responses, gpus, ranks, memory, bandwidth):
    """Seconds to draw so many responses of full length on `gpus` GPUs: decoding reads, it hardly computes.

    A token of `r` rows reads `(2 P + r c s) / R` bytes on each of R GPUs, with c bytes of cache a token and the mean context
    `s = prompt + response / 2`; a response takes as many of them as it has tokens, and what does not fit at once waits for its turn.

    Args:
        shape: the model.
        load: lengths.
        responses: all of them.
        gpus: all of them, in `gpus / ranks` samplers.
        ranks: GPUs that share a sampler.
        memory: bytes of each GPU for weights and cache.
        bandwidth: bytes a second that a GPU reads.
    """
    each = math.ceil(responses / (gpus // ranks))
    rows = min(each, rows_at_once(shape, load, ranks=ranks, memory=memory))
    context = load.prompt_tokens + load.response_tokens / 2
    read = (BF16 * shape.parameters + rows * shape.cache_bytes * context) / ranks
    return math.ceil(each / rows) * load.response_tokens * read / bandwidth


def train_flops(shape, load):
    """Floating-point operations of a step's passes, without drawing, if every response has its full length and credit.

    `2 P` a token for old log-probabilities, `2 P` for a reference, `6 P` for forward and backward and `2 P` more where
    activations are recomputed; as much as the policy's update and `2 P` for a critic. Attention's `4 h L s` a token with s the mean context
    is left out (arXiv 2001.08361).
    """
    tokens = load.prompts * load.group * (load.prompt_tokens + load.response_tokens)
    update = 8 if load.checkpointing else 6
    values = 2 + update if load.critic else 0
    return float(shape.parameters * tokens * (2 + (2 if load.reference else 0) + update + values))


def words(seconds):
    """A time."""
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def drawn(shape, load, gpus, responses):
    """GPUs that share a sampler, and seconds to draw."""
    ranks = sampler_ranks(shape.parameters, gpus=min(8, gpus), memory=CARD)
    seconds = draw_seconds(shape, load, responses=responses, gpus=gpus, ranks=ranks, memory=SAMPLER, bandwidth=READ)
    return ranks, seconds


def row(*cells):
    """A line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def head(*names):
    """The head of a table."""
    yield row(*names)
    yield "|" + "---|" * len(names)


def paper_table():
    """The paper's three models on 8 GPUs."""
    yield from head(
        "model", "parameters", "responses", "cache of a response", "GiB a GPU to train: NSR", "with a KL", "PPO", "GPUs a sampler",
        "at once on it", "draw", "update",
    )  # fmt: skip
    for name, (response, microbatch) in PAPER.items():
        shape = SHAPES[name]
        memory = [
            f"{trainer_bytes(shape, load(response, microbatch, **more), ranks=8) / GIB:.0f}"
            for more in ({}, {"reference": True}, {"critic": True})
        ]
        ranks, draw = drawn(shape, load(response, microbatch), 8, 8192)
        rows = rows_at_once(shape, load(response, microbatch), ranks=ranks, memory=SAMPLER)
        update = train_flops(shape, load(response, microbatch)) / (8 * COMPUTE)
        cache = f"{shape.cache_bytes * response / GIB:.2f} GiB"
        size = f"{shape.parameters / 1e9:.2f} B"
        yield row(name, size, f"{response:,} tokens", cache, *memory, ranks, rows, words(draw), words(update))


def cluster_table():
    """Three sizes on 8 to 1,024 GPUs."""
    yield from head("model", "GPUs", "GiB a GPU to train", "GPUs a sampler", "draw", "update", "longer of the two")
    for name in ("Qwen2.5-Math-7B", "Qwen2.5-32B", "Llama-3.1-70B"):
        shape = SHAPES[name]
        for gpus in (8, 64, 256, 1024):
            memory = trainer_bytes(shape, load(), ranks=gpus) / GIB
            ranks, draw = drawn(shape, load(), gpus, 8192)
            update = train_flops(shape, load()) / (gpus * COMPUTE)
            longer = "draw" if draw > update else "update"
            fits = "" if memory <= 80 else " (does not fit)"
            yield row(name, f"{gpus:,}", f"{memory:.0f}{fits}", ranks, words(draw), words(update), longer)


def evaluation_table():
    """GPU hours of a large evaluation."""
    yield from head("model", "GPU hours for 2,560,000 responses of 3,072 tokens")
    for name in ("Qwen2.5-Math-7B", "Qwen2.5-32B", "Llama-3.1-70B"):
        _, seconds = drawn(SHAPES[name], load(), 8, 2_560_000)
        yield row(name, f"{8 * seconds / 3600:,.0f}")


if __name__ == "__main__":
    for table in (paper_table, cluster_table, evaluation_table):
        print("\n".join(table()), end="\n\n")
