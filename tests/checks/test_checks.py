"""Bad input of train and test: one clear line, exit code 2, and nothing on disk has changed."""

import shutil

import pytest
import torch
import yaml

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.checks import check_run, registered
from ssiu_arch.cli import main as command
from ssiu_arch.utils.errors import UserError

TRAIN = "options/demo/train_SSIU_x4.yml"
TEST = "options/demo/test_SSIU_x4.yml"


@pytest.fixture
def place(workplace, monkeypatch):
    """The workplace, with an earlier run of the same name that must survive."""
    earlier = workplace / "experiments/demo_SSIU_x4/models"
    earlier.mkdir(parents=True)
    torch.save({"params": SSIU().state_dict()}, earlier / "net_g_latest.pth")
    monkeypatch.chdir(workplace)
    return workplace


def refused(place, capsys, *arguments):
    """Run the command in this process; the one line it says."""
    before = sorted(path for path in place.rglob("*"))
    assert command.main(list(arguments)) == 2
    assert sorted(path for path in place.rglob("*")) == before
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    return said.err.strip()


def test_the_shipped_demo_passes(place):
    assert check_run(TRAIN, is_train=True)["network_g"]["type"] == "SSIU"
    assert check_run(TEST, is_train=False)["val"]["save_img"] is True


class TestOptionFile:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "bad.yml: no such file"),
            (b"", "its YAML holds nothing"),
            (b"- a\n- b\n", "its YAML holds list"),
            (b"name: [1, 2\n", "bad.yml, line 2, column 1: no valid YAML"),
            (b"name: \xff\xfe\n", "is no text file (byte 6 is not UTF-8)"),
            (b"name: x\n", "a training needs model_type, datasets, network_g, train"),
            (
                b"name: x\nmodel_type: SRModel\nnetwork_g: SSIU\ntrain: {a: 1}\ndatasets: {train: {}}\n",
                "network_g ('SSIU')",
            ),
            (
                b"name: x\nmodel_type: SRModel\nnetwork_g: {a: 1}\ntrain: {a: 1}\ndatasets: {train: 5}\n",
                "datasets.train (5)",
            ),
            (
                b"name: x\nmodel_type: SRModel\nnetwork_g: {a: 1}\ntrain: {a: 1}\ndatasets: {val: {a: 1}}\n",
                "datasets has no train",
            ),
        ],
    )
    def test_unusable(self, place, capsys, content, message):
        if content is not None:
            (place / "bad.yml").write_bytes(content)
        assert message in refused(place, capsys, "train", "-opt", "bad.yml")

    def test_a_folder(self, place, capsys):
        assert "options: no such file" in refused(place, capsys, "train", "-opt", "options")

    def test_a_test_file_for_training(self, place, capsys):
        assert "a training needs train; it looks like a test file" in refused(place, capsys, "train", "-opt", TEST)


