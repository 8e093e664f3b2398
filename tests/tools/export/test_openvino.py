"""OpenVINO computes what the network does, from the exported file by its own converter."""

import pytest
import torch

from ssiu_arch.tools.export import comparison

openvino = pytest.importorskip("openvino", reason="openvino is not installed: no test of the conversion to OpenVINO")


def test_the_example_of_the_page_gives_torchs_result_at_every_size(net, model, page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x4.onnx").write_bytes(model)
    y = comparison.random_images((1, 9, 21), 3)
    names = {"lq": y.numpy()}
    exec(*page("OpenVINO"), names)
    torch.testing.assert_close(torch.from_numpy(names["sr"]), net(y), atol=1e-4, rtol=0)
    for case in comparison.CASES:
        found = comparison.difference(lambda y: torch.from_numpy(names["compiled"](y.numpy())["sr"]), net, case)
        assert found.is_within(comparison.BARS["fp32"]), found
