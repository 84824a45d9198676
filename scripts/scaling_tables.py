"""The tables of docs/scaling.md, computed: `python scripts/scaling_tables.py` prints them, and a test holds the page against them."""

from counterpoise.launch.sizes import (
    GIB,
    Decoder,
    Load,
    draw_seconds,
    rows_at_once,
    sampler_ranks,
    train_flops,
    trainer_bytes,
)

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
