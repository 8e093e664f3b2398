"""The fast form of a trained SSIU: the same function, computed in another order."""

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import SAM, SSIU, reflect_to_multiple
from ssiu_arch.inference.bands import Bands
from ssiu_arch.inference.blocks import Parts
from ssiu_arch.inference.graphs import Graphs
from ssiu_arch.inference.precision import DTYPES, own_precision
from ssiu_arch.inference.whole import whole
from ssiu_arch.utils.memory import free_memory, is_out_of_memory, keep_freed_memory
from ssiu_arch.utils.precisions import PRECISIONS


def fuse(
    net: SSIU,
    *,
    precision: str = "fp32",
    compile: bool | Mapping[str, Any] = False,
    cuda_graphs: bool = False,
    strip: int | None = None,
) -> "FusedSSIU":
    """The fast form of ``net``, with copies of its weights, on its device.

    It is equal to ``net`` in float32 but for rounding (1e-5), for inference alone, and takes images of any size in the
    memory there is. When ``net`` has been trained on, ``refresh`` it.

    Args:
        net: an SSIU, or a copy of that class in a fork.
        precision: ``fp32``; ``tf32``, factors of products rounded to 10 bits on CUDA, ``fp32`` elsewhere; ``bf16`` or
            ``fp16``, weights and maps in half precision. The image, its interpolation and the sum of both stay float32.
        compile: True, or arguments of ``torch.compile``: the whole image in compiled operations; torch compiles for
            the first size that comes, and again for any size when there comes a second.
        cuda_graphs: True replays a size that comes again as one CUDA graph; nothing on other devices.
        strip: rows that are computed at a time, a multiple of 16, all stages one behind the other, in whatever memory
            that takes. None: the whole image or strips, as the free memory allows.

    Raises:
        ValueError: an argument is none of these.
    """
    if not all(hasattr(net, name) for name in ("upscale", "head", "stages", "selector", "tail")):
        raise ValueError(f"net ({type(net).__name__}) must be an SSIU, not wrapped by anything")
    if not isinstance(precision, str) or precision not in PRECISIONS:
        raise ValueError(f"precision ({precision!r}) must be one of {', '.join(PRECISIONS)}")
    if not isinstance(compile, (bool, Mapping)):
        raise ValueError(f"compile ({compile!r}) must be true, false or arguments of torch.compile")
    if type(cuda_graphs) is not bool:
        raise ValueError(f"cuda_graphs ({cuda_graphs!r}) must be true or false")
    if strip is not None and (compile is not False or cuda_graphs):
        raise ValueError("strip goes with neither compile nor cuda_graphs, which compute the whole image")
    if strip is not None and (type(strip) is not int or strip < 16 or strip % 16):
        raise ValueError(f"strip ({strip!r}) must be a multiple of 16, or None")
    with torch.inference_mode(False):  # or ``refresh`` could not write to them later
        parts = Parts(net).to(DTYPES[precision]).eval()
    return FusedSSIU(parts, allow_tf32=precision == "tf32", compile=compile, cuda_graphs=cuda_graphs, strip=strip)


