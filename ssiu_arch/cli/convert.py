"""``ssiu convert``: weights from one format into another, and what a weight file holds."""

import argparse
import os
import sys
from pathlib import Path
from textwrap import wrap

from ssiu_arch.cli.arguments import Parser, check_outputs
from ssiu_arch.utils.errors import UserError, in_one_line
from ssiu_arch.utils.extras import require

EXAMPLE = "example: ssiu convert SSIU_x4.pt -o SSIU_x4.pth; ssiu convert --info SSIU_x4.pth"
INDENT, WIDTH = 14, 100  # of what is said


def run(arguments: list[str]) -> None:
    """Convert a file, or say what files hold.

    Raises:
        UserError: something is wrong with the options or a file, before anything is written.
    """
    args = _parser().parse_intermixed_args(arguments)
    if args.info:
        _info(args)
        return
    source = _source(args.files)
    if args.output is None:
        raise UserError("-o is missing: name the file to write; or ask what a file holds by --info")

    _check_output(args.output, source, args.overwrite)
    _convert(source, args)


def _parser() -> argparse.ArgumentParser:
    what = (
        "Weights of an SSIU from one format into another: .pt as the authors released theirs, .pth of BasicSR, "
        ".safetensors. With --info, what files hold."
    )
    parser = Parser(prog="ssiu convert", description=what, epilog=EXAMPLE, allow_abbrev=False)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="the weights; several with --info")
    written = "the file to write; its suffix is the format: .pt, .pth or .safetensors"
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help=written)
    parser.add_argument("--info", action="store_true", help="say what each FILE holds, and write nothing")
    sets = "which weights to take where a file has several; default: params_ema, params or model_state_dict"
    parser.add_argument("--key", metavar="NAME", help=sets)
    parser.add_argument("--half", action="store_true", help="store float16: half the size, values rounded")
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it is there")
    return parser


def _source(files: list[Path]) -> Path:
    if len(files) > 1:
        raise UserError(f"{files[1]}: one file is converted at a time, into that of -o; --info takes several")
    if not os.path.exists(files[0]):
        raise UserError(f"weights {files[0]}: no such file")
    return files[0]


def _check_output(path: Path, source: Path, overwrite: bool) -> None:
    from ssiu_arch.weights.reading import SAFETENSORS
    from ssiu_arch.weights.writing import FORMATS

    check_outputs({"-o": path}, suffixes={"-o": FORMATS}, inputs=[source], overwrite=overwrite)
    if path.suffix.lower() == SAFETENSORS:
        require("safetensors", "safetensors", f"-o {path}")


def _convert(source: Path, args: argparse.Namespace) -> None:
    from ssiu_arch.utils.files import size_text, write_file
    from ssiu_arch.weights import read_checkpoint
    from ssiu_arch.weights.info import fingerprint, non_finite, other_sets
    from ssiu_arch.weights.reading import shown
    from ssiu_arch.weights.ssiu import Weights, find_ssiu
    from ssiu_arch.weights.writing import as_bytes, halved

    held = read_checkpoint(source)
    found = find_ssiu(source, held, args.key)
    taken = "the tensors at its root" if found.key is None else shown(found.key)
    said = [("read", f"{source}: {found.variant}, x{found.options['upscale']}, {taken}")]
    differing = [shown(name) for name, same in other_sets(source, held, found.key).items() if not same]
    if differing and args.key is None:
        _warn(f"{source}: {taken} is taken; {differing[0]} differs, and is taken by --key {differing[0]}")
    problem = non_finite(found.tensors)
    if problem:
        _warn(f"{source}: {problem}; converted as they are")
    if args.half:
        tensors, change = halved(found.tensors)
        found = Weights(tensors, found.options, found.key)
        said.append(("rounded", f"to float16; values change by {change:.2g} at most"))
    data = as_bytes(found, args.output.suffix.lower())
    write_file(args.output, data)
    said += [("written to", f"{args.output} ({size_text(len(data))})"), ("weights", fingerprint(found.tensors))]
    _print(said)


def _info(args: argparse.Namespace) -> None:
    """Say what every file holds; those that cannot be read come last, as an error."""
    unwanted = {"-o": args.output, "--half": args.half, "--overwrite": args.overwrite}
    for option, given in unwanted.items():
        if given:
            raise UserError(f"{option}: --info writes nothing; leave out one of the two")

    from ssiu_arch.weights.info import describe

    problems = []
    for path in args.files:
        try:
            _print([("file", str(path)), *describe(path, args.key)])
        except UserError as error:
            problems.append(error)
        else:
            print()
    for problem in problems[:-1]:
        _warn(in_one_line(problem))
    if problems:
        raise problems[-1]


def _print(facts: list[tuple[str, str]]) -> None:
    for name, fact in facts:
        fact = fact.encode(errors="backslashreplace").decode()  # names of files need not be Unicode
        lines = wrap(fact, WIDTH - INDENT, break_long_words=False, break_on_hyphens=False)
        print(f"{name:{INDENT}}" + f"\n{' ' * INDENT}".join(lines))


def _warn(text: str) -> None:
    print(f"ssiu convert: {text}", file=sys.stderr)
