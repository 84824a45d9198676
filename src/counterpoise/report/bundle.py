"""Plotly's script from the installed package, compressed for a page: 1.5 MB instead of 4.8, unpacked by the browser itself."""

from __future__ import annotations

import base64
import gzip
from functools import cache
from importlib import resources

from counterpoise.errors import MissingExtraError

__all__ = ["packed_plotly"]


@cache
def packed_plotly() -> str:
    """plotly.min.js, gzip-compressed, in base64; equal bytes for an equal version.

    Raises:
        MissingExtraError: the package plotly is not installed.
    """
    try:
        script = resources.files("plotly").joinpath("package_data/plotly.min.js").read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise MissingExtraError("plotly", extra="", purpose="drawing a report", command="pip install plotly") from error
    return base64.b64encode(gzip.compress(script, compresslevel=9, mtime=0)).decode("ascii")
