import hashlib

import pytest

from ssiu_arch.data.download import Download, fetch
from ssiu_arch.utils.errors import UserError

DATA = bytes(range(256)) * 20_000  # 5 MB
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def server(serve):
    return serve(DATA)


def get(server, folder, md5=MD5):
    return fetch(Download(f"{server.url}/set.zip", md5), folder, pause=0.001)


def test_a_connection_that_breaks_again_and_again_is_taken_up_where_it_broke(server, tmp_path):
    server.limit = 600_000
    path = get(server, tmp_path / "new")
    assert path.read_bytes() == DATA
    assert server.requests == [None, *(f"bytes={k * 600_000}-" for k in range(1, 9))]
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["set.zip"]


def test_what_an_earlier_run_got_is_kept(server, tmp_path):
    (tmp_path / "set.zip.part").write_bytes(DATA[:1000])
    assert get(server, tmp_path).read_bytes() == DATA
    assert server.requests == ["bytes=1000-"]


def test_a_complete_part_is_only_checked(server, tmp_path):
    (tmp_path / "set.zip.part").write_bytes(DATA)
    assert get(server, tmp_path).read_bytes() == DATA


def test_a_file_that_is_there_is_not_fetched(server, tmp_path):
    (tmp_path / "set.zip").write_bytes(b"mine")
    assert get(server, tmp_path).read_bytes() == b"mine"
    assert server.requests == []


def test_a_server_that_knows_no_ranges_sends_it_all_again(server, tmp_path):
    server.ranges = False
    (tmp_path / "set.zip.part").write_bytes(b"rubbish")
    assert get(server, tmp_path).read_bytes() == DATA


def test_a_part_longer_than_the_file_is_removed(server, tmp_path):
    (tmp_path / "set.zip.part").write_bytes(DATA + b"more")
    with pytest.raises(UserError, match="MD5"):
        get(server, tmp_path)
    assert get(server, tmp_path).read_bytes() == DATA


def test_a_wrong_md5_is_named_and_the_file_removed(server, tmp_path):
    with pytest.raises(UserError, match=rf"set\.zip: .*{MD5}.* 0123"):
        get(server, tmp_path, md5="0123")
    assert list(tmp_path.iterdir()) == []


def test_an_early_end_without_announced_length_is_found_by_the_md5(server, tmp_path):
    server.announce, server.limit = False, 1000
    with pytest.raises(UserError, match=MD5):
        get(server, tmp_path)


def test_a_server_that_says_no_is_quoted(server, tmp_path):
    server.status = 404
    with pytest.raises(UserError, match=r"404 Not Found; .*set\.zip"):
        get(server, tmp_path)


def test_a_server_that_is_not_there_is_given_up_and_the_part_kept(server, tmp_path):
    server.limit = 0
    (tmp_path / "set.zip.part").write_bytes(DATA[:10])
    with pytest.raises(UserError, match=r"resume from .*set\.zip\.part"):
        get(server, tmp_path)
    assert (tmp_path / "set.zip.part").read_bytes() == DATA[:10]
