"""One line of ``basicsr check``."""

from dataclasses import dataclass


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
