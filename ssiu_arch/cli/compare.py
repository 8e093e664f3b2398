"""``ssiu compare``: crops of several results side by side in one picture, with their scores."""

import argparse
import os
from pathlib import Path

from ssiu_arch.cli.arguments import Parser, check_labels, check_output, whole
from ssiu_arch.utils.errors import UserError

EXAMPLE = "example: ssiu compare HR/baby.png SSIU=results/x4/visualization/Set5 --crop 120 80 64 64 -o baby.png"


def run(arguments: list[str]) -> None:
    """Draw the figure and print its scores; bad input raises ``UserError`` before anything is written."""
    args = _parser().parse_intermixed_args(arguments)
    pairs = [(name, Path(path)) for name, path in args.results]
    check_labels(["HR", "Bicubic", *(name for name, _ in pairs)], "choose another one; HR and Bicubic are taken")

    if not os.path.isfile(args.hr):
        raise UserError(f"HR {args.hr}: no such file; give one image file")

    from PIL import Image

    from ssiu_arch.tools.compare.figure import figure
    from ssiu_arch.tools.compare.images import Box, most_different, read, result_file, scores
    from ssiu_arch.utils.files import new_file
    from ssiu_arch.utils.table import Table

    files = {name: result_file(name, path, args.hr, args.scale) for name, path in pairs}
    check_output(args.output, ".png", others=[args.hr, *files.values()], overwrite=args.overwrite)
    crops = [Box(*crop) for crop in args.crop]
    images = read(args.hr, files, args.scale, crops)
    crops = crops or [most_different(images, args.scale, args.side)]
    found = scores(images, args.scale)
    page = figure(args.hr.stem, images, found, args.scale, crops)
    with new_file(args.output) as file:
        Image.fromarray(page).save(file, "PNG", optimize=True)
    title = f"{args.hr.stem}, whole image (crops shown: {'; '.join(map(str, crops))}), on Y of YCbCr"
    table = Table(f"{title}, border {args.scale}", ["PSNR (dB)", "SSIM"])
    table.rows += [(name, [f"{score.psnr:.4f}", f"{score.ssim:.4f}"]) for name, score in found.items()]
    print(table.text())
    print(f"{'written to':14}{args.output} ({page.shape[1]}x{page.shape[0]})")


def _parser() -> argparse.ArgumentParser:
    what = "Draw crops of HR, bicubic interpolation and results side by side, with PSNR and SSIM, as a PNG picture."
    parser = Parser(prog="ssiu compare", description=what, epilog=EXAMPLE, allow_abbrev=False)
    add = parser.add_argument
    add("hr", type=Path, metavar="HR", help="the original, an image file")
    named = "a label and its result: an image file, or a folder with one file named like HR, as basicsr test writes it"
    add("results", nargs="*", type=_named, metavar="NAME=PATH", help=named)
    add("-o", "--output", type=Path, required=True, metavar="FILE.png", help="picture to write")
    add("--overwrite", action="store_true", help="replace an existing picture")
    box = "crop in HR pixels; repeatable (default: where the results differ most)"
    add("--crop", nargs=4, action="append", default=[], type=whole(0), metavar=("X", "Y", "WIDTH", "HEIGHT"), help=box)
    side = "side of the default crop in HR pixels (default: 64)"
    add("--side", type=whole(8, 1024), default=64, metavar="N", help=side)
    add("--scale", type=whole(2, 8), default=4, metavar="N", help="scale of the results (default: 4)")
    return parser


def _named(text: str) -> tuple[str, str]:
    name, _, path = text.partition("=")
    if not (name.strip() and path):
        hint = f"write a label before the path: SSIU={text.strip('=') or 'x4.png'}"
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH; {hint}")
    return name, path
