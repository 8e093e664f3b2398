"""What the tests of the profiler share."""

import pytest
import torch

from ssiu_arch.tools.profile.candidates import parse
from ssiu_arch.tools.profile.run import Plan


@pytest.fixture
def plan():
    """A plan for tiny images: ``plan("eager", "fused", sizes=[(8, 8)], runs=0)``."""

    def make(*candidates, upscale=4, **changes):
        settings = {
            "baseline": candidates[0],
            "sizes": [(16, 24)],
            "batches": [1],
            "device": torch.device("cpu"),
            "threads": torch.get_num_threads(),
            "runs": 2,
            "warmup": 0,
            "with_memory": False,
        }
        return Plan([parse(text, upscale) for text in candidates], upscale=upscale, **(settings | changes))

    return make


TINY = "num_feat=8,num_block=3"


@pytest.fixture
def tiny():
    return TINY
