"""SSIU for spandrel, the library that chaiNNer, ComfyUI and others load networks by: call ``install`` once.

This file is also copied beside the network's, without the rest of the package (``ssiu_arch.integrations.comfyui``): it
imports nothing else of it.
"""

from typing import Any

from spandrel import MAIN_REGISTRY, Architecture, ArchSupport, ImageModelDescriptor, ModelTiling
from spandrel.util import KeyCondition

from ..archs.ssiu_arch import SSIU, rename_released
from ..weights.options import ssiu_options

KEYS = KeyCondition.has_all(
    "head.weight",
    "tail.0.weight",
    KeyCondition.has_any("stages.0.attention.rel_h", "body.0.s3.rel_h"),  # ours, and as the authors' files name it
)


class SSIUArch(Architecture[SSIU]):
    """Recognises the weights of an SSIU by the names of parameters, and builds the network that fits them."""

    def __init__(self) -> None:
        super().__init__(id="SSIU", detect=KEYS)

    def load(self, state_dict: dict[str, Any]) -> ImageModelDescriptor[SSIU]:
        """The network with its weights: scale, size and variant are read from their names and shapes.

        Raises:
            ValueError: the weights are incomplete.
        """
        weights = dict(state_dict)
        rename_released(weights)
        options = ssiu_options(weights)
        if options is None:
            raise ValueError("the weights of this SSIU are incomplete or misshapen")
        return ImageModelDescriptor(
            SSIU(**options),
            weights,
            architecture=self,
            purpose="SR",
            tags=[f"{options['num_feat']}nf", f"{options['num_block']}nb"],
            supports_half=True,
            supports_bfloat16=True,
            scale=options["upscale"],
            input_channels=options["num_in_ch"],
            output_channels=options["num_in_ch"],
            tiling=ModelTiling.SUPPORTED,  # ESAM samples tiles elsewhere: see docs/spandrel.md for what they cost
        )


def install() -> None:
    """Make SSIU known to spandrel in this process; a second call, or a spandrel that knows it already, is harmless."""
    MAIN_REGISTRY.add(ArchSupport.from_architecture(SSIUArch()), ignore_duplicates=True)
