"""The scores of one set and what is said about its greyscale images."""

from ssiu_arch.evaluation.record import Score, SetScores, grey_effect, mean


def test_mean_is_a_plain_sum():
    values = [0.1] * 10
    assert mean(values) == 0.9999999999999999 / 10
    assert mean(values) != 0.1


def test_effect_of_greyscale_images():
    record = SetScores(
        "Set14",
        images=["baboon", "bridge"],
        scores={"psnr": [Score(24.0), Score(26.0, 25.0)], "niqe": [Score(3.0), Score(4.0)]},
        bicubic={"psnr": [Score(22.0), Score(23.0, 21.5)]},
    )
    assert record.bicubic_means() == {"psnr": 22.5}
    note = grey_effect(record)
    assert "Set14: 1 of 2 images (bridge)" in note
    assert "psnr 24.5000 instead of 25.0000, bicubic psnr 21.7500 instead of 22.5000" in note


def test_nothing_to_say():
    assert grey_effect(SetScores("Set5", images=["baby"], scores={"psnr": [Score(30.0)]})) is None
