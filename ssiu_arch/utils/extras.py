"""Optional packages, which only some commands need."""

from importlib.util import find_spec

from ssiu_arch.utils.errors import UserError


def require(module: str, extra: str, purpose: str) -> None:
    """Check that a module of an optional extra is installed, before work that needs it.

    Args:
        module: its import name, which is also its name on the package index.
        extra: the extra of ssiu-arch that installs it.
        purpose: what needs it; starts the message.

    Raises:
        UserError: it is not installed.
    """
    if find_spec(module) is None:
        raise UserError(f"{purpose} needs {module}, which is not installed: pip install 'ssiu-arch[{extra}]'")
