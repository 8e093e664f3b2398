"""``basicsr train`` and ``basicsr test`` from option files: BasicSR's real pipeline on real photographs in an LMDB."""

import io
import logging
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch

from ssiu_arch.cli import main as command

TRAIN = "options/demo/train_SSIU_x4.yml"
TEST = "options/demo/test_SSIU_x4.yml"


def logged(output, name):
    return [float(value) for value in re.findall(rf"{name}: ([-+.e\d]+|nan)", output)]


@pytest.fixture(scope="module")
def trained(demo_data, basicsr, small, tmp_path_factory, root):
    """One short training of the demo file: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "datasets").symlink_to(demo_data / "datasets")
    done = basicsr("train", "-opt", root / TRAIN, "--force_yml", *small, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


@pytest.fixture
def run(workplace, monkeypatch):
    """Run the command in this process, in an empty folder with the demo's data: exit code and BasicSR's log."""
    from basicsr.utils import logger

    monkeypatch.chdir(workplace)

    def run(*arguments):
        log = logging.getLogger("basicsr")
        log.handlers.clear()
        logger.initialized_logger.clear()
        written = io.StringIO()
        log.addHandler(logging.StreamHandler(written))
        monkeypatch.setattr(sys, "argv", sys.argv)  # which a run replaces
        code = command.main([str(argument) for argument in arguments])
        return code, written.getvalue()

    return run


class TestTrain:
    def test_outputs_go_below_the_current_folder(self, trained):
        folder, _ = trained
        run = folder / "experiments/demo_SSIU_x4"
        assert {p.name for p in (run / "models").iterdir()} == {"net_g_2.pth", "net_g_4.pth", "net_g_latest.pth"}
        assert {p.name for p in (run / "training_states").iterdir()} == {"2.state", "4.state"}
        assert "--force_yml network_g:num_feat=16" in (run / "train_SSIU_x4.yml").read_text()
        assert sorted(p.name for p in folder.iterdir()) == ["datasets", "experiments"]

    def test_both_losses_are_logged(self, trained):
        _, output = trained
        assert len(logged(output, "l_pix")) == len(logged(output, "l_fft")) == 4
        assert all(value > 0 for value in logged(output, "l_pix") + logged(output, "l_fft"))

    def test_bicubic_is_logged_once_before_the_network_is_scored(self, trained):
        _, output = trained
        assert re.findall(r"Bicubic interpolation on coffee\n\t # psnr: ([\d.]+)\n\t # ssim: ([\d.]+)", output) == [
            ("27.2921", "0.7649")
        ]
        assert output.count("Bicubic") == 1
        assert output.index("Bicubic interpolation on coffee") < output.index("Validation coffee")

    def test_checkpoint_is_basicsrs_with_our_names(self, trained):
        folder, _ = trained
        held = torch.load(folder / "experiments/demo_SSIU_x4/models/net_g_4.pth", weights_only=True)
        assert held.keys() == {"params"}
        assert "stages.2.ffn.wo.bias" in held["params"]

    def test_optimiser_is_adamw_and_the_schedule_the_files(self, trained):
        folder, output = trained
        state = torch.load(folder / "experiments/demo_SSIU_x4/training_states/4.state", weights_only=True)
        (group,) = state["optimizers"][0]["param_groups"]
        assert (group["weight_decay"], group["betas"], group["decoupled_weight_decay"]) == (1e-4, (0.9, 0.99), True)
        assert group["fused"] is True
        assert [float(lr) for lr in re.findall(r"lr:\(([\d.e-]+),", output)] == pytest.approx(
            [1e-3, 8.538e-4, 5.005e-4, 1.473e-4], rel=1e-3
        )

    def test_resumes_where_it_was(self, trained, workplace, run, small):
        shutil.copytree(trained[0] / "experiments", workplace / "experiments")
        (workplace / "experiments/demo_SSIU_x4/training_states/4.state").unlink()
        code, log = run("train", "-opt", TRAIN, "--auto_resume", "--force_yml", *small)
        assert code == 0
        assert "Resuming training from epoch: 0, iter: 2." in log
        assert [int(n) for n in re.findall(r"iter: +(\d+), lr", log)] == [3, 4]
        assert not list((workplace / "experiments").glob("*_archived_*"))


def test_names_beyond_ascii_where_the_locale_is_not_utf_8(workplace, basicsr, small):
    """Option file, its copy, the log, and folders, in a process whose locale is ASCII."""
    text = (workplace / TRAIN).read_text().replace("name: demo_SSIU_x4", "name: 写真_ü")
    (workplace / "ü.yml").write_text(f"# schön\n{text}", encoding="utf-8")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    changes = [*small, "train:total_iter=1", "datasets:val:name=Straße"]
    done = basicsr("train", "-opt", "ü.yml", "--force_yml", *changes, cwd=workplace, env=ascii_only)
    assert done.returncode == 0, done.stderr
    folder = workplace / "experiments/写真_ü"
    assert (folder / "models/net_g_latest.pth").is_file()
    copied = (folder / "ü.yml").read_text(encoding="utf-8")
    assert "# basicsr train -opt ü.yml" in copied
    assert "# schön" in copied
    (log,) = folder.glob("train_写真_ü_*.log")
    assert "Validation Straße" in log.read_text(encoding="utf-8")


FASTER = ("train:precision=bf16", "train:channels_last=true", "train:checkpointing=true", "train:ema_decay=0.5")


class TestFaster:
    def test_bf16_channels_last_and_checkpoints(self, trained, workplace, run, small):
        code, log = run("train", "-opt", TRAIN, "--force_yml", *small, *FASTER)
        assert code == 0
        for name in ("l_pix", "l_fft"):
            assert logged(log, name) == pytest.approx(logged(trained[1], name), rel=0.03)
        held = torch.load(workplace / "experiments/demo_SSIU_x4/models/net_g_latest.pth", weights_only=True)
        expected = torch.load(trained[0] / "experiments/demo_SSIU_x4/models/net_g_latest.pth", weights_only=True)
        for weights in (held["params"], held["params_ema"]):
            assert {name: value.dtype for name, value in weights.items()} == {
                name: value.dtype for name, value in expected["params"].items()
            }


class TestTest:
    @pytest.mark.parametrize(
        ("changes", "least"),
        [(("network_g:num_feat=16", "network_g:num_block=3"), 10), (("path:pretrain_network_g=shipped",), 29)],
        ids=["trained", "shipped"],
    )
    def test_scores_and_picture(self, trained, workplace, run, changes, least):
        (workplace / "experiments").symlink_to(trained[0] / "experiments")
        code, log = run("test", "-opt", TEST, "--force_yml", *changes)
        assert code == 0
        assert "# psnr: 27.2921" in log  # bicubic
        (scored,) = re.findall(r"Validation coffee\n\t # psnr: ([\d.]+)", log)
        assert float(scored) > least
        picture = workplace / "results/demo_SSIU_x4/visualization/coffee/coffee_demo_SSIU_x4.png"

        import cv2
        from basicsr.metrics import calculate_psnr

        pair = [cv2.imread(str(path)) for path in (picture, workplace / "datasets/demo/val/HR/coffee.png")]
        assert pair[0].shape == pair[1].shape
        assert calculate_psnr(*pair, crop_border=4, test_y_channel=True) == pytest.approx(float(scored), abs=1e-4)


class TestOtherModels:
    """The command is BasicSR's: stock model, other networks, EMA, released weights."""

    def test_stock_srmodel_trains_ssiu_with_the_combined_loss(self, workplace, run, small):
        changes = [
            *small,
            "model_type=SRModel",
            "train:pixel_opt={type: L1FFTLoss, fft_weight: 0.01}",
            "train:fft_opt=~",
            "train:total_iter=1",
        ]
        code, log = run("train", "-opt", TRAIN, "--force_yml", *changes)
        assert code == 0
        assert len(logged(log, "l_pix")) == 1
        assert not logged(log, "l_fft")

    def test_released_weights_start_a_training_with_ema_of_a_stock_network_beside(
        self, workplace, run, small, released_names
    ):
        from ssiu_arch.archs.ssiu_arch import SSIU

        weights = SSIU(4, num_feat=16, num_block=3).state_dict()
        released = {"epoch": 290, "model_state_dict": released_names(weights), "stat_dict": {"psnr": 32.6}}
        torch.save(released, workplace / "released.pt")
        changes = [
            *small,
            "path:pretrain_network_g=released.pt",
            "path:param_key_g=model_state_dict",
            "path:strict_load_g=true",
            "train:ema_decay=0.5",
            "train:optim_g:lr=0",
            "train:scheduler:eta_min=0",
            "train:total_iter=1",
        ]
        code, log = run("train", "-opt", TRAIN, "--force_yml", *changes)
        assert code == 0
        assert "Current net - loaded net" not in log
        held = torch.load(workplace / "experiments/demo_SSIU_x4/models/net_g_latest.pth", weights_only=True)
        for key in ("params", "params_ema"):
            assert held[key].keys() == weights.keys()
            torch.testing.assert_close(held[key]["head.weight"], weights["head.weight"], atol=0, rtol=0)

    def test_a_network_of_basicsr(self, workplace, run, small):
        network = "network_g={type: EDSR, num_in_ch: 3, num_out_ch: 3, num_feat: 8, num_block: 1, upscale: 4}"
        changes = [*small[2:], network, "model_type=SRModel", "train:fft_opt=~", "train:total_iter=1"]
        assert run("train", "-opt", TRAIN, "--force_yml", *changes)[0] == 0


