"""Package metadata of ssiu_arch. Tool configuration is in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent

version: dict[str, str] = {}
exec((ROOT / "ssiu_arch/utils/version.py").read_text(encoding="utf-8"), version)

PLOT = ["matplotlib"]
SAFETENSORS = ["safetensors"]
EXPORT = ["onnx", "onnxscript", "onnxruntime"]
CONVERTERS = ["openvino", "ncnn", "pnnx"]  # of what ssiu export writes; docs/export.md
HEIF = ["pillow-heif"]  # reads HEIC, the photos of iPhones
HUB = [*SAFETENSORS, "huggingface_hub"]
RIVALS = ["spandrel", "spandrel_extra_arches"]  # MIT; some networks of the second are for non-commercial use only
WEB = ["gradio>=6"]  # of ssiu web; it keeps Pillow below 13
DOCS = ["mkdocs", "mkdocs-material", "mkdocstrings[python]"]
TEST = [
    *PLOT,
    *EXPORT,
    *HEIF,
    *HUB,
    *RIVALS,
    "captum",
    "pytest>=7",
    "pytest-timeout",
    "pytest-xdist",
    "import-linter",
    "hypothesis",
    "ruff",
    "mypy",
    "tifffile",
    "types-PyYAML",
    "types-tqdm",
]

setup(
    name="ssiu-arch",
    version=version["__version__"],
    description="SSIU lightweight image super-resolution (Ni et al., IEEE TIP 2025) as a BasicSR plugin",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["ssiu_arch", "ssiu_arch.*"]),
    package_data={"ssiu_arch": ["py.typed", "weights/shipped/SSIU_x*", "cli/install_shim/sitecustomize.py", "*/*.csv"]},
    install_requires=[  # not basicsr, which pip cannot build on every Python: ``basicsr install`` does
        "torch>=2.10",  # before, a weight file can corrupt memory despite weights_only (CVE-2026-24747)
        "torchvision",
        "einops>=0.7",
        "lmdb",
        "numpy",
        "opencv-python",
        "pillow>=10.1",  # torchvision's; since then it brings letters
        "pyyaml",
        "tqdm",
    ],
    extras_require={
        "plot": PLOT,
        "safetensors": SAFETENSORS,
        "export": EXPORT,
        "heif": HEIF,
        "hub": HUB,
        "converters": CONVERTERS,
        "rivals": RIVALS,
        "web": WEB,
        "docs": DOCS,
        "test": TEST,
    },
    entry_points={
        "console_scripts": ["basicsr = ssiu_arch.cli.main:main", "ssiu = ssiu_arch.cli.main:ssiu"],
        "basicsr.plugins": ["ssiu = ssiu_arch"],
    },
    classifiers=[
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Image Processing",
    ],
)
