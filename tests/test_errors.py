import tomllib
from pathlib import Path

import pytest

from counterpoise.errors import MissingExtraError, error_line, install_command

EXTRAS = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize(
    "extra", ["hub", "parquet", "lora", "tensorboard", "wandb", "trackio", "plot", "code", "procedural", "judge"]
)
def test_an_extra_is_installed_by_what_it_asks_for_since_the_package_is_on_no_index(extra):
    (requirement,) = EXTRAS[extra]
    assert install_command("x", extra=extra) == f"pip install '{requirement}'"


def test_what_no_extra_names_is_installed_by_its_own_name():
    assert install_command("plotly", extra="nothing") == "pip install plotly"
    error = MissingExtraError("wandb", extra="wandb", purpose="tracking.trackers=wandb")
    assert str(error).startswith(
        "tracking.trackers=wandb needs the package 'wandb', which is not installed; install it with: pip"
    )
    assert "counterpoise[" not in str(error)


def test_the_line_of_an_error_without_a_text_is_its_class():
    assert error_line(ValueError("  one\ntwo")) == "one"
    assert [error_line(OSError()), error_line(ValueError(" \n "))] == ["OSError", "ValueError"]
