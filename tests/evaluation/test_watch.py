"""BasicSR's own validator, watched: the same numbers, and more known about them."""

import logging
import sys

import basicsr.metrics
import cv2
import numpy as np
import pytest
from basicsr.models import sr_model
from basicsr.utils.registry import METRIC_REGISTRY

from ssiu_arch.data.bicubic import enlarge

PSNR = {"type": "calculate_psnr", "crop_border": 2, "test_y_channel": True}


@pytest.fixture
def log(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("basicsr"), "propagate", True)
    caplog.set_level(logging.INFO, logger="basicsr")
    return caplog


@pytest.fixture
def metric():
    """Register a metric for the length of a test."""
    names = []

    def register(function):
        METRIC_REGISTRY.register(function)
        names.append(function.__name__)
        return {"type": function.__name__}

    yield register
    for name in names:
        del METRIC_REGISTRY._obj_map[name]


def test_results_are_identical_to_the_unwatched_ones(run, watching):
    plain = run().metric_results
    with watching() as watch:
        results = run().metric_results
    assert results == plain  # to the last digit
    assert watch.sets[0].means == plain


def test_scores_are_those_of_each_image(run, watching, pictures, monkeypatch):
    outputs = []
    monkeypatch.setattr(sr_model, "tensor2img", lambda tensors: keep(outputs, basicsr.utils.tensor2img(tensors)))
    with watching() as watch:
        run(bicubic=False)
    (record,) = watch.sets
    assert sorted(record.images) == ["apple", "bridge", "cat"]
    gt = [cv2.imread(f"{pictures}/HR/{name}.png") for name in record.images]
    expected = [
        basicsr.metrics.calculate_psnr(output, image, 2, test_y_channel=True)
        for output, image in zip(outputs[0::2], gt, strict=True)
    ]
    assert record.scores["psnr"] == expected
    assert record.fingerprint is not None


def keep(kept, image):
    kept.append(image)
    return image


def test_two_metrics_with_equal_options_keep_their_own_scores(run, watching):
    with watching() as watch:
        run(metrics={"a": PSNR, "b": dict(PSNR)}, bicubic=False)
    scores = watch.sets[0].scores
    assert len(scores["a"]) == 3
    assert scores["a"] == scores["b"]


def test_bicubic_is_measured_once_a_set_and_as_everywhere(run, loader, pictures, watching, log):
    with watching() as watch:
        model = run()
        model.validation(loader(), "small", None, False)
    (record, again) = watch.sets
    pairs = [[cv2.imread(f"{pictures}/{role}/{name}.png") for role in ("LR", "HR")] for name in record.images]
    expected = [basicsr.metrics.calculate_psnr(enlarge(low, 2), high, 2, test_y_channel=True) for low, high in pairs]
    assert record.bicubic["psnr"] == pytest.approx(expected, abs=1e-12)
    assert log.text.count("Bicubic interpolation on Set14") == 1
    assert again.means == record.means


def test_a_training_measures_bicubic_only_when_asked_and_keeps_no_sets(run, watching, log):
    with watching(is_test=False) as watch:
        run()
        assert "Bicubic" not in log.text
        run(bicubic=True)
    assert log.text.count("Bicubic interpolation on Set14") == 1
    assert watch.sets == []


def test_greyscale_images_are_those_stored_with_one_channel(run, watching):
    with watching() as watch:
        run()
    assert watch.sets[0].grey == ["bridge"]


def test_without_gt_what_needs_it_is_left_out(run, watching, log):
    with watching() as watch:
        model = run(gt=False, name="photos")
    assert watch.sets == []
    assert np.isnan(model.metric_results["psnr"])
    assert "photos has no GT: psnr, ssim not measured" in log.text


def test_without_gt_what_does_not_need_it_is_measured(run, watching, metric):
    def brightness(img, **kwargs):
        return float(img.mean())

    with watching() as watch:
        run(metrics={"psnr": PSNR, "brightness": metric(brightness)}, gt=False)
    assert watch.sets[0].means.keys() == {"brightness"}


