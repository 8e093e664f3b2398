"""Weight files: what they hold, which network they fit, and their conversion to other formats.

Three formats: ``.pt`` as the authors released their weights, ``.pth`` as BasicSR saves them, ``.safetensors``.
"""

from ssiu_arch.weights.options import ssiu_options
from ssiu_arch.weights.reading import StateDict, read_checkpoint, read_state_dict
from ssiu_arch.weights.ssiu import SETS, load, read_ssiu

__all__ = ["SETS", "StateDict", "load", "read_checkpoint", "read_ssiu", "read_state_dict", "ssiu_options"]
