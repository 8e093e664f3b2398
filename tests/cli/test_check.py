"""``basicsr check``: every finding a line, exit code 2 where one is an error, and nothing written."""

import shutil

import cv2
import numpy as np
import pytest
import torch
import yaml

from ssiu_arch.archs.ssiu_arch import SSIU, SSReM
from ssiu_arch.checks import outputs, trial
from ssiu_arch.cli import main as command

CPU = torch.device("cpu")
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
        "datasets.train: 160 pairs, 16 of them decoded and compared",
        "datasets.val: 1 pairs, 1 of them",
        "val.metrics.ssim: calculate_ssim gives",
        "iteration: a batch of 2 on the c",
        "disk: 3 checkpoints with their states take",
        "experiments/demo_SSIU_x4 can be written",
    ):
        assert part in text


def test_a_test_file_is_known_by_its_sections(check, workplace):
    (workplace / "experiments/demo_SSIU_x4/models").mkdir(parents=True)
    torch.save({"params": SSIU().state_dict()}, workplace / "experiments/demo_SSIU_x4/models/net_g_latest.pth")
    code, findings = check(file=TEST)
    assert code == 0
    assert ["ok", f"option file: {TEST}, a test"] in findings
    assert not [said for _, said in findings if said.startswith(("iteration", "disk"))]


def test_a_training_file_checked_as_a_test_lacks_test_sets(check):
    code, findings = check(options=["--test"])
    assert (code, len(findings)) == (2, 1)
    assert "datasets.train: BasicSR knows data sets by the names test" in findings[0][1]


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
        "periods add up to 1",
        "none.pth: no such file",
        "no folder nowhere",
    ):
        assert part in errors


def test_ways_to_be_faster_that_the_network_does_not_have(check):
    network = "network_g={type: MSRResNet, num_in_ch: 3, num_out_ch: 3, num_feat: 8, num_block: 1, upscale: 4}"
    code, findings = check(network, "train:checkpointing=true", "train:precision=bf16")
    assert code == 2
    (line,) = of(findings, "error")
    assert line.startswith("speed: train.checkpointing (true): MSRResNet has no list of modules named stages")


def test_every_value_of_a_wrong_kind_is_named(check):
    changes = ["scale=four", "manual_seed=-1", "num_gpu=many", "model_type=[a]"]
    code, findings = check(*changes)
    assert code == 2
    assert of(findings, "error") == [
        "option file: model_type (['a']) must be text",
        "option file: scale ('four') must be a whole number from 1 on",
        "option file: num_gpu ('many') must be a whole number, or auto",
        "option file: manual_seed (-1) must be a whole number from 0 to 2^32 - 1",
    ]


def test_unknown_names_warn_and_fail_when_strict(check):
    change = "datasets:train:use_hflips=true"
    line = "option file: datasets.train.use_hflips is an option that nothing reads; did you mean use_hflip?"
    code, findings = check(change)
    assert (code, of(findings, "warning")) == (0, [line])
    code, findings = check(change, options=["--strict"])
    assert (code, of(findings, "error")) == (2, [line])


def test_train_warns_of_an_unknown_name_in_one_line(workplace, monkeypatch, capsys):
    from ssiu_arch.cli import pipeline

    monkeypatch.chdir(workplace)
    monkeypatch.setattr(pipeline, "import_module", lambda name: pytest.skip("the run itself"))
    for change, lines in (("train:total_iters=5", 1), ("train:total_iter=5", 0)):
        with pytest.raises(pytest.skip.Exception):
            command.main(["train", "-opt", TRAIN, "--force_yml", change])
        said = capsys.readouterr().err
        assert said.count("\n") == lines, said
        assert (
            "basicsr train: train.total_iters is an option that nothing reads; did you mean total_iter?" in said
        ) == (lines == 1)


