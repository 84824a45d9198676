import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def fake():
    """The module `fake_evaluation.py` beside this file, which the kill test also runs as a program."""
    path = Path(__file__).with_name("fake_evaluation.py")
    spec = importlib.util.spec_from_file_location("fake_evaluation", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_evaluation"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fake_evaluation"]
