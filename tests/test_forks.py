"""The network's file alone in forks of BasicSR: pristine under another path, and with the registry that others have."""

import re
import shutil
from pathlib import Path

import pytest
import torch

from ssiu_arch import SSIU

NAME = "traiNNer"

# What traiNNer-redux and neosr do to BasicSR, in the words of the file: names in lower case, ``scale`` handed in.
LOWER = "name = name.lower()\n        "
REGISTRY = [
    ("if isinstance(suffix, str):\n", f"{LOWER}if isinstance(suffix, str):\n"),
    ("ret = self._obj_map.get(name)\n", f"{LOWER}ret = self._obj_map.get(name)\n"),
    ("return name in self._obj_map", "return name.lower() in self._obj_map"),
]
SCALE = [("net = ARCH_REGISTRY.get(network_type)(**opt)", "net = ARCH_REGISTRY.get(network_type)(scale=SCALE, **opt)")]


def edit(file, changes):
    text = file.read_text()
    for old, new in changes:
        assert old in text, f"{file.name}: {old}"
        text = text.replace(old, new)
    file.write_text(text)


@pytest.fixture(scope="module")
def forks(tmp_path_factory, root):
    """Folders to be put on Python's path, and the fork's name, with the file copied in."""
    import basicsr

    made = {}
    for name in ("basicsr", NAME):
        package = tmp_path_factory.mktemp("fork") / name
        shutil.copytree(Path(basicsr.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
        edit(package / "data/degradations.py", [("functional_tensor", "functional")])
        shutil.copy(root / "ssiu_arch/archs/ssiu_arch.py", package / "archs")
        made[name] = package.parent
    fork = made[NAME] / NAME
    for file in fork.rglob("*.py"):
        if file.name != "ssiu_arch.py":
            file.write_text(re.sub(r"\bbasicsr\b", NAME, file.read_text()))
    edit(fork / "utils/registry.py", REGISTRY)
    edit(fork / "archs/__init__.py", [*SCALE, ("__all__ =", "SCALE = 2\n__all__ =")])
    return made


TRAIN = """
import sys
from {fork}.train import train_pipeline
sys.argv = ["train.py", "-opt", "train.yml"]
train_pipeline(".")
print([name for name in sys.modules if name == "ssiu_arch" or name.startswith("ssiu_arch.")])
"""

# As the forks' own files have it: no upscale where the fork hands in scale, any case in the type.
OPTIONS = """
name: fork
model_type: SRModel
scale: 2
num_gpu: 0
manual_seed: 0
datasets:
  train:
    name: photographs
    type: PairedImageDataset
    dataroot_gt: datasets/demo/train_HR_sub.lmdb
    dataroot_lq: datasets/demo/train_LR_bicubic_X2_sub.lmdb
    io_backend: {{type: lmdb}}
    gt_size: 32
    use_hflip: true
    use_rot: true
    num_worker_per_gpu: 0
    batch_size_per_gpu: 2
network_g: {network}
path: {{pretrain_network_g: released.pt, param_key_g: model_state_dict, strict_load_g: true, resume_state: ~}}
train:
  optim_g: {{type: Adam, lr: 0.0}}
  scheduler: {{type: MultiStepLR, milestones: [10]}}
  total_iter: 2
  warmup_iter: -1
  pixel_opt: {{type: L1Loss}}
logger: {{print_freq: 1, save_checkpoint_freq: 10, use_tb_logger: false}}
"""


@pytest.mark.parametrize(
    ("fork", "network"),
    [
        ("basicsr", "{type: SSIU, upscale: 2, num_feat: 16, num_block: 3}"),
        (NAME, "{type: ssiu, num_feat: 16, num_block: 3}"),
    ],
)
def test_trains_from_released_weights(python, forks, workplace, released_names, fork, network):
    weights = SSIU(2, num_feat=16, num_block=3).state_dict()
    torch.save({"epoch": 1, "model_state_dict": released_names(weights)}, workplace / "released.pt")
    (workplace / "train.yml").write_text(OPTIONS.format(network=network))
    done = python("-c", TRAIN.format(fork=fork), cwd=workplace, env={"PYTHONPATH": str(forks[fork])})
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split("\n")[-2] == "[]"  # nothing of the package ssiu_arch
    assert len(re.findall(r"l_pix: \d", done.stderr)) == 2
    held = torch.load(workplace / "experiments/fork/models/net_g_latest.pth")["params"]
    assert held.keys() == weights.keys()
    assert all(torch.equal(held[name], weights[name]) for name in weights)  # the rate is 0: these are the loaded ones


OLD_REGISTRY = """
class Registry(dict):
    def register(self, obj):
        assert obj.__name__ not in self
        self[obj.__name__] = obj
        return obj

ARCH_REGISTRY, LOSS_REGISTRY = Registry(), Registry()
"""

LOADED = """
import old.losses, old.archs.ssiu_arch as copied
from old.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY
print(list(LOSS_REGISTRY), ARCH_REGISTRY["SSIU"] is copied.SSIU)
"""


@pytest.mark.parametrize(("line", "found"), [("", []), ("from . import fft_loss\n", ["FFTL1Loss", "L1FFTLoss"])])
def test_both_files_in_a_fork_whose_losses_are_not_scanned(python, tmp_path, root, line, found):
    """As in BasicSR 1.3.x, whose registry takes no suffix."""
    for room, init in {"": "", "archs": "", "utils": "", "losses": line}.items():
        (tmp_path / "old" / room).mkdir()
        (tmp_path / "old" / room / "__init__.py").write_text(init)
    (tmp_path / "old/utils/registry.py").write_text(OLD_REGISTRY)
    shutil.copy(root / "ssiu_arch/archs/ssiu_arch.py", tmp_path / "old/archs")
    shutil.copy(root / "ssiu_arch/losses/fft_loss.py", tmp_path / "old/losses")
    done = python("-c", LOADED, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert done.stdout.strip() == f"{found} True", done.stderr[-2000:]


def test_a_fork_beside_the_installed_basicsr_is_named(python, forks, workplace, root):
    """On the path it is the one in use; in the current folder alone it is not."""
    code = "from ssiu_arch.cli.which_basicsr import warning; print(warning())"
    path = {"PYTHONPATH": f"{forks['basicsr']}:{root}"}
    said = python("-c", code, cwd=workplace, env=path).stdout
    assert f"in use is {forks['basicsr']}/basicsr (not the one pip installed)" in said

    (workplace / "basicsr").symlink_to(forks["basicsr"] / "basicsr")
    said = python("-c", f"import sys; sys.path.pop(0); {code}", cwd=workplace).stdout
    assert "(the one pip installed), not" in said
    assert str(forks["basicsr"] / "basicsr") in said
