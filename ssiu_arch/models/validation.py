"""How ``SSIUModel`` runs a network in validation and test: SSIU's optimised form, tiles, or the network itself."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.inference.fused import FusedSSIU, fuse
from ssiu_arch.inference.tiles import tiled
from ssiu_arch.utils.errors import UserError


class Validator:
    """Builds the function that validates a network in training.

    SSIU is fused once. Later calls only copy the new weights, so a compiled form or a CUDA graph is kept.

    Args:
        val: the options below ``val``: ``fast``, ``precision``, ``compile``, ``cuda_graphs``, ``tile``,
            ``tile_overlap``; see ``SSIUModel``.
        upscale: scale of the network.
    """

    def __init__(self, val: Mapping[str, Any], upscale: int) -> None:
        self.val, self.upscale = val, upscale
        self._fused: FusedSSIU | None = None

    def prepare(self, net: nn.Module) -> Callable[[Tensor], Tensor]:
        """A function with the current weights of ``net``: ``(B, 3, h, w)`` to ``(B, 3, s*h, s*w)``.

        Raises:
            UserError: ``net`` is an SSIU that ``fuse`` cannot convert, and ``val.fast`` is not false.
        """
        run: Callable[[Tensor], Tensor] = net
        if isinstance(net, SSIU) and self.val.get("fast") is not False:
            run = self._fuse(net)
        if not self.val.get("tile"):
            return run
        overlap = self.val.get("tile_overlap", 16)
        return partial(tiled, run, upscale=self.upscale, tile=self.val["tile"], overlap=overlap)

    def _fuse(self, net: SSIU) -> FusedSSIU:
        if self._fused is not None:
            self._fused.refresh(net)
            return self._fused
        options = {name: self.val[name] for name in ("precision", "compile", "cuda_graphs") if self.val.get(name)}
        try:
            self._fused = fuse(net, **options)
        except (AttributeError, TypeError) as error:  # a part of the network was replaced by another class
            name, reason = type(net).__name__, " ".join(str(error).split())
            raise UserError(f"val.fast: {name} has no optimised form ({reason}); set val.fast: false") from error
        return self._fused
