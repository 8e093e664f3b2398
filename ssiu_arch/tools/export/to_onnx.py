"""An SSIU as the bytes of an ONNX file."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim

import ssiu_arch
from ssiu_arch.archs.ssiu_arch import SAM, SSIU
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.extras import require

INPUT, OUTPUT = "lq", "sr"
OLDEST_TORCH = "2.9"
OPSET_OF_TORCH = 18  # the oldest that torch writes
OPSET_OF_GELU = 20  # the first with GELU as an operator
NEW_IN_18 = {"Split": {"num_outputs"}, "Resize": {"antialias", "axes", "keep_aspect_ratio_policy"}}  # attributes


class Exportable(nn.Module):
    """``net`` with padding and cropping in operations that ONNX computes alike; see ``SSIU``.

    Four things differ from ``SSIU.forward``, none of them in the result. The period of the reflection is a tensor,
    because the exporter has no remainder by an open size. Sizes are rounded up by dividing positive numbers, because
    the exporter rounds towards zero. ``narrow`` crops, because it exports as one slice of ``s*h`` by ``s*w``. Zeros of
    the result's size are added, because ONNX infers no shape from a crop whose ends are computed, but from a sum:
    chaiNNer reads the scale off the inferred shape.

    Args:
        net: weights are shared with it, or with ``half`` copied.
        half: float16 weights and feature maps. The image, its interpolation and the sum of both stay float32, as in
            the optimised form.

    Shape: ``(B, C, h, w)`` to ``(B, C, s*h, s*w)``, both float32, any ``h, w >= 1``.
    """

    def __init__(self, net: SSIU, *, half: bool = False) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).half() if half else net
        self.eval()

    def forward(self, y: Tensor) -> Tensor:
        net = self.net
        padded = reflect_to_multiple(y, 2 * SAM.window)
        f_y = net.head(padded.to(net.head.weight.dtype))
        f_x = net.unfold(f_y)
        base = F.interpolate(padded, scale_factor=net.upscale, mode="bilinear", align_corners=False)
        x = net.tail(f_x + f_y).float() + base
        h, w = (net.upscale * side for side in y.shape[2:])
        zeros = F.interpolate(0 * y[:, :1], scale_factor=net.upscale)  # not zeros_like, whose shape is computed
        return x.narrow(2, 0, h).narrow(3, 0, w) + zeros


def reflect_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Extend ``image``, ``(B, C, h, w)``, as the function of this name beside ``SSIU`` does."""
    for dim in (2, 3):
        size = image.shape[dim]
        there_and_back = torch.full((), 2 * size - 2, device=image.device).clamp(min=1)  # 1 for a single pixel
        index = torch.arange((size + multiple - 1) // multiple * multiple, device=image.device) % there_and_back
        image = image.index_select(dim, torch.minimum(index, there_and_back - index))
    return image


def check_installation() -> None:
    """Everything that writing and checking a file needs is there.

    Raises:
        UserError: a package is missing, or torch is too old.
    """
    for module in ("onnx", "onnxscript", "onnxruntime"):
        require(module, "export", "export to ONNX")
    if torch.__version__ < OLDEST_TORCH:
        raise UserError(f"export to ONNX needs torch {OLDEST_TORCH} or newer, here is {torch.__version__}: update it")


def to_onnx(
    net: SSIU,
    *,
    opset: int,
    half: bool = False,
    static: tuple[int, int] | None = None,
    facts: Mapping[str, str] | None = None,
) -> bytes:
    """``net`` as one ONNX file with its weights in it: input ``lq``, output ``sr``, both float32.

    The same network, options and versions of torch and onnxscript give the same bytes.

    Args:
        net: on the CPU, in float32.
        opset: of ONNX, 17 to 23. The file gets the oldest IR version that goes with it.
        half: weights and feature maps in float16, see ``Exportable``.
        static: height and width of the only image that the file takes, one at a time. None: batch, height and width
            are open, from 1 up.
        facts: more to put into the file's metadata, beside ``description``.

    Raises:
        UserError: this torch does not write the opset.
    """
    import onnx
    import onnxscript

    asked = max(opset, OPSET_OF_TORCH)
    channels = net.head.weight.shape[1]
    program: Any = torch.onnx.export(
        Exportable(net, half=half),
        (torch.zeros(1, channels, *static) if static else torch.zeros(2, channels, 40, 56),),
        input_names=[INPUT],
        output_names=[OUTPUT],
        opset_version=asked,
        custom_translation_table={torch.ops.aten.gelu.default: _gelu} if opset < OPSET_OF_GELU else None,
        dynamic_shapes=None if static else (_open_dimensions(),),
        dynamo=True,
        verbose=False,
    )
    model = program.model_proto
    _remove_notes(model)
    written = {entry.domain: entry.version for entry in model.opset_import}[""]
    if written != asked:
        raise UserError(f"opset {opset}: torch {torch.__version__} writes {written} instead; ask for that one")
    if opset < OPSET_OF_TORCH:
        _lower(model, opset)
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)
    by = {"ssiu_arch": ssiu_arch, "torch": torch, "onnx": onnx, "onnxscript": onnxscript}
    versions = ", ".join(f"{name} {module.__version__}" for name, module in by.items())
    about = {**description(net, opset, half, static), "made_with": versions, **(facts or {})}
    onnx.helper.set_model_props(model, about)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def description(net: SSIU, opset: int, half: bool, static: tuple[int, int] | None) -> dict[str, str]:
    """What somebody who has only the file must know, under the names of its metadata."""
    channels, s = net.head.weight.shape[1], net.upscale
    colours = "RGB " if channels == 3 else ""
    batch, h, w = (1, *static) if static else ("batch", "height", "width")
    result = f"{s * static[0]}, {s * static[1]}" if static else f"{s}*height, {s}*width"
    return {
        "upscale": str(s),
        "input": f"{INPUT}: ({batch}, {channels}, {h}, {w}), {colours}in [0, 1], float32",
        "output": f"{OUTPUT}: ({batch}, {channels}, {result}), not clamped, float32",
        "sizes": f"{h}x{w} alone" if static else "any from 1x1",
        "precision": "fp16" if half else "fp32",
        "opset": str(opset),
    }


