"""What a trained SSIU loses in each way to run it, measured against the network in float32 on the CPU.

Ways that compute in float32 have to give the same numbers; the others, the same PSNR. What tiles cost is shown, not
judged.
"""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ssiu_arch.archs.ssiu_arch import SAM, SSIU, reflect_to_multiple
from ssiu_arch.data.images import Image, list_images, read_image
from ssiu_arch.inference import FusedSSIU, fuse, tiled
from ssiu_arch.inference.precision import tf32
from ssiu_arch.inference.tiles import SMALLEST
from ssiu_arch.inference.whole import whole
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.precisions import PRECISIONS
from ssiu_arch.utils.table import Table

FLOAT32 = 1e-5  # largest difference, in units of the larger of 1 and the result's largest value
ROUNDED = 0.01  # largest loss, dB
OVERLAPS = (8, 16, 32, 64)


@dataclass(frozen=True)
class Pair:
    """An image to upscale and what should come out of it.

    Attributes:
        name: of the image.
        lr: ``(1, 3, h, w)``, RGB in [0, 1].
        hr: ``(s*h, s*w, 3)``, BGR, 8 bit.
    """

    name: str
    lr: Tensor
    hr: Image


@dataclass(frozen=True)
class Way:
    """A way to run the network.

    Attributes:
        name: what to call it.
        run: ``(1, 3, h, w)`` to ``(1, 3, s*h, s*w)``, on a device of its own.
        bar: ``float32``, ``rounded`` or, for what is not exact by design, None.
        above: only images with a side of more LR pixels than this.
    """

    name: str
    run: Callable[[Tensor], Tensor]
    bar: str | None
    above: int = 0


@dataclass
class Loss:
    """What a way loses.

    Attributes:
        way: which.
        differences: the largest of each image.
        relative: the same, in units of the larger of 1 and the largest value of the reference.
        psnr: of each image, in dB.
        reference_psnr: that of the reference.
        energy: sums of squares, of all differences and of the reference.
        failure: why it did not run.
    """

    way: Way
    differences: list[float] = field(default_factory=list)
    relative: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    reference_psnr: list[float] = field(default_factory=list)
    energy: Tensor = field(default_factory=lambda: torch.zeros(2, dtype=torch.float64))
    failure: str = ""

    def add(self, x: Tensor, reference: Tensor, psnr: float, reference_psnr: float) -> None:
        """Take in the result of one image."""
        difference = x.double() - reference.double()
        largest = float(difference.abs().max())
        self.differences.append(largest)
        self.relative.append(largest / max(1.0, float(reference.abs().max())))
        self.psnr.append(psnr)
        self.reference_psnr.append(reference_psnr)
        self.energy += torch.stack([difference.square().sum(), reference.double().square().sum()])

    @property
    def change(self) -> float:
        """Of the mean PSNR, in dB."""
        return mean(self.psnr) - mean(self.reference_psnr)

    @property
    def rms(self) -> float:
        """Of the differences, in dB below that of the reference: negative."""
        return float(10 * (self.energy[0] / self.energy[1]).log10())

    @property
    def fault(self) -> str:
        """Why the way is not good enough; nothing if it is. What is not a number is not good enough."""
        if self.failure:
            return f"cannot run: {self.failure}"
        if not torch.tensor(self.differences).isfinite().all():
            return "its result holds values that are not finite"
        if self.way.bar == "float32" and self.differences and max(self.relative) > FLOAT32:
            said = f"differs by {max(self.differences):.2g} from the network in float32 on the CPU"
            return f"{said}, {max(self.relative):.2g} of the larger of 1 and its largest value; {FLOAT32:g} is allowed"
        if self.way.bar == "rounded" and self.change < -ROUNDED:
            return f"loses {-self.change:.4f} dB; {ROUNDED:g} is allowed"
        return ""


def mean(values: list[float]) -> float:
    """Of as many as there are; NaN of none."""
    return sum(values) / len(values) if values else float("nan")


def read_pairs(hr: Path, lr: Path, template: str, upscale: int) -> list[Pair]:
    """Every image of the folder ``hr`` with that of ``lr`` it belongs to.

    Args:
        hr, lr: folders.
        template: name of an LR image without its suffix, ``{}`` standing for that of the HR image: ``{}x4``.
        upscale: s; as in BasicSR, what the HR image has beyond s times the LR image is cut off.

    Raises:
        UserError: there are none, one has no counterpart or none of its size, or cannot be read.
    """
    if "{}" not in template:
        raise UserError(f"--filename-tmpl {template}: has no {{}} for the name of the HR image")
    large, small = list_images(hr), {path.stem: path for path in list_images(lr)}
    if not large:
        raise UserError(f"{hr}: holds no images")
    pairs = []
    for path in large:
        name = template.replace("{}", path.stem)
        if name not in small:
            raise UserError(f"{lr}: has no image {name} for {path.name}; see --filename-tmpl")
        image, target = read_image(small[name]), read_image(path)
        height, width = (upscale * side for side in image.shape[:2])
        over = (target.shape[0] - height, target.shape[1] - width)
        if not all(0 <= side < upscale for side in over):
            sizes = " and ".join(f"{found.shape[0]}x{found.shape[1]}" for found in (target, image))
            raise UserError(f"{path.name}: {sizes} are not HR and LR of x{upscale}, the scale of the weights")
        pixels = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)[None].float() / 255
        pairs.append(Pair(path.stem, pixels, target[:height, :width]))
    return pairs


