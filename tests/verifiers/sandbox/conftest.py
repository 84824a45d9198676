import os

import pytest

from counterpoise.verifiers.sandbox.levels import refusal


def need(level):
    """Skip where a level of the sandbox cannot be had, and fail there in continuous integration."""
    reason = refusal(level)
    if reason is not None:
        message = f"the sandbox's level {level} does not work here: {reason}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="module", params=["bwrap", "landlock+seccomp"])
def level(request):
    need(request.param)
    return request.param
