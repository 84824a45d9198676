import importlib.util
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def build() -> Any:
    spec = importlib.util.spec_from_file_location("learner_builders", Path(__file__).with_name("learner_builders.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
