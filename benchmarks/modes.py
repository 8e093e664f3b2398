"""Accuracy of every inference mode of a trained SSIU, against the network in float32 on the CPU.

Modes: eager; the optimised form stage by stage, in strips, on the whole image at once, compiled, by CUDA graphs, in
every precision; tiles. The tables show the largest difference over all images and BasicSR's PSNR on Y with its change.

Exit code 1 names each mode that cannot run, differs by more than 1e-5 in float32 (of the larger of 1 and the largest
value), or loses more than 0.01 dB in another precision. Run this first on a new machine. Tiles and an exported file
are shown, not judged.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

import ssiu_arch  # noqa: F401  (patches BasicSR before it is imported)
from ssiu_arch.archs.ssiu_arch import SAM, SSIU, reflect_to_multiple
from ssiu_arch.data.images import Image, list_images, lr_path, read_image
from ssiu_arch.data.script import parser, positive
from ssiu_arch.inference import FusedSSIU, fuse, tiled
from ssiu_arch.inference.precision import tf32
from ssiu_arch.inference.tiles import SMALLEST
from ssiu_arch.inference.whole import whole
from ssiu_arch.tools.export.comparison import opened
from ssiu_arch.utils.device import check_device
from ssiu_arch.utils.ending import ended
from ssiu_arch.utils.errors import UserError, printable
from ssiu_arch.utils.files import write_file
from ssiu_arch.utils.precisions import PRECISIONS
from ssiu_arch.utils.table import Table
from ssiu_arch.utils.timing import machine
from ssiu_arch.weights import load

Pair = tuple[Image, Image]  # HR (H, W, 3) and LR (h, w, 3), BGR

FLOAT32 = 1e-5  # largest difference, of the larger of 1 and the largest value
ROUNDED = 0.01  # largest loss of another precision, dB
OVERLAPS = (8, 16, 32, 64)
EXAMPLE = """python benchmarks/modes.py --weights experiments/train_SSIU_x4/models/net_g_latest.pth \\
      --hr datasets/benchmark/Set5/HR --lr datasets/benchmark/Set5/LR_bicubic/X4"""


@dataclass
class Mode:
    """A way to run the network, and what it lost.

    Attributes:
        name: in the table.
        run: ``(1, C, h, w)`` to ``(1, C, s*h, s*w)``.
        limit: ``float32``, ``rounded``, or None where the mode is not exact by design.
        above: only images with a longer side than this, in LR pixels.
        differences: largest of each image; ``relative`` to the larger of 1 and the largest value.
        psnr, reference_psnr: of each image, dB.
        energy: sums of squares over all images: of the differences, and of the reference.
        failure: why it did not run.
    """

    name: str
    run: Callable[[Tensor], Tensor]
    limit: str | None
    above: int = 0
    differences: list[float] = field(default_factory=list)
    relative: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    reference_psnr: list[float] = field(default_factory=list)
    energy: Tensor = field(default_factory=lambda: torch.zeros(2, dtype=torch.float64))
    failure: str = ""

    def add(self, x: Tensor, reference: Tensor, psnr: float, reference_psnr: float) -> None:
        """Compare the result ``x`` of one image with the reference's; PSNR in dB."""
        difference = x.double() - reference.double()
        self.differences.append(float(difference.abs().max()))
        self.relative.append(self.differences[-1] / max(1.0, float(reference.abs().max())))
        self.psnr.append(psnr)
        self.reference_psnr.append(reference_psnr)
        self.energy += torch.stack([difference.square().sum(), reference.double().square().sum()])

    @property
    def change(self) -> float:
        """Change of the mean PSNR, dB."""
        return mean(self.psnr) - mean(self.reference_psnr)

    @property
    def fault(self) -> str:
        """Why the mode is not good enough; empty if it is. A value that is not finite never is."""
        if self.failure:
            return f"cannot run: {self.failure}"
        if not torch.tensor(self.differences).isfinite().all():
            return "its result holds values that are not finite"
        if self.limit == "float32" and max(self.relative, default=0) > FLOAT32:
            return f"differs by {max(self.relative):.2g} of the largest value; {FLOAT32:g} is allowed"
        if self.limit == "rounded" and self.change < -ROUNDED:
            return f"loses {-self.change:.4f} dB; {ROUNDED:g} is allowed"
        return ""


def mean(values: list[float]) -> float:
    """The mean; NaN of no values."""
    return sum(values) / len(values) if values else float("nan")


