import errno
import math
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from counterpoise import files
from counterpoise.errors import StoreError
from counterpoise.files import (
    DEPTH,
    JsonFault,
    append_json_lines,
    atomic_write,
    atomic_write_text,
    numbered_json_lines,
    parse_json,
    read_json,
    read_json_lines,
)


def _read(path):
    damages = []
    return list(read_json_lines(path, on_damage=damages.append)), damages


def test_append_then_read(tmp_path):
    append_json_lines(tmp_path / "a.jsonl", [{"x": 1}, {"x": "é"}])
    append_json_lines(tmp_path / "a.jsonl", [{"x": 3}])
    assert _read(tmp_path / "a.jsonl") == ([{"x": 1}, {"x": "é"}, {"x": 3}], [])


def test_a_torn_line_is_named_kept_and_not_glued_to_the_next(tmp_path):
    path = tmp_path / "a.jsonl"
    append_json_lines(path, [{"x": 1}])
    path.write_bytes(path.read_bytes() + b'{"x": 2')
    append_json_lines(path, [{"x": 3}])
    records, damages = _read(path)
    assert records == [{"x": 1}, {"x": 3}]
    assert [d.line for d in damages] == [2]
    assert "not JSON" in str(damages[0])
    assert b'{"x": 2\n' in path.read_bytes()


def test_a_line_keeps_its_number_behind_blank_and_damaged_ones(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'\n{"x": 1}\nno\n\n{"x": 2}\n')
    lines = numbered_json_lines(tmp_path / "a.jsonl", on_damage=lambda damage: None)
    assert list(lines) == [(2, {"x": 1}), (5, {"x": 2})]


def test_bad_bytes_and_other_json_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'\xff\xfe\n[1]\n{"x":1}\n\n')
    records, damages = _read(tmp_path / "a.jsonl")
    assert records == [{"x": 1}]
    assert [d.line for d in damages] == [1, 2]
    assert "not an object" in damages[1].reason


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    append_json_lines(path, [{"x": 1}])
    before = path.read_bytes()

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="no space left on the device; free some"):
        append_json_lines(path, [{"x": 2}])
    with pytest.raises(StoreError, match="no space left"):
        atomic_write_text(path, "other")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize("room", [0, 1, 1000])
def test_a_write_that_ends_half_way_is_cut_back_whole(tmp_path, room):
    path = tmp_path / "a.jsonl"
    append_json_lines(path, [{"x": 1}])
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, limits[1]))
    try:
        with pytest.raises(StoreError, match="File too large"):
            append_json_lines(path, [{"x": "2" * 5000}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before


def test_atomic_write_keeps_the_old_file_when_the_writer_fails(tmp_path):
    atomic_write_text(tmp_path / "a", "old")

    def fail(handle):
        handle.write(b"half")
        raise RuntimeError("writer")

    with pytest.raises(RuntimeError, match="writer"):
        atomic_write(tmp_path / "a", fail)
    assert (tmp_path / "a").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_is_as_readable_as_the_user_makes_files(tmp_path):
    before = os.umask(0o027)
    try:
        atomic_write_text(tmp_path / "a", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640  # 0666 & ~027


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, 2.5, null]", [1, 2.5, None]),
        ("\ufeff{}", {}),
        ("18446744073709551615", 2**64 - 1),
        ('"99999999999999999999999 and 1e999"', "99999999999999999999999 and 1e999"),
        ("1e308", 1e308),
        ("[" * DEPTH + "]" * DEPTH, ...),
        ('{"a": 18446744073709551615, "b": {"c": -9223372036854775808}}\n', {"a": 2**64 - 1, "b": {"c": -(2**63)}}),
        (' {"a": true, "b": {"c": [1e300]}, "d": null}\r\n ', {"a": True, "b": {"c": [1e300]}, "d": None}),
    ],
)
def test_json_that_is_read(text, value):
    assert value is ... or parse_json(text.encode()) == value
    parse_json(text)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\xff{}", "not UTF-8: byte 0xff at place 1"),
        (b"{", "not JSON: Expecting property name"),
        (b"[" * 100_000, "not JSON: nested more than 100 deep"),
        (b"[" * 101 + b"]" * 101, "not JSON: nested more than 100 deep"),
        (b"9" * 400, "an integer of 400 digits, which is more than 64 bits hold"),
        (b"-" + b"9" * 5000, "an integer of 5000 digits"),
        (b"18446744073709551616", "an integer of 20 digits, which is more than 64 bits hold"),
        (b"[1e999]", "the number 1e999, which is too large"),
        (b"", "not JSON: Expecting value"),
        (b'{"a": 1} {"b": 2}\n', "not JSON: Extra data"),
        (b'{"a": "x", "b": 18446744073709551616}\n', "an integer of 20 digits"),
        (b'{"a": "x", "b": -1e999}\n', "the number -1e999, which is too large"),
        (b'{"a": {"b": 18446744073709551616}}\n', "an integer of 20 digits"),
        (b'{"a": {"b": {"c": 1e999}}}\n', "the number 1e999"),
        (b'{"a": {"b": [1e999]}}\n', "the number 1e999"),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}\n", "not JSON: nested more than 100 deep"),
    ],
)
def test_json_that_is_not_read_is_a_fault_in_one_line(raw, why):
    with pytest.raises(JsonFault) as fault:
        parse_json(raw)
    assert str(fault.value).startswith(why) and "\n" not in str(fault.value)