OWN_SCRIPT = """
import sys
import ssiu_arch
from basicsr.train import train_pipeline
train_pipeline(".")
print("training patches" if "ssiu_arch.patches.training" in sys.modules else "compatibility alone")
"""


def test_a_train_py_with_nothing_but_the_import(trained, workplace, python, small):
    """BasicSR's own pipeline, options and loaders: ``SSIUModel`` needs no patch that changes a training."""
    done = python("-c", OWN_SCRIPT, "-opt", TRAIN, "--force_yml", *small, cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "compatibility alone"
    assert len(logged(done.stderr, "l_pix")) == len(logged(done.stderr, "l_fft")) == 4
    held, expected = (
        torch.load(folder / "experiments/demo_SSIU_x4/models/net_g_latest.pth", weights_only=True)
        for folder in (workplace, trained[0])
    )
    assert held["params"].keys() == expected["params"].keys()


@pytest.mark.parametrize(
    ("changes", "near"),
    [((), 2e-4), ((*FASTER, "train:compile={backend: aot_eager}", "train:grad_clip=1e3"), 0.03)],
    ids=["plain", "faster"],
)
def test_two_processes_by_torchrun_see_the_losses_of_one(trained, workplace, python, small, changes, near):
    """The same global batch, the same augmentations. Workers are spawned: BasicSR must be importable in them too."""
    script = Path(sys.executable).parent / "basicsr"
    if not script.exists():
        pytest.skip("the package is not installed: no basicsr script beside this Python")
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29517", "--no-python"]
    arguments = ["train", "-opt", TRAIN, "--launcher", "pytorch", "--force_yml", *small, *changes]
    arguments += ["datasets:train:batch_size_per_gpu=1"]  # times two processes
    done = python(*torchrun, script, *arguments, cwd=workplace)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "World size (gpu number): 2" in done.stderr
    for name in ("l_pix", "l_fft"):
        assert logged(done.stderr, name) == pytest.approx(logged(trained[1], name), rel=near)  # printed to 5 digits
    assert (workplace / "experiments/demo_SSIU_x4/models/net_g_latest.pth").exists()
