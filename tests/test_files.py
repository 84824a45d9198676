import errno
import os
import resource

import pytest

from counterpoise.errors import StoreError
from counterpoise.files import append_json_lines, atomic_write, atomic_write_text, read_json_lines


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
