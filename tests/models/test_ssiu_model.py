"""``SSIUModel``: what one iteration does, the optimisers, what validation measures, how training is made faster."""

import copy
import logging

import pytest
import torch
import torch.nn.functional as F
from basicsr.models import build_model
from torch.utils._python_dispatch import TorchDispatchMode

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.losses.fft_loss import fft_l1
from ssiu_arch.models.acceleration import AsyncLosses
from ssiu_arch.utils.errors import UserError

NETWORK = {"type": "SSIU", "upscale": 2, "num_feat": 16, "num_block": 3}
TRAIN = {
    "optim_g": {"type": "AdamW", "lr": 1e-2, "weight_decay": 0.1, "betas": [0.9, 0.99]},
    "scheduler": {"type": "CosineAnnealingRestartLR", "periods": [10], "restart_weights": [1], "eta_min": 1e-6},
    "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
    "fft_opt": {"type": "FFTL1Loss", "loss_weight": 0.01, "reduction": "mean"},
}


@pytest.fixture
def build():
    def model(path=None, val=None, num_gpu=0, **train):
        torch.manual_seed(0)
        train = {"total_iter": 9, **copy.deepcopy(TRAIN), **train}
        train = {key: value for key, value in train.items() if value is not None}
        opt = {"model_type": "SSIUModel", "is_train": True, "dist": False, "num_gpu": num_gpu}
        opt["network_g"] = dict(NETWORK)
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
    def test_fused_by_default(self, build, name):
        optimizer = build(optim_g={"type": name, "lr": 1e-3}).optimizer_g
        assert type(optimizer) is getattr(torch.optim, name)
        assert optimizer.defaults["fused"] is True

    def test_the_option_file_can_forbid_it(self, build):
        assert build(optim_g={"type": "AdamW", "lr": 1e-3, "fused": False}).optimizer_g.defaults["fused"] is False

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


FASTER = {"precision": "bf16", "channels_last": True, "checkpointing": True}
WITH = {"micro_batch_size": 1, "grad_clip": 1.0, "ema_decay": 0.5}


class Reads(TorchDispatchMode):
    """Counts how often a tensor is made a Python number, for which a GPU would be waited for."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class Attends(TorchDispatchMode):
    """Counts forward and backward passes of the attention that CPUs have in one kernel."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += "attention_for_cpu" in func.name()
        return func(*args, **(kwargs or {}))


def trained(model, batch, iterations=2, after=0):
    for iteration in range(after + 1, after + iterations + 1):
        model.update_learning_rate(iteration)
        model.feed_data(batch)
        model.optimize_parameters(iteration)
    return model


