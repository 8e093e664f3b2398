"""Bad input of train and test: one clear line, exit code 2, and nothing on disk has changed."""

import shutil

import cv2
import pytest
import torch
import yaml
from PIL import Image

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.checks import check_run, datasets, options, training
from ssiu_arch.cli import main as command
from ssiu_arch.utils.errors import UserError

TRAIN = "options/demo/train_SSIU_x4.yml"
TEST = "options/demo/test_SSIU_x4.yml"


class Unloadable:
    """An object that torch does not load with weights_only."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder of checkpoints, good and bad."""
    folder = tmp_path_factory.mktemp("weights")
    state = SSIU().state_dict()
    torch.save({"params": state}, folder / "good.pth")
    (folder / "zeros.pth").write_bytes(bytes(100))
    (folder / "cut.pth").write_bytes((folder / "good.pth").read_bytes()[:100_000])
    torch.save([1, 2], folder / "list.pth")
    torch.save({"params": state, "when": Unloadable()}, folder / "code.pth")
    torch.save(state, folder / "raw.pth")
    torch.save({"epoch": 1, "model": {"model_state_dict": state}}, folder / "other_key.pth")
    torch.save({"best": state, "last": state}, folder / "two_sets.pth")
    torch.save({"params": {**state, "head.bias": state["head.bias"].int()}}, folder / "int.pth")
    torch.save({"params": {"a": torch.ones(1)}}, folder / "other.pth")
    torch.save({"params": SSIU(2).state_dict()}, folder / "x2.pth")
    torch.save({"params": SSIU(4, num_feat=16, num_block=3).state_dict()}, folder / "small.pth")
    torch.save({"params": SSIU(sparse_attention=False).state_dict()}, folder / "sam.pth")
    return folder


@pytest.fixture
def place(workplace, weights, monkeypatch):
    """The workplace with the checkpoints, and an earlier run of the same name that must survive."""
    earlier = workplace / "experiments/demo_SSIU_x4/models"
    earlier.mkdir(parents=True)
    (workplace / "weights").symlink_to(weights)
    (earlier / "net_g_latest.pth").symlink_to(weights / "good.pth")
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


HEAD = b"name: x\nmodel_type: SRModel\n"


class TestOptionFile:
    @pytest.mark.parametrize(
        ("content", "parts"),
        [
            (None, "bad.yml|no such file"),
            (b"", "bad.yml|empty"),
            (b"- a\n- b\n", "bad.yml|list"),
            (b"name: [1, 2\n", "bad.yml, line 2, column 1|YAML"),
            (b"name: \xff\xfe\n", "bad.yml, line 1, column 7|UTF-8"),
            (b"name: x\n", "a training needs model_type, datasets, network_g, train"),
            (HEAD + b"network_g: SSIU\ntrain: {a: 1}\ndatasets: {train: {}}\n", "network_g ('SSIU')"),
            (HEAD + b"network_g: {a: 1}\ntrain: {a: 1}\ndatasets: {train: 5}\n", "datasets.train (5)"),
            (HEAD + b"network_g: {a: 1}\ntrain: {a: 1}\ndatasets: {val: {a: 1}}\n", "needs datasets.train"),
        ],
    )
    def test_unusable(self, place, capsys, content, parts):
        if content is not None:
            (place / "bad.yml").write_bytes(content)
        line = refused(place, capsys, "train", "-opt", "bad.yml")
        for part in parts.split("|"):
            assert part in line

    def test_a_folder(self, place, capsys):
        assert "options: no such file" in refused(place, capsys, "train", "-opt", "options")

    def test_a_test_file_for_training(self, place, capsys):
        line = refused(place, capsys, "train", "-opt", TEST)
        assert "needs train" in line
        assert "test file" in line


