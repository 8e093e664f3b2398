"""Any network over an image of any size, tile by tile: little memory, approximate results.

A tile sees nothing beyond its overlap, while a network of nine stages reaches 200 pixels. Overlapping results are
blended by weights that add up to 1, so no seam shows. Along one side::

    tile 0   1  1  1  1  1  .8 .5 .2
    tile 1                  .2 .5 .8 1  1  1  .8 .5 .2
    tile 2                                    .2 .5 .8 1  1  1

``fuse`` does not need tiles: it computes the exact result in strips.
"""

import logging
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ssiu_arch.utils.memory import is_out_of_memory

WINDOWS = 16  # pixels: the windows of ESAM, and a multiple of many networks' windows
SMALLEST = 32  # pixels a side, below which a tile is not halved


def check_tiles(tile: int, overlap: int) -> None:
    """Raise ``ValueError`` for tiles below 32 LR pixels, or an overlap of more than half a tile."""
    if type(tile) is not int or type(overlap) is not int or tile < SMALLEST or not 0 <= overlap <= tile // 2:
        raise ValueError(f"tile ({tile}) must be {SMALLEST} or more, overlap ({overlap}) 0 to {tile // 2}, half of it")


@torch.no_grad()
def tiled(net: Callable[[Tensor], Tensor], y: Tensor, *, upscale: int, tile: int = 256, overlap: int = 16) -> Tensor:
    """Upscale ``y`` in tiles of at most ``tile`` by ``tile`` pixels that overlap by ``overlap`` pixels; no gradients.

    Out of memory, tiles are halved, down to 32 pixels or twice the overlap.

    Args:
        net: ``(B, 3, h, w)`` to ``(B, 3, s*h, s*w)``, for any size.
        y: ``(B, 3, h, w)``.
        upscale: s.
        tile, overlap: LR pixels.

    Raises:
        ValueError: see ``check_tiles``.
        RuntimeError: out of memory even with the smallest tiles.
    """
    x = y.new_empty((*y.shape[:2], upscale * y.shape[2], upscale * y.shape[3]))
    while True:
        try:
            row = 0
            for band in tiled_bands(net, y, upscale=upscale, tile=tile, overlap=overlap):
                x[:, :, row : row + band.shape[2]] = band
                row += band.shape[2]
            return x
        except (RuntimeError, MemoryError) as error:
            smaller = max(tile // 2, 2 * overlap, SMALLEST)
            if not is_out_of_memory(error) or smaller >= tile:
                raise
            log.warning(f"{tuple(y.shape)}: not enough memory for tiles of {tile}, trying {smaller}")
            tile = smaller


@torch.no_grad()
def tiled_bands(
    net: Callable[[Tensor], Tensor], y: Tensor, *, upscale: int, tile: int = 256, overlap: int = 16
) -> Iterator[Tensor]:
    """The result of ``tiled`` in bands from the top, a row of tiles each: ``(B, 3, rows, s*w)``, s*h rows in all.

    Arguments are those of ``tiled``; smaller tiles are not tried.
    """
    check_tiles(tile, overlap)
    s, (h, w) = upscale, y.shape[2:]
    columns = _along(w, s, tile, overlap, y.device)
    rows = _along(h, s, tile, overlap, y.device)
    left_over = y.new_zeros((*y.shape[:2], 0, s * w), dtype=torch.float32)  # sums of the tiles above, in the overlap
    for n, (place, vertical) in enumerate(rows):
        x = F.pad(left_over, [0, 0, 0, s * (place.stop - place.start) - left_over.shape[2]])
        for cols, horizontal in columns:
            part = net(y[:, :, place, cols]).float()
            x[:, :, :, s * cols.start : s * cols.stop] += part * vertical[:, None] * horizontal
        done = s * ((rows[n + 1][0].start if n + 1 < len(rows) else h) - place.start)
        yield x[:, :, :done].to(y.dtype)
        left_over = x[:, :, done:]


def _along(size: int, s: int, tile: int, overlap: int, device: torch.device) -> list[tuple[slice, Tensor]]:
    """The tiles along a side, each with its weights, ``(s*tile,)``, which add up to 1.

    Tiles start at multiples of 16, so the windows of the attention are those of the whole image.
    """
    stride = (tile - overlap) // WINDOWS * WINDOWS
    count = max(-(-(size - tile) // stride), 0) + 1
    starts = [n * stride for n in range(count)]
    places = [slice(start, min(start + tile, size)) for start in starts]
    weights, total = [], torch.zeros(s * size, device=device)
    for n, place in enumerate(places):
        before = places[n - 1].stop - place.start if n else 0
        after = place.stop - places[n + 1].start if n + 1 < count else 0
        at = torch.arange(s * (place.stop - place.start), device=device) + 0.5
        rising = (at / (s * before)).clamp(max=1) if before else torch.ones_like(at)
        falling = ((len(at) - at) / (s * after)).clamp(max=1) if after else torch.ones_like(at)
        weights.append(rising * falling)
        total[s * place.start : s * place.stop] += weights[-1]
    return [(p, weight / total[s * p.start : s * p.stop]) for p, weight in zip(places, weights, strict=True)]


log = logging.getLogger("basicsr")