def psnr(x: Tensor, hr: Image, crop_border: int) -> float:
    """BasicSR's PSNR on Y of the 8-bit image, in dB."""
    from basicsr.metrics import calculate_psnr
    from basicsr.utils import tensor2img

    image = tensor2img(x.clone())  # which clamps its argument in place
    return float(calculate_psnr(image, hr[: image.shape[0], : image.shape[1]], crop_border, test_y_channel=True))


def modes(net: SSIU, device: torch.device, precisions: Iterable[str], *, compiled: bool) -> Iterator[Mode]:
    """Every mode on the whole image; TF32 and CUDA graphs on a GPU only."""
    net = deepcopy(net).to(device)
    yield Mode("eager", partial(eager, net), "float32")
    for precision in precisions:
        if precision == "tf32" and device.type == "cpu":
            continue
        fused = fuse(net, precision=precision)
        runs: dict[str, Callable[[Tensor], Tensor]] = {
            "": fused,
            ", by stage": partial(by_stage, fused),
            ", strips of 16 rows": fuse(net, precision=precision, strip=16),
            ", at once": partial(at_once, fused),
        }
        if compiled:
            runs[", compiled"] = fuse(net, precision=precision, compile=True)
        if device.type == "cuda":
            runs[", CUDA graph"] = partial(replayed, fuse(net, precision=precision, cuda_graphs=True))
        limit = "float32" if precision == "fp32" else "rounded"
        for name, run in runs.items():
            yield Mode(f"fused {precision}{name}", run, limit)


def eager(net: SSIU, y: Tensor) -> Tensor:
    """The network itself, without TF32, which torch allows convolutions by default."""
    with tf32(y.device, False):
        return net(y)


def by_stage(fused: FusedSSIU, y: Tensor) -> Tensor:
    """Stage by stage, in bands that are joined."""
    return torch.cat(list(fused.bands(y)), dim=2)


def at_once(fused: FusedSSIU, y: Tensor) -> Tensor:
    """Every operation on the whole image, as on a GPU."""
    h, w = (fused.upscale * side for side in y.shape[2:])
    with tf32(y.device, fused.allow_tf32):
        return whole(fused.parts, reflect_to_multiple(y, 2 * SAM.window))[:, :, :h, :w]


def replayed(fused: FusedSSIU, y: Tensor) -> Tensor:
    """By a CUDA graph that was captured with other pixels."""
    for _ in range(2):
        fused(1 - y)
    return fused(y)


