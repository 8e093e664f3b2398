import sys

import pytest
from basicsr.utils import options

from ssiu_arch.cli import pipeline

OPTIONS = "{name: x, manual_seed: 0, num_gpu: 0, datasets: {}, path: {}}"


@pytest.mark.parametrize(
    "words", [["--local-rank=3"], ["--local-rank", "3"], ["--local_rank=3"], ["--local_rank", "3"]]
)
def test_either_spelling(tmp_path, monkeypatch, words):
    (tmp_path / "x.yml").write_text(OPTIONS)
    arguments = ["-opt", str(tmp_path / "x.yml"), *words]
    monkeypatch.setattr(sys, "argv", ["basicsr", *arguments])
    assert options.parse_options(str(tmp_path), is_train=False)[1].local_rank == 3
    assert pipeline.parser("train").parse_args(arguments).local_rank == 3
