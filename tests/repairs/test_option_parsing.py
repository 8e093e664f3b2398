"""``--force_yml``, missing options and options for a GPU, through BasicSR's own ``parse_options``."""

import sys

import basicsr.test
import basicsr.train
import pytest
import torch
from basicsr.utils.options import parse_options

from ssiu_arch.errors import UserError
from ssiu_arch.repairs import cpu_only, missing_options
from ssiu_arch.repairs.force_yml import split_force_yml
from ssiu_arch.repairs.repair import is_ours

OPTIONS = """
name: parsed
manual_seed: 7
num_gpu: 1
datasets:
  train: {name: a, type: b, prefetch_mode: cuda, pin_memory: true}
network_g: {type: SSIU}
train: {ema_decay: 0, warmup_iter: 5, optim_g: {type: Adam, lr: 1e-3}}
logger: {print_freq: 10}
"""


@pytest.fixture
def parse(tmp_path, monkeypatch):
    def run(*arguments, is_train=True, text=OPTIONS):
        file = tmp_path / "options.yml"
        file.write_text(text)
        monkeypatch.setattr(sys, "argv", ["basicsr", "-opt", str(file), *arguments])
        before = list(sys.argv)
        opt, args = parse_options(str(tmp_path), is_train=is_train)
        assert sys.argv == before
        assert args.opt == str(file)
        return opt

    return run


def test_training_and_testing_use_the_repaired_function():
    assert basicsr.train.parse_options is parse_options
    assert basicsr.test.parse_options is parse_options
    assert is_ours(parse_options)


class TestForceYml:
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
    def test_values(self, parse, entry, path, value):
        found = parse("--force_yml", entry)
        for key in path:
            found = found[key]
        assert found == value
        assert type(found) is type(value)

    def test_several_entries_and_other_options_after_them(self, parse):
        opt = parse("--force_yml", "train:a=1", "train:b=2", "--debug")
        assert (opt["train"]["a"], opt["train"]["b"], opt["name"]) == (1, 2, "debug_parsed")

    def test_the_seed_is_forced_before_it_is_used(self, parse):
        parse("--force_yml", "manual_seed=1")
        first = torch.rand(1)
        parse("--force_yml", "manual_seed=2")
        assert torch.rand(1) != first
        parse("--force_yml", "manual_seed=1")
        assert torch.rand(1) == first

    def test_bad_entries_are_named(self, parse):
        with pytest.raises(UserError, match=r"'train:ema_decay' has no '='"):
            parse("--force_yml", "train:ema_decay")
        with pytest.raises(UserError, match=r"name is 'parsed' and has no keys"):
            parse("--force_yml", "name:x=1")

    def test_split(self):
        line = ["-opt", "f", "--force_yml", "a=1", "b=-2", "--debug", "--force_yml", "c=3"]
        assert split_force_yml(line) == (["-opt", "f", "--debug"], ["a=1", "b=-2", "c=3"])


class TestMissingOptions:
    def test_training(self, parse):
        opt = parse(text=OPTIONS.replace("logger: {print_freq: 10}", "").replace("num_gpu: 1", ""))
        assert opt["logger"] == {"print_freq": 100, "save_checkpoint_freq": 5000, "use_tb_logger": False}
        assert "models" in opt["path"]
        assert opt["num_gpu"] == torch.cuda.device_count()

    def test_what_is_there_stays(self, parse):
        opt = parse(text=OPTIONS + "val: {save_img: true}\n")
        assert opt["logger"]["print_freq"] == 10
        assert opt["val"] == {"save_img": True, "suffix": None}

    def test_a_training_without_val_stays_without(self, parse):
        assert "val" not in parse()

    def test_a_test_without_val_saves_nothing(self, parse):
        assert parse(is_train=False, text=OPTIONS.replace("train: {ema", "other: {ema"))["val"]["save_img"] is False

    def test_a_data_set_that_is_null_is_left_out(self, parse):
        text = OPTIONS.replace("network_g:", "  val_1: {name: c, type: d}\n  val_2: {name: e, type: f}\nnetwork_g:")
        opt = parse("--force_yml", "datasets:val_1=none", text=text)
        assert list(opt["datasets"]) == ["train", "val_2"]

    def test_inert_the_second_time(self):
        assert not missing_options.REPAIR.is_needed()


class TestCpuOnly:
    def test_gpu_options_are_taken_back_and_named(self, parse, monkeypatch, capsys):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        opt = parse()
        train = opt["datasets"]["train"]
        assert (opt["num_gpu"], train["prefetch_mode"], train["pin_memory"]) == (0, None, False)
        assert capsys.readouterr().err == (
            "No CUDA device here, running on the CPU: num_gpu 1 -> 0, datasets.train.prefetch_mode cuda -> none\n"
        )

    def test_says_nothing_where_nothing_changes(self, parse, monkeypatch, capsys):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        parse(text=OPTIONS.replace("num_gpu: 1", "num_gpu: 0").replace("prefetch_mode: cuda, ", ""))
        assert capsys.readouterr().err == ""

    def test_inert_with_a_gpu(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        opt = {"num_gpu": 1, "datasets": {"train": {"prefetch_mode": "cuda", "pin_memory": True}}}
        cpu_only.fit_to_cpu(opt)
        assert opt == {"num_gpu": 1, "datasets": {"train": {"prefetch_mode": "cuda", "pin_memory": True}}}
