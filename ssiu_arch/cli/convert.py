"""``ssiu convert``: writes weights in another format, or says what a weight file holds."""

import argparse
import sys
from pathlib import Path

from ssiu_arch.cli.arguments import Parser, check_output
from ssiu_arch.utils.errors import UserError, in_one_line
from ssiu_arch.utils.extras import require

EXAMPLE = "example: ssiu convert SSIU_x4.pt -o SSIU_x4.pth; ssiu convert --info SSIU_x4.pt"


def run(arguments: list[str]) -> int:
    """Convert a file, or say what files hold; bad input raises ``UserError`` before anything is written."""
    args = _parser().parse_intermixed_args(arguments)
    from ssiu_arch.weights.shipped import weights_path

    args.files = [weights_path(path) for path in args.files]
    return _info(args) if args.info else _convert(args)


def _parser() -> argparse.ArgumentParser:
    what = (
        "Convert the weights of an SSIU between formats: .pt as the authors released them, .pth of BasicSR, "
        ".safetensors. With --info, print what files hold."
    )
    parser = Parser(prog="ssiu convert", description=what, epilog=EXAMPLE, allow_abbrev=False)
    files = "weight file, several with --info; shipped: the x4 weights of the package"
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=files)
    written = "output file; its suffix picks the format: .pt, .pth or .safetensors"
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help=written)
    parser.add_argument("--info", action="store_true", help="print what each FILE holds, write nothing")
    sets = "set of weights to use in a file that has several (default: params_ema, params or model_state_dict)"
    parser.add_argument("--key", metavar="NAME", help=sets)
    parser.add_argument("--half", action="store_true", help="store float16: half the size, rounded values")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output file")
    return parser


def _convert(args: argparse.Namespace) -> int:
    source = args.files[0]
    if len(args.files) > 1:
        raise UserError(f"{args.files[1]}: convert one file at a time; --info takes several")
    if args.output is None:
        raise UserError("-o is missing: name the output file, or add --info to see what a file holds")

    from ssiu_arch.utils.files import size_text, write_file
    from ssiu_arch.weights.reading import SAFETENSORS, non_finite, set_name
    from ssiu_arch.weights.ssiu import find_ssiu, fingerprint
    from ssiu_arch.weights.writing import FORMATS, as_bytes, halved

    check_output(args.output, *FORMATS, others=[source], overwrite=args.overwrite)
    suffix = args.output.suffix.lower()
    if suffix == SAFETENSORS:
        require("safetensors", "safetensors", f"-o {args.output}")

    weights, options, key = find_ssiu(source, args.key)
    facts = [("read", f"{source}: SSIU, x{options['upscale']}, {set_name(key)}")]
    problem = non_finite(weights)
    if problem:
        _warn(f"{source}: {problem}; converted unchanged")
    if args.half:
        weights = halved(weights)
    data = as_bytes(weights, suffix)
    write_file(args.output, data)
    facts += [("written to", f"{args.output} ({size_text(len(data))})"), ("weights", fingerprint(weights))]
    _print(facts)
    return 0


def _info(args: argparse.Namespace) -> int:
    """Print what every file holds, and a line for each that cannot be read; 2 if there are such files."""
    unwanted = {"-o": args.output, "--half": args.half, "--overwrite": args.overwrite}
    for option, given in unwanted.items():
        if given:
            raise UserError(f"{option}: --info writes nothing; leave out one of the two")

    from ssiu_arch.weights.ssiu import describe

    code = 0
    for path in args.files:
        try:
            _print([("file", str(path)), *describe(path, args.key)])
            print()
        except UserError as error:
            _warn(in_one_line(error))
            code = 2
    return code


def _print(facts: list[tuple[str, str]]) -> None:
    print("\n".join(f"{name:14}{fact}" for name, fact in facts))


def _warn(text: str) -> None:
    print(f"ssiu convert: {text}", file=sys.stderr)
