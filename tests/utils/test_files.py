import errno
import os
import socket
import subprocess
import sys
import zipfile

import pytest
import torch

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import locked, new_file, read_json, size_text, write_file, write_json, writing, zip_damage


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


@pytest.fixture
def elsewhere():
    """Run a line of code in another process, which says ``ready`` and waits; it has a child that outlives it."""
    running = []

    def start(line):
        code = f"""import os, sys, time
from pathlib import Path
from ssiu_arch.utils.files import locked, new_file
with {line}:
    if not os.fork():
        time.sleep(20)
        os._exit(0)
    print("ready", flush=True)
    input()"""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        process = subprocess.Popen([sys.executable, "-c", code], **pipes, start_new_session=True)
        running.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in running:
        os.killpg(process.pid, 9)
        process.wait()


def test_the_lock_keeps_other_processes_out_and_goes_with_its_owner(tmp_path, elsewhere):
    lock = tmp_path / ".lock"
    other = elsewhere(f"locked(Path({str(lock)!r}), 'in use')")
    held = lock.read_text()
    said = rf"in use \(process {other.pid} on {socket.gethostname()} since .*remove"
    with pytest.raises(UserError, match=said), locked(lock, "in use"):
        pass
    assert lock.read_text() == held
    other.kill()
    other.wait()
    with locked(lock, "in use"):
        assert str(os.getpid()) in lock.read_text()
    assert not lock.exists()


def test_a_lock_file_without_an_owner_locks_nothing(tmp_path):
    (tmp_path / ".lock").write_text(f"process {os.getpid()} on another host")
    with locked(tmp_path / ".lock", "in use"):
        pass
    assert not (tmp_path / ".lock").exists()


def test_temporary_files_of_killed_processes_are_removed_and_those_of_running_ones_kept(tmp_path, elsewhere):
    dead, running = (elsewhere(f"new_file(Path({str(tmp_path / name)!r})) as file") for name in "ab")
    dead.kill()
    dead.wait()
    (kept,) = tmp_path.glob(f".{running.pid}-*.tmp")
    write_file(tmp_path / "c", b"")
    assert sorted(tmp_path.iterdir()) == sorted([kept, tmp_path / "c"])


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    with new_file(tmp_path / "a") as first, new_file(tmp_path / "a") as second:
        first.write(b"one")
        second.write(b"two")
    assert (tmp_path / "a").read_bytes() == b"one"  # it ended last
    assert os.listdir(tmp_path) == ["a"]


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


def test_a_part_marked_as_a_folder_is_noticed(saved):
    """One bit in the directory of a zip, for which torch reads unset memory instead of the part."""
    path, content = saved
    place = content.rindex(b"PK\1\2") + 38  # the attributes of the last part
    path.write_bytes(content[:place] + bytes([content[place] | 0x10]) + content[place + 1 :])
    assert "folder" in zip_damage(path)


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
