import numpy as np
import pytest

from ssiu_arch.data.bicubic import BICUBIC, bicubic_scores, enlarge
from ssiu_arch.data.images import read_image
from ssiu_arch.data.sub_images import make_lr


def test_enlarging_rounds_once(photo):
    lr = photo(20, 20)
    assert enlarge(lr, 3).dtype == np.uint8
    assert enlarge(lr, 3).shape == (60, 60, 3)
    assert (enlarge(np.full((9, 9, 3), 7, np.uint8), 4) == 7).all()


@pytest.mark.parametrize("name", ["Set5", "Set14"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_baselines_of_the_published_files(shared_benchmark, name, scale):
    paths = sorted((shared_benchmark / name / "HR").glob("*.png"))
    lr = shared_benchmark / name / "LR_bicubic" / f"X{scale}"
    pairs = [(read_image(path), read_image(lr / f"{path.stem}x{scale}.png")) for path in paths]
    psnr, ssim = bicubic_scores(pairs, scale)
    assert psnr == pytest.approx(BICUBIC[name, scale][0], abs=6e-4)
    assert ssim == pytest.approx(BICUBIC[name, scale][1], abs=6e-5)


def test_images_that_are_no_multiple_of_the_scale_are_scored_on_what_lr_covers(photo):
    hr = photo(43, 51)
    cropped = [(hr[:40, :48], make_lr(hr, 4))]
    assert bicubic_scores([(hr, make_lr(hr, 4))], 4) == bicubic_scores(cropped, 4)
