"""What may stand beside what."""

import pytest

from ssiu_arch.evaluation.paper import beside
from ssiu_arch.evaluation.summary import describe

PSNR = {"type": "calculate_psnr", "crop_border": 4, "test_y_channel": True}
SSIM = {**PSNR, "type": "calculate_ssim"}
PUBLISHED = {"type": "calculate_ssim_published", "crop_border": 4}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (PSNR, "calculate_psnr, on Y of YCbCr, 8-bit images, border 4, in dB"),
        ({**PSNR, "test_y_channel": False}, "calculate_psnr, on RGB, 8-bit images, border 4, in dB"),
        (
            {**PUBLISHED, "float_output": True},
            "calculate_ssim_published, as published, on Y, float output, neither clamped nor rounded, border 4",
        ),
        (
            {"type": "calculate_niqe", "convert_to": "y", "better": "lower"},
            "calculate_niqe, 8-bit images, convert_to y",
        ),
    ],
)
def test_protocol_in_words(options, expected):
    assert describe(options) == expected


def test_psnr_stands_beside_all_rows():
    rows, note = beside(PSNR, 4, ["coffee", "Set5"])
    assert (rows["ATD-light"]["Set5"], rows["SSIU"]["Set5"], len(rows), note) == (32.63, 32.64, 15, None)
    assert beside({**PUBLISHED, "type": "calculate_psnr_published"}, 4, ["Set5"])[0] == rows


def test_standard_ssim_marks_the_row_that_does_not_compare():
    rows, note = beside(SSIM, 4, ["Set5"])
    assert rows["SSIU *"]["Set5"] == 0.9032
    assert rows["ATD-light"]["Set5"] == 0.8998
    assert "about 0.003 too high" in note


def test_published_ssim_stands_beside_the_authors_only():
    rows, note = beside(PUBLISHED, 4, ["Set5"])
    assert list(rows) == ["SSIU"]
    assert "standard protocol" in note


@pytest.mark.parametrize("change", [{"test_y_channel": False}, {"crop_border": 0}])
def test_another_protocol_compares_with_none(change):
    rows, note = beside({**PSNR, **change}, 4, ["Set5"])
    assert rows == {}
    assert "border 4" in note


@pytest.mark.parametrize(
    ("options", "scale", "sets"),
    [(PSNR, 4, ["coffee"]), ({**PSNR, "crop_border": 8}, 8, ["Set5"]), ({"type": "calculate_niqe"}, 4, ["Set5"])],
)
def test_nothing_in_the_paper_needs_no_words(options, scale, sets):
    assert beside(options, scale, sets) == ({}, None)
