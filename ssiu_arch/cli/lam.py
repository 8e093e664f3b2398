"""``ssiu lam``: local attribution maps, which pixels of an image a result depends on."""

import argparse
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ssiu_arch.cli.arguments import Parser, check_outputs, whole
from ssiu_arch.plugins import load_plugins
from ssiu_arch.utils.errors import UserError

if TYPE_CHECKING:
    import torch

    from ssiu_arch.tools.lam.lam import Attribution, Settings
    from ssiu_arch.tools.lam.networks import Network
    from ssiu_arch.tools.lam.report import Report
    from ssiu_arch.tools.lam.target import Target

EXAMPLE = "example: ssiu lam photo.png --hr --weights x4.pth --network edsr-m edsr.pth --at 480 320 -o lam.png"
LARGEST_ERROR = 0.05  # of an integration, without a warning


def run(arguments: list[str]) -> None:
    """Attribute, print a table and write the picture.

    Raises:
        UserError: something is wrong with options, files or networks, before anything is written.
    """
    args = _parser().parse_args(arguments)
    _check_files(args)
    if args.kernel % 2 == 0:
        raise UserError(f"--kernel {args.kernel}: must be odd, so that the blur has a middle")
    load_plugins()

    from ssiu_arch.data.images import read_image
    from ssiu_arch.tools.lam.lam import Settings
    from ssiu_arch.tools.lam.target import target
    from ssiu_arch.utils.device import check_device

    device = check_device(args.device)
    image = read_image(args.image)[..., ::-1].copy()  # RGB
    networks = _networks(args)
    scale = networks[0].scale
    seen = target(image, is_hr=args.hr, scale=scale, at=args.at, patch=args.patch, crop=args.crop, kernel=args.kernel)
    settings = Settings(args.sigma, args.kernel, args.steps, args.batch)
    found = _attribute(networks, seen, settings, device)

    from ssiu_arch.tools.lam.report import Report

    _show(Report(args.image.name, seen, settings, networks, found), args)


def _parser() -> argparse.ArgumentParser:
    what = "Which pixels of an LR image a patch of the result depends on: local attribution maps, one for each network."
    parser = Parser(prog="ssiu lam", description=what, epilog=EXAMPLE, allow_abbrev=False)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="an LR image; with --hr, an HR image")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.png", help="the picture to write")
    parser.add_argument(
        "--hr", action="store_true", help="IMAGE is HR: the LR image is made from it by MATLAB's imresize"
    )
    parser.add_argument("--weights", nargs="+", default=[], metavar="FILE", help="weights of SSIUs")
    trained = "option files whose network_g, with path.pretrain_network_g, to attribute"
    parser.add_argument("-opt", nargs="+", default=[], metavar="FILE", help=trained)
    spelled = "any registered network, spelled as for ssiu profile, and its weights; repeatable"
    parser.add_argument(
        "--network", nargs="+", action="append", default=[], metavar=("CANDIDATE", "FILE"), help=spelled
    )
    named = "what to call them, in the order of --weights, -opt and --network; default: the files' names"
    parser.add_argument("--names", nargs="+", metavar="NAME", help=named)
    parser.add_argument(
        "--upscale", type=whole(1, 8), metavar="N", help="scale of --network; default: the others', or 4"
    )
    corner = "top left pixel of the patch, in pixels of the result; default: the patch is in its middle"
    parser.add_argument("--at", nargs=2, type=whole(0), metavar=("X", "Y"), help=corner)
    parser.add_argument("--patch", type=whole(1, 4096), default=16, metavar="N", help="its side (default 16)")
    around = "side of the part of the LR image that the networks see, the patch in its middle (default 64)"
    parser.add_argument("--crop", type=whole(4, 1024), default=64, metavar="N", help=around)
    parser.add_argument("--sigma", type=_positive, default=1.2, metavar="S", help="of the strongest blur (default 1.2)")
    parser.add_argument("--kernel", type=whole(3, 99), default=9, metavar="N", help="width of the blur (default 9)")
    parser.add_argument("--steps", type=whole(1, 10**5), default=50, metavar="N", help="of the path (default 50)")
    parser.add_argument("--batch", type=whole(1, 1024), default=1, metavar="N", help="steps at a time (default 1)")
    parser.add_argument("--device", default="cpu", help="cpu (the default), cuda or cuda:N")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all numbers there, in full")
    parser.add_argument("--npz", type=Path, metavar="FILE.npz", help="write the maps there")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    return parser


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and up to 100")
    return value


