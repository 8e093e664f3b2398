"""``basicsr check``: every finding a line, exit code 2 where one is an error, and nothing written."""

import shutil

import cv2
import numpy as np
import pytest
import torch
import yaml
from basicsr.utils.registry import ARCH_REGISTRY, METRIC_REGISTRY

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.checks import options, training
from ssiu_arch.checks.dry_run import Trial
from ssiu_arch.cli import main as command

TRAIN, TEST = "options/demo/train_SSIU_x4.yml", "options/demo/test_SSIU_x4.yml"


@pytest.fixture
def check(workplace, monkeypatch, capsys, small):
    """Run the verb on the small training; the code, and the findings as [level, what was found]."""
    monkeypatch.chdir(workplace)

    def run(*changes, file=TRAIN, options=()):
        before = sorted(str(path) for path in workplace.rglob("*"))
        changes = [*(small if file == TRAIN else ()), *changes]
        forced = ["--force_yml", *changes] if changes else []
        code = command.main(["check", "-opt", file, *options, *forced])
        assert sorted(str(path) for path in workplace.rglob("*")) == before
        said = capsys.readouterr()
        assert said.err.count("\n") == (1 if code else 0), said.err
        return code, [line.split(maxsplit=1) for line in said.out.splitlines()]

    return run


def of(findings, level):
    return [said for found, said in findings if found == level]


def test_the_demo_is_in_order(check):
    code, findings = check()
    assert code == 0
    assert {level for level, _ in findings} == {"ok"}
    text = "\n".join(said for _, said in findings)
    for part in (
        "datasets.train: 160 pairs, a sample of 16 ",
        "datasets.val: 1 pairs, a sample of 1 ",
        "model: SSIUModel on the ",
        "iteration: a batch of 2 takes ",
        "validation (val): one image of ",
        ", psnr ",
        ", ssim 0.",
        "experiments/demo_SSIU_x4 can be written",
    ):
        assert part in text


def test_a_test_file_is_known_by_its_sections(check, workplace):
    (workplace / "experiments/demo_SSIU_x4/models").mkdir(parents=True)
    torch.save({"params": SSIU().state_dict()}, workplace / "experiments/demo_SSIU_x4/models/net_g_latest.pth")
    code, findings = check(file=TEST)
    assert code == 0
    assert ["ok", f"option file: {TEST}, a test"] in findings
    assert not [said for _, said in findings if said.startswith("iteration")]
    assert [said for level, said in findings if level == "ok" and said.startswith("validation (test): one image of ")]


def test_all_that_is_wrong_is_said_at_once(check):
    code, findings = check(
        "datasets:train:gt_size=50",
        "train:scheduler:periods=[1]",
        "path:pretrain_network_g=none.pth",
        "datasets:val:dataroot_lq=nowhere",
        "val:metrics:psnr:crop_border=~",
    )
    assert code == 2
    assert [said.split(" ")[0] for said in of(findings, "error")] == ["option"]  # values first: the rest rests on them

    code, findings = check(
        "datasets:train:gt_size=50",
        "train:scheduler:periods=[1]",
        "path:pretrain_network_g=none.pth",
        "datasets:val:dataroot_lq=nowhere",
    )
    errors = "\n".join(of(findings, "error"))
    assert code == 2
    assert len(of(findings, "error")) == 4
    for part in (
        "gt_size (50) must be divisible",
        "periods ([1])",
        "none.pth: no such file",
        "no folder nowhere",
    ):
        assert part in errors


def test_ways_to_be_faster_that_the_network_does_not_have(check):
    network = "network_g={type: MSRResNet, num_in_ch: 3, num_out_ch: 3, num_feat: 8, num_block: 1, upscale: 4}"
    code, findings = check(network, "train:checkpointing=true", "train:precision=bf16")
    assert code == 2
    (line,) = of(findings, "error")
    assert line.startswith("speed: train.checkpointing (true): MSRResNet ")
    assert "leave it out" in line


def test_every_value_of_a_wrong_kind_is_named(check):
    changes = ["scale=four", "manual_seed=-1", "num_gpu=many", "model_type=[a]"]
    code, findings = check(*changes)
    assert code == 2
    found = [line.split(" must be ")[0] for line in of(findings, "error")]
    values = ("model_type (['a'])", "scale ('four')", "num_gpu ('many')", "manual_seed (-1)")
    assert found == [f"option file: {value}" for value in values]


