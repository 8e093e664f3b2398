"""``ssiu compare``: crops of several results side by side in one picture, with their scores."""

import argparse
import sys
from pathlib import Path

from ssiu_arch.cli.arguments import Parser, check_outputs, whole
from ssiu_arch.utils.errors import UserError

EXAMPLE = "example: ssiu compare HR/baby.png SSIU=results/x4/visualization/Set5 --crop 120 80 64 64 -o baby.png"
RESERVED = ("hr", "bicubic")  # names of panels that every figure has
MOST_BLOCKS = 24  # crops in one figure, each some 500 pixels high


def run(arguments: list[str]) -> None:
    """Draw the figure and print its scores.

    Raises:
        UserError: bad options or files, before anything is written.
    """
    args = _parser().parse_intermixed_args(arguments)
    results = _results(args.results)

    from ssiu_arch.tools.compare import figure, matching
    from ssiu_arch.tools.compare.subject import Box
    from ssiu_arch.utils.files import write_file

    names = list(dict.fromkeys(args.image))
    images, left_out = matching.find(args.hr, results, names, args.scale)
    inputs = [path for files in images for path in (files.hr, *files.results.values())]
    check_outputs({"-o": args.output}, suffixes={"-o": [".png"]}, inputs=inputs, overwrite=args.overwrite)
    crops = max(1, len(args.crop))
    if len(images) * crops > MOST_BLOCKS:
        raise UserError(
            f"{len(images)} images with {crops} crops each: a figure holds at most {MOST_BLOCKS} crops; use --image"
        )
    plan = figure.Plan(args.scale, [Box(*crop) for crop in args.crop], args.side)
    page, tables = figure.figure(images, plan)
    write_file(args.output, figure.png(page))
    print("\n".join(table.text() for table in tables))
    print(f"{'written to':14}{args.output} ({page.shape[1]}x{page.shape[0]})")
    for image, missing in left_out.items():
        print(f"ssiu compare: left out: {image}, no result of {', '.join(missing)}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    what = "Draw crops of HR, bicubic interpolation and results side by side, with PSNR and SSIM, as a PNG picture."
    parser = Parser(prog="ssiu compare", description=what, epilog=EXAMPLE, allow_abbrev=False)
    add = parser.add_argument
    add("hr", type=Path, metavar="HR", help="the original: an image file or a folder")
    named = "a label and its result: an image file, or a folder with files named like HR's, as basicsr test writes them"
    add("results", nargs="*", metavar="NAME=PATH", help=named)
    add("-o", "--output", type=Path, required=True, metavar="FILE.png", help="picture to write")
    add("--overwrite", action="store_true", help="replace an existing picture")
    box = "crop in HR pixels; repeatable (default: where the results differ most)"
    add("--crop", nargs=4, action="append", default=[], type=whole(0), metavar=("X", "Y", "WIDTH", "HEIGHT"), help=box)
    side = "side of the default crop in HR pixels (default: 64)"
    add("--side", type=whole(8, 1024), default=64, metavar="N", help=side)
    image = "name of an image in the HR folder; repeatable (default: every image that all results have)"
    add("--image", action="append", default=[], metavar="NAME", help=image)
    add("--scale", type=whole(2, 8), default=4, metavar="N", help="scale of the results (default: 4)")
    return parser


def _results(given: list[str]) -> dict[str, Path]:
    results: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not (name.strip() and equals and path):
            raise UserError(f"{text}: not NAME=PATH; write a label before the path: SSIU={text.strip('=') or 'x4.png'}")
        if not (name.isascii() and name.isprintable()):
            raise UserError(f"{text}: the label {name!r} must be ASCII, the letters that the picture's font has")
        if name.lower() in RESERVED:
            raise UserError(f"{text}: every figure has a panel {name} already; choose another label")
        if name in results:
            raise UserError(f"{text}: the label {name} is given twice; choose another one")
        results[name] = Path(path)
    return results
