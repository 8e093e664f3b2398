import torch

from ssiu_arch.patches.compat import cpu_only


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
    cpu_only.fit_to_cpu(opt)
    assert opt == {"num_gpu": 1, "datasets": {"train": {"prefetch_mode": "cuda", "pin_memory": True}}}