# Changes of the demo's training, and what the message must name: the option, its value, the remedy.
BAD_OPTIONS = [
    ("model_type=SSUIModel", "model_type|'SSUIModel'|did you mean SSIUModel"),
    ("model_type=~", "a training needs model_type"),
    ("network_g:type=SIUS", "network_g.type|'SIUS'|did you mean SSIU"),
    ("network_g:type=~", "network_g.type"),
    ("network_g:type=HAT", "network_g.type|'HAT'|install the package"),
    ("model_type=HATModel", "model_type|'HATModel'|install the package"),
    ("datasets:train:type=PairedImages", "datasets.train.type|'PairedImages'|PairedImageDataset"),
    ("train:pixel_opt:type=L1", "train.pixel_opt.type|'L1'|L1Loss"),
    ("val:metrics:psnr:type=psnr", "val.metrics.psnr.type|'psnr'|calculate_psnr"),
    ("network_g:num_feats=64", "network_g (|num_feats: 64|did you mean num_feat?"),
    ("network_g:num_feat=10", "network_g|num_feat (10)|divisible|num_head (4)"),
    ("network_g:num_feat=4096", "network_g|over 1,"),
    ("network_g:num_block=10", "network_g|num_block (10)|divisible by 3"),
    ("network_g:upscale=2", "network_g.upscale (2)|scale (4)"),
    ("scale=~", "scale is missing"),
    ("datasets:train:batch_size_per_gpu=4.0", "datasets.train.batch_size_per_gpu (4.0)|a whole number"),
    ("datasets:train:gt_size=130", "datasets.train.gt_size (130)|divisible by scale (4)"),
    ("datasets:train:gt_size=160", "(144x144)|gt_size (160)"),
    ("train:scheduler:periods=[300]", "train.scheduler.periods|300|train.total_iter (400)"),
    ("train:scheduler:type=CosineLR", "train.scheduler (type: 'CosineLR'|CosineAnnealingRestartLR"),
    ("train:scheduler:gamma=0.5", "train.scheduler (|gamma: 0.5|CosineAnnealingRestartLR"),
    ("train:scheduler:restart_weights=[]", "train.scheduler (|restart_weights: []"),
    (
        "train:scheduler={type: CosineAnnealingRestartLR, periods: [400, 0], restart_weights: [1, 1]}",
        "periods ([400, 0])|from 1 to",
    ),
    ("train:optim_g:type=~", "train.optim_g.type is missing|Adam"),
    ("train:optim_g:type=Lion", "train.optim_g (type: 'Lion'|write Adam or"),
    ("train:optim_g={type: Adafactor, lr: 1}", "train.optim_g (type: 'Adafactor'|write Adam or"),
    ("train:optim_g:betas=[0.9]", "train.optim_g.betas ([0.9])|a list of 2, each entry a number from 0 to 1"),
    ("train:optim_g:betas=[0.9, 2]", "train.optim_g.betas ([0.9, 2])|a number from 0 to 1"),
    ("train:optim_g:lr=~", "train.optim_g.lr is empty|a number"),
    ("train:optim_g:weight_decay=[0]", "train.optim_g.weight_decay ([0])|a number"),
    ("train:optim_g:amsgrad=~", "train.optim_g.amsgrad (None)|true or false"),
    ("train:pixel_opt:loss_weight=~", "train.pixel_opt.loss_weight (None)|a number"),
    ("train:scheduler:eta_min=~", "train.scheduler.eta_min is empty|a number"),
    ("train:total_iter=0400", "train:total_iter: '0400' means 256|quotes"),
    ("train:optim_g:beta=0.9", "train.optim_g (|beta: 0.9|betas"),
    ("train:optim_g={lr: 0.001}", "train.optim_g.type is missing|Adam"),
    ("train:optim_g:lr=fast", "train.optim_g.lr ('fast')|a number"),
    ("train:total_iter=~", "train.total_iter"),
    ("train:ema_decay=2", "train.ema_decay (2)|from 0 to 1"),
    ("train:warmup_iter=~", "train.warmup_iter is empty|a whole number"),
    ("train:fft_opt:weight=1", "train.fft_opt|FFTL1Loss|'weight'"),
    ("train:pixel_opt=~", "train.pixel_opt is missing"),
    ("train:pixel_opt={loss_weight: 1}", "train.pixel_opt.type is missing"),
    ("train:pixel_opt:reduction=sum", "train.pixel_opt.reduction (sum)|mean|train.micro_batch_size"),
    ("train:precision=fp8", "train.precision ('fp8')|fp32 or tf32 or bf16"),
    ("train:precision=fp16", "train.precision ('fp16')|fp32 or tf32 or bf16"),
    ("train:compile=3", "train.compile (3)|true, false|torch.compile"),
    ("train:compile={backend: inductress}", "train.compile: |'inductress'"),
    ("train:channels_last=yes please", "train.channels_last ('yes please')|true or false"),
    ("train:checkpointing=1", "train.checkpointing (1)|true or false"),
    (
        "network_g={type: MSRResNet, num_in_ch: 3, num_out_ch: 3, upscale: 4}",
        "train.checkpointing (true)|MSRResNet|stages|leave it out",
    ),
    ("datasets:train:dataroot_gt=datasets/none.lmdb", "datasets.train.dataroot_gt|datasets/none.lmdb"),
    ("datasets:train:dataroot_lq=datasets/demo/none.lmdb", "datasets.train.dataroot_lq|python datasets_prep/demo.py"),
    ("datasets:train:dataroot_lq=datasets/demo/val/HR", "datasets.train.dataroot_lq|must end in .lmdb|type: disk"),
    ("datasets:train:dataroot_lq=~", "datasets.train.dataroot_lq is missing"),
    ("datasets:train:dataroot_lq=datasets/demo/train_LR_bicubic_X2_sub.lmdb", "144x144|72x72|scale 4"),
    ("datasets:train:batch_size_per_gpu=~", "datasets.train.batch_size_per_gpu is missing"),
    ("datasets:train:use_rot=~", "datasets.train.use_rot is missing"),
    ("datasets:train:prefetch_mode=gpu", "datasets.train.prefetch_mode ('gpu')|cpu or cuda"),
    ("datasets:train:dataset_enlarge_ratio=0.01", "160 images|batch of 4|raise dataset_enlarge_ratio"),
    ("datasets:val:dataroot_lq=datasets/demo/val/LR_bicubic/X2", "datasets.val|400x600|200x300|scale 4"),
    ("datasets:val:filename_tmpl='{}x4'", "datasets.val|coffeex4.png"),
    ("datasets:val:persistent_workers=true", "datasets.val.persistent_workers (true)|remove it"),
    (
        "datasets:val:io_backend={type: disk, readahead: true}",
        "datasets.val.io_backend.readahead (True)|removed",
    ),
    ("datasets:val:io_backend={type: tape}", "datasets.val.io_backend.type ('tape')|disk or lmdb"),
    ("datasets:val:name=photographs of scikit-image", "datasets.val.name|'photographs of scikit-image'|own name"),
    ("datasets:other={name: a}", "datasets.other|train, val"),
    ("path:pretrain_network_g=none.pth", "weights none.pth: no such file"),
    ("path:pretrain_network_g=weights/zeros.pth", "weights weights/zeros.pth"),
    ("path:pretrain_network_g=weights/cut.pth", "weights weights/cut.pth"),
    ("path:pretrain_network_g=weights/list.pth", "weights weights/list.pth|list"),
    ("path:pretrain_network_g=weights/code.pth", "weights weights/code.pth|Python objects"),
    ("path:pretrain_network_g=weights/two_sets.pth", "weights weights/two_sets.pth|key: best, last"),
    ("path:pretrain_network_g=weights/int.pth", "weights weights/int.pth: head.bias is torch.int32"),
    (
        "path:pretrain_network_g=weights/other.pth",
        "weights/other.pth do not fit network_g: 439 parameters missing (head.weight, |...); 1 parameters unknown (a)",
    ),
    ("path:pretrain_network_g=weights/x2.pth", "weights weights/x2.pth|upscale: 2 (here 4)"),
    ("path:pretrain_network_g=weights/small.pth", "weights/small.pth|num_feat: 16 (here 64), num_block: 3 (here 9)"),
    ("path:pretrain_network_g=weights/sam.pth", "weights/sam.pth|sparse_attention: False (here True)"),
    ("val:fast=1", "val.fast (1)|true or false"),
    ("val:precision=fp8", "val.precision ('fp8')|fp32 or tf32 or bf16 or fp16"),
    ("val:compile={mode: quickest}", "val.compile: |quickest"),
    ("val:cuda_graphs=yes please", "val.cuda_graphs ('yes please')|true or false"),
    ("val:tile=20", "val.tile (20)|32"),
    ("val={val_freq: 4, tile: 64, tile_overlap: 40}", "val.tile_overlap (40)|val.tile (64)"),
    ("val:bicubic=once", "val.bicubic ('once')|true or false"),
    ("val:metrics:psnr:float_output=1", "val.metrics.psnr.float_output (1)|true or false"),
    ("val:val_freq=0", "val.val_freq (0)|from 1 to"),
    ("val={}", "val.val_freq is missing"),
    ("val:metrics:psnr={type: calculate_psnr}", "val.metrics.psnr|'crop_border'"),
    ("val:suffix=a/b", "val.suffix ('a/b')|slash"),
    ("logger:wandb={project: p}", "logger.wandb|use_tb_logger: true"),
    ("dist_params={backend: foo}", "dist_params.backend ('foo')|nccl or gloo"),
    ("dist_params=gloo", "dist_params ('gloo')|mapping"),
    ("name=a/b", "name ('a/b')|folder"),
    ("oops", "--force_yml 'oops'|="),
    ("datasets:train:io_backend=memcached", "datasets.train.io_backend ('memcached')|mapping"),
    ("datasets:train:io_backend={type: memcached}", "datasets.train.io_backend.type ('memcached')|disk or lmdb"),
    ("datasets:train:io_backend={type: lmdb, readaheads: true}", "datasets.train.io_backend.readaheads (True)|removed"),
    ("datasets:train:num_worker_per_gpu=1000000", "datasets.train.num_worker_per_gpu (1000000)|256"),
    ("datasets:train:batch_size_per_gpu=0", "datasets.train.batch_size_per_gpu (0)|from 1"),
    ("datasets:train:dataset_enlarge_ratio=1e12", "datasets.train.dataset_enlarge_ratio (1000000000000)|10,000"),
    ("datasets:train:use_hflip='yes'", "datasets.train.use_hflip ('yes')|true or false"),
    ("datasets:val:mean=[0.5, 0.5, 0.5]", "datasets.val.mean ([0.5, 0.5, 0.5])|removed|network"),
    ("datasets:train:std=[0.5, 0.5, 0.5]", "datasets.train.std ([0.5, 0.5, 0.5])|removed|network"),
    (f"train:total_iter={'9' * 400}", "train:total_iter|2^63"),
    ("train:optim_g:lr=.inf", "train:optim_g:lr|'.inf'|finite"),
    ("train:optim_g:lr=-1", "train.optim_g.lr (-1)|from 0"),
    ("train:optim_g:lr=true", "train.optim_g.lr (True)"),
    ("train:scheduler:periods=[-400]", "train.scheduler.periods ([-400])|from 1"),
    ("train:scheduler={type: MultiStepLR, milestones: ['5']}", "train.scheduler.milestones (['5'])"),
    ("train:scheduler={type: MultiStepLR, milestones: [5], gamma: x}", "train.scheduler.gamma ('x')|from 0 to 1"),
    ("train:pixel_opt:loss_weight='1'", "train.pixel_opt.loss_weight ('1')|a number"),
    ("train:pixel_opt:reduction=median", "train.pixel_opt (|reduction: 'median'"),
    ("num_gpu=-1", "num_gpu (-1)|auto"),
    ("num_gpu=two", "num_gpu ('two')|auto"),
    ("manual_seed=4294967295", "manual_seed (4294967295)|2,147,483,647"),
    ("logger:print_freq=0", "logger.print_freq (0)|from 1"),
    ("logger:save_checkpoint_freq=-5", "logger.save_checkpoint_freq (-5)|from 1"),
    ("val:metrics:psnr:crop_border=-4", "val.metrics.psnr.crop_border (-4)|from 0"),
    ("val:metrics:psnr:crop_border=200", "coffee.png has 400 pixels|val.metrics.psnr needs 1 |crop_border (200)"),
    ("network_g:feature_selector='no'", "network_g.feature_selector ('no')|true or false"),
    ("network_g:num_feat=true", "network_g.num_feat (True)|a number"),
    ("datasets:train:type=[a]", "datasets.train.type (['a'])|text"),
    ("dist_params={timeout: -1}", "dist_params.timeout (-1)"),
    ("model_type=!!python/name:os.system", "--force_yml model_type|!!python/name:os.system"),
]


