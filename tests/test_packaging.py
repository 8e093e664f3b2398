"""The sdist builds a wheel, and what the wheel installs enlarges an image outside the checkout."""

import shutil
import subprocess
import sys
import tarfile

import pytest
from PIL import Image

BUILD = "from setuptools import build_meta; print(build_meta.build_{}({!r}))"
UPSCALE = """
import sys
import ssiu_arch
from PIL import Image
print(ssiu_arch.__file__)
ssiu_arch.upscale(Image.open(sys.argv[1]), scale=2).save(sys.argv[2])
"""


@pytest.fixture(scope="module")
def installed(root, tmp_path_factory):
    """A folder into which the wheel is installed that was built from the sdist."""
    folder = tmp_path_factory.mktemp("packaging")

    def build(kind, source):
        command = [sys.executable, "-c", BUILD.format(kind, str(folder))]
        printed = subprocess.run(command, cwd=source, check=True, capture_output=True, text=True).stdout
        return folder / printed.splitlines()[-1]

    source = folder / "checkout"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    shutil.copytree(root / "ssiu_arch", source / "ssiu_arch", ignore=shutil.ignore_patterns("__pycache__"))
    with tarfile.open(build("sdist", source)) as archive:
        archive.extractall(folder, filter="data")
        top = archive.getnames()[0].split("/")[0]
    wheel = build("wheel", folder / top)
    target = folder / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return target


def test_it_upscales(installed, python, tmp_path):
    Image.new("RGB", (9, 7), (200, 100, 50)).save(tmp_path / "in.png")
    run = python("-c", UPSCALE, "in.png", "out.png", cwd=tmp_path, env={"PYTHONPATH": str(installed)})
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(installed / "ssiu_arch/__init__.py")
    with Image.open(tmp_path / "out.png") as enlarged:
        assert enlarged.size == (18, 14)


def test_cards_tables_and_shim_are_in_it(installed):
    files = {path.relative_to(installed / "ssiu_arch").as_posix() for path in (installed / "ssiu_arch").rglob("*")}
    shipped = {f"weights/shipped/SSIU_x{s}.{suffix}" for s in (2, 3, 4) for suffix in ("pth", "md", "json")}
    tables = {"evaluation/table_1.csv", "data/known_images.csv"}
    assert shipped | tables | {"py.typed", "cli/install_shim/sitecustomize.py"} <= files
