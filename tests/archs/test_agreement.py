"""Agreement with the authors' implementation, on reference vectors that come with the tests.

``tests/golden`` holds a network of 16 features and 3 stages in the released checkpoint format, with random weights, and
what the released code computes with it: outputs at two sizes, losses, and the gradient norm of every parameter under
L1 + 0.01 FFT-L1. Bars: 1e-5 absolute for outputs, 1e-4 relative for gradients.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ssiu_arch import SSIU, fft_l1, fuse, load
from ssiu_arch.archs.ssiu_arch import rename_released

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(params=[2, 3, 4], ids="x{}".format)
def reference(request):
    """A network with the reference weights, and the reference vectors."""
    net = SSIU(request.param, num_feat=16, num_block=3)
    held = torch.load(GOLDEN / f"released_format_small_x{request.param}.pt", weights_only=True)
    net.load_state_dict(held["model_state_dict"])
    with np.load(GOLDEN / f"vectors_small_x{request.param}.npz") as vectors:
        return net, {name: torch.from_numpy(vectors[name]) for name in vectors.files}


@pytest.mark.parametrize("optimised", [False, True], ids=["eager", "fused"])
def test_outputs(reference, optimised):
    net, vectors = reference
    run = fuse(net) if optimised else net.eval()
    for size in ("17x23", "9x16"):
        with torch.no_grad():
            torch.testing.assert_close(run(vectors[f"input_{size}"]), vectors[f"output_{size}"], rtol=0, atol=1e-5)


def test_losses_and_gradients(reference):
    net, vectors = reference
    output = net(vectors["train_input"])
    l1, fft = F.l1_loss(output, vectors["train_gt"]), fft_l1(output, vectors["train_gt"])
    torch.testing.assert_close(l1, vectors["train_l1"].to(l1), rtol=1e-5, atol=0)
    torch.testing.assert_close(fft, vectors["train_fft"].to(fft), rtol=1e-5, atol=0)

    (l1 + 0.01 * fft).backward()
    start = "gradnorm_"
    expected = {name.removeprefix(start): value for name, value in vectors.items() if name.startswith(start)}
    norms = _released(net, expected)
    assert len(norms) == len(expected)
    for name, value in expected.items():
        torch.testing.assert_close(norms[name], value.to(norms[name]), rtol=1e-4, atol=1e-9, msg=name)


def test_load_reads_options_from_the_file(reference):
    net, vectors = reference
    loaded = load(GOLDEN / f"released_format_small_x{net.upscale}.pt")
    with torch.no_grad():
        torch.testing.assert_close(loaded(vectors["input_9x16"]), vectors["output_9x16"], rtol=0, atol=1e-5)


def _released(net, names):
    """The gradient norm of every parameter, by its name in the released file."""
    theirs = {name: name for name in names}
    rename_released(theirs)  # now by our names
    return {theirs[ours]: parameter.grad.norm() for ours, parameter in net.named_parameters()}
