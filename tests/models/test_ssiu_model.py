"""``SSIUModel``: what one iteration does, which optimisers there are, what validation measures."""

import copy
import logging

import pytest
import torch
import torch.nn.functional as F
from basicsr.models import build_model

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.losses.fft_loss import fft_l1

NETWORK = {"type": "SSIU", "upscale": 2, "num_feat": 16, "num_block": 3}
TRAIN = {
    "optim_g": {"type": "AdamW", "lr": 1e-2, "weight_decay": 0.1, "betas": [0.9, 0.99]},
    "scheduler": {"type": "CosineAnnealingRestartLR", "periods": [10], "restart_weights": [1], "eta_min": 1e-6},
    "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
    "fft_opt": {"type": "FFTL1Loss", "loss_weight": 0.01, "reduction": "mean"},
}


@pytest.fixture
def build():
    def model(path=None, val=None, **train):
        torch.manual_seed(0)
        train = {key: value for key, value in {**copy.deepcopy(TRAIN), **train}.items() if value is not None}
        opt = {"model_type": "SSIUModel", "is_train": True, "dist": False, "num_gpu": 0, "network_g": dict(NETWORK)}
        return build_model({**opt, "train": train, "path": path or {}, "val": val or {}})

    return model


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return {"lq": torch.rand(2, 3, 24, 24, generator=generator), "gt": torch.rand(2, 3, 48, 48, generator=generator)}


def test_one_iteration_is_a_step_of_adamw_on_l1_plus_fft(build, batch):
    model = build()
    net = copy.deepcopy(model.net_g)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2, (0.9, 0.99), weight_decay=0.1)
    output = net(batch["lq"])
    l1, fft = F.l1_loss(output, batch["gt"]), 0.01 * fft_l1(output, batch["gt"])
    (l1 + fft).backward()
    optimizer.step()

    model.feed_data(batch)
    model.optimize_parameters(1)
    assert list(model.get_current_log()) == ["l_pix", "l_fft"]
    assert model.get_current_log()["l_pix"] == pytest.approx(l1.item(), rel=1e-6)
    assert model.get_current_log()["l_fft"] == pytest.approx(fft.item(), rel=1e-6)
    for (name, found), expected in zip(model.net_g.named_parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5, msg=name)


def test_gradients_do_not_pile_up(build, batch):
    model = build(optim_g={"type": "AdamW", "lr": 0.0, "weight_decay": 0.0})
    model.feed_data(batch)
    model.optimize_parameters(1)
    first = model.net_g.head.weight.grad.clone()
    model.optimize_parameters(2)
    torch.testing.assert_close(model.net_g.head.weight.grad, first, atol=0, rtol=0)


def test_without_fft_opt_it_is_the_stock_model(build, batch):
    model = build(fft_opt=None)
    model.feed_data(batch)
    model.optimize_parameters(1)
    assert list(model.get_current_log()) == ["l_pix"]


def test_perceptual_losses_count_where_there_are_any(build, batch):
    model = build()
    model.cri_perceptual = lambda output, gt: ((output - gt).square().mean(), None)
    model.feed_data(batch)
    model.optimize_parameters(1)
    assert list(model.get_current_log()) == ["l_pix", "l_fft", "l_percep"]


def test_ema_follows(build, batch):
    model = build(ema_decay=0.75)
    before = model.net_g.head.weight.detach().clone()
    torch.testing.assert_close(model.net_g_ema.head.weight, before, atol=0, rtol=0)
    model.feed_data(batch)
    model.optimize_parameters(1)
    expected = 0.75 * before + 0.25 * model.net_g.head.weight
    torch.testing.assert_close(model.net_g_ema.head.weight, expected)


class TestOptimisers:
    @pytest.mark.parametrize("name", ["Adam", "AdamW"])
    def test_fused_where_the_device_has_it(self, build, name):
        optimizer = build(optim_g={"type": name, "lr": 1e-3}).optimizer_g
        assert type(optimizer) is getattr(torch.optim, name)
        assert optimizer.defaults["fused"] is True

    def test_the_option_file_can_forbid_it(self, build):
        assert build(optim_g={"type": "AdamW", "lr": 1e-3, "fused": False}).optimizer_g.defaults["fused"] is False

    def test_plain_on_a_device_without_fused_kernels(self, build, monkeypatch):
        plain = torch.optim.AdamW

        def picky(params, lr, fused=None, **options):
            if fused:
                raise RuntimeError("`fused=True` requires all the params to be on supported devices")
            return plain(params, lr, **options)

        monkeypatch.setattr(torch.optim, "AdamW", picky)
        optimizer = build().optimizer_g
        assert not optimizer.defaults["fused"]
        assert len(optimizer.param_groups[0]["params"]) == len(list(SSIU(2, num_feat=16, num_block=3).parameters()))

    def test_others_are_basicsrs(self, build):
        assert isinstance(build(optim_g={"type": "SGD", "lr": 0.1}).optimizer_g, torch.optim.SGD)


