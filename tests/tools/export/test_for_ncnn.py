"""The form for ncnn is the network, and ncnn computes what the network does, converted by pnnx."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ssiu_arch.tools.export.for_ncnn import ForNcnn


@pytest.mark.parametrize("size", [(16, 16), (48, 32)])
@torch.no_grad()
def test_it_computes_what_the_network_does(net, plain_net, size):
    y = torch.rand(1, 3, *size)
    for each in (net, plain_net):
        torch.testing.assert_close(ForNcnn(each)(y), each(y), atol=1e-5, rtol=0)


class Axes(TorchDispatchMode):
    """Notes how many axes results have at most."""

    most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.most = max(self.most, result.ndim)
        return result


@torch.no_grad()
def test_no_array_has_more_than_four_axes(net):
    y = torch.rand(1, 3, 16, 32)
    with Axes() as here:
        ForNcnn(net)(y)
    with Axes() as there:
        net(y)
    assert here.most == 4 < there.most


def test_the_example_of_the_page_gives_torchs_result(net, page, tmp_path, monkeypatch):
    for package in ("ncnn", "pnnx"):
        pytest.importorskip(package, reason=f"{package} is not installed: no test of the conversion to ncnn")
    monkeypatch.chdir(tmp_path)
    torch.save({"params": net.state_dict()}, "net_g_latest.pth")
    y = torch.rand(1, 3, 41, 50)  # padded to 48x64
    names = {"lq": y.numpy()}
    exec(*page("ncnn"), names)
    expected = net(y)[0].detach().numpy()
    assert names["sr"].shape == expected.shape
    assert np.abs(names["sr"] - expected).max() < 1e-4 * max(1, np.abs(expected).max())
