"""The optimised form of a trained SSIU: the same function, computed in another order."""

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import SAM, SSIU, reflect_to_multiple
from ssiu_arch.inference.bands import Bands
from ssiu_arch.inference.blocks import Parts
from ssiu_arch.inference.precision import DTYPES, own_precision
from ssiu_arch.inference.whole import whole
from ssiu_arch.utils.memory import free_memory, is_out_of_memory, keep_freed_memory
from ssiu_arch.utils.precisions import PRECISIONS

Way = Callable[[Bands], Iterator[Tensor]]  # ``Bands.by_stage`` or ``Bands.by_wave``

BAR = 1e-4  # largest difference from the network, relative to outputs above 1; rounding stays below 1e-5


class NotReproduced(ValueError):
    """The optimised form does not compute what the network computes: the network was changed."""


def fuse(
    net: SSIU,
    *,
    precision: str = "fp32",
    compile: bool | Mapping[str, Any] = False,
    cuda_graphs: bool = False,
    strip: int | None = None,
) -> "FusedSSIU":
    """Convert ``net`` to an optimised form for inference, with copies of its weights, on its device.

    In float32 its output equals that of ``net`` up to rounding (1e-5). It adapts to the free memory, so an image of any
    size works. After further training of ``net``, call ``refresh``.

    Args:
        net: an SSIU, or a copy of that class in a fork.
        precision: ``fp32``; ``tf32``: TF32 products on CUDA, ``fp32`` elsewhere; ``bf16`` or ``fp16``: weights and
            feature maps in half precision. The image and its interpolation stay float32.
        compile: True, or arguments of ``torch.compile``. Torch compiles for the first size, and once more for all
            sizes when a second one comes.
        cuda_graphs: True replays a size that comes again as one CUDA graph, by torch's backend ``cudagraphs``, or with
            ``compile`` by its mode ``reduce-overhead``; eight sizes at most, and on other devices none.
        strip: rows to compute at a time, a multiple of 16, in memory proportional to the width. None: the whole image
            or strips, whichever fits in the free memory.

    Raises:
        ValueError: an argument is not one of these.
        NotReproduced: ``net`` computes something else than the published SSIU. Hooks are refused; subclasses, replaced
            modules and wrappers are noticed by comparing both on a small random image.
    """
    if not all(hasattr(net, name) for name in ("upscale", "head", "stages", "selector", "tail")):
        raise ValueError(f"net ({type(net).__name__}) must be an SSIU, without a wrapper such as DataParallel")
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
    parts = _parts(net).to(DTYPES[precision])
    return FusedSSIU(parts, allow_tf32=precision == "tf32", compile=compile, cuda_graphs=cuda_graphs, strip=strip)


def _parts(net: SSIU) -> Parts:
    """The parts of ``net`` with copies of its weights, in their type.

    Raises:
        NotReproduced: they do not compute what ``net`` computes.
    """
    # A hook is refused without a comparison: it may act on some sizes only, or collect what passes.
    if hooked := [name for name, part in net.named_modules() if part._forward_hooks or part._forward_pre_hooks]:
        raise NotReproduced(f"{type(net).__name__} has no optimised form: its {hooked[0] or 'forward'} has a hook")
    try:
        with torch.inference_mode(False):  # or ``refresh`` could not write to them later
            parts = Parts(net).eval()
        difference = _difference(parts, net)
    except Exception as error:  # whatever a part of another class or shape raises
        if is_out_of_memory(error):
            raise
        raise NotReproduced(f"{type(net).__name__} has no optimised form ({' '.join(str(error).split())})") from error
    if not difference <= BAR:  # NaN is not
        raise NotReproduced(f"{type(net).__name__} has no optimised form: its output would differ by {difference:.2g}")
    return parts


