import pytest
import torch
from basicsr.models.base_model import BaseModel

from ssiu_arch.weights import read_state_dict


class Compiled(torch.nn.Module):
    """As ``torch.compile`` wraps a network."""

    def __init__(self, net):
        super().__init__()
        self._orig_mod = net


@pytest.fixture
def model(tmp_path):
    return BaseModel({"num_gpu": 0, "is_train": True, "dist": False, "path": {"models": str(tmp_path)}})


def test_torch_compile_wraps_like_this():
    net = torch.nn.Linear(2, 2)
    assert torch.compile(net)._orig_mod is net


@pytest.mark.parametrize("wrap", [Compiled, lambda net: Compiled(torch.nn.DataParallel(net)),
                                  lambda net: torch.nn.DataParallel(Compiled(net))])  # fmt: skip
def test_names_are_those_of_the_network(model, tmp_path, wrap):
    net = torch.nn.Linear(2, 2)
    model.save_network(wrap(net), "net_g", 1)
    held = torch.load(tmp_path / "net_g_1.pth")["params"]
    assert list(held) == ["weight", "bias"]
    again = torch.nn.Linear(2, 2)
    model.load_network(wrap(again), str(tmp_path / "net_g_1.pth"))
    assert torch.equal(again.weight, net.weight)


def test_the_moving_average_of_a_compiled_network(model):
    model.net_g, model.net_g_ema = Compiled(torch.nn.Linear(2, 2)), torch.nn.Linear(2, 2)
    model.model_ema(0)
    assert torch.equal(model.net_g_ema.weight, model.net_g._orig_mod.weight)


def test_files_that_were_saved_under_the_other_names(model, tmp_path):
    weights = torch.nn.Linear(2, 2).state_dict()
    torch.save({"params": {f"_orig_mod.{name}": value for name, value in weights.items()}}, tmp_path / "old.pth")
    net = torch.nn.Linear(2, 2)
    model.load_network(net, str(tmp_path / "old.pth"))
    assert torch.equal(net.weight, weights["weight"])
    assert read_state_dict(tmp_path / "old.pth", "params").keys() == weights.keys()
