"""``python -m torch.distributed.launch`` passes ``--local-rank=0``, with a hyphen, since torch 2."""

import sys
from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source


@replaces(
    "basicsr.utils.options:parse_options",
    upstream="basicsr/utils/options.py:91",
    is_needed=lambda parse_options: "--local-rank" not in source(parse_options),
)
def patch(upstream: Function) -> list[Function]:
    """Started by torch.distributed.launch, BasicSR ends in unrecognized arguments: --local-rank=0."""

    def parse_options(root_path: str, is_train: bool = True) -> Any:
        """BasicSR's ``parse_options``; accepts ``--local-rank`` too."""
        argv = sys.argv
        sys.argv = [
            word.replace("--local-rank", "--local_rank") if word[:12] == "--local-rank" else word for word in argv
        ]
        try:
            return upstream(root_path, is_train)
        finally:
            sys.argv = argv

    return [parse_options]
