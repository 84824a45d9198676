"""Settings of every test process, made before anything imports torch or a tokenizer."""

import os

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
