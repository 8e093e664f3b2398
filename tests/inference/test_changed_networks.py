"""A changed SSIU: what was trained is what is validated and upscaled, never the published formula in its place."""

import logging

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from basicsr.utils import get_root_logger
from torch import nn

from ssiu_arch import SSIU, fuse
from ssiu_arch.archs.ssiu_arch import MSGM, SSReM
from ssiu_arch.inference import Upscaler
from ssiu_arch.inference.fused import NotReproduced
from ssiu_arch.models.ssiu_model import Validator

TINY = {"upscale": 2, "num_feat": 16, "num_block": 3}


class OtherUnfold(SSIU):
    def unfold(self, f_y):
        return super().unfold(f_y) + f_y


class OtherForward(SSIU):
    def forward(self, y):
        return super().forward(y) + 0.1


class Lora(nn.Module):
    """A frozen 1x1 convolution plus a trained product of low rank."""

    def __init__(self, conv):
        super().__init__()
        self.conv, self.weight, self.bias = conv, conv.weight, conv.bias
        self.down, self.up = nn.Conv2d(16, 2, 1, bias=False), nn.Conv2d(2, 16, 1, bias=False)

    def forward(self, x):
        return self.conv(x) + self.up(self.down(x))


class OtherStage(SSReM):
    def forward(self, alpha, f_y):
        return super().forward(alpha, f_y) + alpha


def replaced(where, make):
    def change(net):
        parent, _, name = where.rpartition(".")
        setattr(net.get_submodule(parent), name, make(net.get_submodule(where)))
        return net

    return change


def other_class(where, kind):
    def change(net):
        net.get_submodule(where).__class__ = kind
        return net

    return change


class ReluGate(MSGM):
    def forward(self, x):
        return self.wo(F.relu(self.w1(x)) * self.w4(self.dw(self.w3(x))))


def hooked(net):
    net.stages[1].register_forward_hook(lambda module, inputs, output: 0.5 * output)
    return net


def hooked_for_one_size(net):
    net.register_forward_hook(lambda module, inputs, output: output * (1 - 0.5 * (inputs[0].shape[3] == 13)))
    return net


def input_hooked(net):
    net.register_forward_pre_hook(lambda module, inputs: (1 - inputs[0],))
    return net


def own_forward(net):
    net.tail.forward = lambda f: nn.Sequential.forward(net.tail, f) * 2
    return net


def zero_padded(net):
    net.stages[0].sparsity.dw.padding_mode = "zeros"
    return net


def without_scale(net):
    net.stages[0].norm.forward = lambda x: x
    return net


CHANGES = {
    "unfold of a subclass": lambda net: OtherUnfold(**TINY),
    "forward of a subclass": lambda net: OtherForward(**TINY),
    "a stage of a subclass": other_class("stages.1", OtherStage),
    "another activation": other_class("stages.0.sparsity", ReluGate),
    "attention replaced": replaced("stages.0.attention", lambda old: nn.Conv2d(16, 16, 3, padding=1)),
    "attention left out": replaced("stages.2.attention", lambda old: nn.Identity()),
    "activation of the tail": replaced("tail.2", lambda old: nn.ReLU()),
    "a layer more in the tail": lambda net: replaced("tail", lambda old: nn.Sequential(*old, nn.Tanh()))(net),
    "LoRA": replaced("stages.0.ffn.wo", Lora),
    "a forward hook": hooked,
    "a hook on the input": input_hooked,
    "a hook for one size": hooked_for_one_size,
    "a forward of an instance": own_forward,
    "other padding": zero_padded,
    "a norm switched off": without_scale,
    "a wider kernel": replaced("stages.0.ffn.dw", lambda old: nn.Conv2d(16, 16, 5, padding=2, groups=16)),
}


@pytest.fixture(autouse=True)
def log_reaches_caplog(monkeypatch):
    monkeypatch.setattr(get_root_logger(), "propagate", True)


@pytest.fixture(params=CHANGES.values(), ids=CHANGES.keys())
def changed(request):
    torch.manual_seed(0)
    return request.param(SSIU(**TINY)).eval()


def test_it_has_no_optimised_form(changed):
    with pytest.raises(NotReproduced, match=type(changed).__name__):
        fuse(changed)


def test_validation_runs_the_network_itself(changed, caplog):
    y = torch.rand(1, 3, 11, 13)
    validator = Validator({}, 2)
    with torch.no_grad(), caplog.at_level(logging.WARNING, "basicsr"):
        for _ in range(2):
            assert torch.equal(validator.prepare(changed)(y), changed(y))
    assert [record.message.split(":")[0] for record in caplog.records] == ["val.fast"]


def test_upscaling_runs_the_network_itself(changed):
    image = np.random.default_rng(0).random((11, 13, 3), dtype=np.float32)
    with torch.no_grad():
        expected = changed(torch.from_numpy(image.transpose(2, 0, 1))[None])[0].clamp(0, 1)
    assert np.array_equal(Upscaler(changed)(image), expected.permute(1, 2, 0).numpy())
    with pytest.raises(ValueError, match=r"precision.*fp32"):
        Upscaler(changed, precision="bf16")


def test_a_network_in_half_precision_runs_in_it():
    torch.manual_seed(0)
    net = SSIU(**TINY).eval().half()
    image = np.random.default_rng(0).random((11, 13, 3), dtype=np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(image.transpose(2, 0, 1))[None].half())[0].float().clamp(0, 1)
    assert np.array_equal(Upscaler(net)(image), expected.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
def test_a_parametrized_network_keeps_its_optimised_form(kind):
    """The weights are those that the parametrization computes."""
    net = SSIU(**TINY)
    getattr(nn.utils.parametrizations, kind)(net.stages[0].ffn.wo)
    net.eval()
    y = torch.rand(1, 3, 11, 13)
    with torch.no_grad():
        torch.testing.assert_close(fuse(net)(y), net(y), rtol=0, atol=1e-5)


def test_a_network_changed_during_training_is_noticed():
    net, validator, y = SSIU(**TINY).eval(), Validator({}, 2), torch.rand(1, 3, 11, 13)
    validator.prepare(net)
    net.stages[0].__class__ = OtherStage
    with torch.no_grad():
        assert torch.equal(validator.prepare(net)(y), net(y))


def test_an_error_of_the_optimised_form_does_not_end_a_training(monkeypatch, caplog):
    net, validator, y = SSIU(**TINY).eval(), Validator({}, 2), torch.rand(1, 3, 11, 13)
    run = validator.prepare(net)
    monkeypatch.setattr("ssiu_arch.inference.fused.FusedSSIU.forward", lambda self, y: 1 / 0)
    with torch.no_grad(), caplog.at_level(logging.WARNING, "basicsr"):
        assert torch.equal(run(y), net(y))
    assert "ZeroDivisionError" in caplog.text


def test_the_comparison_leaves_mode_and_random_numbers_alone():
    net = SSIU(**TINY)
    net.stages[0].eval()
    before = [module.training for module in net.modules()], torch.get_rng_state()
    fuse(net)
    assert [module.training for module in net.modules()] == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_not_called_a_change(value):
    net = SSIU(**TINY)
    net.tail[-1].bias.data[0] = value
    fuse(net)
