"""``basicsr install``: BasicSR 1.4.2, which pip alone cannot build on Python 3.13 and newer.

pip also builds it in an isolated environment, for which it downloads torch once more. Here the wheel is built in the
environment that is there, with a ``sitecustomize.py`` (``install_shim``) that lets its ``setup.py`` run.
"""

import os
import subprocess
import sys
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from ssiu_arch.cli import which_basicsr
from ssiu_arch.cli.arguments import Parser
from ssiu_arch.utils.errors import UserError

REQUIREMENT = "basicsr==1.4.2"
SHIM = Path(__file__).parent / "install_shim"


def run(arguments: list[str]) -> None:
    """Build and install BasicSR with what it depends on, unless it is installed; ``UserError`` if pip fails."""
    what = f"Install {REQUIREMENT} and what it depends on, on any Python; does nothing if basicsr is installed."
    Parser("basicsr install", description=what, epilog="example: basicsr install").parse_args(arguments)
    if which_basicsr.imported() is None:
        with TemporaryDirectory() as folder:
            pip("install", str(build_wheel(Path(folder))))
        invalidate_caches()
    print(which_basicsr.version())


def build_wheel(folder: Path) -> Path:
    """Build BasicSR's wheel in a folder, without torch; ``UserError`` if pip fails."""
    tools = folder / "tools"
    if find_spec("setuptools") is None or find_spec("wheel") is None:
        pip("install", "--target", str(tools), "setuptools", "wheel")
    path = os.pathsep.join(filter(None, [str(SHIM), str(tools), os.environ.get("PYTHONPATH")]))
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), REQUIREMENT, PYTHONPATH=path)
    return next(folder.glob("*.whl"))


def pip(*arguments: str, **environment: str) -> None:
    """Run pip of this Python and show its output; ``UserError`` if it fails."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    code = subprocess.run(command, env={**os.environ, **environment}).returncode
    if code:
        raise UserError(f"pip {arguments[0]} failed with exit code {code}; its output is above")
