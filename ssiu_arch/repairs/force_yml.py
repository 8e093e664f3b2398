"""``--force_yml`` takes negative and exponent numbers for text, no value with ``=`` in it, no new keys, no seed.

The remedy is the wrapper of ``option_parsing``, which takes the entries off the command line, reads them as YAML and
applies them to the file before BasicSR sees it.
"""

from ssiu_arch.repairs import option_parsing
from ssiu_arch.repairs.repair import Repair


def _is_needed() -> bool:
    from basicsr.utils import options

    return getattr(options, "_postprocess_yml_value", str)("-1") == "-1"


REPAIR = Repair(
    defect="`--force_yml train:warmup_iter=-1` sets text, `k=a=b` and new keys end in a traceback",
    upstream="basicsr/utils/options.py:59 and 117",
    until="BasicSR reads the value as YAML",
    is_needed=_is_needed,
    apply=option_parsing.wrap,
)
