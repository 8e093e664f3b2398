"""``ssiu lam``: local attribution maps, which LR pixels a patch of the result depends on."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ssiu_arch.cli.arguments import Parser, check_labels, check_output, whole
from ssiu_arch.plugins import load_plugins
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.extras import require

if TYPE_CHECKING:
    from ssiu_arch.tools.lam.inputs import Network

EXAMPLE = "example: ssiu lam photo.png --hr --at 480 320 --weights shipped mine_x4.pth -opt EDSR_x4.yml -o lam.png"
LARGEST_ERROR = 0.05  # of an integration, without a warning


def run(arguments: list[str]) -> None:
    """Attribute, print a table, draw the picture; bad input raises ``UserError`` before anything is written."""
    args = _parser().parse_args(arguments)
    require("matplotlib", "plot", "the picture")
    inputs = [args.image, *map(Path, [*args.weights, *args.opt])]
    check_output(args.output, ".png", others=inputs, overwrite=args.overwrite)
    load_plugins()

    from ssiu_arch.data.images import read_image
    from ssiu_arch.tools.lam import picture
    from ssiu_arch.tools.lam.attribution import attribute
    from ssiu_arch.tools.lam.inputs import target
    from ssiu_arch.utils.device import check_device
    from ssiu_arch.utils.files import new_file

    device = check_device(args.device)
    image = read_image(args.image)[..., ::-1].copy()  # RGB
    networks = _networks(args)
    seen = target(image, is_hr=args.hr, scale=networks[0].scale, at=args.at, patch=args.patch, crop=args.crop)
    found = [attribute(network, seen.lr, seen.patch, args.steps, device) for network in networks]

    print(picture.table(args.image.name, seen, args.steps, found).text())
    for each in found:
        if each.error > LARGEST_ERROR:
            _warn(f"the integration error of {each.name} is {each.error:.0%}: raise --steps")
    with new_file(args.output) as file:
        picture.draw(seen, found).savefig(file, format="png")
    print(f"{'written to':14}{args.output}")


def _parser() -> argparse.ArgumentParser:
    what = "Draw local attribution maps, one per network: which LR pixels a patch of the result depends on."
    parser = Parser(prog="ssiu lam", description=what, epilog=EXAMPLE, allow_abbrev=False)
    add = parser.add_argument
    add("image", type=Path, metavar="IMAGE", help="an LR image; with --hr, an HR image")
    add("-o", "--output", type=Path, required=True, metavar="FILE.png", help="picture to write")
    add("--hr", action="store_true", help="downscale IMAGE like MATLAB's imresize to get the LR image")
    weights = "weights of SSIU networks; shipped names the package's for x4 (default: shipped, without -opt)"
    add("--weights", nargs="+", default=[], metavar="FILE", help=weights)
    trained = "option files of other networks: network_g, with the weights in path.pretrain_network_g"
    add("-opt", nargs="+", default=[], metavar="FILE", help=trained)
    named = "labels in the order of --weights, then -opt (default: the weight file's name, the option file's name)"
    add("--names", nargs="+", metavar="NAME", help=named)
    corner = "top left pixel of the patch in pixels of the result (default: patch in the centre)"
    add("--at", nargs=2, type=whole(0), metavar=("X", "Y"), help=corner)
    add("--patch", type=whole(1, 4096), default=16, metavar="N", help="patch side in result pixels (default: 16)")
    around = "side in LR pixels of the crop around the patch that the networks see (default: 64)"
    add("--crop", type=whole(5, 1024), default=64, metavar="N", help=around)
    add("--steps", type=whole(1, 10**5), default=50, metavar="N", help="steps of the integration (default: 50)")
    add("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    add("--overwrite", action="store_true", help="replace an existing picture")
    return parser


def _networks(args: argparse.Namespace) -> "list[Network]":
    """The networks of ``--weights`` and ``-opt``, of one scale and with labels of their own."""
    from ssiu_arch.tools.lam.inputs import from_options, from_weights

    weights = args.weights or ([] if args.opt else ["shipped"])
    count = len(weights) + len(args.opt)
    if args.names is not None and len(args.names) != count:
        raise UserError(f"--names {' '.join(args.names)}: {len(args.names)} names for {count} networks; name each")
    networks = [*map(from_weights, weights), *map(from_options, args.opt)]
    if args.names is not None:
        networks = [replace(each, name=name) for each, name in zip(networks, args.names, strict=True)]
    check_labels([each.name for each in networks], "give --names")
    first = networks[0]
    for each in networks:
        if each.scale != first.scale:
            raise UserError(f"{each.name} is x{each.scale}, but {first.name} x{first.scale}: give one scale")
        if not each.has_weights:
            _warn(f"{each.name} has random weights: its map means nothing; set path.pretrain_network_g")
    return networks


def _warn(text: str) -> None:
    print(f"ssiu lam: warning: {text}", file=sys.stderr)
