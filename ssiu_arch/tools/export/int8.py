"""An exported network in 8 bit: ONNX Runtime's static quantisation, calibrated on photos."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssiu_arch.inference.jobs import READ
from ssiu_arch.inference.photo import read_photo
from ssiu_arch.tools.export.to_onnx import INPUT
from ssiu_arch.utils.errors import UserError

OPERATORS = ["Conv", "MatMul", "Softmax", "Pad", "Mul", "Add", "Split", "MaxPool", "Resize", "DepthToSpace"]
MOST, SIDE = 16, 96  # images, and pixels of their middle, for calibration

Image = NDArray[np.float32]  # (1, C, h, w) in [0, 1]


def calibration_images(folder: Path, channels: int, static: tuple[int, int] | None = None) -> list[Image]:
    """The middle of at most 16 images of a folder, spread over it, in colour or grey as the network takes them.

    With ``static``, the only size that the network takes, smaller images are mirrored up to it.

    Raises:
        UserError: the folder holds no image, or one cannot be read.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in READ)
    if not paths:
        raise UserError(f"--calibration {folder}: holds no image; name a folder of photos of the size to enlarge")
    images = [_middle(path, channels, *(static or (SIDE, SIDE))) for path in paths[:: -(-len(paths) // MOST)]]
    return [_mirrored(image, *static) for image in images] if static else images


def _middle(path: Path, channels: int, height: int, width: int) -> Image:
    photo = read_photo(path)
    top, left = (max(0, n - m) // 2 for n, m in zip(photo.size, (height, width), strict=True))
    colours = photo.samples.shape[2] - photo.has_alpha
    cut = photo.samples[top : top + height, left : left + width, :colours].astype(np.float32).transpose(2, 0, 1)
    if colours != channels:
        cut = cut.mean(0, keepdims=True).repeat(channels, 0)
    return cut[None] / np.iinfo(photo.samples.dtype).max


def _mirrored(image: Image, height: int, width: int) -> Image:
    return np.pad(image, [(0, 0), (0, 0), (0, height - image.shape[2]), (0, width - image.shape[3])], "symmetric")


def quantised(model: bytes, images: Sequence[Image]) -> bytes:
    """``model`` with 8-bit integers from its first to its last convolution, as quantise and dequantise nodes.

    Weights have a scale for each output channel, feature maps one for each map, from the least and the largest value on
    ``images``. In float32 stay the skip connection, layer normalisation, GELU, and the positions of the attention. The
    last convolution is not spared: it costs 0.003 dB, and its maps are the largest.

    Args:
        model: what ``to_onnx`` returns; from opset 20 on, where GELU is one operator, it runs faster.
        images: see ``calibration_images``.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    exported = onnx.load_from_string(model)
    inputs = iter([{INPUT: image} for image in images])
    with TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        logging.disable(logging.WARNING)  # it advises what is done already
        try:
            quantize_static(
                exported,
                path,
                SimpleNamespace(get_next=partial(next, inputs, None)),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=OPERATORS,
                nodes_to_quantize=_nodes(exported.graph),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            logging.disable(logging.NOTSET)
        return onnx.load(path).SerializeToString(deterministic=True)


def _nodes(graph: Any) -> list[str]:
    constants = {value.name for value in graph.initializer}
    convolutions = [n for n, node in enumerate(graph.node) if node.op_type == "Conv"]
    network = graph.node[convolutions[0] : convolutions[-1] + 1]
    # A product with, or a sum of, a constant belongs to a shape, or to the scale and the positions of the attention.
    maps = (node for node in network if node.op_type not in ("Mul", "Add") or constants.isdisjoint(node.input))
    return [node.name for node in maps if node.op_type in OPERATORS]
