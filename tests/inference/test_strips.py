import pytest
import torch
import torch.nn.functional as F

from ssiu_arch.inference.strips import strips, up2_rows


@pytest.mark.parametrize("height", [16, 48, 1504])
def test_up2_is_that_of_interpolate_wherever_a_strip_lies(height):
    x = torch.rand(1, 2, height // 2, 3)
    expected = F.interpolate(x, (height, 3), mode="bilinear", align_corners=True)
    for lo, hi in strips(0, height, 16):
        matrix, rows = up2_rows(lo, hi, height, x.dtype, x.device)
        torch.testing.assert_close(matrix @ x[:, :, rows], expected[:, :, lo:hi], atol=1e-6, rtol=0)
        assert rows.stop - rows.start <= 10  # of a strip of 16


def test_rows_beyond_the_map_are_mirrored():
    x = torch.rand(8, 3)
    matrix, rows = up2_rows(-1, 17, 16, x.dtype, x.device)
    found = matrix @ x[rows]
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[-1], found[-3])


def test_strips_cover_every_row_once():
    assert list(strips(3, 20, 8)) == [(3, 11), (11, 19), (19, 20)]
    assert not list(strips(5, 5, 8))
