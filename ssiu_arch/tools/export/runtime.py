"""ONNX Runtime on the CPU."""

from collections.abc import Callable

import torch
from torch import Tensor

from ssiu_arch.tools.export.to_onnx import INPUT
from ssiu_arch.utils.errors import UserError

NO_MEMORY = ("Failed to allocate memory", "bad_alloc", "bad allocation")  # ONNX Runtime's words
ERRORS = 3  # ONNX Runtime's level of severity: what fails is raised, warnings are about its own optimisations


def opened(model: bytes, threads: int) -> Callable[[Tensor], Tensor]:
    """What runs an exported file: ``(B, C, h, w)`` to ``(B, C, s*h, s*w)``, float32, on the CPU.

    Args:
        model: the file's bytes.
        threads: of the CPU.

    Raises:
        UserError: this ONNX Runtime does not take it. What is returned raises MemoryError for an image too large.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = ERRORS
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # a type of its own for every reason
        said = f"onnxruntime {onnxruntime.__version__} does not take the exported file"
        raise UserError(f"{said}: update it, or try an older --opset ({error})") from error

    def run(y: Tensor) -> Tensor:
        try:
            (x,) = session.run(None, {INPUT: y.numpy()})
        except Exception as error:  # types of its own again
            if any(sign in str(error) for sign in NO_MEMORY):
                raise MemoryError(str(error)) from error
            raise
        return torch.from_numpy(x)

    return run
