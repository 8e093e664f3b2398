"""What may change when a training is made faster, and what may not."""

import copy

import pytest
import torch
from torch import nn

from ssiu_arch.archs.ssiu_arch import SSIU, SSReM
from ssiu_arch.models import acceleration
from ssiu_arch.utils.errors import UserError


def tiny():
    torch.manual_seed(0)
    return SSIU(2, num_feat=16, num_block=3)


def gradients(net, image):
    net.zero_grad()
    net(image).square().mean().backward()
    return {name: parameter.grad.clone() for name, parameter in net.named_parameters()}


@pytest.fixture
def image():
    return torch.rand(2, 3, 17, 23, generator=torch.Generator().manual_seed(1))


class TestPrecision:
    @pytest.mark.parametrize("precision", ["fp32", "tf32"])
    def test_products_and_convolutions_are_alike(self, tf32_allowed, precision):
        for before in (True, False):
            acceleration.set_precision("tf32" if before else "fp32")
            acceleration.set_precision(precision)
            assert tf32_allowed() == [precision == "tf32"] * 2

    @pytest.mark.parametrize("precision", [None, "bf16"])
    def test_others_leave_the_switches_alone(self, tf32_allowed, precision):
        for before in (True, False):
            acceleration.set_precision("tf32" if before else "fp32")
            acceleration.set_precision(precision)
            assert tf32_allowed() == [before] * 2

    @pytest.mark.parametrize("precision", ["fp32", "tf32"])
    def test_the_older_interface_which_torch_export_reads_agrees(self, precision):
        acceleration.set_precision(precision)
        assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == (precision == "tf32")
        assert torch.get_float32_matmul_precision() == ("high" if precision == "tf32" else "highest")

    def test_there_is_no_fp8(self):
        with pytest.raises(ValueError, match=r"precision \('fp8'\) must be one of fp32, tf32, bf16"):
            acceleration.set_precision("fp8")

    @pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("tf32", torch.float32)])
    def test_bf16_is_the_networks_own_type_within_autocast(self, precision, dtype):
        with acceleration.autocast(torch.device("cpu"), precision):
            assert nn.Conv2d(3, 3, 1)(torch.rand(1, 3, 2, 2)).dtype == dtype


class TestCheckpointing:
    def test_gradients_are_the_same(self, image):
        net = tiny()
        expected = gradients(net, image)
        found = gradients(acceleration.prepare(net, {"checkpointing": True}), image)
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, atol=1e-7, rtol=1e-6, msg=name)

    def test_fewer_bytes_are_kept_for_the_backward_pass(self, image):
        def kept(net):
            sizes = {}

            def pack(tensor):
                storage = tensor.untyped_storage()
                sizes[storage.data_ptr()] = storage.nbytes()
                return tensor

            with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
                net(image)
            return sum(sizes.values())

        assert kept(acceleration.prepare(tiny(), {"checkpointing": True})) < kept(tiny()) / 2

    def test_names_and_classes_stay(self):
        net = acceleration.prepare(tiny(), {"checkpointing": True})
        assert list(net.state_dict()) == list(tiny().state_dict())
        assert all(isinstance(stage, SSReM) for stage in net.stages)
        assert "SSReM(" in str(net)

    def test_a_copy_has_stages_of_its_own(self, image):
        net = acceleration.prepare(tiny(), {"checkpointing": True})
        other = copy.deepcopy(net)
        before = other(image)
        nn.init.zeros_(net.stages[0].ffn.wo.weight)
        torch.testing.assert_close(other(image), before, atol=0, rtol=0)
        assert not torch.equal(net(image), before)

    def test_without_gradients_a_stage_runs_as_ever(self, image, monkeypatch):
        net = acceleration.prepare(tiny(), {"checkpointing": True})
        monkeypatch.setattr(
            acceleration, "checkpoint", lambda *args, **options: pytest.fail("a checkpoint for nothing")
        )
        with torch.no_grad():
            net(image)

    def test_any_network_with_stages_will_do(self):
        class Other(nn.Module):
            def __init__(self):
                super().__init__()
                self.stages = nn.ModuleList([nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout(0.5))])

            def forward(self, image):
                return self.stages[0](image)

        net, image = Other(), torch.rand(1, 3, 8, 8)
        torch.manual_seed(3)
        expected = gradients(net, image)
        torch.manual_seed(3)  # the second pass drops what the first one dropped
        assert all(map(torch.equal, gradients(acceleration.prepare(net, {"checkpointing": True}), image).values(),
                       expected.values()))  # fmt: skip

    def test_without_stages_is_said_in_one_line(self):
        with pytest.raises(
            UserError, match=r"^train.checkpointing \(true\): Conv2d has no list of modules named stages"
        ):
            acceleration.prepare(nn.Conv2d(3, 3, 1), {"checkpointing": True})


class TestChannelsLast:
    def test_weights_change_their_place_and_not_their_values(self, image):
        net = acceleration.prepare(tiny(), {"channels_last": True})
        assert net.head.weight.is_contiguous(memory_format=torch.channels_last)
        for (name, expected), found in zip(tiny().state_dict().items(), net.state_dict().values(), strict=True):
            torch.testing.assert_close(found, expected, atol=0, rtol=0, msg=name)
        torch.testing.assert_close(net(image.to(memory_format=torch.channels_last)), tiny()(image), atol=1e-5, rtol=0)

    def test_images_follow(self):
        assert acceleration.memory_format({"channels_last": True}) == torch.channels_last
        assert (
            acceleration.memory_format({})
            == acceleration.memory_format({"channels_last": False})
            == torch.preserve_format
        )


class TestCompile:
    def test_true_is_for_one_size(self, monkeypatch):
        asked = {}
        monkeypatch.setattr(torch, "compile", lambda net, **options: asked.update(options) or net)
        acceleration.prepare(tiny(), {"compile": True})
        assert asked == {"dynamic": False}
        acceleration.prepare(tiny(), {"compile": {"mode": "max-autotune", "dynamic": True}})
        assert asked == {"dynamic": True, "mode": "max-autotune"}

    def test_false_is_none(self):
        net = tiny()
        assert acceleration.prepare(net, {"compile": False}) is net

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"backend": "inductress"}, "Invalid backend: 'inductress'"),
            ({"mode": "fast"}, "Unrecognized mode=fast"),
            ({"modes": "default"}, "unexpected keyword argument 'modes'"),
        ],
    )
    def test_what_torch_does_not_know_is_said_before(self, options, said):
        with pytest.raises(UserError, match=rf"^train.compile: .*{said}"):
            acceleration.prepare(tiny(), {"compile": options})
