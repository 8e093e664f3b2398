import errno
import os
import subprocess
import sys
import zipfile

import pytest
import torch

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import locked, read_json, size_text, write_file, write_json, writing, zip_damage


def test_a_file_is_whole_and_nothing_is_left_beside_it(tmp_path):
    write_file(tmp_path / "deep" / "a.bin", b"one")
    write_file(tmp_path / "deep" / "a.bin", b"two")
    assert (tmp_path / "deep" / "a.bin").read_bytes() == b"two"
    assert os.listdir(tmp_path / "deep") == ["a.bin"]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    write_file(tmp_path / "a.bin", b"old")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"a\.bin: the disk is full \(.* free\); make room"):
        write_file(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_folder_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/a\.bin: cannot be written \("):
        write_file(tmp_path / "file" / "a.bin", b"")
    with pytest.raises(UserError, match="cannot be written"), writing(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_json_round_trip_and_damage(tmp_path):
    assert read_json(tmp_path / "a.json") is None
    write_json(tmp_path / "a.json", {"a": [1, 2]})
    assert read_json(tmp_path / "a.json") == {"a": [1, 2]}
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(UserError, match=r"a\.json: cannot be read"):
        read_json(tmp_path / "a.json")


def test_the_lock_keeps_other_processes_out_and_goes_with_its_owner(tmp_path):
    lock = tmp_path / ".lock"
    hold = (
        "import sys, os; from pathlib import Path; from ssiu_arch.utils.files import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(UserError, match="another run"), locked(lock):
        pass
    other.kill()
    other.wait()
    with locked(lock):
        pass
    assert not lock.exists()


@pytest.fixture
def saved(tmp_path):
    """A file of ``torch.save``: its path, and its bytes to change."""
    path = tmp_path / "a.pth"
    torch.save({"a": torch.arange(1000.0)}, path)
    return path, bytearray(path.read_bytes())


def test_a_whole_zip_has_no_damage(saved):
    assert zip_damage(saved[0]) is None


@pytest.mark.parametrize("place", [0, 500, 2000, 4000])
def test_one_flipped_byte_of_a_zip_is_noticed(saved, place):
    path, content = saved
    content[place] ^= 0xFF
    path.write_bytes(content)
    assert zip_damage(path)


@pytest.mark.parametrize("share", [0, 1, 500, 3000])
def test_a_truncated_zip_is_noticed(saved, share):
    path, content = saved
    path.write_bytes(content[:share])
    assert zip_damage(path)


def test_what_is_no_zip_and_what_unpacks_to_more_than_it_holds_is_damage(tmp_path):
    torch.save({"a": 1}, tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    assert "not a zip" in zip_damage(tmp_path / "legacy.pth")
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(10**6))
    assert "claims" in zip_damage(tmp_path / "bomb.pth")
    assert "No such file" in zip_damage(tmp_path / "none.pth")


def test_a_zip_that_torch_saved_without_checksums_is_whole(tmp_path):
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.arange(1000.0)}, tmp_path / "a.pth")
    finally:
        torch.serialization.set_crc32_options(before)
    assert zip_damage(tmp_path / "a.pth") is None


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (5.94e6, "5.94 MB"), (31e9, "31 GB"), (2e12, "2 TB")],
)
def test_sizes_as_people_read_them(size, text):
    assert size_text(size) == text