class FusedSSIU(nn.Module):
    """What ``fuse`` returns: ``(B, C, h, w)`` in [0, 1] to ``(B, C, s*h, s*w)``, not clamped, any ``h, w >= 1``.

    C is the network's ``num_in_ch``. A form with CUDA graphs serves one thread; a compiled one cannot be pickled.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        allow_tf32: bool,
        compile: bool | Mapping[str, Any],
        cuda_graphs: bool,
        strip: int | None,
    ) -> None:
        super().__init__()
        self.parts, self.allow_tf32, self.strip = parts, allow_tf32, strip
        self.upscale = parts.upscale
        self.compiles = compile is not False
        self._whole: Callable[[Parts, Tensor], Tensor] = whole
        if self.compiles:
            self._whole = torch.compile(whole, **(compile if isinstance(compile, Mapping) else {}))
        self._graphs = Graphs(self._whole) if cuda_graphs else None

    def refresh(self, net: SSIU) -> None:
        """Take over the weights of ``net``; what was compiled or captured stays.

        Raises:
            ValueError: ``net`` is not an SSIU of the same options; nothing has been taken over then.
        """
        new, old = Parts(net).state_dict(), self.parts.state_dict()
        if {name: x.shape for name, x in new.items()} != {name: x.shape for name, x in old.items()}:
            raise ValueError("net must be an SSIU of the options that this form was derived from")
        self.parts.load_state_dict(new)

    @torch.no_grad()
    def forward(self, y: Tensor) -> Tensor:
        """Upscale ``y``, ``(B, C, h, w)``. Where memory runs out, a way that needs less follows; the last raises.

        Raises:
            ValueError: ``y`` is no such batch of images.
        """
        self._check(y)
        keep_freed_memory()
        padded = reflect_to_multiple(y, 2 * SAM.window).float()
        ways = list(self._ways(padded))
        with own_precision(y.device, self.allow_tf32):
            for n, (way, run) in enumerate(ways, 1):
                try:
                    return run(padded, y.shape[2:]).to(y.dtype)
                except (RuntimeError, MemoryError) as error:
                    if n == len(ways) or not is_out_of_memory(error):
                        raise
                    log.warning(f"{tuple(y.shape)}: not enough memory {way}, trying {ways[n][0]}")
        raise AssertionError("there is no way")

    def bands(self, y: Tensor) -> Iterator[Tensor]:
        """The result of one image, ``(1, C, h, w)``, from the top: ``(1, C, rows, s*w)`` each, all of them s*h rows.

        So the result need not be there as a whole; nor need the network's maps, where memory does not allow it.

        Raises:
            ValueError: ``y`` is no such image.
        """
        self._check(y)
        if len(y) != 1:
            raise ValueError(f"y ({tuple(y.shape)}) must be one image, (1, C, h, w)")
        return self._bands(y)

    def fits(self, y: Tensor) -> bool:
        """Whether ``bands`` can do with half of the free memory for the maps of the image ``y``, ``(1, C, h, w)``.

        By strips that is in proportion to its width. What does not fit can only be tiled (``tiled_bands``).
        """
        row = reflect_to_multiple(y[:, :, :1], 2 * SAM.window)[:, :, :1]
        rows = len(self.parts.stages) * (120 + 5 * self._strip(row))  # measured, and rounded up
        free = free_memory(y.device)
        return self._go_by_stage(row.expand(-1, -1, y.shape[2], -1), free) or self._maps(row, rows) < free // 2

    @torch.no_grad()
    def _bands(self, y: Tensor) -> Iterator[Tensor]:
        keep_freed_memory()
        padded = reflect_to_multiple(y, 2 * SAM.window).float()
        way = Bands.by_stage if self._go_by_stage(padded, free_memory(y.device)) else Bands.by_wave
        bands = self._cropped(way(Bands(self.parts, padded, self._strip(padded))), y.shape[2:])
        while True:
            with own_precision(y.device, self.allow_tf32):  # not while the caller works
                band = next(bands, None)
            if band is None:
                return
            yield band.to(y.dtype)

    def _cropped(self, bands: Iterator[Tensor], size: torch.Size) -> Iterator[Tensor]:
        """The bands of a padded image without what was padded; those below it are not computed."""
        left, width = (self.upscale * side for side in size)
        while left > 0:
            band = next(bands)[:, :, :left, :width]
            left -= band.shape[2]
            yield band

    def _check(self, y: Tensor) -> None:
        channels = self.parts.head.weight.shape[1]
        if y.ndim != 4 or y.shape[1] != channels or 0 in y.shape or not y.is_floating_point():
            raise ValueError(f"y ({tuple(y.shape)}, {y.dtype}) must be (B, {channels}, h, w) in [0, 1], none of them 0")

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "FusedSSIU":
        if self._graphs is not None:  # captured where the weights were
            self._graphs = Graphs(self._whole)
        return super()._apply(fn, recurse)

    def _ways(self, padded: Tensor) -> Iterator[tuple[str, Callable[[Tensor, torch.Size], Tensor]]]:
        """Ways to compute the result and what to call them, from the quickest to that which needs the least memory."""
        free = free_memory(padded.device)
        if self.strip is None and (padded.is_cuda or self.compiles) and self._maps(padded, 30) < free:
            yield "at once", self._at_once
        if self._go_by_stage(padded[:1], free):
            yield "stage by stage", partial(self._by_bands, Bands.by_stage, self._strip(padded))
        strip = self._strip(padded)
        while strip >= 16:
            yield f"by strips of {strip} rows", partial(self._by_bands, Bands.by_wave, strip)
            strip = strip // 32 * 16

    def _at_once(self, padded: Tensor, size: torch.Size) -> Tensor:
        x = (self._graphs or self._whole)(self.parts, padded)
        return x[:, :, : self.upscale * size[0], : self.upscale * size[1]].clone()

    def _by_bands(
        self, way: Callable[[Bands], Iterator[Tensor]], strip: int, padded: Tensor, size: torch.Size
    ) -> Tensor:
        h, w = (self.upscale * side for side in size)
        x = padded.new_empty((*padded.shape[:2], h, w))
        for image, result in zip(padded.split(1), x.split(1), strict=True):
            row = 0
            for band in self._cropped(way(Bands(self.parts, image, strip)), size):
                result[:, :, row : row + band.shape[2]] = band
                row += band.shape[2]
        return x

    def _go_by_stage(self, image: Tensor, free: int) -> bool:
        """Whether the maps of one image, stage by stage, take less than half of ``free`` bytes."""
        count = 7 if self.parts.stages[0].pooling == 2 else 8  # SAM's are not a quarter of the others
        return self.strip is None and self._maps(image, count) < free // 2

    def _maps(self, padded: Tensor, count: int) -> int:
        """Bytes of ``count`` feature maps."""
        weight = self.parts.head.weight
        return count * padded[:, 0].numel() * len(weight) * weight.element_size()

    def _strip(self, padded: Tensor) -> int:
        """How many rows to compute at a time: on a CPU as many as stay in its cache."""
        pixels = 2**20 if padded.is_cuda else 2**14
        return self.strip or max(16, pixels // padded.shape[3] // 16 * 16)


log = logging.getLogger("basicsr")
