"""An SSIU as the bytes of an ONNX file."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.export import Dim

import ssiu_arch
from ssiu_arch.archs.ssiu_arch import SAM, SSIU
from ssiu_arch.tools.export.exportable import Exportable
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.extras import require

INPUT, OUTPUT = "lq", "sr"
OLDEST_TORCH = "2.9"


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
        opset: of ONNX; torch writes none below 18.
        half: weights and feature maps in float16, see ``Exportable``.
        static: height and width of the only image that the file takes, one at a time. None: batch, height and width
            are open, from 1 up.
        facts: more to put into the file's metadata, beside ``description``.

    Raises:
        UserError: this torch does not write the opset.
    """
    import onnx
    import onnxscript

    channels = net.head.weight.shape[1]
    program: Any = torch.onnx.export(
        Exportable(net, half=half),
        (torch.zeros(1, channels, *static) if static else torch.zeros(2, channels, 40, 56),),
        input_names=[INPUT],
        output_names=[OUTPUT],
        opset_version=opset,
        dynamic_shapes=None if static else (_open_dimensions(),),
        dynamo=True,
        verbose=False,
    )
    model = program.model_proto
    _remove_notes(model)
    written = {entry.domain: entry.version for entry in model.opset_import}[""]
    if written != opset:
        raise UserError(f"opset {opset}: torch {torch.__version__} writes {written} instead; ask for that one")
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


def _remove_notes(model: Any) -> None:
    """Remove what the exporter notes on nodes and values: a quarter of the file, with paths of this machine."""
    graph = model.graph
    holders: Iterable[Any] = [model, graph]
    for holder in (*holders, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        holder.ClearField("metadata_props")
        holder.ClearField("doc_string")