def modes(net: SSIU, device: torch.device, precisions: Iterable[str] = PRECISIONS, *, compiled: bool) -> list[Way]:
    """Every way to run ``net``, exactly or in a lower precision, on ``device``; TF32 on a GPU alone."""
    there = deepcopy(net).to(device)
    found = [Way("eager", partial(eager, there), "float32")]
    for precision in precisions:
        if precision == "tf32" and device.type == "cpu":
            continue
        fused = fuse(there, precision=precision)
        ways: dict[str, Callable[[Tensor], Tensor]] = {
            "": fused,
            ", by stage": partial(by_stage, fused),
            ", strips of 16 rows": fuse(there, precision=precision, strip=16),
            ", at once": partial(at_once, fused),
        }
        if compiled:
            ways[", compiled"] = fuse(there, precision=precision, compile=True)
        if device.type == "cuda":
            ways[", CUDA graph"] = partial(replayed, fuse(there, precision=precision, cuda_graphs=True))
        bar = "float32" if precision == "fp32" else "rounded"
        found += [Way(f"fused {precision}{name}", run, bar) for name, run in ways.items()]
    return found


def eager(net: SSIU, y: Tensor) -> Tensor:
    """As it was trained; convolutions may not round to TF32, where torch lets them by default."""
    with tf32(y.device, False):
        return net(y)


def by_stage(fused: FusedSSIU, y: Tensor) -> Tensor:
    """Stage after stage, in bands that are put together."""
    return torch.cat(list(fused.bands(y)), dim=2)


def at_once(fused: FusedSSIU, y: Tensor) -> Tensor:
    """Every operation on the whole image, as a GPU does it."""
    h, w = (fused.upscale * side for side in y.shape[2:])
    with tf32(y.device, fused.allow_tf32):
        return whole(fused.parts, reflect_to_multiple(y, 2 * SAM.window))[:, :, :h, :w]


def replayed(fused: FusedSSIU, y: Tensor) -> Tensor:
    """By a CUDA graph that was captured, the second time a size comes, with other pixels."""
    for _ in range(2):
        fused(1 - y)
    return fused(y)


def tiles(net: SSIU, device: torch.device, tile: int, overlaps: list[int]) -> list[Way]:
    """The fast form in tiles, for those images that take more than one.

    Raises:
        UserError: there are no such tiles.
    """
    if tile < SMALLEST or not all(0 <= overlap <= tile // 2 for overlap in overlaps):
        raise UserError(f"--tile {tile}: must be {SMALLEST} or more, and --overlaps 0 to {tile // 2}, half of it")
    fused = fuse(deepcopy(net).to(device))
    return [
        Way(
            f"tiles of {tile}, overlap {overlap}",
            partial(tiled, fused, upscale=net.upscale, tile=tile, overlap=overlap),
            None,
            above=tile,
        )
        for overlap in overlaps
    ]


@torch.no_grad()
def losses(
    net: SSIU, ways: list[Way], pairs: list[Pair], device: torch.device, step: Callable[[str], None] = lambda what: None
) -> list[Loss]:
    """What each way loses on the images.

    Args:
        net: on the CPU: the reference.
        ways: their results are compared with it.
        pairs: images.
        device: where the ways want their images.
        step: is told each image and way.
    """
    found = [Loss(way) for way in ways]
    for pair in pairs:
        step(f"reference, {pair.name}")
        reference = net(pair.lr)
        reference_psnr = psnr(reference, pair.hr, net.upscale)
        for loss in found:
            step(f"{loss.way.name}, {pair.name}")
            if loss.failure or max(pair.lr.shape[2:]) <= loss.way.above:
                continue
            try:
                x = loss.way.run(pair.lr.to(device)).cpu()
            except Exception as error:  # whatever a compiler or a precision raises; the other ways are still to be seen
                loss.failure = f"{pair.name}: {' '.join(str(error).split())[:300] or type(error).__name__}"
            else:
                loss.add(x, reference, psnr(x, pair.hr, net.upscale), reference_psnr)
    return found


def psnr(x: Tensor, hr: Image, crop_border: int) -> float:
    """BasicSR's ``calculate_psnr`` on Y of the 8-bit image, in dB."""
    from basicsr.metrics import calculate_psnr
    from basicsr.utils import tensor2img

    image = tensor2img(x.clone())  # which clamps its argument in place
    return float(calculate_psnr(image, hr, crop_border=crop_border, test_y_channel=True))


def tables(found: list[Loss], count: int) -> Iterator[Table]:
    """One of the modes, one of the tiles.

    Args:
        found: of both.
        count: of all images.
    """
    shown = ["largest difference", "PSNR on Y, dB", "change, dB"]
    whole_images = Table("Modes, against the network in float32 on the CPU", shown)
    cut = Table(
        f"Tiles, against the same; on the images that take more than one, of {count}",
        ["images", shown[0], "RMS difference, dB", *shown[1:]],
    )
    for loss in found:
        is_cut, ran = loss.way.above > 0, loss.differences and not loss.failure
        cells: list[Any] = ["-"] * 3
        if ran:
            cells = [f"{max(loss.differences):.2g}", f"{mean(loss.psnr):.4f}", f"{round(loss.change, 4) + 0.0:+.4f}"]
        if is_cut:
            cells = [str(len(loss.differences)), cells[0], f"{loss.rms:.1f}" if ran else "-", *cells[1:]]
        (cut if is_cut else whole_images).rows.append((loss.way.name, cells))
    yield whole_images
    if cut.rows:
        yield cut
