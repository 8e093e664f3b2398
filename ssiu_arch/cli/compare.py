"""``ssiu compare``: crops of results side by side in one picture, with their scores."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ssiu_arch.cli.arguments import Parser, check_outputs, whole
from ssiu_arch.utils.errors import UserError

if TYPE_CHECKING:
    from ssiu_arch.tools.compare.matching import Files, Found

EXAMPLE = "example: ssiu compare HR/baby.png SSIU=results/x4/visualization/Set5 --crop 120 80 64 64 -o baby.png"
RESERVED = ("hr", "bicubic")  # panels that are there anyway
MOST_BLOCKS = 24  # in one figure, each some 500 pixels high


def run(arguments: list[str]) -> None:
    """Draw the figure, and print its scores.

    Raises:
        UserError: something is wrong with options or files, before anything is written.
    """
    args = _parser().parse_intermixed_args(arguments)
    results = _results(args.results)
    check_outputs({"-o": args.output}, suffixes={"-o": [".png"]}, overwrite=args.overwrite)

    from ssiu_arch.tools.compare import comparison, matching, panels
    from ssiu_arch.tools.compare.subject import Box
    from ssiu_arch.utils.progress import Progress

    found = matching.find(args.hr, args.lr, results, args.image, args.scale)
    _check_found(args, found)
    crops = [Box(*crop) for crop in args.crop]
    plan = comparison.Plan(args.scale, crops, args.side, args.enlarge, args.score == "crop")
    progress = Progress(len(found.images))
    try:
        page, tables = comparison.compare(found.images, plan, progress.step)
    finally:
        progress.end()
    panels.write_png(args.output, page)
    print("\n".join(table.text() for table in tables))
    print(f"{'written to':14}{args.output} ({page.shape[1]}x{page.shape[0]})")
    for image, lacking in found.left_out.items():
        print(
            f"ssiu compare: not in the figure: {image}, of which there is no file in {', '.join(lacking)}",
            file=sys.stderr,
        )


def _parser() -> argparse.ArgumentParser:
    what = "Crops of HR, bicubic interpolation and results side by side, with PSNR and SSIM, in one PNG picture."
    parser = Parser(prog="ssiu compare", description=what, epilog=EXAMPLE, allow_abbrev=False)
    parser.add_argument("hr", type=Path, metavar="HR", help="the original: an image file, or a folder of them")
    named = (
        "a result and what to call it: an image file, or a folder with files of HR's names, as basicsr test writes it"
    )
    parser.add_argument("results", nargs="*", metavar="NAME=PATH", help=named)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.png", help="the picture to write")
    parser.add_argument("--overwrite", action="store_true", help="replace the picture if it is there")
    square = "what to show, in pixels of HR; repeatable; default: where the results differ most"
    parser.add_argument(
        "--crop",
        nargs=4,
        action="append",
        default=[],
        type=whole(0),
        metavar=("X", "Y", "WIDTH", "HEIGHT"),
        help=square,
    )
    parser.add_argument("--side", type=whole(8, 1024), default=64, metavar="N", help="of that square (default 64)")
    every = "an image of HR's folder to show; repeatable; default: all that HR and every result have"
    parser.add_argument("--image", action="append", default=[], metavar="NAME", help=every)
    parser.add_argument("--scale", type=whole(2, 8), default=4, metavar="N", help="of the results (default 4)")
    low = "LR, for bicubic interpolation: a file or a folder; default: made from HR by MATLAB's imresize"
    parser.add_argument("--lr", type=Path, metavar="PATH", help=low)
    parser.add_argument(
        "--score", choices=["image", "crop"], default="image", help="what scores are of (default image)"
    )
    near = "times that crops are enlarged; default: what brings them near to 200 pixels"
    parser.add_argument("--enlarge", type=whole(1, 64), metavar="N", help=near)
    return parser


def _results(given: list[str]) -> dict[str, Path]:
    results: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not (name.strip() and equals and path):
            raise UserError(
                f"{text}: is no NAME=PATH; write what to call it before it, as SSIU={text.strip('=') or 'x4.png'}"
            )
        if not (name.isascii() and name.isprintable()):
            raise UserError(
                f"{text}: the name {name!r} cannot be written in the picture, which has letters of ASCII only"
            )
        if name.lower() in RESERVED:
            raise UserError(f"{text}: {name} is in the picture by itself; choose another name")
        if name in results:
            raise UserError(f"{text}: there are two results of the name {name}")
        results[name] = Path(path)
    return results


def _check_found(args: argparse.Namespace, found: "Found") -> None:
    if len(set(args.image)) < len(args.image):
        raise UserError(f"--image: {', '.join(args.image)} names an image twice")
    for files in found.images:
        _check_is_no_input(args.output, files)
    blocks = len(found.images) * max(1, len(args.crop))
    if blocks > MOST_BLOCKS:
        raise UserError(
            f"{len(found.images)} images with {max(1, len(args.crop))} crops each are more than a figure has room for "
            f"({MOST_BLOCKS} crops): choose some by --image"
        )


def _check_is_no_input(output: Path, files: "Files") -> None:
    if any(path.resolve() == output.resolve() for path in files.every):
        raise UserError(f"-o {output}: is one of the images to compare; choose another name")
