"""With the stock ``SRModel``."""

import os

import pytest
import torch
from basicsr.models.sr_model import SRModel

from ssiu_arch.utils.errors import UserError

NETWORK = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "upscale": 2}


@pytest.fixture
def model(tmp_path):
    def make(held, **path):
        torch.save(held, tmp_path / "w.pth")
        path = {"pretrain_network_g": str(tmp_path / "w.pth"), **path}
        train = {"ema_decay": 0.5, "pixel_opt": {"type": "L1Loss"}, "optim_g": {"type": "Adam", "lr": 0.1}}
        train["scheduler"] = {"type": "MultiStepLR", "milestones": [5]}
        return SRModel(
            {"num_gpu": 0, "dist": False, "is_train": True, "network_g": NETWORK, "path": path, "train": train}
        )

    return make


@pytest.fixture(scope="module")
def weights():
    from basicsr.archs.edsr_arch import EDSR

    return EDSR(**{name: value for name, value in NETWORK.items() if name != "type"}).state_dict()


def average(model):
    return model.net_g_ema.state_dict()["conv_first.weight"]


@pytest.mark.parametrize(("key", "wrap"), [(None, dict), ("mine", lambda weights: {"mine": weights, "epoch": 3})])
def test_the_average_starts_from_the_key_that_is_named(model, weights, key, wrap):
    assert torch.equal(average(model(wrap(weights), param_key_g=key)), weights["conv_first.weight"])


def test_basicsrs_own_files_are_loaded_as_before(model, weights):
    other = {name: value + 1 for name, value in weights.items()}
    assert torch.equal(average(model({"params": weights, "params_ema": other})), other["conv_first.weight"])
    assert torch.equal(average(model({"params": weights})), weights["conv_first.weight"])


class Evil:  # pickles as a call
    def __reduce__(self):
        return os.system, ("touch evil",)


def test_code_in_weights_is_not_run_with_any_torch(model, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *args, **how: load(*args, **{"weights_only": False, **how}))
    with pytest.raises(UserError, match="Python objects"):
        model({"params": weights, "x": Evil()})
    assert not (tmp_path / "evil").exists()
