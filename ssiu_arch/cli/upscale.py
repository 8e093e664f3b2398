"""``ssiu upscale``: image files and folders of them, enlarged."""

import os
import sys
import time
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ssiu_arch.cli.arguments import Parser, whole
from ssiu_arch.utils.errors import UserError, in_one_line

if TYPE_CHECKING:
    from ssiu_arch.inference.jobs import Job
    from ssiu_arch.inference.upscaler import Upscaler

EXAMPLE = "example: ssiu upscale photos more/*.jpg -o enlarged --weights SSIU_x4.pth"
SUFFIXES = {"auto": None, "png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tiff", "bmp": ".bmp"}
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")


def run(arguments: list[str]) -> int:
    """Upscale every image that is named and not done yet.

    Returns:
        0, or 1 where some images could not be upscaled, each of which has its line on stderr.

    Raises:
        UserError: something is wrong with the options, before anything is written.
    """
    args = _parser().parse_args(arguments)
    rank, processes = _place()

    from ssiu_arch.inference.jobs import find_jobs, share_of

    jobs = find_jobs(args.inputs, args.out, SUFFIXES[args.format])
    upscaler = _upscaler(args)
    failed = _upscale_all(share_of(jobs, rank, processes), upscaler, args)
    return int(_failed_anywhere(failed, processes))


def _parser() -> Parser:
    what = "Enlarge images. Depth, grey, alpha, ICC profile and EXIF are kept; what is done already is skipped."
    parser = Parser(prog="ssiu upscale", description=what, epilog=EXAMPLE, allow_abbrev=False)
    kinds = "image files, folders (with those in them) or patterns"
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=f"{kinds}; PNG, JPEG, WebP, TIFF, BMP")
    target = "folder of the results; for one image also the file of its result"
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help=target)
    weights = "file of weights, of any format of ssiu convert; scale, width and depth are read from it"
    parser.add_argument("--weights", metavar="FILE", help=f"{weights}; default: those shipped with the package")
    parser.add_argument("--scale", type=int, choices=(2, 3, 4), help="scale of shipped weights (default 4)")
    parser.add_argument("--format", choices=SUFFIXES, default="auto", help="of the results; default: the images'")
    parser.add_argument("--quality", type=whole(1, 100), default=95, metavar="N", help="of JPEG and WebP (default 95)")
    ensemble = "average eight turned and mirrored images: a little better, eight times as long"
    parser.add_argument("--self-ensemble", action="store_true", help=ensemble)
    parser.add_argument("--device", default="auto", help="auto (default: a GPU if there is one), cpu, cuda or cuda:N")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of products (default fp32)")
    tile = "LR pixels a side of tiles, not exact; default: none, but where memory does not do otherwise"
    parser.add_argument("--tile", type=_tile, metavar="N", help=tile)
    parser.add_argument("--threads", type=whole(1, 4096), metavar="N", help="threads of the CPU; default: torch's")
    parser.add_argument("--overwrite", action="store_true", help="replace files of the results' names")
    return parser


def _tile(text: str) -> int:
    value = whole(64)(text)
    if value % 16:
        raise ArgumentTypeError(f"{text!r} is no multiple of 16")
    return value


def _place() -> tuple[int, int]:
    """Rank and number of processes, as ``torchrun`` sets them in the environment."""
    texts = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    try:
        rank, processes = map(int, texts)
    except ValueError:
        rank, processes = -1, 0
    if not 0 <= rank < processes:
        raise UserError(f"RANK ({texts[0]!r}) of WORLD_SIZE ({texts[1]!r}) in the environment do not fit: use torchrun")
    return rank, processes


def _upscaler(args: Namespace) -> "Upscaler":
    import torch

    from ssiu_arch.inference.upscaler import Upscaler
    from ssiu_arch.utils.device import check_device
    from ssiu_arch.weights import load
    from ssiu_arch.weights.shipped import shipped

    if args.threads:
        torch.set_num_threads(args.threads)
    name = args.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":  # of several processes on a machine, a GPU each
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    device = check_device(name)
    if args.weights is None:
        try:
            weights = shipped(args.scale or 4)
        except UserError as error:
            raise UserError(f"{error}, as by --weights SSIU_x4.pth") from error
    else:
        weights = Path(args.weights)
    net = load(weights)
    if args.scale not in (None, net.upscale):
        raise UserError(f"--scale {args.scale}: the weights {weights} are for x{net.upscale}; leave --scale out")
    return Upscaler(net.to(device), precision=args.precision, self_ensemble=args.self_ensemble, tile=args.tile)


def _upscale_all(jobs: "list[Job]", upscaler: "Upscaler", args: Namespace) -> int:
    """Upscale what is not done yet; the number of images that could not be."""
    from tqdm import tqdm

    from ssiu_arch.inference.jobs import is_done
    from ssiu_arch.inference.photo import photo_size
    from ssiu_arch.inference.upscale_file import upscale_file

    left, failed, skipped, pixels = [], 0, 0, {}
    for job in jobs:
        try:
            if not args.overwrite and is_done(job, upscaler.upscale):
                skipped += 1
                continue
            height, width = photo_size(job.source)
        except UserError as error:
            failed += _said(error)
            continue
        left.append(job)
        pixels[job] = height * width
    if skipped:
        print(f"{skipped} of {len(jobs)} done already")
    bar = tqdm(total=sum(pixels.values()), unit="px", unit_scale=True, disable=None, dynamic_ncols=True)
    with bar:
        for n, job in enumerate(left, 1):
            bar.set_postfix_str(job.source.name[:40])
            start, began = bar.n, time.monotonic()

            def advance(share: float, of: int = pixels[job]) -> None:
                bar.update(share * of)

            try:
                size = upscale_file(job, upscaler, args.quality, advance)
            except UserError as error:
                bar.write(f"ssiu upscale: {in_one_line(error)}", file=sys.stderr)
                failed += 1
            else:
                seconds = time.monotonic() - began
                bar.write(f"[{n}/{len(left)}] {job.source} -> {job.target} {size[1]}x{size[0]} {seconds:.1f} s")
            bar.update(start + pixels[job] - bar.n)
    if failed:
        print(f"ssiu upscale: {failed} of {len(jobs)} images could not be upscaled", file=sys.stderr)
    return failed


def _said(error: UserError) -> int:
    print(f"ssiu upscale: {in_one_line(error)}", file=sys.stderr)
    return 1


def _failed_anywhere(failed: int, processes: int) -> bool:
    """Whether images failed in any process, once all are done: torchrun ends all of them with the first that fails."""
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
