"""Settings of every test process, made before anything imports torch or a tokenizer."""

import os

import pytest
from hypothesis import settings

# One thread each: the models of the tests are tiny, and several processes with several threads wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# The workers of pytest-xdist set a width of 80; without it tables are as wide as they need, as in any output that is no terminal.
os.environ.pop("COLUMNS", None)
# No test may depend on a network, whatever this machine has.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

# The same examples on every run, and no deadline: a busy machine must not fail a test.
# `HYPOTHESIS_PROFILE=search` looks at new examples instead.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture
def poison_loss(monkeypatch):
    """`poison_loss(3)`: the loss of the third update is not a number. What it returns makes the losses whole again."""
    from counterpoise.build import loss
    from counterpoise.types import LossOutput

    real = loss.make_loss

    def poison(update):
        calls = iter(range(1, 100))

        def make_loss(name, **settings):
            inner = real(name, **settings)

            def loss(**tensors):
                output = inner(**tensors)
                factor = float("nan") if next(calls) == update else 1.0
                return LossOutput(row_sums=output.row_sums * factor, lengths=output.lengths, metrics=output.metrics)

            return loss

        monkeypatch.setattr(loss, "make_loss", make_loss)
        return lambda: monkeypatch.setattr(loss, "make_loss", real)

    return poison
