"""``--force_yml``, defaults of missing options, and the word ``shipped``."""

import copy

import pytest
import torch
import yaml

from ssiu_arch.utils.errors import UserError
from ssiu_arch.weights.shipped import shipped


@pytest.mark.parametrize(
    ("entry", "path", "value"),
    [
        ("train:warmup_iter=-1", ("train", "warmup_iter"), -1),
        ("train:optim_g:lr=2e-4", ("train", "optim_g", "lr"), 2e-4),
        ("train:ema_decay=0.999", ("train", "ema_decay"), 0.999),
        ("name=a=b", ("name",), "a=b"),
        ("train:fft_opt:type=FFTL1Loss", ("train", "fft_opt", "type"), "FFTL1Loss"),
        ("path:pretrain_network_g=none", ("path", "pretrain_network_g"), None),
        ("path:resume_state=~", ("path", "resume_state"), None),
        ("train:use=True", ("train", "use"), True),
        ("train:periods=[3, 4]", ("train", "periods"), [3, 4]),
        ("train:lr=!!float1e-3", ("train", "lr"), 1e-3),
        ("name=[oops", ("name",), "[oops"),
    ],
)
def test_values(parse, entry, path, value):
    found = parse("--force_yml", entry)
    for key in path:
        found = found[key]
    assert found == value
    assert type(found) is type(value)


def test_several_entries_and_other_options_after_them(parse):
    opt = parse("--force_yml", "train:a=1", "train:b=2", "--debug")
    assert (opt["train"]["a"], opt["train"]["b"], opt["name"]) == (1, 2, "debug_parsed")


def test_the_seed_is_forced_before_it_is_used(parse):
    parse("--force_yml", "manual_seed=1")
    first = torch.rand(1)
    parse("--force_yml", "manual_seed=2")
    assert torch.rand(1) != first
    parse("--force_yml", "manual_seed=1")
    assert torch.rand(1) == first


def test_bad_entries_are_named(parse):
    for entry in ("train:ema_decay", "=5", "train::a=1"):
        with pytest.raises(UserError, match=rf"'{entry}' must have the form"):
            parse("--force_yml", entry)
    with pytest.raises(UserError, match=r"network_g: 'type' is given twice"):
        parse("--force_yml", "network_g={type: a, type: b}")
    with pytest.raises(UserError, match=r"name:x=1: name is 'parsed'"):
        parse("--force_yml", "name:x=1")


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir"])
def test_neither_a_value_nor_the_file_runs_code(parse, options_text, tmp_path, tag):
    made = tmp_path / "made"
    with pytest.raises(UserError, match="the tag !!python"):
        parse("--force_yml", f"model_type={tag} ['{made}']")
    assert parse("--force_yml", f"train:a=[__import__('os').mkdir('{made}')]")["train"]["a"] != [None]
    with pytest.raises(yaml.YAMLError, match="the tag !!python"):  # BasicSR's own reading, after the checks
        parse(text=options_text + f"model_type: {tag} ['{made}']\n")
    assert not made.exists()


@pytest.mark.parametrize(
    ("name", "flag", "expected"), [("a_debug", False, "a_debug"), ("a_debug", True, "debug_a_debug")]
)
def test_only_the_flag_means_debug(parse, options_text, name, flag, expected):
    text = options_text.replace("name: parsed", f"name: {name}") + "val: {val_freq: 100}\n"
    opt = parse(*["--debug"] * flag, text=text)
    assert opt["name"] == expected
    assert ("debug" in opt["name"]) == flag  # BasicSR's test, also for its loggers
    assert ("debug" in copy.deepcopy(opt)["name"]) == flag
    assert (opt["val"]["val_freq"], opt["logger"]["print_freq"]) == ((8, 1) if flag else (100, 10))
    assert opt["path"]["log"].endswith(f"experiments/{expected}")


def test_every_force_yml_counts_in_whatever_form(parse):
    opt = parse("--force_yml", "a=1", "b=-2", "--debug", "--force_yml", "c=3", "--force_yml=train:d=4")
    assert (opt["a"], opt["b"], opt["c"], opt["train"]["d"], opt["name"]) == (1, -2, 3, 4, "debug_parsed")


def test_defaults_of_a_training(parse, options_text):
    opt = parse(text=options_text.replace("logger: {print_freq: 10}", "").replace("num_gpu: 1", ""))
    assert opt["logger"] == {"print_freq": 100, "save_checkpoint_freq": 5000, "use_tb_logger": False}
    assert "models" in opt["path"]
    assert opt["num_gpu"] == torch.cuda.device_count()


def test_what_is_there_stays(parse, options_text):
    opt = parse(text=options_text + "val: {save_img: true}\n")
    assert opt["logger"]["print_freq"] == 10
    assert opt["val"] == {"save_img": True, "suffix": None}


def test_a_training_without_val_stays_without(parse):
    assert "val" not in parse()


def test_a_test_without_val_saves_nothing(parse, options_text):
    assert parse(is_train=False, text=options_text.replace("train: {ema", "other: {ema"))["val"]["save_img"] is False


def test_a_data_set_that_is_null_is_left_out(parse, options_text):
    text = options_text.replace("network_g:", "  val_1: {name: c, type: d}\n  val_2: {name: e, type: f}\nnetwork_g:")
    opt = parse("--force_yml", "datasets:val_1=none", text=text)
    assert list(opt["datasets"]) == ["train", "val_2"]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shipped_weights_are_those_of_the_scale(parse, options_text, scale):
    opt = parse(
        text=options_text + f"scale: {scale}\npath: {{pretrain_network_g: shipped, pretrain_network_d: x.pth}}\n"
    )
    assert opt["path"]["pretrain_network_g"] == str(shipped(scale))
    assert opt["path"]["pretrain_network_d"] == "x.pth"


@pytest.mark.parametrize("scale", ["", "scale: 8\n"])
def test_shipped_weights_need_a_scale(parse, options_text, scale):
    with pytest.raises(UserError, match=r"path\.pretrain_network_g: .*scale"):
        parse(text=options_text + scale + "path: {pretrain_network_g: shipped}\n")
