"""BasicSR reads ``dist_params`` for Slurm alone, and processes wait ten minutes for one that validates."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source
from ssiu_arch.utils.errors import UserError

BACKENDS = ("nccl", "gloo", "mpi", "ucc")
TIMEOUT = 3 * 3600  # seconds that processes wait for one that validates

_asked: dict[str, Any] = {}  # ``dist_params`` of the option file


def remember(opt: dict[str, Any]) -> None:
    """Keep ``dist_params`` (``backend``, and ``timeout`` in seconds) until the process group is made.

    Raises:
        UserError: the backend is unknown, or the time-out is not a positive number.
    """
    asked = opt.get("dist_params") or {}
    if not isinstance(asked, dict):
        raise UserError(f"dist_params ({asked!r}) must hold options of its own: backend, timeout")
    if asked.get("backend") not in (None, *BACKENDS):
        raise UserError(f"dist_params.backend ({asked['backend']!r}) must be one of {', '.join(BACKENDS)}")
    timeout = asked.get("timeout", TIMEOUT)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0:
        raise UserError(f"dist_params.timeout ({timeout!r}) must be a number of seconds above 0")
    _asked.clear()
    _asked.update(asked)


@contextmanager
def _timeout() -> Iterator[None]:
    """Process groups that are made meanwhile have the time-out of the option file."""
    from torch import distributed

    upstream, wait = distributed.init_process_group, timedelta(seconds=_asked.get("timeout", TIMEOUT))
    distributed.init_process_group = functools.partial(upstream, timeout=wait)
    try:
        yield
    finally:
        distributed.init_process_group = upstream


@replaces(
    "basicsr.utils.dist_util:_init_dist_pytorch",
    "basicsr.utils.dist_util:_init_dist_slurm",
    upstream="basicsr/utils/dist_util.py:22 and 29",
    is_needed=lambda pytorch, slurm: "timeout" not in source(slurm),
)
def patch(pytorch: Function, slurm: Function) -> list[Function]:
    """A validation above ten minutes ends a distributed training, and no option changes backend or time-out."""

    def _init_dist_pytorch(backend: str, **kwargs: Any) -> None:
        """Join the process group of torchrun."""
        with _timeout():
            pytorch(_asked.get("backend") or backend, **kwargs)

    def _init_dist_slurm(backend: str, port: int | None = None, timeout: float = TIMEOUT) -> None:
        """Join the process group of a Slurm job; BasicSR passes ``dist_params``, which ``remember`` has read."""
        with _timeout():
            slurm(backend, port)

    return [_init_dist_pytorch, _init_dist_slurm]
