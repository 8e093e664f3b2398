"""A small test run of BasicSR in this process: pictures on disk, BasicSR's loader of them and its stock model."""

import copy

import cv2
import numpy as np
import pytest

NAMES = ("apple", "bridge", "cat")
METRICS = {
    "psnr": {"type": "calculate_psnr", "crop_border": 2, "test_y_channel": True},
    "ssim": {"type": "calculate_ssim", "crop_border": 2, "test_y_channel": True},
}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of three pairs at x2; ``bridge`` is stored with one channel."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for role, size in (("HR", 2), ("LR", 1)):
        (folder / role).mkdir()
        for n, name in enumerate(NAMES):
            image = cv2.GaussianBlur(rng.integers(0, 256, (24 * size, (20 + n) * size, 3), np.uint8), (0, 0), 1.5)
            image = np.clip((image.astype(float) - 128) * 4 + 128, 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / role / f"{name}.png"), image[..., 0] if name == "bridge" else image)
    return folder


@pytest.fixture
def loader(pictures):
    """BasicSR's loader of the pictures, with GT or without: ``loader(gt=True, name="Set14")``."""
    from basicsr.data import build_dataloader, build_dataset

    def loader(gt=True, name="Set14"):
        opt = {"name": name, "phase": "test", "scale": 2, "io_backend": {"type": "disk"}}
        opt |= {"type": "SingleImageDataset", "dataroot_lq": f"{pictures}/LR"}
        if gt:
            opt |= {"type": "PairedImageDataset", "dataroot_gt": f"{pictures}/HR"}
        return build_dataloader(build_dataset(opt), opt)

    return loader


@pytest.fixture
def run(loader, tmp_path):
    """Validate the pictures: ``run(metrics, gt=True, name="Set14", bicubic=False)`` gives BasicSR's stock model."""
    import basicsr.test as pipeline
    import torch

    def run(metrics=METRICS, gt=True, name="Set14", **val):
        opt = {
            "name": "small",
            "model_type": "SRModel",
            "scale": 2,
            "num_gpu": 0,
            "dist": False,
            "rank": 0,
            "is_train": False,
            "network_g": {"type": "MSRResNet", "num_feat": 8, "num_block": 1, "upscale": 2},
            "path": {"pretrain_network_g": None, "results_root": str(tmp_path)},
            "val": {"save_img": False, "suffix": None, "metrics": copy.deepcopy(metrics), **val},
        }
        torch.manual_seed(0)
        model = pipeline.build_model(opt)
        model.validation(loader(gt, name), "small", None, False)
        return model

    return run


@pytest.fixture
def watching():
    """``with watching() as watch``, around ``run``."""
    import basicsr.test as pipeline

    from ssiu_arch.evaluation.watch import watched

    return lambda is_test=True: watched(pipeline, is_test)
