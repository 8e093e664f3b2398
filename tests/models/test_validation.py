"""What ``SSIUModel`` validates by: the optimised form of SSIU, tiles, or the network itself."""

from types import SimpleNamespace

import pytest
import torch
from basicsr.archs.srresnet_arch import MSRResNet

from ssiu_arch import SSIU
from ssiu_arch.inference import FusedSSIU, fuse
from ssiu_arch.models.ssiu_model import SSIUModel, Validator


@pytest.fixture
def net(sine_weights):
    return sine_weights(SSIU(2, num_feat=16, num_block=3))


@pytest.fixture
def y():
    return torch.rand(1, 3, 40, 24, generator=torch.Generator().manual_seed(0))


def test_ssiu_by_its_fast_form(net, y):
    validator = Validator({}, 2)
    run = validator.prepare(net)
    assert isinstance(validator.fused, FusedSSIU)
    with torch.no_grad():
        torch.testing.assert_close(run(y), net(y), atol=1e-5, rtol=1e-5)


def test_the_form_stays_and_takes_over_new_weights(net, y):
    validation = Validator({}, 2)
    run, first = validation.prepare(net), validation.fused
    for parameter in net.parameters():
        parameter.data *= 1.1
    assert torch.equal(validation.prepare(net)(y), fuse(net)(y))
    assert validation.fused is first
    assert torch.equal(run(y), fuse(net)(y))


def test_options_reach_the_fast_form(net, monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda function, **options: asked.append(options) or function)
    validator = Validator({"precision": "bf16", "compile": True, "cuda_graphs": True}, 2)
    validator.prepare(net)
    assert validator.fused.parts.head.weight.dtype == torch.bfloat16
    assert validator.fused.compiles
    assert asked == [{"mode": "reduce-overhead"}]


@pytest.mark.parametrize("other", [MSRResNet(3, 3, 8, 1, 2), "ssiu with fast: false"])
def test_other_networks_run_themselves(net, other):
    other = net if isinstance(other, str) else other
    assert Validator({"fast": False} if other is net else {}, 2).prepare(other) is other


def test_tiles_of_any_network(y):
    net, sizes = MSRResNet(3, 3, 8, 1, 2).eval(), set()
    net.register_forward_hook(lambda module, inputs, output: sizes.add(inputs[0].shape[2:]))
    with torch.no_grad():
        found = Validator({"tile": 32, "tile_overlap": 8}, 2).prepare(net)(y)
        assert max(sizes) == (32, 24)
        assert (found - net(y)).abs().max() < 0.02  # not exact


def test_tiles_by_the_options(net):
    run = Validator({"tile": 32, "tile_overlap": 8}, 2).prepare(net)
    assert run.keywords == {"upscale": 2, "tile": 32, "overlap": 8}


class TestModel:
    """In ``SSIUModel``'s own validation, of two images."""

    @pytest.fixture
    def model(self, net):
        model = SSIUModel.__new__(SSIUModel)
        model.opt = {"val": {}, "scale": 2, "is_train": False, "name": "test", "rank": 0, "dist": False}
        model.is_train, model.device, model.net_g = False, torch.device("cpu"), net
        return model

    def validate(self, model, y, images=2):
        dataset = SimpleNamespace(opt={"name": "Set"})

        class Loader(list):
            pass

        loader = Loader([{"lq": y, "lq_path": ["image.png"]}] * images)
        loader.dataset = dataset
        outputs = []
        visuals = model.get_current_visuals

        def note():
            outputs.append(model.output.clone())  # BasicSR clamps it in place
            return visuals()

        model.get_current_visuals = note
        model.nondist_validation(loader, 0, None, save_img=False)
        return outputs

    def test_the_network_itself_runs_on_the_small_image_of_the_comparison_alone(self, model, net, y, monkeypatch):
        with torch.no_grad():
            expected = net(y)
        sizes, forward = [], SSIU.forward
        monkeypatch.setattr(SSIU, "forward", lambda self, y: (sizes.append(y.shape), forward(self, y))[1])
        outputs = self.validate(model, y)
        assert len(outputs) == 2
        assert len(sizes) == 1
        assert sizes[0].numel() < y.numel()
        for output in outputs:
            torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)

    def test_weights_are_taken_over_once_a_validation(self, model, net, y, monkeypatch):
        self.validate(model, y)
        taken, refresh = [], FusedSSIU.refresh
        monkeypatch.setattr(FusedSSIU, "refresh", lambda self, net: (taken.append(net), refresh(self, net)))
        net.head.weight.data *= 2
        outputs = self.validate(model, y, images=3)
        assert taken == [net]
        assert torch.equal(outputs[-1], fuse(net)(y))

    def test_the_moving_average_is_what_is_validated(self, model, net, y, sine_weights):
        model.net_g_ema = sine_weights(SSIU(2, num_feat=16, num_block=3))
        model.net_g_ema.head.weight.data *= 2
        assert torch.equal(self.validate(model, y)[0], fuse(model.net_g_ema)(y))

    def test_a_call_of_test_alone_has_the_weights_of_now(self, model, net, y):
        self.validate(model, y)
        net.head.weight.data *= 2
        model.lq = y
        model.test()
        assert torch.equal(model.output, fuse(net)(y))

    def test_a_validation_that_fails_leaves_nothing_behind(self, model, y):
        with pytest.raises(ValueError, match="must be"):
            self.validate(model, y[:, :2])
        assert model.validation_forward is None

    def test_tiles_of_the_models_scale(self, model, y):
        model.opt["val"]["tile"] = 32
        assert self.validate(model, y)[0].shape[2:] == (80, 48)

    def test_another_network_runs_in_eval_mode_and_trains_on(self, model, y):
        model.net_g, modes = MSRResNet(3, 3, 8, 1, 2).train(), []
        model.net_g.register_forward_hook(lambda module, *_: modes.append(module.training))
        self.validate(model, y)
        assert set(modes) == {False}
        assert model.net_g.training
        with pytest.raises(RuntimeError):
            self.validate(model, y[:, :2])
        assert model.net_g.training