def test_unknown_names_warn_and_fail_when_strict(check):
    change = "datasets:train:use_hflips=true"
    for flags, expected, level in (((), 0, "warning"), (["--strict"], 2, "error")):
        code, findings = check(change, options=flags)
        (line,) = of(findings, level)
        assert code == expected
        assert "datasets.train.use_hflips" in line
        assert "did you mean use_hflip?" in line


def test_train_warns_of_an_unknown_name_in_one_line(workplace, monkeypatch, capsys):
    from ssiu_arch.cli import pipeline

    monkeypatch.chdir(workplace)
    monkeypatch.setattr(pipeline, "import_module", lambda name: pytest.skip("the run itself"))
    for change, lines in (("train:total_iters=5", 1), ("train:total_iter=5", 0)):
        with pytest.raises(pytest.skip.Exception):
            command.main(["train", "-opt", TRAIN, "--force_yml", change])
        said = capsys.readouterr().err
        assert said.count("\n") == lines, said
        assert (said.startswith("basicsr train: train.total_iters ") and "total_iter?" in said) == (lines == 1)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("total_iters=1", "total_iters"),
        ("train:pixel_optt={type: L1Loss}", "train.pixel_optt"),
        ("val:metrics:psnr:crop_bordr=4", "val.metrics.psnr.crop_bordr"),
        ("datasets:val:gt_size=128", "datasets.val.gt_size"),
        ("datasets:train:io_backend={type: lmdb}", ""),
        ("datasets:val:io_backend={type: disk}", ""),
        ("logger:wandb={projct: p}", "logger.wandb.projct"),
        ("logger:print_frq=4", "logger.print_frq"),
        ("path:pretrained_network_g=x", "path.pretrained_network_g"),
        ("dist_params={timeouts: 4}", "dist_params.timeouts"),
    ],
)
def test_every_unknown_option_is_named(workplace, change, name):
    opt = options.read(str(workplace / TRAIN), True, [change])
    assert options.problems(opt) == []
    assert [line.split(" is no option")[0] for line in options.unknown(opt)] == [name][: bool(name)]


def test_a_test_of_images_without_gt(check):
    changes = (
        "path:pretrain_network_g=shipped",
        "datasets:test:type=SingleImageDataset",
        "datasets:test:dataroot_gt=~",
    )
    code, findings = check(*changes, file=TEST)
    assert code == 0
    (said,) = [said for level, said in findings if level == "ok" and said.startswith("validation (test): ")]
    assert "psnr" not in said


def test_the_shipped_files_have_no_unknown_names(root):
    for file in (root / "options").rglob("*.yml"):
        opt = options.read(str(file), file.name.startswith("train"), [])
        assert options.problems(opt) == options.unknown(opt) == []


class TestImages:
    @pytest.fixture
    def val(self, workplace):
        """Change the GT image of the validation set."""
        for side in ("HR", "LR_bicubic/X4"):
            shutil.copytree(workplace / "datasets/demo/val" / side, workplace / side.split("/")[0])

        def change(edit, side="HR"):
            file = str(workplace / side / "coffee.png")
            cv2.imwrite(file, edit(cv2.imread(file)))
            return ("datasets:val:dataroot_gt=HR", "datasets:val:dataroot_lq=LR_bicubic")

        return change

    def test_pairs_that_show_different_things(self, check, val):
        code, findings = check(*val(lambda image: np.ascontiguousarray(image[::-1, ::-1])))
        assert code == 2
        assert "datasets.val: coffee.png: " in of(findings, "error")[0]
        assert "correlation 0." in of(findings, "error")[0]

    @pytest.mark.parametrize(
        ("edit", "note"),
        [
            (lambda image: image.astype(np.uint16) * 257, "16 bit"),
            (lambda image: np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]), "alpha"),
            (lambda image: image[..., 1], "greyscale"),
        ],
    )
    def test_what_is_silently_changed(self, check, val, edit, note):
        code, findings = check(*val(edit))
        assert code == 0
        assert note in "\n".join(of(findings, "warning"))

    def test_too_small_for_ssim(self, check, val, workplace):
        val(lambda image: image[:32, :32])
        code, findings = check(*val(lambda image: image[:8, :8], "LR_bicubic"), "val:metrics:ssim:crop_border=12")
        assert code == 2
        assert "coffee.png has 32 pixels a side, val.metrics.ssim needs 11 " in of(findings, "error")[0]
        assert "lower crop_border" in of(findings, "error")[0]

    def test_an_image_with_a_wrong_checksum(self, check, val, workplace):
        changes = val(lambda image: image)
        data = bytearray((workplace / "HR/coffee.png").read_bytes())
        data[-13] ^= 1  # of the last data chunk
        (workplace / "HR/coffee.png").write_bytes(data)
        code, findings = check(*changes)
        assert code == 2
        assert "HR/coffee.png" in of(findings, "error")[0]


