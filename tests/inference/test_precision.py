import pytest
import torch

from ssiu_arch.inference.precision import tf32

CUDA = torch.device("cuda")

RUN = """
import torch
torch.{setting}
from ssiu_arch import SSIU, fuse
print(fuse(SSIU(2, num_feat=8, num_block=3))(torch.rand(1, 3, 16, 16)).shape)
"""


def switches():
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        return [torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision]
    return [torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32]


@pytest.mark.parametrize("allowed", [True, False])
def test_holds_inside_alone(allowed):
    before = switches()
    with tf32(CUDA, allowed):
        assert set(switches()) == ({"tf32"} if allowed else {"ieee"}) or set(switches()) == {allowed}
    assert switches() == before


def test_switches_are_restored_after_an_error():
    before = switches()
    for allowed in (True, False):
        with pytest.raises(KeyError), tf32(CUDA, allowed):
            raise KeyError
    assert switches() == before


def test_on_a_cpu_they_are_left_alone():
    before = switches()
    with tf32(torch.device("cpu"), True):
        assert switches() == before


@pytest.mark.parametrize(
    "setting",
    [
        "set_float32_matmul_precision('medium')",
        "backends.cuda.matmul.allow_tf32 = True",
        "backends.cuda.matmul.fp32_precision = 'tf32'",
        "backends.cudnn.conv.fp32_precision = 'ieee'",
    ],
)
def test_by_whichever_switch_the_user_has_chosen(python, tmp_path, setting):
    if "fp32_precision" in setting and not hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        pytest.skip(f"torch {torch.__version__} has no {setting}")
    done = python("-c", RUN.format(setting=setting), cwd=tmp_path)
    assert done.stdout == "torch.Size([1, 3, 32, 32])\n", done.stderr


def test_importable_first(python, tmp_path):
    """Before anything else that brings BasicSR."""
    for name in ("ssiu_arch import fuse", "ssiu_arch.inference import tiled", "ssiu_arch.inference.tiles import tiled"):
        done = python("-c", f"from {name}; print('there')", cwd=tmp_path)
        assert done.stdout == "there\n", done.stderr
