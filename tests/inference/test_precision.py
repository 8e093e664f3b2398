import os
import threading

import pytest
import torch

from ssiu_arch.inference.precision import tf32

CUDA = torch.device("cuda")

SETTINGS = [
    "set_float32_matmul_precision('medium')",
    "backends.cuda.matmul.allow_tf32 = True",
    "backends.cuda.matmul.fp32_precision = 'tf32'",
    "backends.cudnn.conv.fp32_precision = 'ieee'",
]
RUN = """
import os, sys, torch
from ssiu_arch import SSIU, fuse

for setting in sys.argv[1:]:  # in a child each: torch refuses to mix them
    child = os.fork()
    if child == 0:
        exec(f"torch.{setting}")
        print(fuse(SSIU(2, num_feat=8, num_block=3))(torch.rand(1, 3, 16, 16)).shape, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
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


def test_threads_wait_for_each_other_and_contexts_of_one_nest():
    before, held, released = switches(), threading.Event(), threading.Event()
    seen = []

    def other():
        held.wait()
        with tf32(CUDA, False):
            seen.append((released.is_set(), set(switches())))

    thread = threading.Thread(target=other)
    thread.start()
    with tf32(CUDA, True):
        inside = switches()
        held.set()
        with tf32(CUDA, False):
            thread.join(0.2)
        assert switches() == inside
        assert not seen
        released.set()
    thread.join()
    assert seen[0][0]
    assert seen[0][1] in ({"ieee"}, {False})
    assert switches() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_by_whichever_switch_the_user_has_chosen(python, tmp_path):
    new = hasattr(torch.backends.cuda.matmul, "fp32_precision")
    settings = [setting for setting in SETTINGS if new or "fp32_precision" not in setting]
    done = python("-c", RUN, *settings, cwd=tmp_path)
    assert done.stdout.splitlines() == ["torch.Size([1, 3, 32, 32])"] * len(settings), done.stderr


def test_importable_first(python, tmp_path):
    """Before anything else of the package."""
    done = python("-c", "from ssiu_arch.inference.tiles import tiled; print('done')", cwd=tmp_path)
    assert done.stdout == "done\n", done.stderr
