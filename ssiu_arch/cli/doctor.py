"""``basicsr doctor``: what is installed here, and what is known not to go together."""

import argparse
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from ssiu_arch.cli import which_basicsr
from ssiu_arch.utils.errors import UserError

# Names on the package index; opencv-python has namesakes that bring the same module.
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "opencv-python", "lmdb", "einops", "basicsr", "ssiu-arch")
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")

Line = tuple[str, str, str]  # ok, warning or broken; what; said


def run(arguments: list[str]) -> None:
    """Print a line for everything looked at.

    Raises:
        UserError: something is broken; the message counts what.
    """
    example = "example: basicsr doctor"
    what = "Versions, which basicsr is used, plugins, registries, GPU, repairs, known conflicts."
    argparse.ArgumentParser(prog="basicsr doctor", description=what, epilog=example).parse_args(arguments)
    broken = 0
    for level, name, said in lines():
        print(f"{level:8}{name}: {said}", flush=True)
        broken += level == "broken"
    if broken:
        raise UserError(f"{broken} {'thing is' if broken == 1 else 'things are'} broken here")


def lines() -> Iterator[Line]:
    """Everything that is looked at, from what does not need BasicSR to what does."""
    yield from _versions()
    yield from conflicts()
    several = which_basicsr.warning()
    yield ("warning" if several else "ok"), "which basicsr", several or str(which_basicsr.imported())
    try:
        import basicsr  # noqa: F401
    except Exception as error:  # whatever a damaged installation raises
        reason = " ".join(str(error).split())
        yield "broken", "import basicsr", f"{type(error).__name__}: {reason}; pip install --force-reinstall basicsr"
        return
    yield from _plugins()
    yield from _registries()
    yield "ok", "GPU", _gpu()
    yield from repairs_in_force()


def _versions() -> Iterator[Line]:
    yield "ok", "Python", f"{platform.python_version()}, {sys.executable}"
    for package in PACKAGES:
        found = next(filter(None, map(version_of, OPENCV if package == "opencv-python" else (package,))), None)
        yield ("ok", package, found) if found else ("broken", package, f"is missing: pip install {package}")


def version_of(package: str) -> str | None:
    """The installed version of a package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def conflicts() -> Iterator[Line]:
    """What is known not to go together, where it is there."""
    if sys.version_info >= (3, 13):
        yield (
            "warning",
            "Python 3.13",
            "basicsr 1.4.2 installs only from a wheel built with 3.12 or older: see the README",
        )
    has_tensorboard = any(version_of(name) for name in ("tensorboard", "tb-nightly"))
    if has_tensorboard and find_spec("pkg_resources") is None:
        yield (
            "warning",
            "tensorboard",
            "logs are written, but its command needs pkg_resources: pip install 'setuptools<82', or newer tensorboard",
        )
    for package, least, why in (
        ("scipy", (2,), "scipy.ndimage.filters is gone, which basicsr imports: stood in for by a repair"),
        ("wandb", (0, 31), "wandb.util.generate_id is gone, which basicsr calls: stood in for by a repair"),
    ):
        found = version_of(package)
        if found and numbers(found) >= least:
            yield "ok", f"{package} {found}", why


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, to compare by: 2.15.0+cu128 is (2, 15, 0)."""
    found = []
    for part in version.split("+")[0].split("."):
        if not part.isdigit():
            break
        found.append(int(part))
    return tuple(found)


def _plugins() -> Iterator[Line]:
    from ssiu_arch.plugins import failures, load_plugins, loaded_plugins

    load_plugins()
    yield "ok", "plugins", ", ".join(loaded_plugins()) or "none"
    for failure in failures():
        yield "broken", "plugin", failure


def _registries() -> Iterator[Line]:
    from basicsr.utils import registry

    kinds = {"ARCH": "archs", "DATASET": "data sets", "LOSS": "losses", "METRIC": "metrics", "MODEL": "models"}
    counts = [f"{len(getattr(registry, f'{kind}_REGISTRY').keys())} {word}" for kind, word in kinds.items()]
    missing = [
        name for kind, name in (("ARCH", "SSIU"), ("MODEL", "SSIUModel"))
        if name not in getattr(registry, f"{kind}_REGISTRY")
    ]  # fmt: skip
    yield "ok", "registered", ", ".join(counts)
    if missing:
        yield "broken", "registered", f"{', '.join(missing)} missing: another package has taken the registries' place"


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        built = f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch is built for the CPU"
        return f"none ({built}); everything runs on the CPU"
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return f"{', '.join(names)}; CUDA {torch.version.cuda}"


def repairs_in_force() -> Iterator[Line]:
    """Every repair: in force, or not needed with this BasicSR."""
    from ssiu_arch import patches as repairs

    for name, repair in repairs.named():
        if repair.is_needed():
            yield "broken", f"repair {name}", f"is not in force: {repair.defect}"
        else:
            yield "ok", f"repair {name}", "in force" if repair in repairs.applied else "not needed here"
