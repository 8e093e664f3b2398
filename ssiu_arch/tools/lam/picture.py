"""Attributions side by side, in the manner of the SSIU paper's Fig. 9."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ssiu_arch.tools.compare.panels import Image, Panel, enlarged, grid, outlined
from ssiu_arch.tools.lam.lam import Attribution
from ssiu_arch.tools.lam.measure import Contribution
from ssiu_arch.tools.lam.target import Target

SIDE = 256  # pixels that a panel has at least
HOT = np.array([178, 10, 28])  # where most is contributed
FRAME = (0, 70, 170)  # of the patch
FADE = 0.75  # of an image, on the way to white, below a map
MARGIN = 10


def draw(target: Target, attributions: Sequence[Attribution]) -> Image:
    """Two rows: the image with its patch, then each network's map over the LR image; the patch, then the areas.

    Args:
        target: what the networks were shown.
        attributions: of one or more networks.
    """
    factor = -(-SIDE // (target.scale * max(target.lr.shape[:2])))  # pixels of the picture by those of the result
    x, y, side = target.patch
    box = (factor * x, factor * y, factor * side, factor * side)
    in_lr_pixels = target.scale * factor

    if target.hr is None:
        whole, name = enlarged(target.lr, in_lr_pixels), "LR"
    else:
        whole, name = enlarged(target.hr, factor), "HR"
    height, width = target.lr.shape[:2]  # by which DI is to be read: it falls as the image grows
    zoom = max(1, min(whole.shape[:2]) // (factor * side))
    patch = enlarged(whole[box[1] : box[1] + box[3], box[0] : box[0] + box[2]], zoom)

    first = [Panel(outlined(whole, box, FRAME), [name, f"x{target.scale}, LR {width}x{height}"])]
    second = [Panel(patch, [f"patch {side}x{side}"])]
    for each in attributions:
        over = heat(target.lr, each.contribution)
        first.append(
            Panel(outlined(enlarged(over, in_lr_pixels), box, FRAME), [each.name, f"DI {each.diffusion_index:.2f}"])
        )
        seen = lit(target.lr, each.area.mask)
        area = f"area {each.area.pixels} pixels ({each.area.share:.1%})"
        second.append(Panel(outlined(enlarged(seen, in_lr_pixels), box, FRAME), [area]))
    return grid([first, second], margin=MARGIN)


def heat(image: Image, values: Contribution) -> Image:
    """``values`` (h, w) over the faded grey ``image`` (h, w, 3): red, by the root of their share in the largest.

    The root shows what would vanish beside the pixels of the patch itself: a hundredth of the largest is a tenth red.
    """
    share = np.sqrt(values / values.max())[..., None]
    return _bytes((1 - share) * _faded(image.mean(axis=2, keepdims=True)) + share * HOT)


def lit(image: Image, mask: NDArray[np.bool_]) -> Image:
    """``image`` as it is where ``mask`` (h, w) says so, faded grey elsewhere."""
    return np.where(mask[..., None], image, _bytes(_faded(image.mean(axis=2, keepdims=True))))


def _faded(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    return 255 * FADE + (1 - FADE) * grey


def _bytes(values: NDArray[np.float64]) -> Image:
    return np.broadcast_to(np.rint(values), (*values.shape[:2], 3)).astype(np.uint8)
