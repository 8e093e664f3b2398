"""What is in an exported file."""

import re

import pytest
import torch

from ssiu_arch.tools.export.comparison import BARS, difference, opened
from ssiu_arch.utils.errors import UserError

onnx = pytest.importorskip("onnx", reason="onnx, of the extra export, is not installed")
SIZE = (20, 31)  # of static exports


def test_input_and_output_leave_batch_height_and_width_open(model):
    graph = onnx.load_from_string(model).graph
    types = [value.type.tensor_type for value in (*graph.input, *graph.output)]
    names = [value.name for value in (*graph.input, *graph.output)]
    shapes = [[dim.dim_param or dim.dim_value for dim in found.shape.dim] for found in types]
    assert names == ["lq", "sr"]
    assert [found.elem_type for found in types] == [onnx.TensorProto.FLOAT] * 2
    assert shapes == [["batch", 3, "height", "width"], ["batch", 3, "4*height", "4*width"]]


def test_the_file_says_what_it_is(static_model):
    about = {entry.key: entry.value for entry in onnx.load_from_string(static_model).metadata_props}
    assert re.fullmatch(r"ssiu_arch [\d.]+, torch \S+, onnx \S+, onnxscript \S+", about.pop("made_with"))
    assert about == {
        "upscale": "3",
        "input": "lq: (1, 3, 20, 31), RGB in [0, 1], float32",
        "output": "sr: (1, 3, 60, 93), not clamped, float32",
        "sizes": "20x31 alone",
        "precision": "fp32",
        "opset": "17",
        "weights": "net.pth, sha256 0123",
    }


def test_weights_are_in_the_file_and_nothing_of_this_machine(net, model, root):
    tensors = onnx.load_from_string(model).graph.initializer
    held = sum(len(tensor.raw_data) for tensor in tensors)
    assert {tensor.data_location for tensor in tensors} == {onnx.TensorProto.DEFAULT}
    assert held >= 4 * sum(parameter.numel() for parameter in net.parameters())
    for path in (root, torch.__file__.rpartition("/")[0], "exportable.py", "stack_trace"):
        assert str(path).encode() not in model


def versions(model):
    """Opset and IR version."""
    loaded = onnx.load_from_string(model)
    (opset,) = (entry.version for entry in loaded.opset_import if not entry.domain)
    return opset, loaded.ir_version


def test_the_file_is_of_the_oldest_version_for_old_runtimes(model, static_model):
    assert versions(model) == versions(static_model) == (17, 8)


@pytest.mark.parametrize("side", [16, 64])
def test_shape_inference_tells_the_scale(model, side):
    """As chaiNNer does: fixed input, the output's names left, no propagation of data."""
    loaded = onnx.load_from_string(model)
    for dim, size in zip(loaded.graph.input[0].type.tensor_type.shape.dim, (1, 3, side, side), strict=True):
        dim.dim_value = size
    inferred = onnx.shape_inference.infer_shapes(loaded, strict_mode=True).graph.output[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in inferred[1:]] == [3, 4 * side, 4 * side]


@pytest.mark.parametrize(("opset", "ir"), [(18, 8), (20, 9), (23, 11)])
def test_the_opset_is_the_one_asked_for_with_its_oldest_ir(plain_net, to_onnx, opset, ir):
    model = to_onnx(plain_net, opset=opset, static=SIZE)
    assert versions(model) == (opset, ir)
    assert difference(opened(model, 1), plain_net, (1, *SIZE)).is_within(BARS["fp32"])


def test_an_opset_that_torch_does_not_write(plain_net, to_onnx, monkeypatch):
    from ssiu_arch.tools.export import to_onnx as module

    monkeypatch.setattr(module, "OPSET_OF_TORCH", 17)
    with pytest.raises(UserError, match=r"opset 17: torch \S+ writes 18 instead; ask for that one"):
        to_onnx(plain_net, opset=17, static=SIZE)


def test_exports_are_quiet_and_the_same_each_time(plain_net, to_onnx, static_model, capfd, recwarn):
    assert to_onnx(plain_net, opset=17, static=SIZE, facts={"weights": "net.pth, sha256 0123"}) == static_model
    assert capfd.readouterr() == ("", "")
    assert not [warning for warning in recwarn if "onnx" in str(warning.filename)]


def test_half_precision_keeps_float32_outside(plain_net, to_onnx):
    model = to_onnx(plain_net, opset=17, half=True, static=SIZE)
    graph = onnx.load_from_string(model).graph
    kinds = {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
    assert kinds == {onnx.TensorProto.FLOAT}
    floats = [tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    assert sum(max(1, torch.tensor(list(tensor.dims)).prod().item()) for tensor in floats) < 20  # of interpolation
    found = difference(opened(model, 1), plain_net, (1, *SIZE))
    assert BARS["fp32"] < found.largest
    assert found.is_within(BARS["fp16"])


def test_a_static_file_takes_its_size_alone(static_model):
    run = opened(static_model, 1)
    assert run(torch.rand(1, 3, *SIZE)).shape == (1, 3, 60, 93)
    with pytest.raises(Exception, match="Got: 32 Expected: 31"):
        run(torch.rand(1, 3, 20, 32))