BAD_OPTIONS = [
    ("model_type=SSUIModel", "model_type: no model 'SSUIModel' is registered; did you mean SSIUModel"),
    ("model_type=~", "a training needs model_type"),
    ("network_g:type=SIUS", "network_g.type: no arch 'SIUS' is registered; did you mean SSIU"),
    ("network_g:type=~", "network_g.type is missing"),
    ("network_g:type=HAT", "no arch 'HAT' is registered"),
    ("network_g:type=HAT", "HAT comes with XPixelGroup/HAT once it is installed"),
    ("model_type=HATModel", "HATModel comes with XPixelGroup/HAT"),
    ("datasets:train:type=PairedImages", "datasets.train.type: no dataset 'PairedImages' is registered"),
    ("train:pixel_opt:type=L1", "train.pixel_opt.type: no loss 'L1' is registered"),
    ("val:metrics:psnr:type=psnr", "val.metrics.psnr.type: no metric 'psnr' is registered"),
    ("network_g:num_feats=64", "network_g.num_feats: SSIU has no such argument; did you mean num_feat?"),
    ("network_g:num_feat=10", "SSIU cannot be built: num_feat (10) must be divisible by twice num_head (4)"),
    ("network_g:num_block=10", "num_block (10) must be divisible by 3"),
    ("network_g:upscale=2", "network_g.upscale (2) and scale (4) contradict each other"),
    ("scale=~", "scale is missing"),
    ("datasets:train:gt_size=130", "datasets.train.gt_size (130) must be divisible by scale (4)"),
    ("datasets:train:gt_size=160", "is smaller than gt_size (160)"),
    ("train:scheduler:periods=[300]", "train.scheduler.periods add up to 300, fewer than train.total_iter (400)"),
    ("train:optim_g:type=~", "train.optim_g.type is missing"),
    ("train:total_iter=~", "train.total_iter is missing"),
    ("train:optim_g:type=Lion", "train.optim_g.type (Lion) must be one of Adam, AdamW"),
    ("train:optim_g:beta=0.9", "train.optim_g: AdamW takes other arguments: got an unexpected keyword argument 'beta'"),
    ("train:scheduler:type=CosineLR", "train.scheduler.type (CosineLR) must be one of CosineAnnealingRestartLR"),
    ("train:scheduler:gamma=0.5", "train.scheduler: CosineAnnealingRestartLR takes other arguments"),
    ("train:fft_opt:weight=1", "train.fft_opt: FFTL1Loss takes other arguments"),
    ("datasets:train:dataroot_gt=datasets/none.lmdb", "datasets.train.dataroot_gt: no folder datasets/none.lmdb"),
    ("datasets:train:dataroot_lq=datasets/demo/none.lmdb", "make it with: python datasets_prep/demo.py"),
    ("datasets:train:dataroot_lq=datasets/demo/val/HR", "must end in .lmdb"),
    ("datasets:train:dataroot_lq=~", "datasets.train.dataroot_lq is missing"),
    ("datasets:train:dataroot_lq=datasets/demo/train_LR_bicubic_X2_sub.lmdb", "which is not scale 4"),
    ("datasets:val:dataroot_lq=datasets/demo/val/LR_bicubic/X2", "which is not scale 4"),
    ("datasets:val:filename_tmpl='{}x4'", "datasets.val: coffeex4.png is not in lq_paths"),
    ("path:pretrain_network_g=none.pth", "weights none.pth: no such file"),
    ("path:pretrain_network_g=weights/zeros.pth", "weights weights/zeros.pth: unreadable"),
    ("path:pretrain_network_g=weights/cut.pth", "weights weights/cut.pth: unreadable"),
    ("path:pretrain_network_g=weights/list.pth", "holds a list, not a dict of tensors"),
    ("path:pretrain_network_g=weights/code.pth", "holds Python objects besides tensors"),
    ("path:pretrain_network_g=weights/raw.pth", "its tensors stand at the root: write path.param_key_g: ~"),
    ("path:pretrain_network_g=weights/other_key.pth", "no 'params' in it; it holds epoch, model_state_dict: name one"),
    ("path:pretrain_network_g=weights/x2.pth", "The file was made for upscale: 2 (here 4)"),
    (
        "path:pretrain_network_g=weights/small.pth",
        "The file was made for num_feat: 16 (here 64), num_block: 3 (here 9)",
    ),
    ("path:pretrain_network_g=weights/sam.pth", "The file was made for sparse_attention: False (here True)"),
    ("train:pixel_opt:reduction=sum", "train.pixel_opt.reduction (sum) must be mean with train.micro_batch_size"),
    ("val:fast=1", "val.fast (1) must be true or false"),
    ("val:precision=fp8", "val.precision ('fp8') must be fp32 or tf32 or bf16 or fp16"),
    ("val:compile={mode: quickest}", "val.compile: "),
    ("val:cuda_graphs=yes please", "val.cuda_graphs ('yes please') must be true or false"),
    ("val:tile=20", "val.tile (20) must be a whole number from 32 on"),
    ("train:precision=fp8", "train.precision ('fp8') must be fp32 or tf32 or bf16"),
    ("train:precision=16", "train.precision (16) must be fp32 or tf32 or bf16"),
    ("train:compile=3", "train.compile (3) must be true, false or arguments of torch.compile"),
    ("train:compile={backend: inductress}", "train.compile: Invalid backend: 'inductress'"),
    ("train:channels_last=yes please", "train.channels_last ('yes please') must be true or false"),
    ("train:checkpointing=1", "train.checkpointing (1) must be true or false"),
    (
        "network_g={type: MSRResNet, num_in_ch: 3, num_out_ch: 3, upscale: 4}",
        "train.checkpointing (true): MSRResNet has no list of modules named stages: leave it out",
    ),
    ("network_g:num_in_ch=1", "datasets.train gives 3 channels, network_g.num_in_ch is 1"),
    ("datasets:val:color=y", "datasets.val gives 1 channels, network_g.num_in_ch is 3"),
    ("name=a/b", "name ('a/b') must be text that can name a folder"),
    ("dist_params={backend: foo}", "dist_params.backend ('foo') must be one of nccl, gloo"),
    ("oops", "--force_yml 'oops' has no '='"),
]


@pytest.fixture
def weights(place):
    folder = place / "weights"
    folder.mkdir()
    state = SSIU().state_dict()
    torch.save({"params": state}, folder / "good.pth")
    (folder / "zeros.pth").write_bytes(bytes(100))
    (folder / "cut.pth").write_bytes((folder / "good.pth").read_bytes()[:100_000])
    torch.save([1, 2], folder / "list.pth")
    torch.save({"params": state, "when": Unloadable()}, folder / "code.pth")
    torch.save(state, folder / "raw.pth")
    torch.save({"epoch": 1, "model_state_dict": state}, folder / "other_key.pth")
    torch.save({"params": SSIU(2).state_dict()}, folder / "x2.pth")
    torch.save({"params": SSIU(4, num_feat=16, num_block=3).state_dict()}, folder / "small.pth")
    torch.save({"params": SSIU(sparse_attention=False).state_dict()}, folder / "sam.pth")


