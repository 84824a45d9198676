"""What a launcher looks at before anything heavy starts: Python, packages and versions, GPUs, addresses, ports."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from urllib.parse import urlsplit

from counterpoise.errors import MissingExtraError, UsageError
from counterpoise.launch.sizes import GIB

__all__ = [
    "Gpu",
    "check_gpus",
    "check_memory",
    "check_package",
    "check_port",
    "check_python",
    "check_reachable",
    "gpus_here",
]

_SECONDS = 3.0
_PORTS = {"": "--port", "ray": "--ray-client-server-port", "http": "--dashboard-port", "https": "--dashboard-port"}
"""Ray's option for the port that an address of each kind names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU."""

    name: str
    """As its driver calls it."""
    memory: float
    """Bytes."""


def gpus_here() -> list[Gpu]:
    """NVIDIA's GPUs of this machine, as nvidia-smi lists them; none where it is missing or does not answer."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    found = []
    for line in done.stdout.splitlines():
        name, _, mib = line.rpartition(",")
        if mib.strip().isdecimal():
            found.append(Gpu(name=name.strip(), memory=float(mib) * 2**20))
    return found


def check_gpus(found: Sequence[Gpu], *, gpus: int, elsewhere: str = "") -> None:
    """Refuse a run on more GPUs than there are.

    Args:
        found: those of this machine.
        gpus: how many are asked for.
        elsewhere: how this engine is told of other machines that have them.

    Raises:
        UsageError: with the option that helps.
    """
    if not found:
        raise UsageError(
            f"no GPU was found here (nvidia-smi lists none); start this on a machine that has them, {elsewhere and f'{elsewhere}, '}"
            "or give --cpu to train without"
        )
    if gpus > len(found):
        raise UsageError(f"--gpus {gpus}: this machine has {len(found)} ({found[0].name}); give --gpus {len(found)}")


def check_python(*, below: tuple[int, int], engine: str) -> None:
    """Refuse a Python that an engine does not run on.

    Raises:
        UsageError: it is too new.
    """
    if sys.version_info[:2] >= below:
        here = ".".join(str(part) for part in sys.version_info[:2])
        raise UsageError(
            f"this is Python {here}, and {engine} needs one below {'.'.join(map(str, below))}; make an environment with an older one, "
            f"e.g. python3.{below[1] - 1} -m venv .venv"
        )


def check_package(module: str, *, extra: str, low: str, high: str | None = None, purpose: str) -> str:
    """The version of an installed package, at least `low` and below `high` where there is a bound; it is not imported.

    Raises:
        MissingExtraError: it is not installed.
        UsageError: the version is another one.
    """
    if find_spec(module) is None:
        raise MissingExtraError(module, extra=extra, purpose=purpose)
    try:
        found = version(module)
    except PackageNotFoundError as error:
        raise UsageError(
            f"{module} can be imported and is not installed: a directory of that name is on the path; move it away"
        ) from error
    if _parts(found) < _parts(low) or (high is not None and _parts(found) >= _parts(high)):
        wanted = f">={low}" if high is None else f">={low},<{high}"
        raise UsageError(
            f"{module} {found} is installed, and {purpose} was tested with {module}{wanted}: pip install '{module}{wanted}'"
        )
    return found


def _parts(text: str) -> tuple[int, ...]:
    """The release of a version: `1.15.0.dev1` is (1, 15, 0)."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def check_port(port: int, *, option: str) -> None:
    """Refuse a port that somebody listens on.

    Raises:
        UsageError: with the option that takes another.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise UsageError(
                f"port {port} is taken on this machine ({error.strerror}); give another one with {option}"
            ) from error


def check_reachable(address: str) -> None:
    """Refuse the address of a Ray cluster that does not answer; `auto` is the one that runs on this machine.

    Args:
        address: `HOST:PORT`, `ray://HOST:PORT`, `http://HOST:PORT` of its jobs, or `auto`.

    Raises:
        UsageError: it is none, or nobody listens there.
    """
    if address == "auto":
        return
    parts = urlsplit(address if "//" in address else f"//{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None or parts.scheme not in ("", "ray", "http", "https"):
        raise UsageError(f"--ray {address}: give HOST:6379, ray://HOST:10001, http://HOST:8265 (jobs), or auto")
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        raise UsageError(
            f"--ray {address}: nobody answers at {host} port {port} ({error.strerror or error}); start Ray there with "
            f"'ray start --head {_PORTS[parts.scheme]} {port}', or leave --ray out for a cluster of this machine alone"
        ) from error


def check_memory(needed: float, card: Gpu, *, what: str, remedy: str) -> str:
    """What a run needs of a card, in words; an estimate.

    Raises:
        UsageError: it is more than the card has.
    """
    if needed > card.memory:
        raise UsageError(
            f"{what} takes about {needed / GIB:.0f} GiB a GPU and {card.name} has {card.memory / GIB:.0f}; {remedy}, or --no-memory-check "
            "where you know better"
        )
    return f"{what} takes about {needed / GIB:.1f} of {card.memory / GIB:.0f} GiB a GPU (computed, not measured)"
