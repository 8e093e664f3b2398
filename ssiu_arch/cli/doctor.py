"""``basicsr doctor``: what is installed here, and known conflicts."""

import argparse
import platform
import re
import sys
import traceback
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from ssiu_arch import patches, plugins
from ssiu_arch.cli import which_basicsr
from ssiu_arch.patches.patch import NEEDED
from ssiu_arch.utils.errors import UserError

# Names on the package index; opencv-python has namesakes that bring the same module.
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "opencv-python", "lmdb", "einops", "basicsr", "ssiu-arch")
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")

WANTED = "1.4.2"  # version of BasicSR
FORKS = "docs/forks.md"

Line = tuple[str, str, str]  # ok, warning or broken; subject; finding


def run(arguments: list[str]) -> None:
    """Print one line per finding.

    Raises:
        UserError: something is broken; the message says how much.
    """
    what = "Print versions, the basicsr in use, plugins, registries, GPU, known conflicts, and the state of each patch."
    argparse.ArgumentParser("basicsr doctor", description=what, epilog="example: basicsr doctor").parse_args(arguments)
    broken = 0
    for level, subject, finding in lines():
        print(f"{level:8}{subject}: {finding}", flush=True)
        broken += level == "broken"
    if broken:
        raise UserError(f"{broken} {'thing is' if broken == 1 else 'things are'} broken here")


def lines() -> Iterator[Line]:
    """Every finding; those that need BasicSR come last."""
    yield "ok", "Python", f"{platform.python_version()}, {sys.executable}"
    for package in PACKAGES:
        found = next(filter(None, map(version_of, OPENCV if package == "opencv-python" else (package,))), None)
        remedy = "basicsr install" if package == "basicsr" else f"pip install {package}"
        yield ("ok", package, found) if found else ("broken", package, f"is missing: {remedy}")
    yield from conflicts()
    folder, several = which_basicsr.imported(), which_basicsr.warning()
    if folder is None:
        return
    yield ("warning" if several else "ok"), "which basicsr", several or str(folder)
    found = which_basicsr.number(folder) or WANTED
    if numbers(found) != numbers(WANTED):
        remedy = f"pip uninstall basicsr, basicsr install; or copy the network into that fork: {FORKS}"
        yield "warning", f"basicsr {found}", f"ssiu_arch is made for {WANTED}: {remedy}"
    try:
        import basicsr  # noqa: F401
    except Exception as error:  # whatever a damaged installation raises
        reason = " ".join(str(error).split())
        yield "broken", "import basicsr", f"{type(error).__name__}: {reason}; {_reinstall(error)}"
        return
    plugins.load_plugins()
    yield "ok", "plugins", ", ".join(plugins.loaded_plugins()) or "none"
    yield from (("broken", "plugin", failure) for failure in plugins.failures())
    yield from _registries()
    yield "ok", "GPU", _gpu()
    yield from patch_states()


def _reinstall(error: Exception) -> str:
    """The remedy for an import that failed: what to reinstall, the first package below BasicSR that it went through."""
    modules = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    below = [
        package for module in modules if (package := module.partition(".")[0]) in PACKAGES and package != "basicsr"
    ]
    if not below:
        return "pip uninstall basicsr, basicsr install"
    pair = "torch torchvision" if below[0].startswith("torch") else below[0]  # those two must match
    return f"{below[0]} is broken: pip install --force-reinstall {pair}"


def version_of(package: str) -> str | None:
    """The installed version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def conflicts() -> Iterator[Line]:
    """Installed packages that are known not to work together."""
    has_tensorboard = any(version_of(name) for name in ("tensorboard", "tb-nightly"))
    if has_tensorboard and find_spec("pkg_resources") is None:
        remedy = "pip install 'setuptools<82', or a newer tensorboard"
        yield "warning", "tensorboard", f"logs are written, but its command needs pkg_resources: {remedy}"
    for package, least, missing in (
        ("scipy", (2,), "scipy.ndimage.filters"),
        ("wandb", (0, 31), "wandb.util.generate_id"),
    ):
        found = version_of(package)
        if found and numbers(found) >= least:
            yield "ok", f"{package} {found}", f"has no {missing}, which basicsr uses: a patch provides it"


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparison: 2.15.0+cu128 is (2, 15, 0), 2.0rc1 is (2,)."""
    whole = re.match(r"(\d+(?![^.+])\.?)*", version)
    return tuple(int(part) for part in whole[0].split(".") if part) if whole else ()


def _registries() -> Iterator[Line]:
    from basicsr.utils import registry

    kinds = {"ARCH": "archs", "DATASET": "data sets", "LOSS": "losses", "METRIC": "metrics", "MODEL": "models"}
    held = {kind: getattr(registry, f"{kind}_REGISTRY") for kind in kinds}
    yield "ok", "registered", ", ".join(f"{len(held[kind].keys())} {word}" for kind, word in kinds.items())
    missing = [name for kind, name in (("ARCH", "SSIU"), ("MODEL", "SSIUModel")) if name not in held[kind]]
    if missing:
        yield "broken", "registered", f"{', '.join(missing)} missing: another package has replaced the registries"


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        built = f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch is built for the CPU"
        return f"none ({built}); everything runs on the CPU"
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return f"{', '.join(names)}; CUDA {torch.version.cuda}"


def patch_states() -> Iterator[Line]:
    """The state of every patch."""
    for patch in (patch for room in patches.ROOMS for patch in patches.of_room(room)):
        state = patch.state()
        if state == NEEDED:
            yield "broken", f"patch {patch.name}", f"{state}: {patch.defect}"
        else:
            yield "ok", f"patch {patch.name}", state
