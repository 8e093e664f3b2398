"""The arguments of an SSIU, read from its weights. Imports nothing else: it is copied beside the network's file."""

import re
from collections.abc import Mapping
from typing import Any

STAGE = re.compile(r"stages\.(\d{1,6})\.")


def ssiu_options(state_dict: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of ``SSIU`` that fit weights by our names, read from names and shapes; None if they are no SSIU's.

    Incomplete or inconsistent weights may give arguments that ``SSIU`` refuses.
    """
    needed = [state_dict.get(name) for name in ("head.weight", "tail.0.weight", "stages.0.attention.rel_h")]
    shapes = [tensor.shape for tensor in needed if tensor is not None and tensor.ndim == 4 and tensor.numel()]
    if len(shapes) < len(needed):
        return None
    head, tail, rel_h = shapes
    num_feat, num_in_ch = head[:2]
    factor = round((tail[0] / num_feat) ** 0.5)
    stages = {int(found[1]) for found in map(STAGE.match, state_dict) if found}
    return {
        "upscale": factor**2 if "tail.6.weight" in state_dict else factor,
        "num_in_ch": num_in_ch,
        "num_feat": num_feat,
        "num_block": 1 + max(stages),
        "num_head": num_feat // (2 * rel_h[-1]),
        "sparse_attention": "stages.0.attention.dw.weight" in state_dict,
        "feature_selector": "selector.fuse.weight" in state_dict,
    }
