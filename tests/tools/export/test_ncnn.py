"""The example of the page for ncnn: it computes what the network does, in arrays of four axes at most."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ssiu_arch.archs.ssiu_arch import SAM, SSIU, MoEFS


@pytest.fixture
def example(net, page, tmp_path, monkeypatch):
    """The names that the first part of the example defines, and the code of its second part."""
    for part in (SAM, MoEFS, SSIU):  # the example replaces these
        monkeypatch.setattr(part, "forward", part.forward)
    monkeypatch.chdir(tmp_path)
    torch.save({"params": net.state_dict()}, "net_g_latest.pth")
    rewritten, converted = page("ncnn")
    names = {}
    exec(rewritten, names)
    return names, converted


class Axes(TorchDispatchMode):
    """Notes how many axes results have at most."""

    most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.most = max(self.most, result.ndim)
        return result


@torch.no_grad()
def test_it_computes_what_the_network_does_in_four_axes(net, request):
    y = torch.rand(1, 3, 48, 32)
    with Axes() as before:
        expected = net(y)
    names, _ = request.getfixturevalue("example")
    with Axes() as after:
        found = names["net"](y)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert after.most == 4 < before.most


def test_ncnn_gives_torchs_result(net, request):
    for package in ("ncnn", "pnnx"):
        pytest.importorskip(package, reason=f"{package} is not installed: no test of the conversion to ncnn")
    y = torch.rand(1, 3, 41, 50)  # padded to 48x64
    expected = net(y)[0].detach().numpy()
    names, converted = request.getfixturevalue("example")
    names["lq"] = y.numpy()
    exec(converted, names)
    assert names["sr"].shape == expected.shape
    assert np.abs(names["sr"] - expected).max() < 1e-4 * max(1, np.abs(expected).max())
