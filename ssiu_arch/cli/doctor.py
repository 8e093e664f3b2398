"""``basicsr doctor``: what is installed here, and known conflicts."""

import platform
import sys
import traceback
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from ssiu_arch import patches, plugins
from ssiu_arch.cli import which_basicsr
from ssiu_arch.cli.arguments import Parser
from ssiu_arch.patches.patch import NEEDED
from ssiu_arch.utils.errors import UserError

# Names on the package index; opencv-python has namesakes that bring the same module.
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "opencv-python", "lmdb", "einops", "basicsr", "ssiu-arch")
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")

WANTED = "1.4.2"  # version of BasicSR
FORKS = "docs/forks.md"

Line = tuple[str, str, str]  # ok, warning or broken; subject; finding


def run(arguments: list[str]) -> None:
    """Print one line per finding; if something is broken, ``UserError`` says how much."""
    what = "Print versions, the basicsr in use, plugins, registries, GPU, known conflicts, and the state of each patch."
    Parser("basicsr doctor", description=what, epilog="example: basicsr doctor").parse_args(arguments)
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
    if (version_of("tensorboard") or version_of("tb-nightly")) and find_spec("pkg_resources") is None:
        remedy = "pip install 'setuptools<82', or a newer tensorboard"
        yield "warning", "tensorboard", f"logs are written, but its command needs pkg_resources: {remedy}"
    folder, several = which_basicsr.imported(), which_basicsr.warning()
    if folder is None:
        return
    yield ("warning" if several else "ok"), "which basicsr", several or str(folder)
    found = which_basicsr.number(folder) or WANTED
    if found.partition("+")[0] != WANTED:
        remedy = f"pip uninstall basicsr, basicsr install; or copy the network into that fork: {FORKS}"
        yield "warning", f"basicsr {found}", f"ssiu_arch is made for {WANTED}: {remedy}"
    try:
        import basicsr  # noqa: F401
    except Exception as error:  # whatever a damaged installation raises
        reason = " ".join(str(error).split())
        yield "broken", "import basicsr", f"{type(error).__name__}: {reason}; {reinstall(error)}"
        return
    plugins.load_plugins()
    yield "ok", "plugins", ", ".join(plugins.loaded_plugins()) or "none"
    yield from (("broken", "plugin", failure) for failure in plugins.failures())
    yield registered()
    yield "ok", "GPU", _gpu()
    yield from patch_states()


def version_of(package: str) -> str | None:
    """The installed version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def reinstall(error: Exception) -> str:
    """The remedy for an import of BasicSR that failed: mostly torchvision does not match torch."""
    modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    if any(module.partition(".")[0] == "torchvision" for module in modules):
        return "torchvision is broken: pip install --force-reinstall torch torchvision"
    return "reinstall what the error names, or: pip uninstall basicsr, basicsr install"


def registered() -> Line:
    """How much BasicSR's registries hold, and whether SSIU is in them."""
    from basicsr.utils import registry

    names = ("ARCH", "DATASET", "LOSS", "METRIC", "MODEL")
    held = {name: getattr(registry, f"{name}_REGISTRY") for name in names}
    if "SSIU" not in held["ARCH"] or "SSIUModel" not in held["MODEL"]:
        return "broken", "registered", "SSIU or SSIUModel is missing: another package has replaced the registries"
    return "ok", "registered", ", ".join(f"{name.lower()} {len(held[name].keys())}" for name in names)


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
        is_broken = state == NEEDED
        yield "broken" if is_broken else "ok", f"patch {patch.name}", state + f": {patch.defect}" * is_broken
