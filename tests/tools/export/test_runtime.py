"""ONNX Runtime: bad files; and a file is run by it as its page says."""

import cv2
import numpy as np
import pytest
import torch

from ssiu_arch.tools.export.comparison import opened
from ssiu_arch.tools.export.to_onnx import INPUT
from ssiu_arch.utils.errors import UserError

pytest.importorskip("onnxruntime", reason="onnxruntime, of the extra export, is not installed")


def test_a_file_it_does_not_take(capfd):
    with pytest.raises(UserError, match=r"onnxruntime [\d.]+ does not take the exported file: update it"):
        opened(b"no model", 1)
    assert capfd.readouterr() == ("", "")


def test_an_image_that_memory_does_not_suffice_for():
    onnx = pytest.importorskip("onnx", reason="onnx, of the extra export, is not installed")
    make, types = onnx.helper, onnx.TensorProto
    nodes = [  # zeros of the shape that its input names
        make.make_node("Cast", [INPUT], ["shape"], to=types.INT64),
        make.make_node("ConstantOfShape", ["shape"], ["zeros"]),
    ]
    given, result = (make.make_tensor_value_info(name, types.FLOAT, None) for name in (INPUT, "zeros"))
    opset = [make.make_opsetid("", 20)]
    model = make.make_model(make.make_graph(nodes, "zeros", [given], [result]), opset_imports=opset, ir_version=9)
    run = opened(model.SerializeToString(), 1)
    assert torch.equal(run(torch.tensor([2.0, 3.0])), torch.zeros(2, 3))
    with pytest.raises(MemoryError):
        run(torch.tensor([2.0**23, 2.0**23]))


def test_the_examples_of_the_page_give_torchs_result(net, model, page, tmp_path, monkeypatch):
    by_hand, by_tiles = page("Use the file")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x4.onnx").write_bytes(model)
    image = np.random.default_rng(0).integers(0, 256, (40, 55, 3), np.uint8)
    cv2.imwrite("photo.png", image[:, :, ::-1])
    names = {}
    exec(by_hand, names)
    exec(by_tiles, names)
    expected = net(torch.from_numpy(image).permute(2, 0, 1)[None] / 255).detach()
    torch.testing.assert_close(names["x"], expected, atol=1e-5, rtol=0)  # of one tile
    written = cv2.imread("enlarged.png")[:, :, ::-1]
    assert np.array_equal(written, names["result"])
    rounded = (expected[0].permute(1, 2, 0).clip(0, 1) * 255).round().numpy()
    assert np.abs(written - rounded).max() <= 1  # where a difference of 1e-7 rounds the other way
    assert np.mean(written == rounded) > 0.999
