"""Code behind an import path: whatever is wrong with it is one line that says where, and nothing is imported twice or in silence."""

import hashlib
import os
import re

import pytest

from counterpoise.credit import RULES
from counterpoise.credit.registry import make_rule
from counterpoise.errors import ConfigError
from counterpoise.plugins import known_as, source
from counterpoise.plugins.reference import ImportPath, is_reference, portable
from counterpoise.plugins.source import import_part

RULE = """
    class Hopeful:
        def __call__(self, rewards, statistics):
            return rewards
"""


@pytest.mark.parametrize(
    ("text", "place", "attribute", "form"),
    [
        ("my_pkg.rules:Hopeful", "my_pkg.rules", "Hopeful", None),
        ("./rewards.py:check", "./rewards.py", "check", None),
        ("/a b/ö:x/r.py:Outer.check", "/a b/ö:x/r.py", "Outer.check", None),
        ("trl:my_pkg:reward", "my_pkg", "reward", "trl"),
        ("verl:r.py:compute_score", "r.py", "compute_score", "verl"),
        ("trl:reward", "trl", "reward", None),  # a module of that name
    ],
)
def test_an_import_path_is_taken_apart_and_put_together(text, place, attribute, form):
    found = ImportPath.parse(text)
    assert (found.place, found.attribute, found.form, str(found)) == (place, attribute, form, text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rewards.py", "'rewards.py' names no object; write what it is called too, e.g. rewards.py:check"),
        (":check", "':check' names no object"),
        ("rewards.py:", "'rewards.py:': '' is not the name of an object; write e.g. rewards.py:check"),
        ("rewards.py:2nd", "'2nd' is not the name of an object"),
        ("rewards.py:a..b", "'a..b' is not the name of an object"),
        (
            "my-pkg:check",
            "'my-pkg' is neither a module nor a Python file; write my_pkg.rules:check or ./rules.py:check",
        ),
        ("https://x/y:check", "is neither a module nor a Python file"),
        (
            "hub:me/sums",
            "'hub:me/sums' is written as a data set of the hub, which is a task's file: name the task jsonl, and path=hub:me/sums",
        ),
        ("hub:me/sums:main:train[:500]", "is written as a data set of the hub"),
        ("a\0.py:check", "holds a NUL character, so it is not a path"),
    ],
)
def test_what_is_no_import_path_is_said(text, says):
    assert is_reference(text)
    with pytest.raises(ConfigError) as caught:
        RULES[text]
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("/home/me/rewards.py:check", "rewards.py:check"),
        ("verl:../r.py:check", "verl:r.py:check"),
        ("my_pkg.rules:Hopeful", "my_pkg.rules:Hopeful"),
        ("nsr", "nsr"),
        ("rewards.py", "rewards.py"),
    ],
)
def test_a_name_travels_without_the_folders_of_its_file(text, short):
    assert portable(text) == short


