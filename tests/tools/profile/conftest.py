"""Plans for small networks and images, shared by the tests of the profiler."""

import pytest
import torch

from ssiu_arch.tools.profile.candidates import Candidate
from ssiu_arch.tools.profile.run import Plan

TINY = {"num_feat": 8, "num_block": 3, "upscale": 4}


@pytest.fixture
def plan():
    """``plan(sizes=[(8, 8)], runs=0)``: a small SSIU itself and optimised in bf16, on images of 16x24."""

    def make(**changes):
        candidates = [
            Candidate("eager", "SSIU", TINY, row="SSIU"),
            Candidate("fused-bf16", "SSIU", TINY, form={"precision": "bf16"}, row="SSIU"),
        ]
        settings = {
            "candidates": candidates,
            "upscale": 4,
            "sizes": [(16, 24)],
            "batch": 1,
            "device": torch.device("cpu"),
            "threads": torch.get_num_threads(),
            "runs": 2,
            "warmup": 0,
            "with_memory": False,
            "psnr": {},
            "psnr_set": "Set5",
        }
        return Plan(**(settings | changes))

    return make
