"""The names that parameters have in the files which the authors released: the inverse of ``rename_released``."""

import re

from ssiu_arch.weights.reading import StateDict

OUR_NAMES = (  # pattern in our names, the authors'
    (r"^stages\.(\d+)\.norm\.", r"body.\1.norm.body."),
    (r"^stages\.(\d+)\.sparsity\.", r"body.\1.s1."),
    (r"^stages\.(\d+)\.similarity\.", r"body.\1.s2."),
    (r"^stages\.(\d+)\.attention\.dw\.", r"body.\1.s3.LocalProp.0."),
    (r"^stages\.(\d+)\.attention\.qkv\.", r"body.\1.s3.qkv_conv."),
    (r"^stages\.(\d+)\.attention\.", r"body.\1.s3."),
    (r"^stages\.(\d+)\.centralise\.", r"body.\1.s4."),
    (r"^stages\.(\d+)\.ffn\.", r"body.\1.ffn."),
    (r"\.w1\.", ".project_in1."),
    (r"\.w3\.", ".project_in2.0."),
    (r"\.dw\.", ".project_in2.1."),
    (r"\.w4\.", ".project_in2.2."),
    (r"\.wo\.", ".project_out."),
    (r"^selector\.gates\.0\.", "moe.fc_a."),
    (r"^selector\.gates\.1\.", "moe.fc_b."),
    (r"^selector\.gates\.2\.", "moe.fc_c."),
    (r"^selector\.fuse\.", "moe.fuse."),
    (r"^", "module."),
)


def released_names(weights: StateDict) -> StateDict:
    """The weights of an SSIU under the authors' names, with their leading ``module.``, in the same order."""
    renamed = {}
    for ours, value in weights.items():
        name = ours
        for pattern, theirs in OUR_NAMES:
            name = re.sub(pattern, theirs, name)
        renamed[name] = value
    return renamed