class TestLmdb:
    @pytest.fixture
    def copy(self, workplace):
        shutil.copytree(workplace / "datasets/demo/train_HR_sub.lmdb", workplace / "copy.lmdb")
        return workplace / "copy.lmdb"

    CHANGE = "datasets:train:dataroot_gt=copy.lmdb"

    def test_truncated_is_seen_from_the_file_size(self, check, copy, workplace, capsys):
        with open(copy / "data.mdb", "r+b") as file:
            file.truncate(100_000)
        line = "datasets.train.dataroot_gt: copy.lmdb/data.mdb: is truncated"
        assert line in of(check(self.CHANGE)[1], "error")[0]
        assert command.main(["train", "-opt", TRAIN, "--force_yml", self.CHANGE]) == 2  # in the cheap part too
        assert line in capsys.readouterr().err

    def test_a_key_that_is_missing(self, check, copy):
        shutil.copytree(copy.parent / "datasets/demo/train_LR_bicubic_X4_sub.lmdb", copy.parent / "lq.lmdb")
        for name, size in (("copy.lmdb", "(144,144,3)"), ("lq.lmdb", "(36,36,3)")):
            with open(copy.parent / name / "meta_info.txt", "a") as file:
                file.write(f"none_s001.png {size} 1\n")
        code, findings = check(self.CHANGE, "datasets:train:dataroot_lq=lq.lmdb")
        assert code == 2
        assert "(none_s001)" in of(findings, "error")[0]

    def test_a_tree_that_leads_nowhere(self, check, copy, workplace):
        """The numbers of the pages that branch pages name lie outside of the file."""
        with open(copy / "data.mdb", "r+b") as file:
            data = bytearray(file.read())
            for page in range(2, len(data) // 4096):
                at = page * 4096
                end = int.from_bytes(data[at + 12 : at + 14], "little")
                if data[at + 10 : at + 12] == b"\x01\x00" and end < 4096:  # a branch page
                    for node in range((end - 16) // 2):
                        offset = at + int.from_bytes(data[at + 16 + 2 * node : at + 18 + 2 * node], "little")
                        data[offset : offset + 4] = b"\xff\xff\xff\x0f"
            file.seek(0)
            file.write(data)
        code, findings = check(self.CHANGE)
        assert code == 2
        assert "copy.lmdb" in of(findings, "error")[0]


class Enlarged(torch.nn.Conv2d):
    """A network whose result is as large as its input times ``times``."""

    def __init__(self, times=1):
        super().__init__(3, 3, 3, padding=1)
        self.times = times

    def forward(self, image):
        return super().forward(image).repeat_interleave(self.times, 2).repeat_interleave(self.times, 3)


class Failing(Enlarged):
    def forward(self, image):
        raise LookupError("no weights for this")


class OtherAttention(SSIU):
    """An SSIU with one attention of another class, which trains, but has no optimised form."""

    def __init__(self, **options):
        super().__init__(**options)
        self.stages[0].attention = torch.nn.Conv2d(16, 16, 1)


def failing_metric(img, img2, **options):
    raise LookupError("no such model")


def nan_metric(img, img2, **options):
    return float("nan")


@pytest.fixture
def registered(monkeypatch):
    """The networks and metrics above are registered."""
    for registry, entries in (
        (ARCH_REGISTRY, (Enlarged, Failing, OtherAttention)),
        (METRIC_REGISTRY, (failing_metric, nan_metric)),
    ):
        for entry in entries:
            monkeypatch.setitem(registry._obj_map, entry.__name__, entry)


@pytest.mark.usefixtures("registered")
class TestTrial:
    """A training iteration and a validation step of the real model."""

    @pytest.mark.parametrize(
        ("change", "parts"),
        [
            ("network_g={type: Enlarged}", "iteration: |network_g|(2, 3, 12, 12)|GT is (2, 3, 48, 48)"),
            ("network_g={type: Failing}", "iteration: |LookupError: no weights for this"),
            ("network_g:num_in_ch=1", "iteration: |to have 1 channels, but got 3 channels"),
            ("val:metrics:psnr={type: failing_metric}", "validation (val): |LookupError: no such model"),
            ("val:metrics:psnr={type: nan_metric}", "validation (val): |val.metrics.psnr is nan"),
        ],
    )
    def test_what_fails_is_found(self, check, change, parts):
        code, findings = check(change)
        assert code == 2
        line = of(findings, "error")[0]
        for part in parts.split("|"):
            assert part in line

    @pytest.mark.parametrize("changes", [(), ("val:fast=false",)])
    def test_a_changed_network_passes_the_validation_step_as_it_is(self, check, changes):
        code, findings = check("network_g={type: OtherAttention, upscale: 4, num_feat: 16, num_block: 3}", *changes)
        assert code == 0
        assert [said for said in of(findings, "ok") if said.startswith("validation (val): ")]

    def test_other_networks_and_models_pass(self, check):
        code, findings = check("model_type=SRModel", "train:fft_opt=none", "network_g={type: Enlarged, times: 4}")
        assert code == 0
        assert "model: SRModel on the CPU" in of(findings, "ok")

    @pytest.fixture
    def trial(self, workplace, monkeypatch, small):
        """The trial of the small training with changed options."""
        monkeypatch.chdir(workplace)
        return lambda *changes: Trial(options.read(TRAIN, True, [*small, *changes]), True)

    def test_it_runs_as_the_training_will(self, trial, monkeypatch):
        monkeypatch.setattr(torch, "compile", lambda *args, **options: pytest.fail("compiled, a minute long"))
        ways = ("precision=bf16", "channels_last=true", "checkpointing=true", "compile=true", "ema_decay=0.5")
        one, seen = trial(*(f"train:{way}" for way in ways)), []
        one.build()
        before = one.model.net_g_ema.head.weight.clone()
        assert one.model.net_g.head.weight.is_contiguous(memory_format=torch.channels_last)
        one.model.net_g.stages[0].sparsity.w1.register_forward_hook(
            lambda module, args, output: seen.append(output.dtype)
        )
        one.iterate()
        assert seen == [torch.bfloat16] * 4  # in two iterations, each time once more for the backward pass
        assert not torch.equal(one.model.net_g_ema.head.weight, before)

    def test_a_cpu_tries_two_small_images(self, trial):
        one = trial("datasets:train:batch_size_per_gpu=8", "datasets:train:gt_size=144")
        one.build()
        said = one.iterate()
        assert one.model.lq.shape == (2, 3, 36, 36)
        assert said.startswith("a batch of 2 takes ")
        assert said.endswith("the run's is 8")
        data = one._cropped({"lq": torch.rand(1, 3, 96, 128), "gt": torch.rand(1, 3, 384, 512)})
        assert data["lq"].shape == (1, 3, 64, 64)
        assert data["gt"].shape == (1, 3, 256, 256)

    def test_perceptual_losses_are_left_out(self, trial):
        opt = trial(
            "train:perceptual_opt={type: PerceptualLoss, layer_weights: {conv5_4: 1}}", "train:pixel_opt=none"
        ).opt
        assert "perceptual_opt" not in opt["train"]
        assert opt["train"]["pixel_opt"]


def test_a_folder_without_permission(check, monkeypatch, workplace):
    monkeypatch.setattr(training.os, "access", lambda path, mode: str(path) != str(workplace))
    code, findings = check()
    assert code == 2
    (line,) = of(findings, "error")
    assert line.startswith("outputs: experiments/demo_SSIU_x4 ")
    assert str(workplace) in line


def test_an_empty_validation_set(workplace, monkeypatch, check):
    (workplace / "empty").mkdir()
    code, findings = check("datasets:val:dataroot_gt=empty", "datasets:val:dataroot_lq=empty")
    assert code == 2
    assert [line.split(" holds")[0] for line in of(findings, "error")] == ["datasets.val: empty"]


def test_keys_that_are_no_text(workplace, monkeypatch, check):
    opt = yaml.safe_load((workplace / TRAIN).read_text())
    opt["train"][4] = 1
    (workplace / "odd.yml").write_text(yaml.safe_dump(opt))
    code, findings = check(file="odd.yml")
    assert code == 2
    assert "odd.yml, line " in findings[0][1]
    assert "put it in quotes" in findings[0][1]