@torch.no_grad()
def _difference(parts: Parts, net: SSIU) -> float:
    """The largest difference between ``parts`` and ``net`` on a random image, relative to outputs above 1."""
    weight = parts.head.weight
    size = (1, weight.shape[1], 2 * SAM.window + 1, 4 * SAM.window)  # one row more than a window: padded and cropped
    y = torch.rand(size, generator=torch.Generator().manual_seed(0)).to(weight)
    training = [module for module in net.modules() if module.training]
    net.eval()
    try:
        with own_precision(y.device, False):
            expected = net(y)
            found = whole(parts, reflect_to_multiple(y, 2 * SAM.window))[:, :, : expected.shape[2], : expected.shape[3]]
    finally:
        for module in training:
            module.training = True
    if found.shape != expected.shape:
        return float("inf")
    if torch.equal(found.isfinite(), expected.isfinite()):  # weights that are not finite are nothing to judge here
        found, expected = found.nan_to_num(), expected.nan_to_num()
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1))


class FusedSSIU(nn.Module):
    """The optimised form: ``(B, C, h, w)`` in [0, 1] to ``(B, C, s*h, s*w)``, not clamped, any ``h, w >= 1``.

    C is the network's ``num_in_ch``. With CUDA graphs, use it from one thread and one CUDA stream. Compiled, it cannot
    be pickled.

    Three ways to the same result; ``forward`` takes the first that fits in memory::

        at once          whole.py    30 maps of the batch; on a GPU or compiled
        stage by stage   bands.py     7 maps of an image
        by strips        bands.py    some hundreds of rows of an image, fewer with smaller strips
    """

    def __init__(
        self, parts: Parts, *, allow_tf32: bool, compile: bool | Mapping[str, Any], cuda_graphs: bool, strip: int | None
    ) -> None:
        super().__init__()
        self.parts, self.allow_tf32, self.strip = parts, allow_tf32, strip
        self.upscale = parts.upscale
        self.compiles = compile is not False
        options: dict[str, Any] = dict(compile) if isinstance(compile, Mapping) else {}
        if cuda_graphs and not self.compiles:
            options = {"backend": "cudagraphs", "dynamic": False}
        elif cuda_graphs and not options.keys() & {"backend", "mode", "options"}:
            options["mode"] = "reduce-overhead"
        # Without a compiler a graph replays the kernels of ``whole`` as they are; torch pools the memory of all graphs.
        self._whole: Any = torch.compile(whole, **options) if self.compiles or cuda_graphs else whole

    def refresh(self, net: SSIU) -> None:
        """Copy the weights of ``net``; compiled code and captured graphs stay valid.

        Raises:
            ValueError: ``net`` has other options, or is ``NotReproduced``; nothing has been copied.
        """
        new, old = _parts(net).state_dict(), self.parts.state_dict()
        if {name: x.shape for name, x in new.items()} != {name: x.shape for name, x in old.items()}:
            raise ValueError("net must have the options of the network that this form was made from")
        self.parts.load_state_dict(new)

    @torch.no_grad()
    def forward(self, y: Tensor) -> Tensor:
        """Upscale ``y``, ``(B, C, h, w)``. Out of memory, the next way is tried, which needs less; the last one raises.

        Raises:
            ValueError: ``y`` is not such a batch of images.
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
        """The result of one image, ``(1, C, h, w)``, in bands from the top: ``(1, C, rows, s*w)``, s*h rows in all.

        So neither the result nor, where memory is short, the feature maps exist as a whole.

        Raises:
            ValueError: ``y`` is not one image.
        """
        self._check(y)
        if len(y) != 1:
            raise ValueError(f"y ({tuple(y.shape)}) must be one image, (1, C, h, w)")
        return self._bands(y)

    def fits(self, y: Tensor) -> bool:
        """Whether the maps that ``bands`` needs for ``y``, ``(1, C, h, w)``, fit in half of the free memory.

        By strips they grow with the width only. An image that does not fit needs tiles (``tiled_bands``).
        """
        row = reflect_to_multiple(y[:, :, :1], 2 * SAM.window)[:, :, :1]
        rows = len(self.parts.stages) * (120 + 5 * self._strip(row))  # measured, rounded up
        free = free_memory(y.device)
        return self._go_by_stage(row.expand(-1, -1, y.shape[2], -1), free) or self._maps(row, rows) < free // 2

    @torch.inference_mode(False)  # its maps are written to again when the caller may have left that mode
    @torch.no_grad()
    def _bands(self, y: Tensor) -> Iterator[Tensor]:
        keep_freed_memory()
        padded = reflect_to_multiple(y, 2 * SAM.window).float()
        way = Bands.by_stage if self._go_by_stage(padded, free_memory(y.device)) else Bands.by_wave
        bands = self._cropped(way(Bands(self.parts, padded, self._strip(padded))), y.shape[2:])
        while True:
            with own_precision(y.device, self.allow_tf32):  # only here, not in the caller's code
                band = next(bands, None)
            if band is None:
                return
            yield band.to(y.dtype)

    def _cropped(self, bands: Iterator[Tensor], size: torch.Size) -> Iterator[Tensor]:
        # A band is computed when it is asked for: those below the image, of padding alone, never are.
        left, width = (self.upscale * side for side in size)
        while left > 0:
            band = next(bands)[:, :, :left, :width]
            left -= band.shape[2]
            yield band

    def _check(self, y: Tensor) -> None:
        channels = self.parts.head.weight.shape[1]
        if y.ndim != 4 or y.shape[1] != channels or 0 in y.shape or not y.is_floating_point():
            raise ValueError(f"y ({tuple(y.shape)}, {y.dtype}) must be (B, {channels}, h, w) in [0, 1], none of them 0")

    def _ways(self, padded: Tensor) -> Iterator[tuple[str, Callable[[Tensor, torch.Size], Tensor]]]:
        """The ways that may fit in memory, with their names: from the fastest to that with the least memory."""
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
        x = self._whole(self.parts, padded)
        return x[:, :, : self.upscale * size[0], : self.upscale * size[1]].clone()  # a graph writes to x again

    def _by_bands(self, way: Way, strip: int, padded: Tensor, size: torch.Size) -> Tensor:
        x = padded.new_empty((*padded.shape[:2], *(self.upscale * side for side in size)))
        for image, result in zip(padded.split(1), x.split(1), strict=True):
            row = 0
            for band in self._cropped(way(Bands(self.parts, image, strip)), size):
                result[:, :, row : row + band.shape[2]] = band
                row += band.shape[2]
        return x

    def _go_by_stage(self, image: Tensor, free: int) -> bool:
        count = 7 if self.parts.stages[0].pooling == 2 else 8  # measured; ESAM's are a quarter of the size
        return self.strip is None and self._maps(image, count) < free // 2

    def _maps(self, padded: Tensor, count: int) -> int:  # bytes of ``count`` feature maps
        weight = self.parts.head.weight
        return count * padded[:, 0].numel() * len(weight) * weight.element_size()

    def _strip(self, padded: Tensor) -> int:
        pixels = 2**20 if padded.is_cuda else 2**14  # on a CPU, what stays in its cache
        return self.strip or max(16, pixels // padded.shape[3] // 16 * 16)


class Itself(nn.Module):
    """A changed SSIU behind the methods of ``FusedSSIU`` that ``Upscaler`` calls: the network itself runs."""

    def __init__(self, net: SSIU) -> None:
        super().__init__()
        self.net, self.upscale = net.eval(), net.upscale

    @torch.no_grad()
    def forward(self, y: Tensor) -> Tensor:
        """The network's own result, in the precision of its weights."""
        return self.net(y.to(self.net.head.weight.dtype)).to(y.dtype)

    def bands(self, y: Tensor) -> Iterator[Tensor]:
        """The result of ``y`` in one band."""
        yield self(y)

    def fits(self, y: Tensor) -> bool:
        """Whether the network is likely to have enough memory: it holds some 80 maps of the image at a time."""
        weight = self.net.head.weight
        return 80 * y[:, 0].numel() * len(weight) * weight.element_size() < free_memory(y.device) // 2


log = logging.getLogger("basicsr")