def assert_same(found, expected, tolerance):
    for (name, value), other in zip(found.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(value, other, atol=tolerance, rtol=0, msg=name)


class TestFaster:
    def test_no_iteration_reads_a_number(self, build, batch):
        model = build(**FASTER, **WITH)
        with Reads() as reads:
            trained(model, batch)
            assert reads.count == 0
            assert model.get_current_log()["l_pix"] > 0
            assert reads.count == 1

    def test_bf16_is_the_networks_alone(self, build, batch):
        plain, model = build(**WITH), build(precision="bf16", **WITH)
        seen = []
        model.net_g.stages[0].sparsity.w1.register_forward_hook(lambda module, args, output: seen.append(output.dtype))
        model.net_g.register_forward_hook(lambda module, args, output: output.bfloat16())  # as other networks' results
        loss = model.cri_fft
        model.cri_fft = lambda output, gt: seen.append(output.dtype) or loss(output, gt)
        for one in (plain, model):
            trained(one, batch, 1)
        assert seen == [torch.bfloat16, torch.float32] * 2
        for name, value in plain.get_current_log().items():
            assert model.get_current_log()[name] == pytest.approx(value, rel=0.02)
            assert model.get_current_log()[name] != value
        parameters = [*model.net_g.parameters(), *model.net_g_ema.parameters()]
        states = [value for state in model.optimizer_g.state.values() for value in state.values()]
        gradients = [parameter.grad for parameter in model.net_g.parameters()]
        assert {value.dtype for value in parameters + states + gradients} == {torch.float32}

    def test_bf16_is_padded_in_bf16(self, build, batch):
        """CPUs' autocast would cast to float32 and back; the image itself is float32."""
        seen, model = [], build(precision="bf16")

        class Pads(TorchDispatchMode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                if func is torch.ops.aten.reflection_pad2d.default:
                    seen.append(args[0].dtype)
                return func(*args, **(kwargs or {}))

        expected = SSIU(2, num_feat=16, num_block=3)
        expected.load_state_dict(model.net_g.state_dict())
        with Pads(), torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            found = model.net_g(batch["lq"])
        assert seen == [torch.float32, *[torch.bfloat16] * (len(seen) - 1)]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(found, expected(batch["lq"]))

    @pytest.mark.parametrize("checkpointing", [False, True])
    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_bf16_on_a_cpu_attends_by_products_and_softmax(self, build, batch, precision, checkpointing):
        with Attends() as fused:
            model = trained(build(precision=precision, checkpointing=checkpointing), batch, 1)
        stages, passes = len(model.net_g.stages), 3 if checkpointing else 2
        assert fused.count == (stages * passes if precision == "fp32" else 0)

    def test_validation_is_float32(self, build, batch):
        model = build(precision="bf16")
        model.feed_data(batch)
        model.test()
        torch.testing.assert_close(model.output, model.net_g(batch["lq"]), atol=1e-6, rtol=0)

    @pytest.mark.parametrize("option", ["channels_last", "checkpointing"])
    def test_layout_and_checkpoints_train_the_same_weights(self, build, batch, option):
        plain, model = (trained(build(optim_g={"type": "AdamW", "lr": 1e-4}, **more, **WITH), batch)
                        for more in ({}, {option: True}))  # fmt: skip
        assert_same(model.net_g, plain.net_g, 2e-5)
        assert_same(model.net_g_ema, plain.net_g_ema, 2e-5)

    def test_images_and_average_are_laid_out_as_the_weights(self, build, batch):
        model = build(channels_last=True, ema_decay=0.5)
        model.feed_data(batch)
        for tensor in (model.lq, model.gt, model.net_g.head.weight, model.net_g_ema.head.weight):
            assert tensor.is_contiguous(memory_format=torch.channels_last)

    def test_batches_are_copied_without_waiting(self, build, batch):
        asked = []

        class Batch(torch.Tensor):
            def to(self, *args, **options):
                asked.append(options["non_blocking"])
                return self

        build().feed_data({key: value.as_subclass(Batch) for key, value in batch.items()})
        assert asked == [True, True]

    @pytest.mark.parametrize(("before", "after"), [(False, True), (True, False)])
    def test_a_run_resumes_in_another_layout(self, build, batch, before, after):
        """The fused optimiser would pair each weight with the moments of another."""
        options = {"optim_g": {"type": "AdamW", "lr": 1e-3}}
        model = trained(build(channels_last=before, **options), batch)
        other = build(channels_last=after, **options)
        other.net_g.load_state_dict(model.net_g.state_dict())
        kept = {"optimizers": [model.optimizer_g], "schedulers": model.schedulers}
        state = {"iter": 2, **{name: [part.state_dict() for part in parts] for name, parts in kept.items()}}
        other.resume_training(copy.deepcopy(state))
        for one in (model, other):
            trained(one, batch, 1, after=2)
        assert_same(other.net_g, model.net_g, 2e-5)

    def test_a_compiled_network_is_validated_as_it_is(self, build, batch):
        """Each image size would be compiled anew."""
        graphs = []

        def backend(graph, inputs):
            graphs.append(graph)
            return graph.forward

        model = trained(build(compile={"backend": backend}), batch, 1)
        compiled = len(graphs)
        assert compiled > 0
        for size in (8, 9, 10):
            model.feed_data({"lq": torch.rand(1, 3, size, size)})
            model.test()
        trained(model, batch, 1)
        assert len(graphs) == compiled
        assert model.net_g.training
        assert model.network_to_validate().training

    def test_compile_wants_a_process_a_gpu(self, build):
        with pytest.raises(UserError, match=r"train.compile with num_gpu \(2\).*--launcher pytorch"):
            build(num_gpu=2, compile=True)

    def test_all_at_once_train_saves_and_resumes(self, build, batch, tmp_path):
        path = {"models": str(tmp_path), "training_states": str(tmp_path)}
        options = {**FASTER, **WITH, "optim_g": {"type": "AdamW", "lr": 1e-4}}
        plain, model = build(**options), build(path, compile={"backend": "eager"}, **options)
        for one in (plain, model):
            trained(one, batch)
        assert_same(model.get_bare_model(model.net_g), plain.net_g, 1e-6)
        assert_same(model.net_g_ema, plain.net_g_ema, 1e-6)
        for name, value in plain.get_current_log().items():
            assert model.get_current_log()[name] == pytest.approx(value, rel=1e-5)

        model.save(0, 2)
        held = torch.load(tmp_path / "net_g_2.pth")
        names = list(SSIU(2, num_feat=16, num_block=3).state_dict())
        assert {key: list(weights) for key, weights in held.items()} == {"params": names, "params_ema": names}
        resumed = build(
            {**path, "pretrain_network_g": tmp_path / "net_g_2.pth"}, compile={"backend": "eager"}, **options
        )
        resumed.resume_training(torch.load(tmp_path / "2.state"))
        for one in (plain, resumed):
            trained(one, batch, 1, after=2)
        assert_same(resumed.get_bare_model(resumed.net_g), plain.net_g, 1e-6)
        assert_same(resumed.net_g_ema, plain.net_g_ema, 1e-6)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    def test_no_iteration_waits_for_the_gpu(self, build, batch):
        model = trained(build(num_gpu=1, **FASTER, **WITH), batch)
        torch.cuda.set_sync_debug_mode("error")
        try:
            trained(model, {key: value.pin_memory() for key, value in batch.items()})
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert model.get_current_log()["l_pix"] > 0


def test_the_moving_average_is_validated_where_there_is_one(build, batch):
    model = trained(build(ema_decay=0.9), batch, 1)
    assert model.network_to_validate() is model.net_g_ema
    model.feed_data(batch)
    model.test()
    torch.testing.assert_close(model.output, model.net_g_ema(batch["lq"]), atol=1e-6, rtol=0)
    assert not model.net_g_ema.training
    assert build().network_to_validate() is not None


class TestAsyncLosses:
    """``guarded_iterations`` around the model, with losses that arrive when somebody waits for them."""

    @pytest.fixture
    def guarded(self, build, batch, monkeypatch, tmp_path):
        from ssiu_arch.patches.training import guarded_iterations

        monkeypatch.setattr(AsyncLosses, "arrived", lambda self: False)
        model = build({"models": str(tmp_path), "training_states": str(tmp_path)})
        model.opt["datasets"] = {"train": {}}
        guarded_iterations.Guard(model)
        model.feed_data(batch)
        return model

    def test_a_loss_that_is_not_finite_is_never_saved(self, guarded, batch, tmp_path):
        for iteration in (1, 2, 3, 4):
            guarded.feed_data({**batch, "lq": batch["lq"] * (float("nan") if iteration == 2 else 1)})
            guarded.optimize_parameters(iteration)
        with pytest.raises(UserError, match="iteration 2: l_pix is nan, l_fft is nan"):
            guarded.save(0, 4)
        assert list(tmp_path.iterdir()) == []

    def test_it_reads_nothing_before_a_save(self, guarded, tmp_path):
        with Reads() as reads:
            for iteration in (1, 2):
                guarded.optimize_parameters(iteration)
            assert reads.count == 0
            guarded.save(0, 2)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["2.state", "net_g_2.pth"]
