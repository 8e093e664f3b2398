"""How long a validation takes with metrics computed by threads, by processes, or as plain BasicSR does.

    python benchmarks/validation.py --hr HR_FOLDER [--network SECONDS] [--workers N] [--images N]

The network is a stand-in that holds the validation loop for ``--network`` seconds an image without using the CPU, as
one on a GPU does; PSNR and SSIM on Y are BasicSR's. Each image of HR_FOLDER is scored against itself with noise.
"""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import ssiu_arch  # noqa: F401  (repairs BasicSR before it is imported)
from ssiu_arch.evaluation.workers import QUEUED, Pending, Workers

METRICS = [{"type": f"calculate_{name}", "crop_border": 4, "test_y_channel": True} for name in ("psnr", "ssim")]


def score(images: dict[str, Any], options: dict[str, Any]) -> float:
    """One metric of one image, in whatever thread or process."""
    from basicsr.metrics import calculate_metric

    return calculate_metric(images, options)


def validate(pairs: list[dict[str, Any]], network: float, calculate: Callable[..., Any]) -> list[float]:
    """The loop of ``SRModel.nondist_validation``: network, then each metric, then the means."""
    totals: list[Any] = [0, 0]
    for images in pairs:
        time.sleep(network)
        for n, options in enumerate(METRICS):
            totals[n] += calculate(images, options)
    return [total / len(pairs) for total in totals]


def with_workers(pairs: list[dict[str, Any]], network: float, count: int) -> list[float]:
    """The means by threads, as ``basicsr test`` computes them."""
    with Workers(count) as workers:
        return validate(pairs, network, lambda *task: Pending(0, workers.submit(score, *task).result))


def with_pool(pairs: list[dict[str, Any]], network: float, pool: Executor) -> list[float]:
    """The means by processes."""
    return validate(pairs, network, lambda *task: Pending(0, pool.submit(score, *task).result))


def timed(what: str, run: Callable[[], list[float]], plain: float | None = None) -> tuple[float, list[float]]:
    """Print how long ``run`` takes, beside ``plain`` seconds; return its time and its result."""
    start = time.perf_counter()
    means = run()
    seconds = time.perf_counter() - start
    ratio = f", {plain / seconds:.2f} times as fast" if plain else ""
    print(f"{what:24} {seconds:6.2f} s{ratio}")
    return seconds, means


def main() -> None:
    """Time each way, side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hr", type=Path, required=True)
    parser.add_argument("--network", type=float, default=0.03)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--images", type=int, default=100)
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    files = sorted(args.hr.iterdir())
    gt = [cv2.imread(str(files[n % len(files)])) for n in range(args.images)]
    noisy = [np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8) for image in gt]
    pairs = [{"img": image, "img2": reference} for image, reference in zip(noisy, gt, strict=True)]
    print(f"{len(pairs)} images, {sum(image[..., 0].size for image in gt) / len(gt) / 1e6:.2f} MP each on average")
    with_workers(pairs[:2], 0, 0)

    timed("network alone", lambda: validate(pairs, args.network, lambda *task: 0))
    plain, expected = timed("plain", lambda: validate(pairs, args.network, score))
    for count in range(1, args.workers + 1):
        _, means = timed(f"{count} threads", lambda count=count: with_workers(pairs, args.network, count), plain)
        if means != expected:
            raise SystemExit(f"{means} instead of {expected}")
    for kind in ("fork", "spawn"):
        with ProcessPoolExecutor(args.workers, mp_context=get_context(kind)) as pool:
            list(pool.map(score, [pairs[0]] * args.workers, METRICS[:1] * args.workers))  # started, BasicSR imported
            _, means = timed(f"{args.workers} processes ({kind})", lambda: with_pool(pairs, args.network, pool), plain)
    print(f"queue: {QUEUED} tasks a worker; means identical: {means == expected}")


if __name__ == "__main__":
    main()
