import sys

import pytest
import torch
from basicsr.utils import options

from ssiu_arch.cli import pipeline
from ssiu_arch.patches.compat import start


def test_gpu_options_are_taken_back_and_named(parse, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    opt = parse()
    train = opt["datasets"]["train"]
    assert (opt["num_gpu"], train["prefetch_mode"], train["pin_memory"]) == (0, None, False)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for change in ("num_gpu 1 -> 0", "datasets.train.prefetch_mode cuda -> none"):
        assert change in said


def test_says_nothing_where_nothing_changes(parse, monkeypatch, capsys, options_text):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    parse(text=options_text.replace("num_gpu: 1", "num_gpu: 0").replace("prefetch_mode: cuda, ", ""))
    assert capsys.readouterr().err == ""


def test_inert_with_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    opt = {"num_gpu": 1, "datasets": {"train": {"prefetch_mode": "cuda", "pin_memory": True}}}
    start.fit_to_cpu(opt)
    assert opt == {"num_gpu": 1, "datasets": {"train": {"prefetch_mode": "cuda", "pin_memory": True}}}


LEAST = "{name: x, manual_seed: 0, num_gpu: 0, datasets: {}, path: {}}"


@pytest.mark.parametrize(
    "words", [["--local-rank=3"], ["--local-rank", "3"], ["--local_rank=3"], ["--local_rank", "3"]]
)
def test_either_spelling_of_local_rank(tmp_path, monkeypatch, words):
    (tmp_path / "x.yml").write_text(LEAST)
    arguments = ["-opt", str(tmp_path / "x.yml"), *words]
    monkeypatch.setattr(sys, "argv", ["basicsr", *arguments])
    assert options.parse_options(str(tmp_path), is_train=False)[1].local_rank == 3
    assert pipeline.parser("train").parse_args(arguments).local_rank == 3
