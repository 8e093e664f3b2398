"""What the tests share.

``SHARED`` is reference material that may lie beside the checkout; the suite is a full one without it.
"""

import math
from pathlib import Path

import pytest
import torch

import ssiu_arch  # noqa: F401  (repairs BasicSR before any test imports it)

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
