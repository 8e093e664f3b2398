"""``ssiu profile``: what networks cost, side by side."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ssiu_arch.cli.arguments import Parser, check_outputs, image_size, whole
from ssiu_arch.plugins import load_plugins
from ssiu_arch.utils.errors import UserError

if TYPE_CHECKING:
    from ssiu_arch.tools.profile.candidates import Candidate
    from ssiu_arch.tools.profile.run import Plan, Profile

EXAMPLE = "example: ssiu profile plain eager swinir-light --size 80x120 180x320 --markdown cost.md"
CANDIDATES = ("plain", "eager", "fused")
RESULT = (720, 1280)  # pixels of the result that multiply-adds are published for
WARMUP = {"cpu": 2, "cuda": 10}


def run(arguments: list[str]) -> None:
    """Measure the candidates and show the result.

    Raises:
        UserError: something is wrong with the options, before anything is measured; or a candidate cannot run.
    """
    args = _parser().parse_args(arguments)
    if args.list:
        _print_presets()
        return
    _check_files(args)
    load_plugins()
    plan = _plan(args)
    psnr = _psnr(args.psnr, plan)

    from ssiu_arch.tools.profile.run import measure

    profile = measure(plan)
    _show(profile, args, psnr)


def _parser() -> argparse.ArgumentParser:
    what = "Parameters, multiply-adds, latency, throughput and peak memory of networks, measured side by side."
    parser = Parser(prog="ssiu profile", description=what, epilog=EXAMPLE, allow_abbrev=False)
    spelled = "a preset (--list) or ARCH:KEY=VALUE,... of any registered network; then modes: +bf16 +compile ..."
    parser.add_argument(
        "candidates", nargs="*", metavar="CANDIDATE", help=f"{spelled}; default: {' '.join(CANDIDATES)}"
    )
    parser.add_argument(
        "-opt", nargs="+", default=[], metavar="FILE", help="option files whose network_g to measure too"
    )
    parser.add_argument("--list", action="store_true", help="list presets and modes, and measure nothing")
    parser.add_argument("--upscale", type=whole(1, 8), metavar="N", help="scale; default: that of -opt, or 4")
    size = f"LR sizes; default: that of a result of {RESULT[1]}x{RESULT[0]} pixels"
    parser.add_argument("--size", nargs="+", type=image_size, metavar="HxW", help=f"{size}. Height first")
    parser.add_argument("--batch", nargs="+", type=whole(1), default=[1], metavar="N", help="images at a time")
    parser.add_argument("--device", default="cpu", help="cpu (the default), cuda or cuda:N")
    parser.add_argument("--threads", type=whole(1, 4096), metavar="N", help="threads of the CPU; default: torch's")
    parser.add_argument("--runs", type=whole(1), default=10, metavar="N", help="rounds that count (default 10)")
    parser.add_argument("--warmup", type=whole(0), metavar="N", help="rounds before them (default 2; on a GPU 10)")
    parser.add_argument("--baseline", metavar="CANDIDATE", help="what ratios refer to; default: the first")
    parser.add_argument("--no-latency", action="store_true", help="leave latency out")
    parser.add_argument("--no-memory", action="store_true", help="leave memory out, which takes a process each time")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report there too")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all numbers there, in full")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw cost against PSNR, as the paper's Fig. 1")
    parser.add_argument("--plot-cost", choices=["macs", "latency"], default="macs", help="its horizontal axis")
    parser.add_argument("--plot-set", default="Manga109", metavar="SET", help="its data set (default Manga109)")
    parser.add_argument("--psnr", nargs="+", default=[], metavar="CANDIDATE=DB", help="scores that Table I lacks")
    return parser


def _check_files(args: argparse.Namespace) -> None:
    """What is written at the end can be written, before hours are spent on it."""
    check_outputs({"--markdown": args.markdown, "--csv": args.csv, "--plot": args.plot}, overwrite=True)
    if args.no_latency and args.plot and args.plot_cost == "latency":
        raise UserError("--plot-cost latency: --no-latency leaves it out")
    if args.psnr and not args.plot:
        raise UserError("--psnr: is for --plot FILE.png only")
    if args.plot:
        from ssiu_arch.evaluation import paper
        from ssiu_arch.tools.profile import figure

        figure.check()
        if args.plot.suffix not in figure.FORMATS:
            raise UserError(f"--plot {args.plot}: the name must end with {', '.join(figure.FORMATS)}")
        if args.plot_set not in paper.SETS:
            raise UserError(f"--plot-set {args.plot_set}: Table I has {', '.join(paper.SETS)}")


def _plan(args: argparse.Namespace) -> "Plan":
    import torch

    from ssiu_arch.tools.profile.candidates import scale_of
    from ssiu_arch.tools.profile.forms import for_result
    from ssiu_arch.tools.profile.run import Plan, text_of
    from ssiu_arch.utils.device import check_device

    device = check_device(args.device)
    upscale = args.upscale or scale_of(args.opt)
    candidates = _candidates(args, upscale, device.type)
    names = [candidate.name for candidate in candidates]
    baseline = args.baseline or names[0]
    if baseline not in names:
        raise UserError(f"--baseline {baseline}: is none of the candidates: {', '.join(names)}")
    for option, values in (("--size", map(text_of, args.size or [])), ("--batch", map(str, args.batch))):
        twice = _twice(values)
        if twice:
            raise UserError(f"{option}: {twice} is given twice")
    return Plan(
        candidates,
        baseline,
        upscale,
        args.size or [for_result(*RESULT, upscale)],
        args.batch,
        device,
        args.threads or torch.get_num_threads(),
        0 if args.no_latency else args.runs,
        WARMUP[device.type] if args.warmup is None else args.warmup,
        not args.no_memory,
    )


def _candidates(args: argparse.Namespace, upscale: int, device: str) -> "list[Candidate]":
    from ssiu_arch.tools.profile.candidates import from_option_file, parse

    spelled = args.candidates or ([] if args.opt else list(CANDIDATES))
    twice = _twice([*spelled, *args.opt])
    if twice:
        raise UserError(f"the candidate {twice} is given twice")
    return [
        *(parse(text, upscale, device) for text in spelled),
        *(from_option_file(path, upscale, device) for path in args.opt),
    ]


def _psnr(given: list[str], plan: "Plan") -> dict[str, float]:
    found, names = {}, [candidate.name for candidate in plan.candidates]
    for text in given:
        name, _, value = text.rpartition("=")
        if name not in names:
            raise UserError(f"--psnr {text}: is no CANDIDATE=DB of a candidate: {', '.join(names)}")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = -1.0
        if not 0 < found[name] < 100:
            raise UserError(f"--psnr {text}: {value!r} is no PSNR in dB")
    return found


def _show(profile: "Profile", args: argparse.Namespace, psnr: dict[str, float]) -> None:
    from ssiu_arch.tools.profile import figure, report

    print("\n".join(table.text() for table in report.tables(profile)))
    for name, fact in report.facts(profile):
        print(f"{name:14}{fact}")
    outputs: list[tuple[Path | None, Callable[[Path], object]]] = [
        (args.markdown, lambda path: path.write_text(report.markdown(profile), encoding="utf-8")),
        (args.csv, lambda path: report.write_csv(path, profile)),
    ]
    for path, write in outputs:
        if path is not None:
            _write(path, write)
    if args.plot is not None:
        left_out: list[str] = []
        _write(args.plot, lambda path: left_out.extend(figure.draw(path, profile, args.plot_cost, args.plot_set, psnr)))
        if left_out:
            hint = "no PSNR is known (give one by --psnr) or no latency"
            print(f"ssiu profile: not in the plot: {', '.join(left_out)}: {hint}", file=sys.stderr)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    try:
        write(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    print(f"{'written to':14}{path}")


def _print_presets() -> None:
    from ssiu_arch.tools.profile.candidates import MODES, PRESETS

    width = max(map(len, PRESETS)) + 2
    for name, preset in PRESETS.items():
        print(f"{name:{width}}{preset.what}")
    print(f"{'ARCH:KEY=VALUE,...':{width + 8}}any network that is registered, with its arguments")
    print(f"{'+' + ' +'.join(MODES)}  modes, after any of them")


def _twice(given: Iterable[str]) -> str | None:
    return next((value for value, count in Counter(given).items() if count > 1), None)
