"""``import ssiu_arch`` registers, once, in whatever order the packages are imported."""

import shutil
from pathlib import Path

import pytest

REGISTERED = """
from basicsr.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY, MODEL_REGISTRY
print(*(name in registry for name, registry in [
    ("SSIU", ARCH_REGISTRY), ("FFTL1Loss", LOSS_REGISTRY), ("L1FFTLoss", LOSS_REGISTRY), ("SSIUModel", MODEL_REGISTRY)]))
"""


@pytest.mark.parametrize(
    "start",
    [
        "import ssiu_arch",
        "import ssiu_arch, basicsr, ssiu_arch.archs.ssiu_arch",
        "import ssiu_arch.losses.fft_loss",
        "from ssiu_arch import SSIUModel, SSIU, fft_l1",
        "import ssiu_arch.models.ssiu_model",
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
import sys, torch
from basicsr.archs import build_network
from basicsr.losses import build_loss
from basicsr.models import build_model
opt = dict(model_type="SRModel", num_gpu=0, is_train=False, dist=False, network_g=dict(type="SSIU", upscale=UPSCALE, SIZE),
           path=dict(pretrain_network_g=sys.argv[1], param_key_g="model_state_dict", strict_load_g=True))
model = build_model(opt)
model.feed_data({"lq": torch.linspace(0, 1, 3 * 20 * 24).reshape(1, 3, 20, 24)})
model.test()
torch.save(model.output, sys.argv[2])
build_loss(dict(type="L1FFTLoss"))
print(type(model.net_g).__module__, any(name.split(".")[0] == "ssiu_arch" for name in sys.modules))
"""


def run_alone(python, fork, file, out, upscale, size):
    done = python(
        "-c", ALONE.replace("UPSCALE", str(upscale)).replace("SIZE", size), file, out, env={"PYTHONPATH": str(fork)}
    )
    assert done.stdout.split()[-2:] == ["basicsr.archs.ssiu_arch", "False"], done.stderr


def test_the_file_alone_in_a_copy_of_basicsr_loads_released_weights(
    python, dropped_in, tmp_path, released_names, sine_weights
):
    import torch

    from ssiu_arch import SSIU

    net = sine_weights(SSIU(2, num_feat=16, num_block=3))
    torch.save({"epoch": 1, "model_state_dict": released_names(net.state_dict())}, tmp_path / "released.pt")
    run_alone(python, dropped_in, tmp_path / "released.pt", tmp_path / "out.pt", 2, "num_feat=16, num_block=3")
    with torch.no_grad():
        expected = net(torch.linspace(0, 1, 3 * 20 * 24).reshape(1, 3, 20, 24))
    torch.testing.assert_close(torch.load(tmp_path / "out.pt"), expected, atol=0, rtol=0)


def test_reference_checkpoints_in_a_copy_of_basicsr(python, dropped_in, tmp_path, golden):
    run_alone(python, dropped_in, golden / "released_format_x3.pt", tmp_path / "out.pt", 3, "num_feat=64")


def test_plugin_and_dropped_in_copy_meet_in_one_process(python, dropped_in, root):
    done = python("-c", "import ssiu_arch" + REGISTERED, env={"PYTHONPATH": f"{dropped_in}:{root}"})
    assert done.stdout.split() == ["True"] * 4, done.stderr
