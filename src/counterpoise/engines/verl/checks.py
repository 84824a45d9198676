"""What must be there before verl starts anything: versions, Ray, our plugin, and nothing that breaks it."""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from typing import Any

from counterpoise.errors import MissingExtraError, UsageError

__all__ = [
    "check_devices",
    "check_entry_point",
    "check_environment",
    "check_plugin",
    "check_ray",
    "check_versions",
]

_VERL = "0.9.1"
_CEILING = (5, 11)
_SWITCHED_OFF = (
    "verl did not load the plugin counterpoise; unset VERL_USE_EXTERNAL_PLUGINS, or add counterpoise to the names in it"
)


def check_versions(verl: str, transformers: str) -> None:
    """Refuse versions that the adapter was not tested with.

    Raises:
        UsageError: verl is another version, or transformers is too new for it.
    """
    if verl != _VERL:
        raise UsageError(
            f"verl {verl} is installed, and the adapter overrides methods of {_VERL}: pip install 'verl=={_VERL}'"
        )
    if tuple(int(part) for part in transformers.split(".")[:2] if part.isdecimal()) >= _CEILING:
        raise UsageError(
            f"transformers {transformers} is installed, and verl {_VERL} needs one before 5.11: pip install 'transformers>=5.5.3,<5.11'"
        )


def check_environment() -> None:
    """Refuse an environment in which verl cannot run; imports nothing of it.

    Raises:
        MissingExtraError: a package is missing.
        UsageError: a version is wrong, or an importable trl breaks verl.
    """
    for module in ("verl", "ray", "transfer_queue"):
        if find_spec(module) is None:
            raise MissingExtraError(module, extra="verl", purpose="training with verl")
    check_versions(version("verl"), version("transformers"))
    spec = find_spec("trl")
    if spec is not None:
        where = spec.origin or next(iter(spec.submodule_search_locations or ()), "the path")
        raise UsageError(
            f"trl can be imported (from {where}), and verl {_VERL} then imports a class that it no longer has; "
            "use an environment without trl, and no directory of that name on the path"
        )


def check_entry_point() -> None:
    """Refuse a package that verl does not find as its plugin, or that its settings leave out; verl is not imported.

    Raises:
        UsageError: it is not installed, or switched off.
    """
    modules = os.environ.get("VERL_USE_EXTERNAL_MODULES", "").split(",")
    if "counterpoise.engines.verl.plugin" in modules:
        return
    if not any(point.name == "counterpoise" for point in entry_points(group="verl.plugins")):
        raise UsageError(
            "verl finds no plugin counterpoise: the package is on the path and not installed; pip install it, or set "
            "VERL_USE_EXTERNAL_MODULES=counterpoise.engines.verl.plugin"
        )
    wanted = os.environ.get("VERL_USE_EXTERNAL_PLUGINS", "auto").strip().lower()
    if wanted != "auto" and "counterpoise" not in [name.strip() for name in wanted.split(",")]:
        raise UsageError(_SWITCHED_OFF)


def check_plugin() -> str:
    """Import verl and say where our plugin came from.

    Raises:
        UsageError: verl has not loaded it; why it did not, verl tells nobody.
    """
    importlib.import_module("verl")
    registry = importlib.import_module("verl.trainer.ppo.core_algos").ADV_ESTIMATOR_REGISTRY
    if "counterpoise" in registry:
        try:
            own = version("counterpoise")
        except PackageNotFoundError:
            own = "from source"
        return f"verl {_VERL} has loaded the plugin of counterpoise {own}"
    check_entry_point()
    try:
        importlib.import_module("counterpoise.engines.verl.plugin")
    except Exception as error:
        raise UsageError(f"verl could not load the plugin counterpoise: {type(error).__name__}: {error}") from error
    raise UsageError(_SWITCHED_OFF)


def check_ray(settings: Mapping[str, Any], *, environment: Mapping[str, str] = os.environ) -> str | None:
    """The address of the Ray cluster that would be joined; None where verl starts one of its own.

    Args:
        settings: verl's `ray_kwargs.ray_init`.
        environment: where RAY_ADDRESS is looked up.

    Raises:
        UsageError: nobody answers there, it is given what only a new cluster takes, or the port of its dashboard is taken.
    """
    for name, kind, what in (("address", str, "text, HOST:PORT"), ("dashboard_port", int, "the number of a port")):
        if settings.get(name) is not None and type(settings[name]) is not kind:
            raise UsageError(f"ray_kwargs.ray_init.{name}={settings[name]}: give {what}, or leave it out")
    address = str(settings.get("address") or environment.get("RAY_ADDRESS", ""))
    if address in ("", "local"):
        port = settings.get("dashboard_port")
        if port is not None and settings.get("include_dashboard", True) and not _is_free(port):
            raise UsageError(
                f"ray_kwargs.ray_init.dashboard_port={port} is taken on this machine; give another one, or "
                "+ray_kwargs.ray_init.include_dashboard=False"
            )
        running = None if address else _running()
        if running is None or not _answers(running):
            return None
        address = running  # Ray joins it unasked
    sized = [name for name in ("num_cpus", "num_gpus") if settings.get(name) is not None]
    if sized:
        raise UsageError(
            f"ray_kwargs.ray_init.{sized[0]}={settings[sized[0]]} is for a new cluster, and one runs already at {address}; set it to null "
            "to join that, or +ray_kwargs.ray_init.address=local for one of this run's own"
        )
    if address == "auto":
        running = _running()
        if running is None or not _answers(running):
            raise UsageError(
                "no Ray cluster runs on this machine, which the address auto means; start one (ray start --head), or leave the address out "
                "for one of this run's own"
            )
        return address
    if "://" not in address and not _answers(address):
        raise UsageError(
            f"no Ray cluster answers at {address}; start one there (ray start --head --port={address.rpartition(':')[2]}), or unset "
            "RAY_ADDRESS and ray_kwargs.ray_init.address for one of this run's own"
        )
    return address


def check_devices(needed: int, found: int) -> None:
    """Refuse a machine with fewer accelerators than `trainer.n_gpus_per_node`.

    Raises:
        UsageError: there are fewer.
    """
    if found < needed:
        raise UsageError(
            f"trainer.n_gpus_per_node={needed} and this machine has {found}; lower it, or give the address of a cluster that has them "
            "(+ray_kwargs.ray_init.address=HOST:6379)"
        )


def _running() -> str | None:
    """Where Ray says that a cluster was last started on this machine."""
    found: str | None = importlib.import_module("ray._private.utils").read_ray_address()
    return found


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            return True
    except (OSError, ValueError):
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True