@pytest.mark.parametrize(("change", "parts"), BAD_OPTIONS, ids=[change for change, _ in BAD_OPTIONS])
def test_bad_options(place, capsys, change, parts):
    beside = {"reduction": "train:micro_batch_size=1", "MSRResNet": "train:checkpointing=true"}
    others = [other for part, other in beside.items() if part in change]
    line = refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", change, *others)
    assert line.startswith("basicsr train: ")
    for part in parts.split("|"):
        assert part in line


def test_every_force_yml_counts_and_a_repeated_key_is_named(place, capsys):
    changes = ["--force_yml", "x:y=1", "x:y=2", "val:tile=5", "--force_yml", "train:ema_decay=0.5"]
    assert command.main(["train", "-opt", TRAIN, *changes]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "x:y is given 2 times" in said[0]
    assert "val.tile (5)" in said[1]


def test_good_options_pass(place):
    check_run(TRAIN, True, ["datasets:train:persistent_workers=true", "val:tile=64", "val:tile_overlap=32"])


def test_good_weights_pass(place):
    check_run(TRAIN, True, ["path:pretrain_network_g=weights/good.pth"])
    check_run(TRAIN, True, ["path:pretrain_network_g=weights/raw.pth", "path:param_key_g=none"])
    check_run(TRAIN, True, ["path:pretrain_network_g=weights/other_key.pth"])
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
    assert f"datasets.train.dataroot_gt: copy.lmdb/{file}: " in line
    assert "prepare the set again" in line


def test_meta_info_of_another_form_or_other_keys(place, capsys):
    copy = place / "copy.lmdb"
    shutil.copytree(place / "datasets/demo/train_HR_sub.lmdb", copy)
    meta = copy / "meta_info.txt"
    lines = meta.read_text().splitlines(keepends=True)
    change = "datasets:train:dataroot_gt=copy.lmdb"
    meta.write_text("".join([lines[0].replace("(144,144,3)", "144x144"), *lines[1:]]))
    assert "copy.lmdb/meta_info.txt: line 1 " in refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", change)
    meta.write_text("".join(lines[1:]))
    line = refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", change)
    assert f"datasets.train: dataroot_gt lacks the partner of {lines[0].partition('.')[0]}: " in line


def test_unreadable_and_missing_validation_images(place, capsys):
    shutil.copytree(place / "datasets/demo/val/HR", place / "HR")
    change = "datasets:val:dataroot_gt=HR"
    (place / "HR/coffee.png").write_bytes(b"no image")
    assert "datasets.val: HR/coffee.png" in refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", change)
    (place / "HR/coffee.png").unlink()
    line = refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", change)
    assert "datasets.val: dataroot_gt lacks the partner of coffee.png" in line
    for name in ("a.png", "b.png", "c.png", "d.png"):
        (place / "HR" / name).touch()
    line = refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", change)
    assert "dataroot_lq lacks 4 images (a.png, b.png, c.png and 1 more) and dataroot_gt lacks" in line
    assert "filename_tmpl" in line


def test_every_pair_of_a_validation_set_is_measured(place, capsys):
    for name in ("HR", "LR"):
        (place / name).mkdir()
        source = place / "datasets/demo/val" / ("HR" if name == "HR" else "LR_bicubic/X4") / "coffee.png"
        shutil.copy(source, place / name / "a.png")
        shutil.copy(source, place / name / "b.png")
    shutil.copy(place / "datasets/demo/val/LR_bicubic/X2/coffee.png", place / "LR/b.png")
    changes = ["datasets:val:dataroot_gt=HR", "datasets:val:dataroot_lq=LR"]
    line = refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", *changes)
    assert "b.png is 400x600 in GT and 200x300 in LQ" in line


class TestFolders:
    """Sets of images in folders, in a test, and in the validation of a training."""

    @pytest.fixture
    def folders(self, place, capsys):
        """Copies of the photo of the demo under these names; then a test or training that reads them."""

        def run(*names, verb="test", more=()):
            for side, source in (("HR", "HR"), ("LR", "LR_bicubic/X4")):
                (place / side).mkdir(exist_ok=True)
                for name in names:
                    Image.open(place / f"datasets/demo/val/{source}/coffee.png").save(place / side / name)
            phase = "test" if verb == "test" else "val"
            changes = (f"datasets:{phase}:dataroot_gt=HR", f"datasets:{phase}:dataroot_lq=LR")
            file = TEST if verb == "test" else TRAIN
            return refused(place, capsys, verb, "-opt", file, "--force_yml", *changes, *more)

        return run

    @pytest.mark.parametrize("verb", ["test", "train"])
    def test_two_images_of_one_name(self, folders, verb):
        line = folders("comic.png", "comic.bmp", verb=verb)
        assert "comic.png" in line
        assert "comic.bmp" in line

    @pytest.mark.parametrize(
        ("lines", "number"),
        [
            ("a.png (400,600,3)\nnone.png (400,600,3)\n", 2),
            ("my photo.png (400,600,3)\n", 1),
            ("a.png (400,600,3)\r\n\r\n", 2),
            ("a.png (400,600,3)\n\nmy photo.png (400,600,3)\n", 2),
        ],
    )
    def test_a_list_of_images_with_a_wrong_line(self, place, folders, lines, number):
        (place / "list.txt").write_text(lines, newline="")
        change = "datasets:test:meta_info_file=list.txt"
        assert f"datasets.test.meta_info_file: list.txt, line {number} " in folders(
            "a.png", "my photo.png", more=[change]
        )

    def test_no_list_or_not_in_utf_8(self, place, folders):
        (place / "list.txt").write_text("a.png\n", encoding="utf-16")
        for name in ("none.txt", "list.txt"):
            line = folders("a.png", more=[f"datasets:test:meta_info_file={name}"])
            assert f"datasets.test.meta_info_file ({name}): " in line
            assert "UTF-8" in line

    def test_a_list_with_carriage_returns_passes(self, place, folders):
        (place / "list.txt").write_text("a.png (400,600,3)\r\n", newline="")
        assert "name ('a/b')" in folders("a.png", more=["datasets:test:meta_info_file=list.txt", "name=a/b"])
        sides = ["datasets:test:dataroot_gt=HR", "datasets:test:dataroot_lq=LR"]
        check_run(TEST, False, [*sides, "datasets:test:meta_info_file=list.txt"])

    def test_a_later_image_too_small_for_ssim(self, place, folders):
        for side, size in (("HR", 16), ("LR", 4)):
            (place / side).mkdir()
            Image.new("RGB", (size, size)).save(place / side / "z.png")
        for verb in ("test", "train"):
            assert "z.png has 16 pixels a side, val.metrics.ssim needs 11 " in folders("a.png", verb=verb)


def test_compile_on_several_gpus_needs_a_launcher(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    opt = {"num_gpu": "auto", "train": {"compile": True}}
    with pytest.raises(UserError, match=r"train\.compile with 2 GPUs .*--launcher pytorch"):
        training.check_gpus(opt, None)
    training.check_gpus(opt, 2)
    training.check_gpus({**opt, "num_gpu": 1}, None)
    with pytest.raises(UserError, match=r"num_gpu \(3\) must be at most 2"):
        training.check_gpus({"num_gpu": 3}, None)


@pytest.mark.parametrize(
    ("environment", "part"),
    [
        ({}, "RANK is not set"),
        ({"RANK": "x"}, "RANK is 'x'"),
        ({"RANK": "0", "WORLD_SIZE": "many"}, "WORLD_SIZE is 'many'"),
        (
            {"RANK": "2", "WORLD_SIZE": "2", "MASTER_ADDR": "here", "MASTER_PORT": "1"},
            "RANK (2) must be below WORLD_SIZE",
        ),
        ({"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "here", "MASTER_PORT": "99999"}, "MASTER_PORT (99999)"),
    ],
)
def test_what_a_launcher_must_set(place, capsys, monkeypatch, environment, part):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert part in refused(place, capsys, "train", "-opt", TRAIN, "--launcher", "pytorch")


def test_without_a_launcher_its_variables_are_ignored(place, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "x")
    monkeypatch.setenv("WORLD_SIZE", "y")
    assert "name ('a/b')" in refused(place, capsys, "train", "-opt", TRAIN, "--force_yml", "name=a/b")


@pytest.mark.parametrize(("orientation", "turned"), [(3, False), (6, True)])
def test_sizes_of_a_photo_are_those_after_its_rotation(place, orientation, turned):
    image = Image.new("RGB", (40, 24))
    exif = image.getexif()
    exif[274] = orientation
    image.save(place / "a.jpg", exif=exif)
    assert datasets._size(str(place / "a.jpg")) == cv2.imread(str(place / "a.jpg")).shape[:2]
    assert datasets._size(str(place / "a.jpg")) == ((40, 24) if turned else (24, 40))


def test_a_file_where_the_run_makes_a_folder(place, capsys):
    shutil.rmtree(place / "experiments")
    (place / "experiments").touch()
    line = refused(place, capsys, "train", "-opt", TRAIN)
    assert f"{place}/experiments " in line
    assert "move it" in line


def test_test_names_missing_weights(place, capsys):
    shutil.rmtree(place / "experiments")
    line = refused(place, capsys, "test", "-opt", TEST)
    assert "weights experiments/demo_SSIU_x4/models/net_g_latest.pth: no such file" in line
    assert "shipped" in line


def test_every_type_of_an_option_file_is_looked_up(root):
    opt = yaml.safe_load((root / "options/train_SSIU_x4.yml").read_text())
    found = options._entries(opt, options._table(opt))
    assert {(where, kind.registry) for where, _, kind, _ in found if kind.registry} == {
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
