"""Tell installed modules, which a later command finds too, from those that only this program finds in its folder or on its own path."""

from __future__ import annotations

import ast
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from types import ModuleType

from counterpoise.errors import ConfigError

__all__ = ["installed", "refuse_neighbours"]

_ASK = (
    "import importlib.util, sys\n"
    "spec = importlib.util.find_spec(sys.argv[1])\n"
    "print((spec and (spec.origin or list(spec.submodule_search_locations or [''])[0])) or '')"
)


def installed(module: ModuleType) -> bool:
    """Whether another process of this Python finds the same module, wherever it is started."""
    top = module.__name__.partition(".")[0]
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return True
    first = sys.modules.get(top)
    place = getattr(first, "__file__", None) or next(iter(getattr(first, "__path__", [])), None)
    if place is None:
        return False
    file = Path(place).resolve()
    libraries = (Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib"))
    return any(library in file.parents for library in libraries) or _found_elsewhere(top) == file


@cache
def _found_elsewhere(name: str) -> Path | None:
    """Where a process that is started anew finds the module; its folder and that of this program are not searched."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _ASK, name], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = done.stdout.strip()
    return Path(found).resolve() if done.returncode == 0 and found else None


def refuse_neighbours(path: Path) -> None:
    """Refuse a file of code that imports what lies beside it, of which a run keeps neither hash nor copy, and which later commands miss.

    Raises:
        ConfigError: naming the import.
    """
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level:
            shown = f"from {'.' * node.level}{node.module or ''}"
            raise ConfigError(
                f"{path} (line {node.lineno}) imports {shown}, which workers and later commands do not find; put what the reward takes of "
                "it into its own file, or install the package"
            )
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            there = sys.modules.get(name.partition(".")[0])
            if there is not None and not installed(there):
                raise ConfigError(
                    f"{path} (line {getattr(node, 'lineno', 0)}) imports {name}, which lies beside the program, where later commands do "
                    "not look; put what the reward takes of it into its own file, or install it as a package"
                )
