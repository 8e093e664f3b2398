"""Prepare Set5, Set14, B100, Urban100 and Manga109 for testing: from your copies or by download."""

from pathlib import Path

from ssiu_arch.data.script import parser, run
from ssiu_arch.utils.errors import UserError


def main() -> None:
    """Parse the command line and prepare."""
    arguments = parser(__doc__, "python datasets_prep/benchmarks.py --source ~/Downloads/benchmark")
    arguments.add_argument(
        "--source",
        type=Path,
        help="folder of your copies, in the layout of EDSR, SwinIR or BasicSR (default: ROOT/benchmark)",
    )
    arguments.add_argument(
        "--download", action="store_true", help="fetch Set5, Set14, B100 and Urban100 to ROOT/downloads (250 MB)"
    )
    arguments.add_argument("--root", type=Path, default=Path("datasets"), help="folder of the data sets")
    scales = (2, 3, 4)
    arguments.add_argument(
        "--scales", type=int, nargs="+", choices=scales, default=scales, help="scales of the LR images"
    )
    arguments.add_argument(
        "--remake-lr", action="store_true", help="make all LR images with MATLAB's bicubic, even existing ones"
    )
    arguments.add_argument("--force", action="store_true", help="replace existing files that differ")
    given = arguments.parse_args()

    from ssiu_arch.data.benchmarks import download, prepare_benchmarks

    if given.download and given.source:
        raise UserError("--download and --source: give one; run the script again for the other")
    source = download(given.root / "downloads") if given.download else given.source or given.root / "benchmark"
    prepare_benchmarks(source, given.root, given.scales, force=given.force, remake_lr=given.remake_lr)


if __name__ == "__main__":
    run(main)