def tiles(net: SSIU, device: torch.device, tile: int, overlaps: list[int]) -> Iterator[Mode]:
    """The optimised form in tiles, for images of more than one tile.

    Raises:
        UserError: no such tile or overlap is possible.
    """
    if tile < SMALLEST or not all(0 <= overlap <= tile // 2 for overlap in overlaps):
        raise UserError(f"--tile {tile}: must be {SMALLEST} or more, and --overlaps 0 to {tile // 2}, half of it")
    fused = fuse(net).to(device)
    for overlap in overlaps:
        run = partial(tiled, fused, upscale=net.upscale, tile=tile, overlap=overlap)
        yield Mode(f"tiles of {tile}, overlap {overlap}", run, None, above=tile)


def read_pairs(hr_folder: Path, lr_folder: Path, scale: int, template: str | None = None) -> Iterator[Pair]:
    """The pairs of two folders, in the order of the HR names; see ``lr_path``.

    Raises:
        UserError: an LR image is missing, or a file is not a readable image.
    """
    for path in list_images(hr_folder):
        lr = lr_path(path, lr_folder, scale, template)
        if lr is None:
            names = template or f"{{}}x{scale} or {{}}"
            raise UserError(f"{path}: has no LR image in {lr_folder} (looked for {names}, {{}} = {path.stem})")
        yield read_image(path), read_image(lr)


@torch.no_grad()
def compare(net: SSIU, found: list[Mode], pairs: Iterable[Pair], device: torch.device) -> int:
    """Run every mode on every image, and the reference, ``net`` on the CPU. Returns the number of images."""
    count = 0
    for count, (hr, lr) in enumerate(pairs, 1):
        y = torch.from_numpy(lr[..., ::-1].copy()).permute(2, 0, 1)[None].float() / 255
        cut = [large - net.upscale * small for large, small in zip(hr.shape[:2], lr.shape[:2], strict=True)]
        if not all(0 <= rows < net.upscale for rows in cut):
            sizes = " and ".join(f"{image.shape[0]}x{image.shape[1]}" for image in (hr, lr))
            raise UserError(f"image {count}: {sizes} are not HR and LR of x{net.upscale}, the scale of the weights")
        reference = net(y)
        reference_psnr = psnr(reference, hr, net.upscale)
        for mode in found:
            if mode.failure or max(y.shape[2:]) <= mode.above:
                continue
            try:
                x = mode.run(y.to(device)).cpu()
            except Exception as error:  # a compiler or a precision may raise anything; the other modes go on
                mode.failure = f"image {count}: {' '.join(str(error).split())[:300] or type(error).__name__}"
            else:
                mode.add(x, reference, psnr(x, hr, net.upscale), reference_psnr)
    return count


def tables(found: list[Mode]) -> Iterator[Table]:
    """One of the modes, one of the tiles."""
    columns = ["images", "largest difference", "RMS difference (dB)", "PSNR on Y (dB)", "change (dB)"]
    for title, is_tiled in (("Modes", False), ("Tiles, on images of more than one", True)):
        table = Table(f"{title}, against the network in float32 on the CPU", columns)
        for mode in (mode for mode in found if (mode.above > 0) is is_tiled):
            cells = ["-"] * 4
            if mode.differences and not mode.failure:
                rms = float(10 * (mode.energy[0] / mode.energy[1]).log10())
                change = f"{round(mode.change, 4) + 0.0:+.4f}"
                cells = [f"{max(mode.differences):.2g}", f"{rms:.1f}", f"{mean(mode.psnr):.4f}", change]
            table.rows.append((mode.name, [str(len(mode.differences)), *cells]))
        if table.rows:
            yield table


def arguments() -> argparse.Namespace:
    """The command line."""
    found = parser(__doc__, EXAMPLE)
    add = found.add_argument
    add("--weights", type=Path, required=True, help="checkpoint of an SSIU, any width, depth and scale")
    add("--hr", type=Path, required=True, help="folder of HR images")
    add("--lr", type=Path, required=True, help="folder of LR images")
    add("--filename-tmpl", help="names of the LR images, as in BasicSR (default: {}x4, or the scale; or {})")
    add("--device", default="cpu", help="cpu, cuda or cuda:1")
    add("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS, help="of the optimised form")
    add("--compile", action="store_true", help="compiled modes too; takes minutes")
    add("--tile", type=positive, default=128, help="tile side in LR pixels")
    add("--overlaps", type=int, nargs="*", help="overlaps of tiles in LR pixels (default: 8 16 32 64, to half a tile)")
    add("--onnx", type=Path, help="a file that ssiu export made of these weights, to compare as well")
    add("--threads", type=positive, help="CPU threads (default: torch's)")
    add("--markdown", type=Path, help="Markdown file to write")
    return found.parse_args()


def main() -> None:
    """Measure every mode, print the tables, and exit with 1 if a mode is not good enough."""
    given = arguments()
    if given.threads:
        torch.set_num_threads(given.threads)
    device = check_device(given.device)
    overlaps = given.overlaps
    if overlaps is None:
        overlaps = [overlap for overlap in OVERLAPS if overlap <= given.tile // 2]
    net = load(given.weights)
    found = [*modes(net, device, given.precisions, compiled=given.compile), *tiles(net, device, given.tile, overlaps)]
    if given.onnx:
        if not given.onnx.is_file():
            raise UserError(f"--onnx {given.onnx}: no such file")
        exported = opened(given.onnx.read_bytes(), torch.get_num_threads())
        found.append(Mode(f"ONNX Runtime, {given.onnx.name}", lambda y: exported(y.cpu()), None))
    count = compare(net, found, read_pairs(given.hr, given.lr, net.upscale, given.filename_tmpl), device)
    if not count:
        raise UserError(f"{given.hr}: holds no images")

    where = f"{machine(device)}, torch {torch.__version__}, {torch.get_num_threads()} CPU threads"
    body = "".join(table.markdown() for table in tables(found))
    text = f"# Accuracy of each mode, x{net.upscale}, {count} images\n\n{body}Measured on {where}.\n"
    print(text)
    if given.markdown:
        write_file(given.markdown, text.encode())
    faults = [f"{mode.name}: {mode.fault}" for mode in found if mode.fault]
    report(faults, "modes.py")


def report(faults: list[str], script: str) -> None:
    """Print faults on stderr and exit with 1; without any, do nothing."""
    for fault in faults:
        print(f"{script}: {printable(fault)}", file=sys.stderr)
    if faults:
        raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(ended("modes.py", main))
