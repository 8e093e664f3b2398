"""Every option file, read by PyYAML as stock BasicSR reads it, and built."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

OPTIONS = Path(__file__).parents[2] / "options"
FILES = sorted(set(OPTIONS.rglob("*.yml")) - set(OPTIONS.glob("rivals/*")))  # those: tests/integrations
TRAIN = [path for path in FILES if path.name.startswith("train")]
TEST = [path for path in FILES if path.name.startswith("test")]


def options(path):
    return yaml.safe_load(path.read_text())


def ids(path):
    return str(path.relative_to(OPTIONS))


def scalars(node):
    if isinstance(node, dict):
        node = node.values()
    if isinstance(node, (list, type({}.values()))):
        for child in node:
            yield from scalars(child)
    else:
        yield node


def test_the_files_that_are_promised():
    assert {ids(path) for path in FILES} >= {
        *(f"{verb}_SSIU_x{s}.yml" for verb in ("train", "test") for s in (2, 3, 4)),
        "ablation/train_SSIU_x4_noMoEFS.yml",
        "ablation/train_SSIU_x4_SAM.yml",
        "ablation/train_SSIU_x4_L1.yml",
        "demo/train_SSIU_x4.yml",
        "demo/test_SSIU_x4.yml",
        *(f"shipped/train_SSIU_x{s}.yml" for s in (2, 3, 4)),
    }
    assert sorted(TRAIN + TEST) == FILES


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_numbers_network_and_names(path):
    from basicsr.archs import build_network

    opt = options(path)
    for value in scalars(opt):
        if isinstance(value, str):
            with pytest.raises(ValueError, match="could not convert"):
                float(value)
    net = build_network(opt["network_g"])
    assert net.upscale == opt["scale"]
    for metric in opt["val"]["metrics"].values():
        assert metric["crop_border"] == opt["scale"]
        assert metric["test_y_channel"] is True
    if opt["name"].startswith(("train", "test")):
        assert opt["name"] == path.stem
    assert f"-opt {path.relative_to(OPTIONS.parent)}" in path.read_text()


@pytest.mark.parametrize("path", TRAIN, ids=ids)
def test_model_losses_optimiser_and_schedule(path):
    from basicsr.models import build_model

    opt = copy.deepcopy(options(path))
    train = opt["train"]
    opt.update(is_train=True, dist=False, num_gpu=0, network_g={**opt["network_g"], "num_feat": 16, "num_block": 3})
    model = build_model(opt)

    assert isinstance(model.optimizer_g, torch.optim.AdamW)
    assert model.get_current_learning_rate() == [5e-4 if path.parent.name == "shipped" else 1e-3]
    assert model.schedulers[0].eta_min == 1e-6
    assert sum(model.schedulers[0].periods) == train["total_iter"]
    weights = (model.cri_pix.loss_weight, model.cri_fft.loss_weight if model.cri_fft else None)
    side = opt["datasets"]["train"]["gt_size"] // opt["scale"]
    fft = pytest.approx(0.01 * (64 / side if path.stem.endswith("_teacher") else 1), abs=1e-4)  # the loss grows with it
    assert weights == (1.0, None if path.stem.endswith("_L1") else fft)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_recipe_is_the_papers(scale):
    opt = options(OPTIONS / f"train_SSIU_x{scale}.yml")
    data = opt["datasets"]["train"]
    assert (data["batch_size_per_gpu"], data["gt_size"]) == (40, 64 * scale)
    assert opt["train"]["total_iter"] == 290 * 3450
    assert opt["train"]["optim_g"] == {"type": "AdamW", "lr": 1e-3, "weight_decay": 1e-4, "betas": [0.9, 0.99]}
    assert "ema_decay" not in opt["train"]
    assert opt["network_g"] == {"type": "SSIU", "upscale": scale, "num_feat": 64, "num_block": 9, "num_head": 4}


@pytest.mark.parametrize("path", [path for path in TRAIN if not {"demo", "shipped"} & {*path.parts}], ids=ids)
def test_the_options_in_comments_are_valid(path):
    from ssiu_arch.checks import options as kinds

    text = path.read_text()
    ways = ("precision", "compile", "channels_last", "checkpointing")
    for way in ways:
        assert text.count(f"  # {way}: ") == 1
        text = text.replace(f"  # {way}: ", f"  {way}: ")
    opt = yaml.safe_load(text)
    assert [opt["train"][way] for way in ways] == ["bf16", True, True, True]
    assert not set(ways) & options(path)["train"].keys()
    assert kinds.problems(opt) == kinds.unknown(opt) == []


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shipped_weights_are_trained_by_the_recipe_made_faster_on_other_data(scale):
    from ssiu_arch.checks import options as kinds

    opt, recipe = (options(OPTIONS / f"{folder}train_SSIU_x{scale}.yml") for folder in ("shipped/", ""))
    assert opt["name"] == f"shipped_SSIU_x{scale}"
    assert opt["network_g"] == recipe["network_g"]
    for key in ("pixel_opt", "fft_opt"):
        assert opt["train"][key] == recipe["train"][key]
    assert opt["train"]["optim_g"] == {**recipe["train"]["optim_g"], "lr": 5e-4}
    assert len(opt["train"]["scheduler"]["periods"]) == len(opt["train"]["scheduler"]["restart_weights"]) > 1
    ways = {"precision": "bf16", "compile": True, "channels_last": True, "ema_decay": 0.999}
    assert opt["train"].keys() - recipe["train"].keys() == ways.keys()
    assert {key: opt["train"][key] for key in ways} == ways
    train, val = opt["datasets"]["train"], opt["datasets"]["val"]
    named = {"name", "dataroot_gt", "dataroot_lq", "num_worker_per_gpu"}
    assert {k: v for k, v in train.items() if k not in named} == {
        k: v for k, v in recipe["datasets"]["train"].items() if k not in named
    }
    assert train["dataroot_lq"] == f"datasets/photos/photos_LR_bicubic_X{scale}_sub.lmdb"
    assert val["dataroot_lq"] == f"datasets/SunHays80/LR_bicubic/X{scale}"
    assert kinds.problems(opt) == kinds.unknown(opt) == []


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_tests_cover_the_five_benchmarks(scale):
    sets = options(OPTIONS / f"test_SSIU_x{scale}.yml")["datasets"].values()
    assert [s["name"] for s in sets] == ["Set5", "Set14", "B100", "Urban100", "Manga109"]
    for s in sets:
        assert s["dataroot_lq"] == f"datasets/benchmark/{s['name']}/LR_bicubic/X{scale}"
        assert s["filename_tmpl"] == f"{{}}x{scale}"


def test_ablations_differ_from_the_recipe_in_one_thing():
    base = options(OPTIONS / "train_SSIU_x4.yml")
    for name, changed in {
        "noMoEFS": {"network_g": {**base["network_g"], "feature_selector": False}},
        "SAM": {"network_g": {**base["network_g"], "sparse_attention": False}},
        "L1": {"train": {k: v for k, v in base["train"].items() if k != "fft_opt"}},
    }.items():
        expected = {**base, **changed, "name": f"train_SSIU_x4_{name}"}
        assert options(OPTIONS / f"ablation/train_SSIU_x4_{name}.yml") == expected


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_released_format_checkpoints_load_strictly_through_the_option_files(golden, scale):
    """BasicSR's own ``load_network``, the stock model; the output is the reference vectors'."""
    from basicsr.models import build_model

    opt = options(OPTIONS / f"test_SSIU_x{scale}.yml")
    weights = {"pretrain_network_g": golden / f"released_format_x{scale}.pt", "param_key_g": "model_state_dict"}
    opt.update(model_type="SRModel", is_train=False, dist=False, num_gpu=0, path={**opt["path"], **weights})
    assert opt["path"]["strict_load_g"] is True
    model = build_model(opt)
    vectors = np.load(golden / f"vectors_x{scale}.npz")
    model.feed_data({"lq": torch.from_numpy(vectors["input_33x47"])})
    model.test()
    assert np.abs(model.output.numpy() - vectors["output_33x47"]).max() <= 1e-5
