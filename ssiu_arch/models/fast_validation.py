"""What a network is validated and tested by: SSIU's fast form, or tiles."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.inference.fused import FusedSSIU, fuse
from ssiu_arch.inference.tiles import tiled


class FastValidation:
    """Derives what computes the results from a network that is being trained.

    A fast form is derived once, then given the network's new weights, so that what was compiled for it stays.

    Args:
        val: the options below ``val``: ``fast``, ``precision``, ``compile``, ``cuda_graphs``, ``tile``,
            ``tile_overlap``; see ``SSIUModel``.
        upscale: of the network.
    """

    def __init__(self, val: Mapping[str, Any], upscale: int) -> None:
        self.val, self.upscale = val, upscale
        self._fused: FusedSSIU | None = None

    def derive(self, net: nn.Module) -> Callable[[Tensor], Tensor]:
        """What computes ``net``, with the weights it has now: ``(B, 3, h, w)`` to ``(B, 3, s*h, s*w)``."""
        run: Callable[[Tensor], Tensor] = net
        if isinstance(net, SSIU) and self.val.get("fast") is not False:
            run = self._fuse(net)
        if not self.val.get("tile"):
            return run
        overlap = self.val.get("tile_overlap", 16)
        return partial(tiled, run, upscale=self.upscale, tile=self.val["tile"], overlap=overlap)

    def _fuse(self, net: SSIU) -> FusedSSIU:
        if self._fused is None:
            options = {name: self.val[name] for name in ("precision", "compile", "cuda_graphs") if self.val.get(name)}
            self._fused = fuse(net, **options)
        else:
            self._fused.refresh(net)
        return self._fused
