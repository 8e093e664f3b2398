"""What the tests of the patches share."""

import sys

import pytest
from basicsr.utils import options

import ssiu_arch

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


@pytest.fixture(autouse=True, scope="session")
def training_patches():
    ssiu_arch.apply_training_patches()


@pytest.fixture
def parse(tmp_path, monkeypatch):
    def run(*arguments, is_train=True, text=OPTIONS):
        file = tmp_path / "options.yml"
        file.write_text(text)
        monkeypatch.setattr(sys, "argv", ["basicsr", "-opt", str(file), *arguments])
        before = list(sys.argv)
        opt, args = options.parse_options(str(tmp_path), is_train=is_train)
        assert sys.argv == before
        assert args.opt == str(file)
        return opt

    return run


@pytest.fixture
def options_text():
    return OPTIONS
