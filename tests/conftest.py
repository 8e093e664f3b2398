"""What the tests share.

``SHARED`` is reference material that may lie beside the checkout; the suite is a full one without it.
"""

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: the suite runs in as many processes as there are cores

import torch

import ssiu_arch  # noqa: F401  (patches BasicSR before any test imports it)

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # in a background job; tests interrupt what they start
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of the reference vectors, computed with the authors' implementation."""
    if not (SHARED / "golden").is_dir():
        pytest.skip(f"no reference vectors in {SHARED.name}/golden beside the checkout")
    return SHARED / "golden"


@pytest.fixture(scope="session")
def sine_weights():
    """Fill a network's parameters by a formula, so that its outputs do not depend on a random generator."""

    def fill(net: torch.nn.Module) -> torch.nn.Module:
        with torch.no_grad():
            for n, parameter in enumerate(net.parameters()):
                index = torch.arange(parameter.numel(), dtype=torch.float64)
                parameter.copy_((0.3 * torch.sin(1 + index * math.sqrt(2) + n)).reshape(parameter.shape))
        return net.eval()

    return fill


@pytest.fixture(scope="session")
def released_names():
    """Give a state dict the parameter names of the authors' files."""
    from ssiu_arch.weights.writing import released_names

    return released_names


def tf32_switches():
    """Torch's TF32 switches for products and convolutions, and the attribute to set."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(matmul, "fp32_precision"):
        return (matmul, cudnn.conv), "fp32_precision"
    return (matmul, cudnn), "allow_tf32"


TF32_AT_START = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture(autouse=True)
def tf32_as_at_start():
    """Undo what a training in this process set."""
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = TF32_AT_START


@pytest.fixture
def tf32_allowed():
    """Whether CUDA may round products, and convolutions, to TF32, as of now."""
    switches, name = tf32_switches()
    return lambda: [getattr(switch, name) in ("tf32", True) for switch in switches]


@pytest.fixture(scope="session")
def python():
    """Run Python in a process of its own, this checkout on its path: ``python(*arguments, cwd=folder)``."""

    def run(*arguments, timeout=240, **options):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **options.pop("env", {})}
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, **options)

    return run


@pytest.fixture(scope="session")
def basicsr(python):
    """Run the command: ``basicsr("train", "-opt", file, cwd=folder)``."""
    return lambda *arguments, **options: python("-m", "ssiu_arch.cli.main", *arguments, **options)


@pytest.fixture
def ssiu(capsys):
    """Run the command in this process: ``ssiu("convert", "--info", file)`` gives exit code, stdout and stderr."""
    from ssiu_arch.cli.main import ssiu as command

    def run(*arguments):
        code = command([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory):
    """A folder that holds ``datasets/demo``, made as a user makes it."""
    from ssiu_arch.data.training_sets import prepare_demo

    folder = tmp_path_factory.mktemp("demo")
    prepare_demo(folder / "datasets", jobs=1, force=False)
    return folder


@pytest.fixture
def workplace(demo_data, tmp_path):
    """An empty folder to run in, with the demo's data and option files."""
    (tmp_path / "datasets").symlink_to(demo_data / "datasets")
    (tmp_path / "options").symlink_to(ROOT / "options")
    return tmp_path


SMALL = (  # turns the demo's training into one of seconds
    "network_g:num_feat=16",
    "network_g:num_block=3",
    "datasets:train:batch_size_per_gpu=2",
    "datasets:train:gt_size=48",
    "train:total_iter=4",
    "train:scheduler:periods=[4]",
    "logger:print_freq=1",
    "logger:save_checkpoint_freq=2",
    "val:val_freq=4",
)


@pytest.fixture(scope="session")
def small():
    return SMALL
