"""One line of ``basicsr check``, and the phrases that all checks share: ``where (value): rule; remedy``."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.memory import is_out_of_memory

SMALLER = {
    "iteration": "lower batch_size_per_gpu, or with SSIUModel set train.checkpointing or train.micro_batch_size",
    "validation": "set val.tile: 256 (SSIUModel), or validate on smaller images",
}


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        level: ``ok``, ``warning`` (the run works, but look at this) or ``error`` (the run will fail).
        what: what was checked: a section of the option file, or a step of the run.
        said: the result, with the value and the remedy.
    """

    level: str
    what: str
    said: str

    def __str__(self) -> str:
        said = " ".join(self.said.split())
        return f"{self.level:8}{said if said.startswith(self.what) else f'{self.what}: {said}'}"


def tried(what: str, check: Callable[..., str | None], *arguments: Any) -> Finding:
    """The finding of a check, which may fail in any way: networks, losses, metrics and data sets are anybody's."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # BasicSR logs, for example, the whole network
    try:
        return Finding("ok", what, check(*arguments) or "no problem found")
    except UserError as error:
        return Finding("error", what, str(error))
    except Exception as error:
        if is_out_of_memory(error):
            return Finding("error", what, f"out of memory: {SMALLER.get(what.split()[0], 'use a smaller network')}")
        return Finding("error", what, f"fails with {type(error).__name__}: {error}")
    finally:
        logging.disable(before)


@contextmanager
def located(where: str, options: Mapping[str, Any] | None = None, remedy: str = "") -> Iterator[None]:
    """Turn every exception into a ``UserError``: ``where (options): reason; remedy``."""
    listed = ", ".join(f"{name}: {value!r}" for name, value in (options or {}).items())[:200]
    value, end = f" ({listed})" if listed else "", f"; {remedy}" if remedy else ""
    try:
        yield
    except Exception as error:  # of BasicSR, torch, or another package
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UserError(f"{where}{value}: {reason}{end}") from error


def did_you_mean(name: str, known: Iterable[str], most: int = 1) -> str:
    """The known names that ``name`` resembles, as the end of a message; empty if there are none."""
    lower = {entry.lower(): entry for entry in known}
    close = [lower[match] for match in get_close_matches(name.lower(), lower, n=most)]
    return f"; did you mean {' or '.join(close)}?" if close else ""
