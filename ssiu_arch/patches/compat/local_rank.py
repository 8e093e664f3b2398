"""``python -m torch.distributed.launch`` says ``--local-rank=0``, with a hyphen, since torch 2."""

import inspect

from ssiu_arch.patches import option_parsing
from ssiu_arch.patches.option_parsing import Change
from ssiu_arch.patches.patch import Repair


def with_underscore(argv: list[str]) -> tuple[list[str], list[Change]]:
    """A command line with the spelling that BasicSR's parser knows; no change of options."""
    return [
        word.replace("--local-rank", "--local_rank", 1) if word.startswith("--local-rank") else word for word in argv
    ], []


def _is_needed() -> bool:
    from basicsr.utils import options

    known = "--local-rank" in inspect.getsource(options.parse_options)
    return not known and with_underscore not in option_parsing.on_command_line


def _apply() -> None:
    option_parsing.on_command_line.append(with_underscore)
    option_parsing.wrap()


REPAIR = Repair(
    defect="started by torch.distributed.launch, BasicSR ends in unrecognized arguments: --local-rank=0",
    upstream="basicsr/utils/options.py:91",
    until="BasicSR takes either spelling",
    is_needed=_is_needed,
    apply=_apply,
)
