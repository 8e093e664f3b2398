"""What each way to run a trained SSIU costs in accuracy, against the network in float32 on the CPU.

The network eager and fused: as it comes, stage by stage, in strips, the whole image at once, compiled, by CUDA graphs;
in every precision there is. Shown are the largest difference of all images, BasicSR's PSNR on Y of 8-bit images without
a border of as many pixels as the scale, and its change; for tiles, whose results are not exact, the RMS of the
difference, too, relative to the untiled result's.

Exit code 1, and a line for each, if a way in float32 differs by more than 1e-5 of the larger of 1 and the largest
value, if one that rounds loses more than 0.01 dB, or if one cannot run. So this is what to run first on a GPU.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import ssiu_arch  # noqa: F401  (repairs BasicSR before it is imported)
from ssiu_arch.data.script import parser, positive, printable
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.precisions import PRECISIONS

if TYPE_CHECKING:
    from ssiu_arch.tools.profile.accuracy import Loss

EXAMPLE = """python benchmarks/modes.py --weights experiments/train_SSIU_x4/models/net_g_latest.pth \\
      --hr datasets/benchmark/Set5/HR --lr datasets/benchmark/Set5/LR_bicubic/X4"""


def main() -> None:
    """Parse the command line, measure, print."""
    arguments = parser(__doc__, EXAMPLE)
    arguments.add_argument("--weights", type=Path, required=True, help="of an SSIU of any size and scale")
    arguments.add_argument("--hr", type=Path, required=True, help="folder of HR images")
    arguments.add_argument("--lr", type=Path, required=True, help="folder of LR images")
    arguments.add_argument(
        "--filename-tmpl", help="names of the LR images, as in BasicSR (default: {}x4, or the scale)"
    )
    arguments.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    arguments.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS, help="of the fast form")
    arguments.add_argument("--compile", action="store_true", help="compiled, too; takes minutes")
    arguments.add_argument("--tile", type=positive, default=128, help="LR pixels of a tile's side")
    arguments.add_argument("--overlaps", type=int, nargs="*", help="of tiles (default: 8 16 32 64, to half a tile)")
    arguments.add_argument("--threads", type=positive, help="of the CPU (default: torch's choice)")
    arguments.add_argument("--markdown", type=Path, help="file for the tables, too")
    given = arguments.parse_args()

    import torch

    from ssiu_arch.tools.profile import accuracy
    from ssiu_arch.tools.profile.run import machine
    from ssiu_arch.utils.device import check_device
    from ssiu_arch.utils.files import write_file
    from ssiu_arch.utils.progress import Progress
    from ssiu_arch.weights import load

    if given.threads:
        torch.set_num_threads(given.threads)
    device = check_device(given.device)
    overlaps = given.overlaps
    if overlaps is None:
        overlaps = [overlap for overlap in accuracy.OVERLAPS if overlap <= given.tile // 2]
    net = load(given.weights)
    pairs = accuracy.read_pairs(given.hr, given.lr, given.filename_tmpl or f"{{}}x{net.upscale}", net.upscale)
    ways = accuracy.modes(net, device, given.precisions, compiled=given.compile)
    ways += accuracy.tiles(net, device, given.tile, overlaps)

    progress = Progress(len(pairs) * (1 + len(ways)))
    found = accuracy.losses(net, ways, pairs, device, progress.step)
    progress.end()

    where = f"{machine(device)}, torch {torch.__version__}, {torch.get_num_threads()} threads of the CPU"
    body = "".join(table.markdown() for table in accuracy.tables(found, len(pairs)))
    text = f"# Accuracy of each mode, x{net.upscale}, {len(pairs)} images\n\n{body}Measured on {where}.\n"
    print(text)
    if given.markdown:
        write_file(given.markdown, text.encode())
    end(found)


def end(found: "list[Loss]") -> None:
    """Say which ways are not good enough, and leave with 1 if there are any."""
    faults = [f"{loss.way.name}: {loss.fault}" for loss in found if loss.fault]
    for fault in faults:
        print(f"{Path(sys.argv[0]).name}: {printable(fault)}", file=sys.stderr)
    if faults:
        raise SystemExit(1)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(f"{Path(sys.argv[0]).name}: {printable(str(error))}", file=sys.stderr)
        raise SystemExit(2) from None
