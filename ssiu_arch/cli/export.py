"""``ssiu export``: a network as ONNX, checked against torch."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ssiu_arch.cli.arguments import Parser, check_output, image_size, whole
from ssiu_arch.utils.errors import UserError

if TYPE_CHECKING:
    from ssiu_arch.archs.ssiu_arch import SSIU
    from ssiu_arch.tools.export.comparison import Net

EXAMPLE = "example: ssiu export net_g_latest.pth -o x4.onnx --latency 180x320"
OPSETS = range(17, 24)  # the first, the default, runs in onnxruntime 1.12 of 2022, and as fast as the others
OPSET_OF_INT8 = 20  # the first with GELU as one operator, which ONNX Runtime no longer finds in a quantised file


def run(arguments: list[str]) -> None:
    """Export, compare with torch, write the file if they agree (else ``UserError``), and time both if asked to."""
    args = _parser().parse_args(arguments)
    from ssiu_arch.weights.shipped import weights_path

    args.weights = weights_path(args.weights)
    check_output(args.output, ".onnx", others=[args.weights], overwrite=args.overwrite)
    if args.int8 != (args.calibration is not None):
        raise UserError("--int8 and --calibration FOLDER go together: 8 bits are calibrated on photos of that folder")
    args.opset = args.opset or (OPSET_OF_INT8 if args.int8 else OPSETS[0])
    args.precision = "int8" if args.int8 else "fp16" if args.fp16 else "fp32"
    for h, w in args.latency:
        if args.static not in (None, (h, w)):
            raise UserError(f"--latency {h}x{w}: with --static the file takes {'{}x{}'.format(*args.static)} alone")

    from ssiu_arch.tools.export.to_onnx import check_installation

    check_installation()

    from ssiu_arch.utils.memory import is_out_of_memory
    from ssiu_arch.weights import load

    net = load(args.weights, args.key)
    try:
        _export(net, args)
    except Exception as error:  # torch's and ONNX Runtime's for memory have no type in common
        if is_out_of_memory(error):
            raise UserError("out of memory: choose smaller sizes for --static and --latency") from error
        raise


def _parser() -> argparse.ArgumentParser:
    what = "Write an SSIU as one ONNX file for images of any size, and check it against torch by ONNX Runtime."
    parser = Parser(prog="ssiu export", description=what, epilog=EXAMPLE, allow_abbrev=False)
    add = parser.add_argument
    add("weights", type=Path, metavar="WEIGHTS", help="checkpoint of an SSIU, or shipped: the package's x4 weights")
    add("--key", metavar="NAME", help="set of weights in it: params_ema, params, ... (default: the first of these)")
    add("-o", "--output", type=Path, required=True, metavar="FILE.onnx", help="file to write")
    add("--overwrite", action="store_true", help="replace FILE.onnx if it exists")
    opset = f"ONNX opset, {OPSETS[0]} to {OPSETS[-1]} (default: {OPSETS[0]}, for the oldest runtimes; int8: 20)"
    add("--opset", type=whole(OPSETS[0], OPSETS[-1]), metavar="N", help=opset)
    smaller = parser.add_mutually_exclusive_group().add_argument
    smaller("--fp16", action="store_true", help="weights and feature maps in float16; input and output stay float32")
    smaller("--int8", action="store_true", help="weights and feature maps in 8 bit; needs --calibration")
    add("--calibration", type=Path, metavar="FOLDER", help="photos for --int8, like those to enlarge; 16 are used")
    add("--static", type=image_size, metavar="HxW", help="only LR size the file takes, batch 1 (default: any)")
    add("--latency", nargs="+", type=image_size, default=[], metavar="HxW", help="LR sizes to time")
    add("--runs", type=whole(1), default=10, metavar="N", help="rounds of --latency (default: 10)")
    add("--threads", type=whole(1, 4096), metavar="N", help="CPU threads (default: torch's)")
    return parser


def _export(net: "SSIU", args: argparse.Namespace) -> None:
    import torch

    from ssiu_arch.tools.export.comparison import opened
    from ssiu_arch.tools.export.int8 import calibration_images, quantised
    from ssiu_arch.tools.export.to_onnx import description, to_onnx
    from ssiu_arch.utils.files import file_hash, size_text, write_file

    if args.threads:
        torch.set_num_threads(args.threads)
    source = [args.weights.name, *([args.key] if args.key else []), f"sha256 {file_hash(args.weights)}"]
    weights = {"weights": ", ".join(source)}
    photos = args.int8 and calibration_images(args.calibration, net.head.weight.shape[1], args.static)
    facts = {"precision": args.precision, **weights}
    model = to_onnx(net, opset=args.opset, half=args.fp16, static=args.static, facts=facts)
    model = quantised(model, photos) if photos else model
    exported = opened(model, torch.get_num_threads())
    parities = _compared(exported, net, args)

    write_file(args.output, model)  # before anything is printed, which fails if the reader has gone
    print(parities)
    for name, fact in {**description(net, args.opset, args.fp16, args.static), **facts}.items():
        print(f"{name:14}{fact}")
    print(f"{'written to':14}{args.output} ({size_text(len(model))})")
    _time(exported, net, args)


def _compared(exported: "Net", net: "SSIU", args: argparse.Namespace) -> str:
    """The table of differences from torch, size by size.

    Raises:
        UserError: a difference is too large; the table has been printed then.
    """
    from tqdm import tqdm

    from ssiu_arch.tools.export import comparison

    cases = [(1, *args.static)] if args.static else comparison.CASES
    bar = tqdm(cases, "checking against torch", leave=False, disable=None)
    differences = [comparison.difference(exported, net, case) for case in bar]
    table, limit = comparison.parity_table(differences, args.precision).text(), comparison.BARS[args.precision]
    for found in differences:
        if not found.is_within(limit):
            print(table)
            apart = f"differs from torch by {found.largest:.1e}, more than {limit:.1e}"
            raise UserError(f"-o {args.output}: not written: at {comparison.text_of(found.case)} the result {apart}")
    return table


def _time(exported: "Net", net: "SSIU", args: argparse.Namespace) -> None:
    from ssiu_arch.tools.export import comparison

    for size in dict.fromkeys(args.latency):
        found = comparison.latencies(exported, net, size, args.runs)
        print("\n" + comparison.latency_table(found, size, args.precision).text(), end="")
