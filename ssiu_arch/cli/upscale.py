"""``ssiu upscale``: enlarges image files and folders of them."""

import os
import sys
import time
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ssiu_arch.cli.arguments import Parser, whole
from ssiu_arch.utils.errors import UserError, in_one_line
from ssiu_arch.utils.precisions import PRECISIONS

if TYPE_CHECKING:
    from ssiu_arch.inference.jobs import Job
    from ssiu_arch.inference.upscaler import Upscaler

EXAMPLE = "example: ssiu upscale photos more/*.jpg -o enlarged --scale 2"
SUFFIXES = {"auto": None, "png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tiff", "bmp": ".bmp"}


def run(arguments: list[str]) -> int:
    """Enlarge every image that is named and not done yet.

    Returns:
        0, or 1 if some images failed; each of them has one line on stderr.

    Raises:
        UserError: an option is wrong; nothing has been written.
    """
    args = _parser().parse_args(arguments)
    rank, processes = _place()

    from ssiu_arch.inference.jobs import find_jobs

    jobs = find_jobs(args.inputs, args.out, SUFFIXES[args.format])
    upscaler = _upscaler(args)
    failed = _upscale_all(jobs[rank::processes], upscaler, args)
    return int(_failed_anywhere(failed, processes))


def _parser() -> Parser:
    what = (
        "Enlarge images. Bit depth, grey, alpha, ICC profile and EXIF are kept. Finished files are skipped; to redo "
        "them with other weights or options, name another folder or add --overwrite."
    )
    parser = Parser(prog="ssiu upscale", description=what, epilog=EXAMPLE, allow_abbrev=False)
    kinds = "image files, folders (searched recursively) or patterns; PNG, JPEG, WebP, TIFF, BMP"
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=kinds)
    target = "output folder, or output file for a single image"
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help=target)
    weights = "weights of an SSIU, in any format of ssiu convert (default: shipped, those of the package)"
    parser.add_argument("--weights", default="shipped", metavar="FILE", help=weights)
    parser.add_argument("--scale", type=int, choices=(2, 3, 4), help="scale of the shipped weights (default: 4)")
    parser.add_argument("--format", choices=SUFFIXES, default="auto", help="output format (default: the input's)")
    quality = "quality of JPEG and WebP, 1 to 100 (default: 95)"
    parser.add_argument("--quality", type=whole(1, 100), default=95, metavar="N", help=quality)
    ensemble = "average the results of eight flips and rotations: slightly better, eight times slower"
    parser.add_argument("--self-ensemble", action="store_true", help=ensemble)
    parser.add_argument("--device", default="auto", help="cpu, cuda or cuda:N (default: a GPU if there is one)")
    precision = "precision of the network's computations (default: fp32)"
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help=precision)
    tile = "tile side in LR pixels, a multiple of 16 (approximate; default: whole image)"
    parser.add_argument("--tile", type=_tile, metavar="N", help=tile)
    parser.add_argument("--threads", type=whole(1, 4096), metavar="N", help="CPU threads (default: torch's)")
    parser.add_argument("--overwrite", action="store_true", help="replace existing output files")
    return parser


def _tile(text: str) -> int:
    value = whole(64)(text)
    if value % 16:
        raise ArgumentTypeError(f"{text!r} is not a multiple of 16")
    return value


def _place() -> tuple[int, int]:
    """Rank and number of processes, as ``torchrun`` sets them in the environment."""
    texts = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    try:
        rank, processes = map(int, texts)
    except ValueError:
        rank, processes = -1, 0
    if not 0 <= rank < processes:
        raise UserError(f"RANK ({texts[0]!r}) must be below WORLD_SIZE ({texts[1]!r}) in the environment: use torchrun")
    return rank, processes


def _upscaler(args: Namespace) -> "Upscaler":
    import torch

    from ssiu_arch.inference.upscaler import Upscaler
    from ssiu_arch.utils.device import check_device
    from ssiu_arch.weights import load

    if args.threads:
        torch.set_num_threads(args.threads)
    name = args.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":  # each process of a machine takes its own GPU
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    device = check_device(name)
    try:
        net = load(args.weights, scale=args.scale)
    except ValueError as error:
        raise UserError(f"--{error}") from error
    return Upscaler(net.to(device), precision=args.precision, self_ensemble=args.self_ensemble, tile=args.tile)


def _upscale_all(jobs: "list[Job]", upscaler: "Upscaler", args: Namespace) -> int:
    """Upscale what is not done yet; the number of images that failed."""
    from tqdm import tqdm

    from ssiu_arch.inference.jobs import is_done, upscale_file
    from ssiu_arch.inference.photo import photo_size

    pixels: dict[Job, int] = {}  # of the images still to do
    failed = 0
    for job in jobs:
        try:
            if args.overwrite or not is_done(job, upscaler.upscale):
                height, width = photo_size(job.source)
                pixels[job] = height * width
        except UserError as error:
            print(f"ssiu upscale: {in_one_line(error)}", file=sys.stderr)
            failed += 1
    if skipped := len(jobs) - failed - len(pixels):
        print(f"{skipped} of {len(jobs)} done already")
    with tqdm(total=sum(pixels.values()), unit="px", unit_scale=True, disable=None, dynamic_ncols=True) as bar:
        for n, (job, count) in enumerate(pixels.items(), 1):
            bar.set_postfix_str(job.source.name[:40])
            start, began = bar.n, time.monotonic()

            def advance(share: float, of: int = count) -> None:
                bar.update(share * of)

            try:
                size = upscale_file(job, upscaler, args.quality, advance)
            except UserError as error:
                bar.write(f"ssiu upscale: {in_one_line(error)}", file=sys.stderr)
                failed += 1
            else:
                seconds = time.monotonic() - began
                bar.write(f"[{n}/{len(pixels)}] {job.source} -> {job.target} {size[1]}x{size[0]} {seconds:.1f} s")
            bar.update(start + count - bar.n)
    if failed:
        print(f"ssiu upscale: {failed} of {len(jobs)} images failed", file=sys.stderr)
    return failed


def _failed_anywhere(failed: int, processes: int) -> bool:
    """Whether images failed in any process. Waits for all of them: torchrun stops every process when one fails."""
    if processes == 1:
        return failed > 0
    from datetime import timedelta

    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=timedelta(days=30))
    total = torch.tensor(failed)
    dist.all_reduce(total)
    dist.destroy_process_group()
    return int(total) > 0