def _open_dimensions() -> dict[int, Any]:
    """Those of the input that the file leaves open.

    torch proves the shapes for more than one window a side; ONNX has no such bound, and ``parity`` runs smaller sizes.
    """
    least = 2 * SAM.window + 1
    return {0: Dim("batch"), 2: Dim("height", min=least), 3: Dim("width", min=least)}


def _gelu(x: Any, approximate: str = "none") -> Any:
    """GELU for the opsets without it, in the order of operations that ONNX Runtime replaces by its own GELU."""
    from onnxscript import opset18 as op

    like: Any = op.CastLike  # its type variables do not take the type of Constant
    root, one, half = (like(op.Constant(value_float=value), x) for value in (2**0.5, 1.0, 0.5))
    return op.Mul(op.Mul(x, op.Add(op.Erf(op.Div(x, root)), one)), half)


def _lower(model: Any, opset: int) -> None:
    """Declare opset 17 for a model of opset 18, in place: without attributes that only repeat what 17 always does.

    onnx's own version converter knows no way back from 18.
    """
    for node in model.graph.node:
        kept = [attribute for attribute in node.attribute if attribute.name not in NEW_IN_18.get(node.op_type, ())]
        del node.attribute[:]
        node.attribute.extend(kept)
    (declared,) = (entry for entry in model.opset_import if not entry.domain)
    declared.version = opset


def _remove_notes(model: Any) -> None:
    """Remove what the exporter notes on nodes and values: a quarter of the file, with paths of this machine."""
    graph = model.graph
    holders: Iterable[Any] = [model, graph]
    for holder in (*holders, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        holder.ClearField("metadata_props")
        holder.ClearField("doc_string")
