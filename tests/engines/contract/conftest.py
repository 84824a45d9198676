"""Each engine is tried in the environment that it is in: `make test-trl`, `make test-verl`, and the local one in `make test`."""

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
VERL = HERE.parent / "verl"
collect_ignore = [] if importlib.util.find_spec("verl") else ["test_critic.py", "test_verl_passes.py"]
sys.path[:0] = [str(HERE), str(VERL), str(VERL / "cpu")]


def pytest_generate_tests(metafunc):
    if "engine" in metafunc.fixturenames:
        here = [name for name in ("trl", "verl") if importlib.util.find_spec(name)] or ["local"]
        metafunc.parametrize("engine", here, indirect=True, scope="session")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A tiny random Qwen2 of verl's tests in `model/`."""
    from make_model import make_model

    folder = tmp_path_factory.mktemp("contract")
    make_model(folder / "model")
    return folder


@pytest.fixture(scope="session")
def engine(request, folder):
    """The driver under test: `answer`, `parity`, and what it takes."""
    driver = importlib.import_module(f"{request.param}_driver").Driver(folder)
    yield driver
    driver.close()
