"""The report of a GPU: one table, which a wrong mode or one that cannot run does not prevent."""

import numpy as np
import pytest
import torch

from benchmarks import gpu, modes
from ssiu_arch.tools.profile.run import Row
from ssiu_arch.utils.errors import UserError


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run the script with results of these: exit code, the file, stderr."""

    def run(cost, difference=0.0):
        mode = modes.Mode("fused fp32", lambda y: y, "float32", differences=[difference], relative=[difference])
        monkeypatch.setattr(gpu, "accuracy", lambda *args, **options: [mode])
        monkeypatch.setattr(gpu, "cost", cost)
        monkeypatch.setattr(gpu.training, "times", lambda names, given: dict.fromkeys(names, 0.25))
        file = tmp_path / "gpu.md"
        monkeypatch.setattr("sys.argv", ["gpu.py", "--device", "cpu", "--quick", "--markdown", str(file)])
        code = 0
        try:
            gpu.main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        assert said.out == file.read_text()
        return code, said.out, said.err

    return run


def measured(*args, **options):
    return [
        [Row("eager", "SSIU", "fp32", 16, 24, 1, 1, 1, latency_s=0.002, latency_ratio=1.0, memory_bytes=3_000_000)],
        [Row("eager", "SSIU", "fp32", 24, 16, 1, 1, 1, note="out of memory")],
    ]


def test_every_result_is_in_the_table(run):
    code, table, _ = run(measured)
    assert code == 0
    assert "| accuracy: fused fp32 | 0 | yes |" in table
    assert "| eager | - | - | 2 | 1.000 | 3 | - | - | - | - | - | - |" in table
    assert "| training: bf16 | - | - | - | - | - | - | - | - | - | - | 4 |" in table


def test_a_wrong_mode_is_named(run):
    code, table, said = run(measured, difference=0.5)
    assert code == 1
    assert "| accuracy: fused fp32 | 0.5 | no |" in table
    assert "fused fp32: differs by 0.5" in said


def test_a_network_that_cannot_run_costs_no_other_result(run):
    def cannot(*args, **options):
        raise UserError("fused-graphs: cannot run: no driver")

    code, table, said = run(cannot)
    assert code == 1
    assert "| accuracy: fused fp32 | 0 | yes |" in table
    assert "training: bf16" in table
    assert "fused-graphs: cannot run" in said


def test_images_are_hr_and_lr_of_one_scale_and_not_flat():
    for (hr, lr), (h, w) in zip(gpu.pairs([(16, 24), (19, 17)]), [(16, 24), (19, 17)], strict=True):
        assert (hr.shape, lr.shape) == ((4 * h, 4 * w, 3), (h, w, 3))
        assert hr.dtype == lr.dtype == np.uint8
        assert torch.from_numpy(lr).float().std() > 20
