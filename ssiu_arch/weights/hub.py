"""SSIU with Hugging Face's ``from_pretrained``, ``save_pretrained`` and ``push_to_hub``.

Needs the extra ``hub``; without it, importing this module raises ``UserError``.
"""

from typing import Any

from ssiu_arch.utils.extras import require

require("huggingface_hub", "hub", "ssiu_arch.weights.hub")

from huggingface_hub import PyTorchModelHubMixin  # noqa: E402

from ssiu_arch.archs.ssiu_arch import SSIU as Network  # noqa: E402
from ssiu_arch.weights.options import ssiu_options  # noqa: E402


class SSIU(Network, PyTorchModelHubMixin, library_name="ssiu-arch", pipeline_tag="image-to-image"):
    """``ssiu_arch.SSIU`` from a Hub repository or a folder that has ``model.safetensors`` and ``config.json``.

    ``config.json`` holds the arguments of ``ssiu_arch.SSIU``.
    """

    def save_pretrained(self, *arguments: Any, **named: Any) -> Any:
        """Save as the mixin does, with arguments read from the weights: those of the call may leave out ``upscale``."""
        named["config"] = named.get("config") or ssiu_options(self.state_dict())
        return super().save_pretrained(*arguments, **named)

    @classmethod
    def _from_pretrained(cls, *, strict: bool = True, **arguments: Any) -> "SSIU":
        """Load as the mixin does, but raise if the file lacks a parameter, which would stay random."""
        return super()._from_pretrained(strict=strict, **arguments)
