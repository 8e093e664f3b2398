import numpy as np
import pytest
import torch

from benchmarks.train_weights.plan import Plan
from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.data.images import write_image
from ssiu_arch.data.sub_images import make_lr

OPTIONS = {"upscale": 4, "num_feat": 8, "num_block": 3}


@pytest.fixture
def plan():
    """A stint of 30 iterations that is done."""
    return Plan(
        scale=4,
        schedule={"iterations": 30, "logged": 1, "saved": 5, "validated": 10},
        pace={"rate": 2.0, "start": 4.0, "validation": 1.0, "measured": True},
        rate=1e-3,
        start=None,
        started_with="from scratch",
        earlier=0,
        segments=2,
        expected=30.5,
        data={"images": 3, "megapixels": 402.4, "sources": [["a site", "CC0", 3]], "batch": 7, "patch": 50},
        command="python benchmarks/train_weights --minutes 9",
        seconds=900.0,
    )


@pytest.fixture(scope="session")
def photo():
    """A detail of a real photo, (64, 96, 3), BGR."""
    from skimage.data import coffee

    return np.ascontiguousarray(coffee()[120:184, 200:296, ::-1])


@pytest.fixture
def validation(tmp_path, photo):
    """Folders of HR and LR with one pair."""
    folders = tmp_path / "val/HR", tmp_path / "val/LR"
    for folder, image in zip(folders, (photo, make_lr(photo, 4)), strict=True):
        write_image(folder / "coffee.png", image)
    return folders


@pytest.fixture
def networks(tmp_path, sine_weights):
    """Checkpoints of BasicSR: ``bilinear``, whose result is its bilinear base, and ``spoilt``, far from any photo."""
    files = {}
    for name, factor in {"bilinear": 0.0, "spoilt": 1.0}.items():
        net = sine_weights(SSIU(**OPTIONS))
        last = net.tail[-1]
        with torch.no_grad():
            for parameter in last.parameters():
                parameter *= factor
        state = {key: value.clone() for key, value in net.state_dict().items()}
        files[name] = tmp_path / f"{name}.pth"
        other = {key: value + 1 for key, value in state.items()}  # not what is to be shipped
        torch.save({"params": other, "params_ema": state}, files[name])
    return files
