"""``import ssiu_arch`` registers, once, in whatever order the packages are imported."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from basicsr.utils import img2tensor, tensor2img

from ssiu_arch import SSIU

REGISTERED = """
from basicsr.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY, MODEL_REGISTRY
print(*(name in registry for name, registry in [
    ("SSIU", ARCH_REGISTRY), ("FFTL1Loss", LOSS_REGISTRY), ("L1FFTLoss", LOSS_REGISTRY),
    ("SSIUModel", MODEL_REGISTRY)]))
"""


@pytest.mark.parametrize(
    "start",
    [
        "import ssiu_arch",
        "import ssiu_arch, basicsr, ssiu_arch.archs.ssiu_arch",
        "from ssiu_arch import SSIUModel, SSIU, fft_l1",
        "import ssiu_arch.models.ssiu_model",
        "import ssiu_arch, importlib.util; importlib.util.find_spec('basicsr'); import basicsr",
        # BasicSR first, with the one mend it needs to be importable, as in a fork
        "import sys, types, torchvision.transforms.functional as f; m = types.ModuleType('m');"
        "m.rgb_to_grayscale = f.rgb_to_grayscale; sys.modules['torchvision.transforms.functional_tensor'] = m;"
        "import basicsr; import ssiu_arch; import importlib; importlib.reload(ssiu_arch)",
    ],
)
def test_registered_whichever_comes_first(python, start):
    done = python("-c", start + REGISTERED)
    assert done.stdout.split() == ["True"] * 4, done.stderr


def test_lazy_names():
    import ssiu_arch
    from ssiu_arch.archs.ssiu_arch import SSIU

    assert ssiu_arch.SSIU is SSIU
    with pytest.raises(AttributeError, match="no attribute 'SSUI'"):
        _ = ssiu_arch.SSUI


@pytest.fixture(scope="module")
def fork(tmp_path_factory):
    """BasicSR 1.4.2 under another path, pristine but for the import that today's torchvision breaks."""
    import basicsr

    folder = tmp_path_factory.mktemp("fork")
    shutil.copytree(Path(basicsr.__file__).parent, folder / "basicsr", ignore=shutil.ignore_patterns("__pycache__"))
    broken = folder / "basicsr/data/degradations.py"
    broken.write_text(broken.read_text().replace("functional_tensor", "functional"))
    return folder


@pytest.fixture(scope="module")
def dropped_in(fork, root):
    shutil.copy(root / "ssiu_arch/archs/ssiu_arch.py", fork / "basicsr/archs")
    shutil.copy(root / "ssiu_arch/losses/fft_loss.py", fork / "basicsr/losses")
    return fork


ALONE = """
import sys
from basicsr.losses import build_loss
from basicsr.test import test_pipeline
sys.argv = ["test.py", "-opt", "test.yml"]
test_pipeline(".")
build_loss(dict(type="L1FFTLoss"))
print(*(name for name in sys.modules if name.split(".")[0] == "ssiu_arch" or name.endswith("ssiu_arch")))
"""

OPTIONS = """
{{name: alone, model_type: SRModel, scale: {scale}, num_gpu: 0, manual_seed: 0,
datasets: {{test: {{name: coffee, type: PairedImageDataset, io_backend: {{type: disk}},
    dataroot_gt: datasets/demo/val/HR, dataroot_lq: datasets/demo/val/LR_bicubic/X{scale}}}}},
network_g: {{type: SSIU, upscale: {scale}, {size}}},
path: {{pretrain_network_g: {weights}, param_key_g: model_state_dict, strict_load_g: true}},
val: {{save_img: true, suffix: sr}}}}
"""


def run_alone(python, fork, workplace, **options):
    """Run BasicSR's own test pipeline in the fork; the picture it writes, BGR."""
    (workplace / "test.yml").write_text(OPTIONS.format(**options))
    done = python("-c", ALONE, cwd=workplace, env={"PYTHONPATH": str(fork)})
    assert done.stdout.split()[-1] == "basicsr.archs.ssiu_arch", done.stderr  # and nothing of the package ssiu_arch
    return cv2.imread(str(workplace / "results/alone/visualization/coffee/coffee_sr.png"))


def test_the_file_alone_in_a_copy_of_basicsr_loads_released_weights(
    python, dropped_in, workplace, released_names, sine_weights
):
    net = sine_weights(SSIU(2, num_feat=16, num_block=3))
    torch.save({"epoch": 1, "model_state_dict": released_names(net.state_dict())}, workplace / "released.pt")
    picture = run_alone(
        python, dropped_in, workplace, scale=2, weights="released.pt", size="num_feat: 16, num_block: 3"
    )
    lq = cv2.imread(str(workplace / "datasets/demo/val/LR_bicubic/X2/coffee.png"))
    with torch.no_grad():
        expected = tensor2img(net(img2tensor(lq / 255)[None]))
    assert np.abs(picture.astype(int) - expected).max() <= 1  # rounding, where threads differ
    assert (picture == expected).mean() > 0.999


@pytest.mark.parametrize("scale", [3])
def test_reference_checkpoints_in_a_copy_of_basicsr(python, dropped_in, workplace, golden, scale):
    picture = run_alone(
        python, dropped_in, workplace, scale=scale, weights=golden / f"released_format_x{scale}.pt", size="num_feat: 64"
    )
    assert picture.shape == (400 // scale * scale, 600 // scale * scale, 3)


def test_plugin_and_dropped_in_copy_meet_in_one_process(python, dropped_in, root):
    done = python("-c", "import ssiu_arch" + REGISTERED, env={"PYTHONPATH": f"{dropped_in}:{root}"})
    assert done.stdout.split() == ["True"] * 4, done.stderr
