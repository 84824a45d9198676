"""What must be there before verl starts anything: versions, Ray, our plugin, and nothing that breaks it."""

from __future__ import annotations

import importlib
import os
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import find_spec

from counterpoise.errors import MissingExtraError, UsageError

__all__ = ["check_entry_point", "check_environment", "check_plugin", "check_versions"]

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
    """Refuse a package that verl does not find as its plugin, or is told to leave alone; verl is not imported.

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