class TestWeights:
    def test_released_weights_start_the_ema_too(self, build, tmp_path, released_names, caplog):
        weights = SSIU(2, num_feat=16, num_block=3).state_dict()
        torch.save({"epoch": 1, "model_state_dict": released_names(weights)}, tmp_path / "released.pt")
        path = {"pretrain_network_g": tmp_path / "released.pt", "param_key_g": "model_state_dict"}
        model = build(path=path, ema_decay=0.9)
        for net in (model.net_g, model.net_g_ema):
            torch.testing.assert_close(net.head.weight, weights["head.weight"], atol=0, rtol=0)
        assert "Current net - loaded net" not in caplog.text

    def test_params_ema_is_taken_where_it_is(self, build, tmp_path):
        params, ema = (SSIU(2, num_feat=16, num_block=3).state_dict() for _ in range(2))
        torch.save({"params": params, "params_ema": ema}, tmp_path / "own.pth")
        model = build(path={"pretrain_network_g": tmp_path / "own.pth"}, ema_decay=0.9)
        torch.testing.assert_close(model.net_g.head.weight, params["head.weight"], atol=0, rtol=0)
        torch.testing.assert_close(model.net_g_ema.head.weight, ema["head.weight"], atol=0, rtol=0)


class TestBicubic:
    class Loader(list):
        """A validation loader of one pair."""

        class dataset:
            opt = {"name": "pair"}  # noqa: RUF012

    @pytest.fixture
    def lines(self):
        """What BasicSR's logger says."""
        said = []
        handler = logging.Handler()
        handler.emit = lambda record: said.append(record.getMessage())
        logging.getLogger("basicsr").addHandler(handler)
        logging.getLogger("basicsr").setLevel(logging.INFO)
        yield said
        logging.getLogger("basicsr").removeHandler(handler)

    def test_is_measured_once_a_set_by_the_same_metrics(self, build, batch, lines):
        from basicsr.metrics import calculate_psnr
        from basicsr.utils import tensor2img

        from ssiu_arch.data.resize import imresize

        pair = {key: value[:1] for key, value in batch.items()} | {"lq_path": ["a.png"]}
        loader = self.Loader([pair])
        options = {"type": "calculate_psnr", "crop_border": 2, "test_y_channel": True}
        model = build(val={"bicubic": True, "metrics": {"psnr": options}})
        for iteration in (1, 2):
            model.validation(loader, iteration, None, save_img=False)

        bicubic = [line for line in lines if "Bicubic" in line]
        up = imresize(tensor2img([pair["lq"]]).astype(float), 2).clip(0, 255).round()  # rounded once, at the end
        expected = calculate_psnr(up, tensor2img([pair["gt"]]), crop_border=2, test_y_channel=True)
        assert bicubic == [f"Bicubic interpolation on pair\n\t # psnr: {expected:.4f}\n"]
        assert len([line for line in lines if line.startswith("Validation pair")]) == 2

    def test_is_off_unless_asked_for(self, build, batch, lines):
        pair = {key: value[:1] for key, value in batch.items()} | {"lq_path": ["a.png"]}
        model = build(val={"metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 2}}})
        model.validation(self.Loader([pair]), 1, None, save_img=False)
        assert not [line for line in lines if "Bicubic" in line]


class TestMemoryAndFaults:
    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_micro_batches_add_up_to_the_gradients_of_the_whole(self, build, size):
        generator = torch.Generator().manual_seed(2)
        batch = {
            "lq": torch.rand(4, 3, 16, 16, generator=generator),
            "gt": torch.rand(4, 3, 32, 32, generator=generator),
        }
        whole, parts = build(), build(micro_batch_size=size)
        for model in (whole, parts):
            model.feed_data(batch)
            model.optimize_parameters(1)
        for (name, expected), found in zip(whole.net_g.named_parameters(), parts.net_g.parameters(), strict=True):
            torch.testing.assert_close(found.grad, expected.grad, atol=1e-6, rtol=1e-4, msg=name)
        for name, value in whole.get_current_log().items():
            assert parts.get_current_log()[name] == pytest.approx(value, rel=1e-5)

    def test_gradients_are_clipped_before_the_step(self, build, batch):
        model = build(grad_clip=1e-3)
        model.feed_data(batch)
        model.optimize_parameters(1)
        norm = torch.stack([p.grad.norm() for p in model.net_g.parameters()]).norm()
        assert norm.item() == pytest.approx(1e-3, rel=1e-4)

    def test_a_bad_batch_is_skipped_where_the_option_says_so(self, build, batch, caplog):
        model = build(skip_non_finite=True, ema_decay=0.5)
        model.feed_data(batch)
        model.optimize_parameters(1)
        weights, log = copy.deepcopy(model.net_g.state_dict()), model.get_current_log()
        ema = copy.deepcopy(model.net_g_ema.state_dict())
        model.feed_data({**batch, "lq": batch["lq"] * float("nan")})
        model.optimize_parameters(2)
        for name, value in weights.items():
            torch.testing.assert_close(model.net_g.state_dict()[name], value, atol=0, rtol=0)
            torch.testing.assert_close(model.net_g_ema.state_dict()[name], ema[name], atol=0, rtol=0)
        assert model.get_current_log() == log
        model.feed_data(batch)
        model.optimize_parameters(3)
        assert not torch.equal(model.net_g.head.weight, weights["head.weight"])
