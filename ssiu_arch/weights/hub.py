"""SSIU with ``from_pretrained``, ``save_pretrained`` and ``push_to_hub``, as Hugging Face's libraries have them.

All three are ``huggingface_hub``'s own, of the extra ``hub``; without it, importing this module raises ``UserError``.
"""

from typing import Any

from ssiu_arch.utils.extras import require

require("huggingface_hub", "hub", "ssiu_arch.weights.hub")

from huggingface_hub import PyTorchModelHubMixin  # noqa: E402

from ssiu_arch.archs.ssiu_arch import SSIU as Network  # noqa: E402


class SSIU(Network, PyTorchModelHubMixin, library_name="ssiu-arch", pipeline_tag="image-to-image"):
    """``ssiu_arch.SSIU`` of a repository on the Hub, or of a folder: ``model.safetensors`` and ``config.json``.

    ``config.json`` holds the arguments of ``ssiu_arch.SSIU``, which are the ones to build it with here.
    """

    @classmethod
    def _from_pretrained(cls, *, strict: bool = True, **arguments: Any) -> "SSIU":
        """The mixin's, but a parameter that is missing in the file is an error rather than left at random."""
        return super()._from_pretrained(strict=strict, **arguments)
