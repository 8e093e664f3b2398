"""``ssiu profile``: parameters, multiply-adds, latency and peak memory of networks, side by side."""

import argparse
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ssiu_arch.cli.arguments import Parser, check_output, image_size, whole
from ssiu_arch.evaluation import paper
from ssiu_arch.plugins import load_plugins
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.extras import require
from ssiu_arch.utils.files import new_file, write_file

if TYPE_CHECKING:
    from ssiu_arch.tools.profile.run import Plan

WHAT = "Measure parameters, multiply-adds, latency and peak memory of networks side by side."
EXAMPLE = "example: ssiu profile eager fused swinir-light --size 80x120 180x320 --markdown cost.md"
RESULT = (720, 1280)  # height and width of the result that multiply-adds are published for
WARMUP = {"cpu": 2, "cuda": 10}  # rounds that do not count
PICTURES = [".png", ".pdf", ".svg"]


def run(arguments: list[str]) -> None:
    """Measure the networks and show the result; ``UserError`` for a wrong option, or a network that cannot run."""
    args = _parser().parse_args(arguments)
    outputs: list[Path] = []
    for option, endings in (("--markdown", ()), ("--csv", ()), ("--plot", PICTURES)):
        path = getattr(args, option[2:])
        if path:
            check_output(path, *endings, option=option, others=outputs, overwrite=True)
            outputs.append(path)
    if args.plot:
        require("matplotlib", "plot", "--plot")
    load_plugins()
    plan = _plan(args)

    from ssiu_arch.tools.profile import report
    from ssiu_arch.tools.profile.run import measure

    cases = measure(plan)
    print(report.text(plan, cases))
    if args.markdown:
        write_file(args.markdown, report.text(plan, cases, markdown=True).encode())
    if args.csv:
        write_file(args.csv, report.csv_text(plan, cases).encode())
    if args.plot:
        with new_file(args.plot) as file:
            report.figure(plan, cases[0]).savefig(file, format=args.plot.suffix[1:].lower())
        if left_out := [row.candidate for row in cases[0] if row.psnr is None]:
            print(f"ssiu profile: not in the plot, without PSNR: {', '.join(left_out)}", file=sys.stderr)
    for path in outputs:
        print(f"{'written to':14}{path}")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="ssiu profile", description=WHAT, epilog=EXAMPLE, allow_abbrev=False)
    add = parser.add_argument
    named = "networks by name, as docs/profile.md lists them: fused-bf16, omni-sr, ... (default: eager fused)"
    add("presets", nargs="*", metavar="PRESET", help=named)
    add("-opt", nargs="+", default=[], metavar="FILE", help="option files whose network_g to measure too")
    add("--upscale", type=whole(1, 8), metavar="N", help="scale (default: that of -opt, or 4)")
    sizes = "LR sizes, height x width (default: for a result of 720x1280)"
    add("--size", nargs="+", type=image_size, metavar="HxW", help=sizes)
    add("--batch", type=whole(1), default=1, metavar="N", help="images at a time (default: 1)")
    add("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    add("--threads", type=whole(1, 4096), metavar="N", help="CPU threads (default: torch's)")
    add("--runs", type=whole(1), default=10, metavar="N", help="rounds that count (default: 10)")
    add("--no-latency", action="store_true", help="leave out latency")
    add("--no-memory", action="store_true", help="leave out peak memory, which takes a process for each network")
    add("--markdown", type=Path, metavar="FILE", help="Markdown file to write")
    add("--csv", type=Path, metavar="FILE", help="CSV file to write, with all digits")
    add("--plot", type=Path, metavar="FILE.png", help="picture of multiply-adds against PSNR, as the paper's Fig. 1")
    add("--psnr-set", choices=paper.SETS, default="Manga109", help="data set of the PSNR column (default: Manga109)")
    add("--psnr", nargs="+", type=_psnr, default=[], metavar="NETWORK=DB", help="PSNR that Table I does not have")
    return parser


def _psnr(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    with suppress(ValueError):
        if name and 0 < float(value) < 100:
            return name, float(value)
    raise argparse.ArgumentTypeError(f"{text!r} is no NETWORK=DB with a PSNR between 0 and 100 dB")


def _plan(args: argparse.Namespace) -> "Plan":
    import torch

    from ssiu_arch.tools.profile.candidates import from_option_file, from_preset, scale_of
    from ssiu_arch.tools.profile.run import Plan
    from ssiu_arch.utils.device import check_device

    device = check_device(args.device)
    upscale = args.upscale or scale_of(args.opt)
    presets = args.presets or ([] if args.opt else ["eager", "fused"])
    candidates = [from_preset(name, upscale, device.type) for name in dict.fromkeys(presets)]
    candidates += [from_option_file(path, upscale) for path in dict.fromkeys(args.opt)]
    names = [candidate.name for candidate in candidates]
    printed = {row.method: row.psnr[args.psnr_set] for row in paper.rows(upscale) if args.psnr_set in row.psnr}
    known = {each.name: printed[each.row] for each in candidates if each.row in printed} | dict(args.psnr)
    if unknown := sorted(known.keys() - names):
        raise UserError(f"--psnr {unknown[0]}: is not measured; choose one of {', '.join(names)}")
    for_result = (-(-RESULT[0] // upscale), -(-RESULT[1] // upscale))
    return Plan(
        candidates=candidates,
        upscale=upscale,
        sizes=list(dict.fromkeys(args.size or [for_result])),
        batch=args.batch,
        device=device,
        threads=args.threads or torch.get_num_threads(),
        runs=0 if args.no_latency else args.runs,
        warmup=WARMUP[device.type],
        with_memory=not args.no_memory,
        psnr=known,
        psnr_set=args.psnr_set,
    )