class Unloadable:
    """An object that torch does not load with weights_only."""


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize(("change", "message"), BAD_OPTIONS, ids=[change for change, _ in BAD_OPTIONS])
def test_bad_options(place, capsys, change, message):
    beside = {"reduction": "train:micro_batch_size=1", "MSRResNet": "train:checkpointing=true"}
    others = [other for part, other in beside.items() if part in change]
    line = refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", change, *others)
    assert line.startswith("basicsr train: ")
    assert message in line


@pytest.mark.usefixtures("weights")
def test_good_weights_pass(place):
    check_run(TRAIN, True, ["path:pretrain_network_g=weights/good.pth"])
    check_run(TRAIN, True, ["path:pretrain_network_g=weights/raw.pth", "path:param_key_g=none"])
    check_run(TRAIN, True, ["path:pretrain_network_g=weights/x2.pth", "path:strict_load_g=false"])


@pytest.mark.parametrize("file", ["data.mdb", "meta_info.txt"])
@pytest.mark.parametrize("damage", ["gone", "empty"])
def test_incomplete_lmdb(place, capsys, file, damage):
    copy = place / "copy.lmdb"
    shutil.copytree(place / "datasets/demo/train_HR_sub.lmdb", copy)
    (copy / file).unlink()
    if damage == "empty":
        (copy / file).touch()
    line = refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", "datasets:train:dataroot_gt=copy.lmdb")
    assert f"copy.lmdb has no {file}, or an empty one" in line


def test_meta_info_of_another_form_or_other_keys(place, capsys):
    copy = place / "copy.lmdb"
    shutil.copytree(place / "datasets/demo/train_HR_sub.lmdb", copy)
    meta = copy / "meta_info.txt"
    lines = meta.read_text().splitlines(keepends=True)
    change = "datasets:train:dataroot_gt=copy.lmdb"
    meta.write_text("".join([lines[0].replace("(144,144,3)", "144x144"), *lines[1:]]))
    assert "meta_info.txt, line 1" in refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", change)
    meta.write_text("".join(lines[1:]))
    assert "Keys in lq_folder and gt_folder are different" in refused(
        place, capsys, "train", "-opt", TRAIN, "--force_yml", change
    )


def test_unreadable_and_missing_validation_images(place, capsys):
    shutil.copytree(place / "datasets/demo/val/HR", place / "HR")
    change = "datasets:val:dataroot_gt=HR"
    (place / "HR/coffee.png").write_bytes(b"no image")
    assert "HR/coffee.png is no image" in refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", change)
    (place / "HR/coffee.png").unlink()
    line = refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", change)
    assert "lq and gt datasets have different number of images: 1, 0" in line


def test_every_pair_of_a_validation_set_is_measured(place, capsys):
    for name in ("HR", "LR"):
        (place / name).mkdir()
        source = place / "datasets/demo/val" / ("HR" if name == "HR" else "LR_bicubic/X4") / "coffee.png"
        shutil.copy(source, place / name / "a.png")
        shutil.copy(source, place / name / "b.png")
    shutil.copy(place / "datasets/demo/val/LR_bicubic/X2/coffee.png", place / "LR/b.png")
    changes = ["datasets:val:dataroot_gt=HR", "datasets:val:dataroot_lq=LR"]
    line = refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", *changes)
    assert "b.png is 400x600 in GT and 200x300 in LQ, which is not scale 4" in line


def test_a_file_where_the_run_makes_a_folder(place, capsys):
    shutil.rmtree(place / "experiments")
    (place / "experiments").touch()
    assert "experiments is a file" in refused(place, capsys, "train", "-opt", TRAIN)


def test_test_names_missing_weights(place, capsys):
    shutil.rmtree(place / "experiments")
    line = refused(place, capsys, "test", "-opt", TEST)
    assert line == "basicsr test: weights experiments/demo_SSIU_x4/models/net_g_latest.pth: no such file"


def test_every_type_of_an_option_file_is_looked_up(root):
    opt = yaml.safe_load((root / "options/train_SSIU_x4.yml").read_text())
    assert {(where, kind) for where, _, kind in registered.named_types(opt)} == {
        ("model_type", "model"),
        ("network_g.type", "arch"),
        ("datasets.train.type", "dataset"),
        ("datasets.val.type", "dataset"),
        ("train.pixel_opt.type", "loss"),
        ("train.fft_opt.type", "loss"),
        ("val.metrics.psnr.type", "metric"),
        ("val.metrics.ssim.type", "metric"),
    }


def test_a_network_that_fails_to_build_for_its_own_reasons_is_named(place):
    with pytest.raises(UserError, match="network_g: EDSR cannot be built"):
        check_run(TRAIN, True, ["network_g={type: EDSR, num_in_ch: 3, num_out_ch: 3, upscale: 4, num_feat: -1}"])
