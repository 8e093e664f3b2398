"""Packages that only some commands need, and that therefore are optional extras of this one."""

from importlib.util import find_spec

from ssiu_arch.utils.errors import UserError


def require(module: str, extra: str, purpose: str) -> None:
    """Check that a module of an optional extra is there, before any work is done that would need it.

    Args:
        module: its name on import; the package of the index has the same.
        extra: the extra of ssiu-arch that brings it.
        purpose: what needs it, to begin the message with.

    Raises:
        UserError: it is not installed.
    """
    if find_spec(module) is None:
        raise UserError(f"{purpose} needs {module}, which is not installed: pip install 'ssiu-arch[{extra}]'")
