"""Code of somebody else: files, modules and packages that add names, each in a folder of its own."""

import importlib
import sys
import textwrap

import pytest

from counterpoise.plugins import parts


@pytest.fixture
def code(tmp_path, monkeypatch):
    """`code("rewards.py", text)` writes a file into the current directory, which modules are imported from; its path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        return path

    yield write
    for name in set(sys.modules) - before:
        if (file := getattr(sys.modules[name], "__file__", None)) and file.startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def package(code):
    """`package("rule.hopeful = my_pkg.rules:Hopeful")`: what the installation of a package that adds these names leaves."""

    def install(*names):
        code("hopeful-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: hopeful\nVersion: 1.0\n")
        code("hopeful-1.0.dist-info/entry_points.txt", "\n".join(["[counterpoise.plugins]", *names]))
        parts._plugins.cache_clear()

    yield install
    parts._plugins.cache_clear()
