import basicsr.utils
import cv2
import lmdb
import numpy as np
import pytest
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.utils import FileClient
from torch.utils.data import DataLoader

from ssiu_arch.utils.errors import UserError, in_one_line


@pytest.fixture
def pair(tmp_path):
    """Options of a set of one pair, x2."""
    for name, side in (("gt", 32), ("lq", 16)):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), np.full((side, side, 3), 99, np.uint8))
    roots = {"dataroot_gt": str(tmp_path / "gt"), "dataroot_lq": str(tmp_path / "lq")}
    train = {"phase": "train", "scale": 2, "gt_size": 32, "use_hflip": False, "use_rot": False}
    return {**roots, **train, "io_backend": {"type": "disk"}}


def test_a_damaged_image_is_named(pair, tmp_path):
    (tmp_path / "lq/a.png").write_bytes(b"\x89PNG and no more")
    with pytest.raises(UserError, match=r"lq/a.png: .*16 bytes.*again"):
        PairedImageDataset(pair)[0]


def test_an_empty_file_is_named(pair, tmp_path):
    (tmp_path / "gt/a.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"gt/a.png: .*0 bytes"):
        PairedImageDataset(pair)[0]


def test_a_file_that_went_away_is_named(pair, tmp_path):
    dataset = PairedImageDataset(pair)
    (tmp_path / "lq/a.png").unlink()
    with pytest.raises(UserError, match=r"lq/a.png: cannot be read \(No such file or directory\)"):
        dataset[0]


@pytest.mark.parametrize(("change", "message"), [({"scale": 4}, "Scale mismatches"), ({"gt_size": 64}, "smaller than")])
def test_a_pair_that_does_not_fit_is_named(pair, change, message):
    with pytest.raises(UserError, match=rf"gt/a.png: .*{message}"):
        PairedImageDataset({**pair, **change})[0]


def test_a_worker_tells_it_in_one_line_too(pair, tmp_path):
    (tmp_path / "lq/a.png").write_bytes(b"no image")
    with pytest.raises(UserError) as raised:
        next(iter(DataLoader(PairedImageDataset(pair), num_workers=1, multiprocessing_context="fork")))
    assert in_one_line(raised.value).startswith(f"{tmp_path}/lq/a.png: is damaged")


def test_missing_and_unusable_keys_of_an_lmdb(tmp_path):
    with lmdb.open(str(tmp_path / "x.lmdb"), map_size=2**20) as env, env.begin(write=True) as transaction:
        transaction.put(b"a", b"image")
    client = FileClient("lmdb", db_paths=[str(tmp_path / "x.lmdb")], client_keys=["gt"])
    assert client.get("a", "gt") == b"image"
    with pytest.raises(UserError, match=r"x.lmdb, key b: .*meta_info.txt .*data.mdb.*prepare"):
        client.get("b", "gt")
    with pytest.raises(UserError, match=r"key straße: .*ASCII"):
        client.get("straße", "gt")


def test_whole_images_are_decoded_as_before(pair, tmp_path):
    image = basicsr.utils.imfrombytes((tmp_path / "gt/a.png").read_bytes(), float32=True)
    assert image.shape == (32, 32, 3)
    assert image.dtype == np.float32
    assert PairedImageDataset(pair)[0]["gt"].shape == (3, 32, 32)
