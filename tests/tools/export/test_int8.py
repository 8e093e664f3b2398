"""8-bit exports: which operators are quantised, what the images for calibration are, and how close the result stays."""

import numpy as np
import pytest
import torch
from PIL import Image

from ssiu_arch.utils.errors import UserError

onnx = pytest.importorskip("onnx", reason="onnx, of the extra export, is not installed")
from ssiu_arch.tools.export.int8 import MOST, SIDE, calibration_images, quantised  # noqa: E402


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Smooth images, a wide one among them."""
    folder = tmp_path_factory.mktemp("photos")
    for n, size in enumerate(((40, 30), (140, 20), (50, 50))):
        coarse = np.random.default_rng(n).integers(0, 256, (6, 6, 3), np.uint8)
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(folder / f"{n}.png")
    return folder


@pytest.fixture(scope="module")
def int8(model, photos):
    return quantised(model, calibration_images(photos, 3))


def test_what_is_in_8_bit_and_what_is_not(int8):
    model = onnx.load_from_string(int8)
    makers = {name: node for node in model.graph.node for name in node.output}
    kinds = {value.name: value.data_type for value in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    for node in convolutions:
        image, weight = (makers[name] for name in node.input[:2])
        assert weight.op_type == image.op_type == "DequantizeLinear"
        assert kinds[weight.input[0]] == onnx.TensorProto.INT8
        (scales,) = (value for value in model.graph.initializer if value.name == weight.input[1])
        assert scales.dims[0] > 1  # one for each channel
    enlarged = [node for node in model.graph.node if node.op_type == "Resize"]
    read = sorted(makers[node.input[0]].op_type for node in enlarged)
    assert read == ["DequantizeLinear"] * 3 + ["Gather", "Mul"]  # of three stages, the image, and zeros
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    assert {makers[node.input[0]].op_type for node in products} == {"DequantizeLinear"}
    assert {fact.key: fact.value for fact in model.metadata_props}["upscale"] == "4"


def test_the_result_is_close_on_photos_of_any_size(int8, net, photos):
    from ssiu_arch.tools.export.comparison import opened

    run = opened(int8, 1)
    for image in calibration_images(photos, 3):
        for y in (torch.from_numpy(image), torch.from_numpy(image[:, :, :7, :5].copy())):
            with torch.no_grad():
                expected = net(y)
            x = run(y)
            assert x.shape == expected.shape
            span = expected.max() - expected.min()
            assert 0 < (x - expected).square().mean().sqrt() / span < 0.02


def test_the_images_for_calibration(photos, tmp_path):
    images = calibration_images(photos, 3)
    assert [image.shape for image in images] == [(1, 3, 30, 40), (1, 3, 20, SIDE), (1, 3, 50, 50)]
    whole = np.asarray(Image.open(photos / "1.png"), np.float32).transpose(2, 0, 1)[None] / 255
    assert np.array_equal(images[1], whole[..., 22 : 22 + SIDE])
    mirrored = calibration_images(photos, 3, (25, 100))  # higher than the second image, wider than the others
    assert {image.shape for image in mirrored} == {(1, 3, 25, 100)}
    assert np.array_equal(mirrored[1][:, :, :20], whole[..., 20:120])
    assert np.array_equal(mirrored[1][:, :, 20:], mirrored[1][:, :, 19:14:-1])
    for n in range(40):
        Image.fromarray(np.full((4, 4), n * 257, np.uint16)).save(tmp_path / f"{n:02}.png")
    (tmp_path / "notes.txt").touch()
    grey = calibration_images(tmp_path, 3)
    assert len(grey) <= MOST
    assert [round(255 * float(image.mean())) for image in grey] == list(range(0, 40, 3))
    assert grey[0].shape == (1, 3, 4, 4)
    Image.new("RGBA", (4, 4), (30, 60, 90, 0)).save(tmp_path / "00.png")
    assert calibration_images(tmp_path, 1)[0].mean() == pytest.approx(60 / 255)


def test_a_folder_without_images_or_with_a_damaged_one(tmp_path):
    with pytest.raises(UserError, match=r"--calibration .*: holds no image"):
        calibration_images(tmp_path, 3)
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"a\.png"):
        calibration_images(tmp_path, 3)
