import hashlib
import json
import re

import pytest

from ssiu_arch import load
from ssiu_arch.errors import UserError
from ssiu_arch.pretrained import FOLDER, shipped


def test_the_file_of_a_scale(tmp_path):
    (tmp_path / "SSIU_x3.pth").touch()
    assert shipped(3, tmp_path) == tmp_path / "SSIU_x3.pth"


def test_none_of_a_scale(tmp_path):
    with pytest.raises(
        UserError, match=re.escape("no weights for x2 come with this version of ssiu_arch: name a file")
    ):
        shipped(2, tmp_path)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_weights_that_are_shipped_are_those_of_the_record_and_score_as_they_did(scale):
    """On a detail of a photo: numerics cannot drift."""
    from ssiu_arch.stints.scores import photo_psnr

    file = FOLDER / f"SSIU_x{scale}.pth"
    if not file.is_file():
        pytest.skip(f"no weights for x{scale} are shipped yet")
    record = json.loads(file.with_suffix(".json").read_text())
    assert hashlib.sha256(file.read_bytes()).hexdigest() == record["sha256"]
    assert photo_psnr(load(file)) == pytest.approx(record["photo_psnr"], abs=0.005)
    assert record["sha256"] in file.with_suffix(".md").read_text()
    assert file.with_suffix(".csv").read_text().startswith("stint,iteration,l_pix,l_fft,psnr\n")
    assert file.with_suffix(".png").is_file()