def test_a_short_name_means_the_file_it_was_asked_for(code):
    path = code("deep/rules.py", RULE)
    assert known_as(f"{path}:Hopeful") == "rules.py:Hopeful"
    assert type(make_rule("rules.py:Hopeful")).__name__ == "Hopeful"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("my_rules:Hopeful", None),
        ("pkg.rules:Hopeful", None),
        ("my_rules.py:Hopeful", None),
        ("./my_rules.py:Hopeful", None),
        ("my_rules:Hopefull", "my_rules.py has no 'Hopefull'; did you mean 'Hopeful'?"),
        ("my_rules.py:Hopeful.inner", "my_rules.py has no 'Hopeful.inner'"),
        ("my_rulez.py:Hopeful", "'my_rulez.py:Hopeful': there is no file"),
        ("my_rulez.py:Hopeful", "my_rulez.py; did you mean 'my_rules.py'?"),
        (
            "no_such_module:Hopeful",
            "there is no module 'no_such_module'; install the package that has it, or name a file",
        ),
        ("hub:sums", "'hub:sums' is written as a data set of the hub, which is a task's file"),
        ("no_such.module:Hopeful", "there is no module 'no_such.module'"),
        ("pkg.none:Hopeful", "there is no module 'pkg.none'"),
        ("my_rules.sub:Hopeful", "there is no module 'my_rules.sub'"),
        ("sys:Hopeful", "the module 'sys' has no file, so there is no version of it to record"),
        ("hollow:Hopeful", "the module 'hollow' has no file"),
        ("hollow.pkg.broken:X", "importing hollow.pkg fails: RuntimeError: at home"),
    ],
)
def test_an_object_is_found_or_one_line_says_why_not(code, name, says):
    code("my_rules.py", RULE)
    code("pkg/__init__.py", "")
    code("pkg/rules.py", RULE)
    code("hollow/pkg/__init__.py", "raise RuntimeError('at home')")
    if says is None:
        assert type(make_rule(name)).__name__ == "Hopeful"
        return
    with pytest.raises(ConfigError) as caught:
        RULES[name]
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def check(:\n    pass", "bad.py cannot be imported: SyntaxError: invalid syntax (line 1)"),
        ("x = 1\nraise ValueError('two\\nlines')", "bad.py cannot be imported: ValueError: two lines (line 2)"),
        ("import sys\n\nsys.exit(3)", "bad.py cannot be imported: SystemExit: 3 (line 3)"),
        ("import no_such_package", "bad.py cannot be imported: ModuleNotFoundError: No module named 'no_such_package' (line 1)"),
        ("import beside", "a part is one file, so put what it takes of beside.py into it, or install that as a package"),
        ("x = '\\ud8" + "00'\nassert x == 1, 'never'", "bad.py cannot be imported: AssertionError: never (line 2)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["bad.py:check", "bad:check"])
def test_code_that_does_not_import_is_named_with_its_line(tmp_path, code, monkeypatch, text, says, how):
    code("folder/beside.py", "")
    code("folder/bad.py", text)
    monkeypatch.chdir(tmp_path / "folder")
    if how == "bad:check":
        monkeypatch.syspath_prepend(tmp_path / "folder")
        if "beside" in text:  # beside a module of the path another one can be imported
            says = "has no 'check'"
    with pytest.raises(ConfigError) as caught:
        RULES[how]
    found = str(caught.value).replace("the module 'bad' cannot", "bad.py cannot")
    assert says in found and "\n" not in found


def test_a_file_of_another_encoding_says_so(code):
    code("bad.py", "").write_bytes(b"name = '\xff\xfe'\n")
    with pytest.raises(ConfigError, match=r"bad\.py cannot be imported: SyntaxError: .*(utf-8|Non-UTF-8)"):
        RULES["bad.py:check"]
    code("latin.py", "").write_bytes(
        b"# -*- coding: latin-1 -*-\nname = '\xe9'\n\ndef rule(rewards, statistics):\n    return name\n"
    )
    assert make_rule("latin.py:rule")(None, None) == "é"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: os.mkfifo(path), "not a regular file"),
        (lambda path: path.write_bytes(b"#" * (5 * 2**20)), "has more than 4 MiB; a part is a file of code"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (lambda path: path.write_bytes(b"x = 1\0\n"), "cannot be imported"),
        (lambda path: path.write_text("(" * 10_000), "cannot be imported"),
    ],
)
def test_what_is_no_file_of_code_is_refused_without_waiting_for_it(code, tmp_path, make, says):
    code("good.py", "")
    make(tmp_path / "odd.py")
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        RULES["odd.py:check"]
    assert "odd.py" in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_is_imported_once_and_said_aloud_once_with_its_hash(code, caplog):
    path = code("loud.py", "count = []\n" + "def rule(rewards, statistics):\n    return len(count)\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    for _ in range(3):
        assert make_rule("loud.py:rule")(None, None) == 0
    assert [record.message for record in caplog.records] == [f"imports {path} (sha256 {digest})"]
    assert not (path.parent / "__pycache__").exists()


def test_a_file_that_changed_is_imported_anew(code):
    code("rule.py", "def rule(rewards, statistics):\n    return 1\n")
    assert make_rule("rule.py:rule")(None, None) == 1
    code("rule.py", "def rule(rewards, statistics):\n    return 2\n")
    assert make_rule("rule.py:rule")(None, None) == 2


def test_dataclasses_and_pickles_of_a_file_find_their_module(code):
    code(
        "data.py",
        """
        from __future__ import annotations
        from dataclasses import dataclass

        @dataclass
        class Rule:
            weight: float = 1.0

            def __call__(self, rewards, statistics):
                return self.weight
        """,
    )
    assert make_rule("data.py:Rule", weight=3)(None, None) == 3.0
    assert import_part(ImportPath.parse("data.py:Rule")).found.__module__.endswith(".data")


def test_what_code_prints_on_import_is_kept_from_standard_output(code, capsys):
    code("chatty.py", "print('hello')\n\ndef rule(rewards, statistics):\n    return 1\n")
    assert make_rule("chatty.py:rule")(None, None) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "hello\n")


def test_an_import_that_does_not_come_back_is_said(code, caplog, monkeypatch):
    monkeypatch.setattr(source, "_SLOW", 0.01)
    code("waits.py", "import time\n\ntime.sleep(0.5)\n\ndef rule(rewards, statistics):\n    return 1\n")
    assert make_rule("waits.py:rule")(None, None) == 1
    assert "waits.py after 0 s: what stands at its top level is waiting; Ctrl-C stops" in caplog.text