def test_the_shipped_files_have_no_unknown_names(root):
    from ssiu_arch.checks import option_file, options

    for file in (root / "options").rglob("*.yml"):
        opt = option_file.read(str(file), file.name.startswith("train"), [])
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
        assert "datasets.val: coffee.png: LQ does not show what GT shows (correlation" in of(findings, "error")[0]

    @pytest.mark.parametrize(
        ("edit", "note"),
        [
            (lambda image: image.astype(np.uint16) * 257, "there are images of 16 bit, which BasicSR cuts to 8"),
            (lambda image: np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]), "alpha channel"),
            (lambda image: image[..., 1], "grey images, which BasicSR takes for three equal channels"),
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
        assert "8 pixels are left inside crop_border (12), calculate_ssim needs 11" in of(findings, "error")[0]

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
        line = "datasets.train.dataroot_gt: copy.lmdb/data.mdb: is truncated, 100000 of"
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
        assert "1 keys of meta_info.txt are not in data.mdb (none_s001)" in of(findings, "error")[0]

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


class TestTrial:
    def options(self, **train):
        opt = {"model_type": "SSIUModel", "scale": 2, "num_gpu": 0}
        opt["train"] = {"total_iter": 1000, "pixel_opt": {"type": "L1Loss"}, **train}
        opt["datasets"] = {"train": {"batch_size_per_gpu": 4, "gt_size": 32}}
        return opt

    def test_a_network_that_makes_another_size(self):
        (finding,) = trial.iteration(self.options(), torch.nn.Conv2d(3, 3, 3, padding=1))
        assert finding.level == "error"
        assert "network_g makes (1, 3, 16, 16) of (1, 3, 16, 16), GT is (1, 3, 32, 32)" in finding.said

    def test_a_network_that_fails(self):
        (finding,) = trial.iteration(self.options(), torch.nn.Linear(7, 3))
        assert finding.level == "error"
        assert "network_g: an iteration fails: RuntimeError" in finding.said

    def test_memory_grows_with_the_batch_and_the_micro_batch_bounds_it(self):
        net = SSIU(2, num_feat=16, num_block=3)
        opt, more = self.options(), self.options()
        more["datasets"]["train"]["batch_size_per_gpu"] = 40
        few, many = (trial.run(options, net, CPU) for options in (opt, more))
        micro = trial.run({**more, "train": {**more["train"], "micro_batch_size": 4}}, net, CPU)
        assert many.memory > 5 * few.memory
        assert micro.memory == pytest.approx(few.memory, rel=0.3)
        assert few.whole

    def test_it_runs_as_the_training_will(self, monkeypatch):
        seen = []
        net = SSIU(2, num_feat=16, num_block=3)
        net.stages[0].sparsity.w1.register_forward_hook(lambda module, args, output: seen.append(output.dtype))
        plain = trial.run(self.options(), net, CPU)
        assert set(seen) == {torch.float32}
        seen.clear()
        monkeypatch.setattr(torch, "compile", lambda net, **options: pytest.fail("compiled, a minute long"))
        options = self.options(precision="bf16", channels_last=True, checkpointing=True, compile=True)
        found = trial.run(options, net, CPU)
        assert set(seen) == {torch.bfloat16}
        assert net.head.weight.is_contiguous(memory_format=torch.channels_last)
        assert found.memory < plain.memory / 2
        (finding,) = trial.iteration(options, SSIU(2, num_feat=16, num_block=3))
        assert "without compile" in finding.said

    def test_another_model_has_no_such_options(self):
        net = SSIU(2, num_feat=16, num_block=3)
        trial.run({**self.options(channels_last=True, checkpointing=True), "model_type": "SRModel"}, net, CPU)
        assert type(net.stages[0]) is SSReM
        assert not net.head.weight.is_contiguous(memory_format=torch.channels_last)

    def test_a_full_disk_is_seen_before(self, monkeypatch, tmp_path):
        opt = {"name": "x", "logger": {"save_checkpoint_freq": 10}, **self.options()}
        net = torch.nn.Linear(99, 100)
        monkeypatch.setattr(outputs.shutil, "disk_usage", lambda path: type("Disk", (), {"free": 1_000_000})())
        assert [finding.level for finding in outputs.check(opt, net, tmp_path)] == ["ok", "error"]
        monkeypatch.setattr(outputs.os, "access", lambda path, mode: False)
        assert [finding.level for finding in outputs.check(opt, net, tmp_path)] == ["error", "error"]
        assert outputs.checkpoint_bytes(opt, net) == 3 * 4 * 10_000


