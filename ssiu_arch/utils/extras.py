"""Optional packages, which only some commands need."""

from importlib.util import find_spec

from ssiu_arch.utils.errors import UserError


def require(module: str, extra: str, purpose: str) -> None:
    """Raise ``UserError`` if ``module`` is missing, which ``purpose`` needs and ``extra`` of ssiu-arch installs."""
    if find_spec(module) is None:
        raise UserError(f"{purpose} needs {module}, which is not installed: pip install 'ssiu-arch[{extra}]'")