def test_without_metrics_there_is_nothing(run, watching):
    with watching() as watch:
        run(metrics=None)
    assert watch.sets == []


def test_float_output_is_neither_clamped_nor_rounded(run, watching, metric):
    seen = []

    def look(img, img2, **kwargs):
        seen.append((img, img2))
        return 0.0

    options = metric(look)
    with watching():
        model = run(metrics={"f": {**options, "float_output": True}, "i": options}, bicubic=False)
    assert not {"feed_data", "get_current_visuals"} & vars(model).keys()
    for (as_float, gt), (as_integers, same_gt) in zip(seen[0::2], seen[1::2], strict=True):
        assert as_float.dtype == np.float64
        assert (as_float % 1 != 0).mean() > 0.9
        np.testing.assert_array_equal(as_float.clip(0, 255).astype(np.float32).round(), as_integers)
        np.testing.assert_array_equal(gt, same_gt)
    assert max(as_float.max() for as_float, _ in seen[0::2]) > 255


def test_a_failing_metric_raises_its_own_error_and_the_log_names_the_image(run, watching, metric, log):
    def picky(img, img2, **kwargs):
        if img.shape[1] == 42:
            raise RuntimeError("no images 42 wide")
        return 1.0

    options = metric(picky)
    for bicubic, image in ((False, "bridge of Set14"), (True, "bicubic interpolation of bridge of Set14")):
        log.clear()
        with pytest.raises(RuntimeError, match="no images 42 wide"), watching():
            run(metrics={"mine": options}, bicubic=bicubic)
        assert f"val.metrics.mine (picky) failed on {image}" in log.text


def test_validators_that_are_not_basicsrs_get_numbers(run, watching, monkeypatch):
    """A model that copied the validator, as many plugins do, and does with a score what it likes."""
    kinds = []

    def nondist_validation(self, dataloader, *rest):
        self.metric_results = {"psnr": 0.0}
        for data in dataloader:
            self.feed_data(data)
            images = {"img": np.zeros((20, 20, 3), np.uint8), "img2": np.full((20, 20, 3), 9, np.uint8)}
            score = basicsr.metrics.calculate_metric(images, self.opt["val"]["metrics"]["psnr"])
            kinds.append(type(score))
            self.metric_results["psnr"] = max(score, self.metric_results["psnr"])

    monkeypatch.setattr(sr_model.SRModel, "nondist_validation", nondist_validation)
    with watching() as watch:
        run(bicubic=False)
    assert {issubclass(kind, float) for kind in kinds} == {True}
    assert watch.sets[0].means == {"psnr": pytest.approx(30.37, abs=0.01)}
    assert len(watch.sets[0].scores["psnr"]) == 3


def test_everything_is_as_before_afterwards(run, watching):
    import basicsr.test as pipeline

    before = pipeline.build_model, sr_model.calculate_metric, basicsr.metrics.calculate_metric

    def fail():
        assert sr_model.calculate_metric is not before[1]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), watching():
        fail()
    assert (pipeline.build_model, sr_model.calculate_metric, basicsr.metrics.calculate_metric) == before


def test_the_scores_of_a_finished_set_are_kept_when_the_next_one_is_interrupted(run, watching, tmp_path, monkeypatch):
    with watching():
        run(bicubic=False)
        kept = (tmp_path / "scores.csv").read_text()
        monkeypatch.setattr(sr_model.SRModel, "test", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(bicubic=False)
    assert kept.splitlines()[-1].startswith("Set14,mean,")
    assert (tmp_path / "scores.csv").read_text() == kept


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_shown_on_a_terminal_only(run, watching, capsys, monkeypatch, is_terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    with watching():
        run()
    said = capsys.readouterr().err
    assert ("Bicubic Set14" in said) == ("Test cat" in said) == is_terminal
