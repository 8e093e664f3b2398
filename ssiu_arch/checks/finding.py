"""What a check found."""

from dataclasses import dataclass

from ssiu_arch.utils.errors import UserError

LEVELS = ("ok", "warning", "error")


@dataclass(frozen=True)
class Finding:
    """One line of ``basicsr check``.

    Attributes:
        level: ``ok``, ``warning`` (the run will do, but look) or ``error`` (it will fail).
        what: what was checked, in the words of the option file.
        said: what was found.
    """

    level: str
    what: str
    said: str

    def __str__(self) -> str:
        said = " ".join(self.said.split())
        return f"{self.level:8}{said if said.startswith(self.what) else f'{self.what}: {said}'}"


def refused(what: str, error: UserError) -> Finding:
    """The finding that an error makes."""
    return Finding("error", what, str(error))