def test_numbers_that_are_none_are_read_from_lines_and_not_from_documents():
    assert parse_json("[NaN, Infinity, -Infinity]")[1:] == [math.inf, -math.inf]
    with pytest.raises(JsonFault, match="NaN, which is not a number of JSON"):
        parse_json("[NaN]", finite=True)
    assert math.isnan(parse_json('{"a": {"b": NaN}}')["a"]["b"])
    with pytest.raises(JsonFault, match="Infinity, which is not a number of JSON"):
        parse_json('{"a": {"b": Infinity}}', finite=True)
    assert parse_json("9" * 400, large_integers=True) == int("9" * 400)
    assert parse_json('{"a": ' + "9" * 400 + "}", large_integers=True) == {"a": int("9" * 400)}


def test_only_regular_files_are_opened_and_nothing_waits(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, why in ((tmp_path / "pipe", "a named pipe, not a regular file"), (Path("/dev/zero"), "a device, not a")):
        with pytest.raises(OSError, match=why):
            read_json(path)
    with pytest.raises(IsADirectoryError, match="Is a directory"):
        read_json(tmp_path)


def test_a_line_that_is_too_long_is_skipped_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_LARGEST", 16)
    path = tmp_path / "lines.jsonl"
    path.write_text('{"a":1}\n{"a":"' + 40 * "x" + '"}\n{"a":2}\n')
    damages = []
    assert list(read_json_lines(path, on_damage=damages.append)) == [{"a": 1}, {"a": 2}]
    assert [(damage.line, damage.reason) for damage in damages] == [(2, "a line of more than 16 bytes")]


@pytest.mark.parametrize(
    ("number", "wrapped"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True), (errno.ENOSPC, True)]
)
def test_a_directory_that_cannot_be_flushed(tmp_path, monkeypatch, number, wrapped):
    real = os.fsync

    def fails(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fails)
    if wrapped:
        with pytest.raises(StoreError, match="cannot write"):
            atomic_write_text(tmp_path / "a", "text")
    else:
        atomic_write_text(tmp_path / "a", "text")
    assert (tmp_path / "a").read_text() == "text"


def test_what_a_killed_writer_left_is_removed_by_the_next_and_a_live_one_keeps_its_own(tmp_path):
    page = tmp_path / "page.html"
    child = "import os, signal, sys; from pathlib import Path; from counterpoise.files import atomic_write\n"
    child += "atomic_write(Path(sys.argv[1]), lambda handle: (handle.write(b'half'), handle.flush(), os.kill(os.getpid(), signal.SIGKILL)))"
    subprocess.run([sys.executable, "-c", child, str(page)], check=False)
    left = list(tmp_path.iterdir())
    assert len(left) == 1 and left[0].read_bytes() == b"half"
    # Another file's, and one of a machine whose processes have numbers of their own: not ours to judge before an hour is over.
    others = [
        tmp_path / f".other.html.1-{'0' * 8}-{'0' * 8}.tmp",
        tmp_path / f".page.html.4000000-{'0' * 8}-{'0' * 8}.tmp",
    ]
    for other in others:
        other.touch()

    def write(handle):
        atomic_write_text(
            page, "inner"
        )  # while this one is being written, another writer of the same file comes and goes
        handle.write(b"outer")

    atomic_write(page, write)
    assert page.read_text() == "outer" and sorted(tmp_path.iterdir()) == sorted([page, *others])
    os.utime(others[1], (0, 0))
    atomic_write_text(page, "again")
    assert sorted(tmp_path.iterdir()) == sorted([page, others[0]])
