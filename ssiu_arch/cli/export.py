"""``ssiu export``: a network as ONNX, checked against torch."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ssiu_arch.cli.arguments import Parser, check_outputs, image_size, whole
from ssiu_arch.utils.errors import UserError

if TYPE_CHECKING:
    from ssiu_arch.archs.ssiu_arch import SSIU
    from ssiu_arch.tools.export.parity import Case, Net
    from ssiu_arch.utils.progress import Progress

EXAMPLE = "example: ssiu export net_g_latest.pth -o x4.onnx --latency 180x320"
SUFFIX = ".onnx"
OPSETS = range(18, 24)  # torch's exporter writes none below
OPSET = 20  # the first with GELU as an operator: a fifth faster in ONNX Runtime, which has it since 1.17


def run(arguments: list[str]) -> None:
    """Export, compare with torch, write if they agree, and time both where that is asked for.

    Raises:
        UserError: something is wrong with the options, before anything is computed; or the exported network is not the
            one in torch, and nothing is written then.
    """
    args = _parser().parse_args(arguments)
    check_outputs({"-o": args.output}, suffixes={"-o": [SUFFIX]}, inputs=[args.weights], overwrite=args.overwrite)
    _check_sizes(args)

    from ssiu_arch.tools.export.to_onnx import check_installation

    check_installation()

    from ssiu_arch.weights import load

    _export(load(args.weights, args.key), args)


def _parser() -> argparse.ArgumentParser:
    what = "Write an SSIU as one ONNX file that takes images of any size, and check it against torch by ONNX Runtime."
    parser = Parser(prog="ssiu export", description=what, epilog=EXAMPLE, allow_abbrev=False)
    parser.add_argument("weights", type=Path, metavar="WEIGHTS", help="a checkpoint of an SSIU; its scale is read")
    sets = "which set of weights in it: params_ema, params, ...; default: the first there is"
    parser.add_argument("--key", metavar="NAME", help=sets)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.onnx", help="where to write it")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE.onnx if it is there")
    opset = f"of ONNX: {OPSETS[0]} to {OPSETS[-1]} (default {OPSET})"
    parser.add_argument("--opset", type=whole(OPSETS[0], OPSETS[-1]), default=OPSET, metavar="N", help=opset)
    half = "weights and feature maps in float16; input and output stay float32"
    parser.add_argument("--fp16", action="store_true", help=half)
    parser.add_argument("--static", type=image_size, metavar="HxW", help="one size only, height first, one at a time")
    parser.add_argument("--check", nargs="+", type=image_size, default=[], metavar="HxW", help="more LR sizes to check")
    parser.add_argument("--latency", nargs="+", type=image_size, default=[], metavar="HxW", help="LR sizes to time")
    parser.add_argument("--runs", type=whole(1), default=10, metavar="N", help="rounds of --latency (default 10)")
    parser.add_argument("--threads", type=whole(1, 4096), metavar="N", help="threads of the CPU; default: torch's")
    return parser


def _check_sizes(args: argparse.Namespace) -> None:
    for option, sizes in (("--check", args.check), ("--latency", args.latency)):
        for h, w in sizes:
            if sizes.count((h, w)) > 1:
                raise UserError(f"{option}: {h}x{w} is given twice")
            if args.static and (h, w) != args.static:
                raise UserError(f"{option} {h}x{w}: with --static the file takes {'{}x{}'.format(*args.static)} alone")


def _export(net: "SSIU", args: argparse.Namespace) -> None:
    import torch

    from ssiu_arch.tools.export import latency
    from ssiu_arch.tools.export.runtime import opened
    from ssiu_arch.tools.export.to_onnx import description, to_onnx
    from ssiu_arch.utils.files import file_hash, size_text, write_file
    from ssiu_arch.utils.progress import Progress

    if args.threads:
        torch.set_num_threads(args.threads)
    cases = _cases(args)
    progress = Progress(2 + len(cases) + len(args.latency) * len(latency.FORMS) * (latency.WARMUP + args.runs))
    source = [args.weights.name, *([args.key] if args.key else []), f"sha256 {file_hash(args.weights)}"]
    weights = {"weights": ", ".join(source)}
    try:
        progress.step(f"exporting {args.weights}")
        model = to_onnx(net, opset=args.opset, half=args.fp16, static=args.static, facts=weights)
        progress.step("opening it in ONNX Runtime")
        exported = opened(model, torch.get_num_threads())
        parities = _compared(exported, net, cases, args, progress)

        write_file(args.output, model)  # before anything is printed, which fails where nobody reads on
        print(parities)
        for name, fact in {**description(net, args.opset, args.fp16, args.static), **weights}.items():
            print(f"{name:14}{fact}")
        print(f"{'written to':14}{args.output} ({size_text(len(model))})")
        _time(exported, net, args, progress)
    finally:
        progress.end()


def _cases(args: argparse.Namespace) -> "list[Case]":
    """Batch, height and width of the images by which the file is compared with torch."""
    from ssiu_arch.tools.export.parity import CASES

    if args.static:
        return [(1, *args.static)]
    return list(dict.fromkeys([*CASES, *((1, *size) for size in args.check)]))


def _compared(exported: "Net", net: "SSIU", cases: "list[Case]", args: argparse.Namespace, progress: "Progress") -> str:
    """A table of how far the two are apart.

    Raises:
        UserError: further than they may be; the table has been shown then.
    """
    from ssiu_arch.tools.export import parity

    precision = _precision(args)
    differences = []
    for case in cases:
        progress.step(f"checking {parity.text_of(case)}")
        with _in_memory(f"checking {parity.text_of(case)}: choose a smaller size; {args.output} is not written"):
            differences.append(parity.difference(exported, net, case))
    progress.end()
    table = parity.table(differences, precision).text()
    for found in differences:
        if not found.is_within(parity.BARS[precision]):
            print(table)
            apart = f"differs from torch by {found.largest:.1e}, more than {parity.BARS[precision]:.1e}"
            raise UserError(f"-o {args.output}: not written: at {parity.text_of(found.case)} the result {apart}")
    return table


def _time(exported: "Net", net: "SSIU", args: argparse.Namespace, progress: "Progress") -> None:
    from ssiu_arch.tools.export import latency

    for h, w in args.latency:
        with _in_memory(f"--latency {h}x{w}: choose a smaller size; {args.output} is written"):
            found = latency.measure(
                exported,
                net,
                (h, w),
                args.runs,
                lambda form, at=f"{h}x{w}": progress.step(f"latency of {form}, {at}"),  # type: ignore[misc]
            )
        progress.end()
        print("\n" + latency.table(found, (h, w), _precision(args)).text(), end="")


@contextmanager
def _in_memory(what: str) -> Iterator[None]:
    """Turn the errors of an image that memory does not suffice for into one line."""
    from ssiu_arch.utils.memory import is_out_of_memory

    try:
        yield
    except Exception as error:  # torch's and ONNX Runtime's have no type in common
        if is_out_of_memory(error):
            raise UserError(f"out of memory: {what}") from error
        raise


def _precision(args: argparse.Namespace) -> str:
    return "fp16" if args.fp16 else "fp32"
