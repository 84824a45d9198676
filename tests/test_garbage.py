"""Nothing of a start is garbage: a message about a mistake walks through no objects, and modules are walked through never again."""

import gc
import os
import subprocess
import sys

import pytest

from counterpoise.garbage import importing_the_engine, seldom_collected

COUNTED = """
import gc, sys
from counterpoise.cli.app import main
python, seldom, walks = gc.get_threshold()[0], set(), []
def walked(phase, info):  # not the one after it, with the thresholds of before
    if gc.get_threshold()[0] != python:
        walks.append(phase)
gc.callbacks.append(walked)
import counterpoise.cli.app as app
run = app._run
def looking():
    seldom.add(gc.get_threshold()[0])
    return run()
app._run = looking
try:
    main()
except SystemExit as stop:
    print("WALKS", len(walks), *seldom, stop.code, gc.get_threshold()[0] == python)
"""

ENGINE = """
import gc, sys
from counterpoise.garbage import importing_the_engine, seldom_collected
walks = []
gc.callbacks.append(lambda phase, info: walks.append(phase))
with seldom_collected(), importing_the_engine():
    before = len(walks)
    import torch
    table = [[] for _ in range(300_000)]
    walked = len(walks) - before
    kept = gc.get_freeze_count()
print(walked, kept, gc.get_freeze_count() > 300_000, gc.isenabled(), gc.get_threshold() == (700, 10, 10))
"""


def _said(program, *words, cwd):
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True, cwd=cwd, env={**os.environ}
    )
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize(
    ("words", "code"),
    [("--help", 0), ("train --help", 0), ("train run.toml credit.rule=nrs", 2), ("eval lab --task cuntdown", 2)],
)
def test_a_message_is_written_before_the_first_walk(tmp_path, words, code):
    (tmp_path / "run.toml").write_text('[model]\nname = "lab"\n[tasks]\nname = "countdown"\n')
    assert _said(COUNTED, *words.split(), cwd=tmp_path) == ["WALKS", "0", "100000", str(code), "True"]


def test_modules_are_never_walked_through(tmp_path):
    # 300,000 lists would have been walked through 428 times, and frozen they are once the block ends.
    assert _said(ENGINE, cwd=tmp_path) == ["0", "0", "True", "True", "True"]


def test_a_command_ends_without_another_walk(tmp_path):
    # What is registered first runs last.
    last = "import atexit, gc; atexit.register(lambda: print(gc.isenabled()))\nfrom counterpoise.cli.app import main\nmain()"
    assert _said(last, "--version", cwd=tmp_path) == ["False"]


def test_nothing_is_frozen_where_torch_is_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", sys)
    frozen = gc.get_freeze_count()
    with importing_the_engine():
        assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_what_was_off_stays_off(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    frozen, was = gc.get_freeze_count(), gc.isenabled()
    gc.disable()
    try:
        with importing_the_engine():
            pass
        assert (gc.isenabled(), gc.get_freeze_count()) == (False, frozen)
    finally:
        if was:
            gc.enable()


def test_thresholds_return_after_an_error():
    before = gc.get_threshold()
    with pytest.raises(KeyError), seldom_collected():
        assert gc.get_threshold() == (100_000, *before[1:])
        raise KeyError
    assert gc.get_threshold() == before