BAD = [
    ("train:ema_decay=2", "train.ema_decay (2) must be a number from 0 to 1"),
    ("train:warmup_iter=~", "train.warmup_iter is empty: give a number, or leave it out"),
    ("train:optim_g:lr=fast", "train.optim_g: AdamW cannot be made of lr='fast'"),
    ("train:scheduler:restart_weights=[]", "train.scheduler: CosineAnnealingRestartLR cannot be made"),
    ("train:scheduler={type: CosineAnnealingRestartLR, periods: [400, 0], restart_weights: [1, 1]}", "each above 0"),
    ("train:pixel_opt=~", "train.pixel_opt is missing: there is no loss"),
    ("train:pixel_opt={loss_weight: 1}", "train.pixel_opt.type is missing"),
    ("val:val_freq=0", "val.val_freq (0) must be a whole number from 1 on"),
    ("val={}", "val.val_freq is missing"),
    ("val:metrics:psnr={type: calculate_psnr}", "missing a required argument: 'crop_border'"),
    ("val:suffix=a/b", "val.suffix ('a/b') must be text without a slash"),
    ("datasets:train:persistent_workers=true", None),
    ("datasets:val:persistent_workers=true", "BasicSR validates and tests without workers"),
    ("datasets:train:batch_size_per_gpu=~", "datasets.train.batch_size_per_gpu is missing"),
    ("datasets:train:use_rot=~", "datasets.train.use_rot is missing"),
    ("datasets:train:prefetch_mode=gpu", "datasets.train.prefetch_mode ('gpu') must be cpu or cuda"),
    ("datasets:train:dataset_enlarge_ratio=0.01", "160 images are fewer than a batch of 4"),
    ("datasets:train:dataset_enlarge_ratio=1e12", "samples an epoch: lower it"),
    ("datasets:val:io_backend={type: disk, readahead: true}", "readahead: type disk has no other options"),
    ("datasets:val:io_backend={type: tape}", "io_backend.type ('tape') must be disk, lmdb or memcached"),
    ("datasets:val:name=photographs of scikit-image", "are one, 'photographs of scikit-image'"),
    ("datasets:other={name: a}", "datasets.other: BasicSR knows data sets by the names train, val"),
    ("network_g:num_feat=40000", "SSIU cannot be built: over 1,"),
    ("logger:wandb={project: p}", "logger.wandb needs use_tb_logger: true"),
    ("dist_params=gloo", "dist_params ('gloo') must hold options of its own"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[change for change, _ in BAD])
def test_the_cheap_part_refuses(workplace, monkeypatch, change, message):
    from ssiu_arch.checks import check_run
    from ssiu_arch.utils.errors import UserError

    monkeypatch.chdir(workplace)
    if message is None:
        check_run(TRAIN, True, [change])
        return
    with pytest.raises(UserError) as raised:
        check_run(TRAIN, True, [change])
    assert message in str(raised.value)


def test_an_empty_validation_set(workplace, monkeypatch, check):
    (workplace / "empty").mkdir()
    code, findings = check("datasets:val:dataroot_gt=empty", "datasets:val:dataroot_lq=empty")
    assert code == 2
    assert of(findings, "error") == ["datasets.val: empty holds no images"]


def test_keys_that_are_no_text(workplace, monkeypatch, check):
    opt = yaml.safe_load((workplace / TRAIN).read_text())
    opt["train"][4] = 1
    (workplace / "odd.yml").write_text(yaml.safe_dump(opt))
    code, findings = check(file="odd.yml")
    assert code == 2
    assert "option names must be text, this one is 4" in findings[0][1]
