"""``ssiu upscale``: enlarges image files and folders of them."""

import os
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ssiu_arch.cli.arguments import Parser, place, whole
from ssiu_arch.utils.errors import UserError, in_one_line, printable
from ssiu_arch.utils.precisions import PRECISIONS

if TYPE_CHECKING:
    from ssiu_arch.inference.jobs import Job
    from ssiu_arch.inference.upscaler import Upscaler

EXAMPLE = "example: ssiu upscale photos more/*.jpg -o enlarged --scale 2"
OUTPUTS = ("auto", "png", "jpg", "webp", "tiff", "bmp", "avif")


def run(arguments: list[str]) -> int:
    """Enlarge every image that is named and not done yet; 1 if some failed, with a line each on stderr, else 0."""
    args = _parser().parse_args(arguments)
    is_alone = os.environ.get("RANK", "0") == "0" and os.environ.get("WORLD_SIZE", "1") == "1"
    rank, processes = place("none" if is_alone else "pytorch")
    if args.device == "mps":  # read when torch is imported
        os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

    from ssiu_arch.inference.jobs import find_jobs

    def say(line: str) -> None:
        if rank == 0 and not args.quiet:
            print(f"ssiu upscale: {printable(line)}", file=sys.stderr)

    jobs = find_jobs(args.inputs, args.out, None if args.format == "auto" else f".{args.format}", say)
    upscaler = _upscaler(args)
    if upscaler.device.type == "mps":
        say("operators that MPS lacks run on the CPU (PYTORCH_ENABLE_MPS_FALLBACK); not measured by us")
    elif advice := _advice(upscaler.device.type, args.threads):
        say(advice)
    failed = _upscale_all(jobs[rank :: processes or 1], upscaler, args)
    if processes:
        _wait_for_all()
    return int(failed > 0)


def _parser() -> Parser:
    what = (
        "Enlarge images. Bit depth, grey, alpha and metadata are kept. Results that the same image, weights "
        "and options made are skipped; others are redone."
    )
    parser = Parser(prog="ssiu upscale", description=what, epilog=EXAMPLE, allow_abbrev=False)
    kinds = "image files, folders (searched recursively) or patterns; PNG, JPEG, WebP, TIFF, BMP, AVIF, GIF, HEIC"
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=kinds)
    target = "output folder, or output file for a single image"
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help=target)
    weights = "weights of an SSIU, in any format of ssiu convert (default: shipped, those of the package)"
    parser.add_argument("--weights", default="shipped", metavar="FILE", help=weights)
    parser.add_argument("--scale", type=int, choices=(2, 3, 4), help="scale of the shipped weights (default: 4)")
    parser.add_argument("--format", choices=OUTPUTS, default="auto", help="output format (default: the input's)")
    quality = "quality of JPEG, WebP and AVIF, 1 to 100 (default: 95)"
    parser.add_argument("--quality", type=whole(1, 100), default=95, metavar="N", help=quality)
    ensemble = "average the results of eight flips and rotations: slightly better, eight times slower"
    parser.add_argument("--self-ensemble", action="store_true", help=ensemble)
    device = "cpu, cuda, cuda:N or mps (default: a CUDA GPU if there is one)"
    parser.add_argument("--device", default="auto", help=device)
    precision = "precision of the network's computations (default: fp32)"
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help=precision)
    tile = "tile side in LR pixels (approximate; default: whole image)"
    parser.add_argument("--tile", type=whole(64), metavar="N", help=tile)
    parser.add_argument("--threads", type=whole(1, 4096), metavar="N", help="CPU threads (default: torch's)")
    parser.add_argument("--overwrite", action="store_true", help="redo and replace all output files")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    return parser


def _wait_for_all() -> None:
    """Wait until every process is done: torchrun stops all of them as soon as one reports a failure."""
    from datetime import timedelta

    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=timedelta(days=30))
    dist.barrier()
    dist.destroy_process_group()


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
    device = torch.device("mps") if name == "mps" and torch.backends.mps.is_available() else check_device(name)
    try:
        net = load(args.weights, scale=args.scale)
    except ValueError as error:
        raise UserError(f"--{error}") from error
    return Upscaler(net.to(device), precision=args.precision, self_ensemble=args.self_ensemble, tile=args.tile)


def _advice(device: str, threads: int | None) -> str | None:
    """A hint for people, at a terminal, whose CPU is busy already."""
    load, cores = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0, os.cpu_count() or 1
    if device != "cpu" or threads or load <= cores or not sys.stderr.isatty():
        return None
    return f"the load ({load:.1f}) is above the number of cores ({cores}); fewer threads may be faster: --threads 1"


def _upscale_all(jobs: "list[Job]", upscaler: "Upscaler", args: Namespace) -> int:
    """Upscale what is not done yet; the number of images that failed."""
    import logging

    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    from ssiu_arch.inference.jobs import Records, upscale_file
    from ssiu_arch.inference.photo import photo_size

    failed: list[Job] = []
    left: dict[Job, int] = {}  # images with their pixels
    done = redone = 0

    def fail(job: "Job", error: UserError) -> None:
        failed.append(job)
        tqdm.write(f"ssiu upscale: {in_one_line(error)}", file=sys.stderr)

    def say(line: str) -> None:
        if not args.quiet:
            tqdm.write(line)

    records = Records(_options(upscaler, args))
    for job in jobs:
        try:
            height, width = photo_size(job.source)
            if not args.overwrite and records.is_done(job):
                done += 1
            else:
                left[job] = height * width
                redone += job.target.exists() and not args.overwrite
        except UserError as error:
            fail(job, error)
    if done:
        say(f"{done} of {len(jobs)} done already")
    if redone:
        say(f"{redone} of {len(jobs)} made with another image, weights or options: redone")
    hidden = True if args.quiet else None  # None: shown on a terminal
    bar = tqdm(total=sum(left.values()), unit="px", unit_scale=True, disable=hidden, dynamic_ncols=True)
    with bar, logging_redirect_tqdm([logging.getLogger("basicsr")]):
        for n, (job, count) in enumerate(left.items(), 1):
            bar.set_postfix_str(f"{n}/{len(left)} {printable(job.source.name)[:40]}")
            start, began = bar.n, time.monotonic()

            def advance(share: float, of: int = count) -> None:
                bar.update(share * of)

            try:
                size = upscale_file(job, upscaler, quality=args.quality, records=records, advance=advance)
            except UserError as error:
                fail(job, error)
            else:
                seconds, names = time.monotonic() - began, f"{printable(job.source)} -> {printable(job.target)}"
                say(f"[{n}/{len(left)}] {names} {size[1]}x{size[0]} {seconds:.1f} s")
            bar.update(start + count - bar.n)
    if failed:
        print(f"ssiu upscale: {len(failed)} of {len(jobs)} images failed", file=sys.stderr)
    return len(failed)


def _options(upscaler: "Upscaler", args: Namespace) -> dict[str, object]:
    """What a result depends on beside its image."""
    from ssiu_arch.utils.files import sha256
    from ssiu_arch.weights.shipped import weights_path

    names = ("self_ensemble", "precision", "tile", "quality")
    weights = sha256(weights_path(args.weights, args.scale))
    return {"weights": weights, "scale": upscaler.upscale, **{name: getattr(args, name) for name in names}}
