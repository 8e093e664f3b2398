import pytest
import torch
import torch.nn.functional as F

from ssiu_arch.fast.strips import between_rows, mirrored, strips, up2_source


@pytest.mark.parametrize("height", [16, 48, 1504])
def test_up2_is_that_of_interpolate_wherever_a_strip_lies(height):
    x = torch.rand(1, 2, height // 2, 3)
    expected = F.interpolate(x, (height, 3), mode="bilinear", align_corners=True)
    for lo, hi in strips(0, height, 16):
        matrix, rows = between_rows(up2_source(height)[lo:hi], height // 2, like=x)
        torch.testing.assert_close(matrix @ x[:, :, rows], expected[:, :, lo:hi], atol=1e-6, rtol=0)
        assert rows.stop - rows.start <= 10  # of a strip of 16


def test_rows_beyond_the_map_are_mirrored():
    assert mirrored(range(-1, 5), 4).tolist() == [1, 0, 1, 2, 3, 2]


def test_strips_cover_every_row_once():
    assert list(strips(3, 20, 8)) == [(3, 11), (11, 19), (19, 20)]
    assert not list(strips(5, 5, 8))
