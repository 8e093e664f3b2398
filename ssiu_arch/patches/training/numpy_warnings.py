"""``import basicsr`` silences NumPy's warnings of division by zero and of invalid numbers in the whole process."""

from ssiu_arch.patches.patch import Repair, replace_everywhere


def _is_needed() -> bool:
    import numpy as np

    now = np.geterr()
    return now["divide"] == now["invalid"] == "ignore"


def _apply() -> None:
    import numpy as np
    from basicsr.data import degradations

    np.seterr(divide="warn", invalid="warn")  # NumPy's own
    kernel = degradations.circular_lowpass_kernel  # divides by zero at its centre, and mends it afterwards
    replace_everywhere(kernel, np.errstate(divide="ignore", invalid="ignore")(kernel))


REPAIR = Repair(
    defect="after `import basicsr` NumPy says nothing of 0/0 any more, in anybody's code",
    upstream="basicsr/data/degradations.py:389",
    until="BasicSR silences its own lines alone",
    is_needed=_is_needed,
    apply=_apply,
)
