"""What holds for the package as a whole."""

import importlib
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

import counterpoise
from counterpoise.errors import MissingExtraError

SOURCE = Path(counterpoise.__file__).parent
# numpy is the one dependency that the nouns need.
HEAVY = (
    "torch",
    "transformers",
    "accelerate",
    "tokenizers",
    "scipy",
    "sympy",
    "pandas",
    "pyarrow",
    "pydantic",
    "rich",
    "typer",
)


def module_names():
    for path in sorted(SOURCE.rglob("*.py")):
        parts = ("counterpoise", *path.relative_to(SOURCE).with_suffix("").parts)
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(module):
    code = f"import sys, {module}; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_the_package_imports_nothing_heavy():
    assert imported_by("counterpoise") == []


def test_the_command_line_imports_no_torch():
    # pydantic, where the run file's models are built, takes as long as all the rest
    assert not {"torch", "transformers", "pydantic"} & set(imported_by("counterpoise.cli.app"))


def test_the_package_says_it_is_typed():
    assert resources.files("counterpoise").joinpath("py.typed").is_file()


@pytest.mark.parametrize("name", list(module_names()))
def test_public_names_exist(name):
    try:
        module = importlib.import_module(name)
        public = getattr(module, "__all__", None)
        missing = [exported for exported in public or () if getattr(module, exported, None) is None]
    except MissingExtraError as error:
        pytest.skip(str(error))  # an engine's library is in the environment of that engine
    if Path(module.__file__).name != "__init__.py":
        assert public is not None, f"{name} has no __all__"
    assert missing == []


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_file_grows_past_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400
