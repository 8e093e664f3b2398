import numpy as np
import pytest
import torch
import yaml

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.data.images import write_image

NETWORK = {"upscale": 4, "num_feat": 8, "num_block": 3}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder of a test: photos to train on, HR photos to validate on."""
    import skimage.data

    write_image(tmp_path / "photos/site/astronaut.png", skimage.data.astronaut()[:256, :288, ::-1])
    write_image(tmp_path / "SunHays80/HR/coffee.png", skimage.data.coffee()[120:184, 200:296, ::-1])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def options(root, place):
    """Options of a toy training without end, of disk folders; its file is ``toy.yml``."""
    opt = yaml.safe_load((root / "options/shipped/train_SSIU_x4.yml").read_text())
    opt["name"] = "toy"
    folders = {"dataroot_gt": "SunHays80/HR", "dataroot_lq": "SunHays80/LR", "io_backend": {"type": "disk"}}
    opt["datasets"]["val"].update(folders)
    loader = {"num_worker_per_gpu": 0, "persistent_workers": False, "prefetch_mode": None, "pin_memory": False}
    opt["datasets"]["train"].update(**folders, **loader, gt_size=32, batch_size_per_gpu=2, dataset_enlarge_ratio=20)
    opt["network_g"].update(num_feat=8, num_block=3)
    opt["train"].update(compile=False, precision="fp32", ema_decay=0.5)
    opt["val"]["val_freq"] = opt["logger"]["save_checkpoint_freq"] = 5
    opt["logger"]["print_freq"] = 5
    (place / "toy.yml").write_text(yaml.safe_dump(opt))
    return opt


@pytest.fixture
def networks(tmp_path, sine_weights):
    """Checkpoints of BasicSR: ``bilinear``, whose output is its bilinear base, and ``spoilt``, far from any photo."""
    files = {}
    for name, factor in {"bilinear": 0.0, "spoilt": 1.0}.items():
        net = sine_weights(SSIU(**NETWORK))
        with torch.no_grad():
            for parameter in net.tail[-1].parameters():
                parameter *= factor
        state = {key: value.clone() for key, value in net.state_dict().items()}
        files[name] = tmp_path / f"{name}.pth"
        other = {key: value + 1 for key, value in state.items()}  # not to be shipped
        torch.save({"params": other, "params_ema": state}, files[name])
    return files


@pytest.fixture
def folder(place, networks):
    """Shipped weights that are poor, in single precision."""
    (place / "ship").mkdir()
    state = torch.load(networks["spoilt"])["params_ema"]
    torch.save({"params": state, "params_ema": state}, place / "ship/SSIU_x4.pth")
    return place / "ship"


@pytest.fixture(scope="session")
def photo():
    """A crop of a photo, (64, 96, 3), BGR."""
    from skimage.data import coffee

    return np.ascontiguousarray(coffee()[120:184, 200:296, ::-1])