def _check_files(args: argparse.Namespace) -> None:
    """What is written at the end can be written, and replaces nothing that is not to be replaced."""
    if os.path.isdir(args.image):  # where pathlib raises, as for a folder that is closed, os.path says no
        raise UserError(f"{args.image}: is a folder: name an image")
    if not os.path.isfile(args.image):
        raise UserError(f"{args.image}: no such file")
    named = {"-o": args.output, "--csv": args.csv, "--npz": args.npz}
    inputs = [args.image, *map(Path, [*args.weights, *args.opt]), *(Path(each[-1]) for each in args.network)]
    suffixes = {"-o": [".png"], "--npz": [".npz"]}
    check_outputs(named, suffixes=suffixes, inputs=inputs, overwrite=args.overwrite)


def _networks(args: argparse.Namespace) -> "list[Network]":
    count = len(args.weights) + len(args.opt) + len(args.network)
    if not count:
        raise UserError("no network: name one by --weights FILE, -opt FILE or --network CANDIDATE FILE")
    for each in args.network:
        if len(each) > 2:
            raise UserError(f"--network {' '.join(each)}: is more than a CANDIDATE and a FILE of its weights")
    if args.names is not None and len(args.names) != count:
        raise UserError(
            f"--names {' '.join(args.names)}: the number of names ({len(args.names)}) is not that of networks ({count})"
        )

    found = list(_built(args))
    if args.names is not None:
        found = [replace(each, name=name) for each, name in zip(found, args.names, strict=True)]
    _check_networks(found)
    for each in found:
        if each.weights is None:
            print(f"ssiu lam: warning: {each.name} has random weights, of which a map says nothing", file=sys.stderr)
    return found


def _built(args: argparse.Namespace) -> "Iterator[Network]":
    from ssiu_arch.tools.lam.networks import from_candidate, from_options, from_weights

    scale = None
    for path in args.weights:
        network = from_weights(path)
        scale = scale or network.scale
        yield network
    for path in args.opt:
        network = from_options(path)
        scale = scale or network.scale
        yield network
    for each in args.network:
        yield from_candidate(each[0], each[1] if len(each) > 1 else None, args.upscale or scale or 4)


def _check_networks(networks: "list[Network]") -> None:
    names = [each.name for each in networks]
    for each in networks:
        if not (each.name.isascii() and each.name.isprintable() and each.name):
            raise UserError(
                f"the name {each.name!r} cannot be written in the picture, which has letters of ASCII only; see --names"
            )
        if names.count(each.name) > 1:
            raise UserError(f"two networks are called {each.name}: give --names")
        if each.scale != networks[0].scale:
            raise UserError(
                f"{each.name} is of x{each.scale}, {names[0]} of x{networks[0].scale}: give networks of one scale"
            )


def _attribute(
    networks: "list[Network]", target: "Target", settings: "Settings", device: "torch.device"
) -> "list[Attribution]":
    from ssiu_arch.tools.lam.lam import attribute
    from ssiu_arch.utils.progress import Progress

    progress = Progress(len(networks) * math.ceil(settings.steps / settings.at_a_time))
    try:
        return [
            attribute(
                network,
                target.lr,
                target.patch,
                settings,
                device,
                lambda name=network.name: progress.step(f"gradients of {name}"),  # type: ignore[misc]
            )
            for network in networks
        ]
    finally:
        progress.end()


def _show(report: "Report", args: argparse.Namespace) -> None:
    from ssiu_arch.tools.compare.panels import write_png
    from ssiu_arch.tools.lam.picture import draw
    from ssiu_arch.tools.lam.report import table, write_csv, write_npz

    print(table(report).text())
    for each in report.attributions:
        if each.error > LARGEST_ERROR:
            hint = f"the integration of {each.name} is {each.error:.0%} off: raise --steps"
            print(f"ssiu lam: warning: {hint}", file=sys.stderr)
    page = draw(report.target, report.attributions)
    write_png(args.output, page)
    print(f"{'written to':14}{args.output} ({page.shape[1]}x{page.shape[0]})")
    for path, write in ((args.csv, write_csv), (args.npz, write_npz)):
        if path is not None:
            write(path, report)
            print(f"{'written to':14}{path}")
